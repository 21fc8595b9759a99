//! A small service as others write them: it answers HTTP/1.1, asks an upstream
//! through a breaker of its own, and shows where that stands as resilience4j
//! and Envoy do, and in its output.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long the upstream may take.
const UPSTREAM_MAX: Duration = Duration::from_millis(150);
/// From open to half-open.
const OPEN_FOR: Duration = Duration::from_millis(500);
const FAILURES_MAX: u32 = 5;

#[derive(Clone, Copy, PartialEq)]
enum State {
    Closed,
    Open,
    HalfOpen,
}

struct Service {
    upstream: Option<SocketAddr>,
    /// State, failures in a row, time of the last opening.
    breaker: Mutex<(State, u32, Instant)>,
    served: Mutex<u64>,
    /// Only held.
    _memory: Vec<u8>,
}

/// Serves until it is ended.
pub(crate) fn serve(port: u16, upstream: Option<String>) {
    let mebibytes = std::env::var("STUB_MEMORY_MIB").map_or(0, |n| n.parse::<usize>().unwrap());
    let service = Arc::new(Service {
        upstream: upstream.map(|address| address.parse().unwrap()),
        breaker: Mutex::new((State::Closed, 0, Instant::now())),
        served: Mutex::new(0),
        _memory: vec![1; mebibytes << 20],
    });
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    for stream in listener.incoming().map_while(Result::ok) {
        let service = Arc::clone(&service);
        std::thread::spawn(move || service.converse(stream));
    }
}

impl Service {
    fn converse(&self, stream: TcpStream) -> Option<()> {
        let mut answers = stream.try_clone().ok()?;
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        while let Some(first) = lines.next() {
            let path = first.split(' ').nth(1)?.to_owned();
            // The rest of the head; requests have no body.
            lines.by_ref().find(String::is_empty)?;
            if path == "/hang" {
                return lines.next().map(|_| ());
            }
            let body = self.answer(&path);
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            answers.write_all((head + &body).as_bytes()).ok()?;
        }
        None
    }

    fn answer(&self, path: &str) -> String {
        *self.served.lock().unwrap() += 1;
        let state = self.breaker.lock().unwrap().0;
        match path.split('?').next().unwrap() {
            "/" => self.ask(),
            "/stats" => r#"{"queue":{"length":7}}"#.to_owned(),
            "/actuator/prometheus" => [
                ("closed", State::Closed),
                ("open", State::Open),
                ("half_open", State::HalfOpen),
            ]
            .map(|(word, known)| {
                let value = u8::from(state == known);
                format!(
                    "resilience4j_circuitbreaker_state{{name=\"payments\",state=\"{word}\",}} {value}.0\n\
                     resilience4j_circuitbreaker_state{{name=\"other\",state=\"{word}\",}} 1.0\n"
                )
            })
            .concat(),
            "/stats/prometheus" => format!(
                "# TYPE envoy_cluster_circuit_breakers_default_cx_open gauge\n\
                 envoy_cluster_circuit_breakers_default_cx_open{{envoy_cluster_name=\"other\"}} 1\n\
                 envoy_cluster_circuit_breakers_default_cx_open{{envoy_cluster_name=\"payments\"}} {}\n\
                 served_total {}\n",
                u8::from(state == State::Open),
                self.served.lock().unwrap()
            ),
            "/api/v1/query" => {
                let sample = match path {
                    "/api/v1/query?query=sum%28jobs%7Bkind%3D%22a%20b%22%7D%29" => {
                        r#"{"metric":{},"value":[1.5,"12.5"]}"#
                    }
                    _ => "",
                };
                format!(
                    r#"{{"status":"success","data":{{"resultType":"vector","result":[{sample}]}}}}"#
                )
            }
            _ => "fine".to_owned(),
        }
    }

    /// Asks the upstream unless the breaker is open; there is always an answer.
    fn ask(&self) -> String {
        let Some(upstream) = self.upstream else {
            return "fine".to_owned();
        };
        {
            let mut breaker = self.breaker.lock().unwrap();
            match breaker.0 {
                State::Closed => {}
                State::Open if breaker.2.elapsed() >= OPEN_FOR => {
                    breaker.0 = State::HalfOpen;
                    println!("circuit payments half-open");
                }
                State::Open | State::HalfOpen => return "later".to_owned(),
            }
        }
        let well = call(upstream).is_some();
        let mut breaker = self.breaker.lock().unwrap();
        breaker.1 = if well { 0 } else { breaker.1 + 1 };
        let next = match (breaker.0, well) {
            (State::HalfOpen, true) => State::Closed,
            (State::HalfOpen, false) => State::Open,
            (State::Closed, false) if breaker.1 >= FAILURES_MAX => State::Open,
            (state, _) => state,
        };
        if next != breaker.0 {
            let word = if next == State::Open {
                "opened"
            } else {
                "closed"
            };
            println!("circuit payments {word}");
            *breaker = (next, 0, Instant::now());
        }
        if well { "paid" } else { "later" }.to_owned()
    }
}

/// One request to the upstream, if it answers in time.
fn call(upstream: SocketAddr) -> Option<()> {
    let mut stream = TcpStream::connect_timeout(&upstream, UPSTREAM_MAX).ok()?;
    stream.set_read_timeout(Some(UPSTREAM_MAX)).ok()?;
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
        .ok()?;
    stream.read_exact(&mut [0]).ok()
}
