//! Calls of gRPC, server-sent events and WebSockets from one line.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hyper::{HeaderMap, Response};
use serde_json::Value;
use squall_record::Record;
use tungstenite::Message;

use crate::support::Sandbox;

/// What a server was asked, in order.
type Heard = Arc<Mutex<Vec<String>>>;

/// A server that does with each connection what a test says, each on a thread that
/// ends with the test's process.
fn server(serve: impl Fn(TcpStream, &Heard) + Clone + Send + 'static) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let told = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (told, serve) = (Arc::clone(&told), serve.clone());
            std::thread::spawn(move || serve(stream, &told));
        }
    });
    (address, heard)
}

/// Answers each call with its own message.
fn answer_calls(stream: TcpStream, heard: &Heard) {
    stream.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let Ok(mut connection) = h2::server::handshake(stream).await else {
            return;
        };
        while let Some(Ok((request, mut to))) = connection.accept().await {
            let heard = Arc::clone(heard);
            tokio::spawn(async move {
                let path = request.uri().path().to_owned();
                let mut body = request.into_body();
                let mut message = Vec::new();
                while let Some(Ok(part)) = body.data().await {
                    message.extend_from_slice(&part);
                    let _ = body.flow_control().release_capacity(part.len());
                }
                heard.lock().unwrap().push(format!("{path} {message:?}"));
                let head = Response::builder().header("content-type", "application/grpc");
                let Ok(mut answer) = to.send_response(head.body(()).unwrap(), false) else {
                    return;
                };
                let _ = answer.send_data(Bytes::from(message), false);
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                let _ = answer.send_trailers(trailers);
            });
        }
    });
}

/// Sends three events and then none, until the client has left.
fn send_events(stream: TcpStream, heard: &Heard) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let Some(asked) = lines.next() else {
        return;
    };
    heard.lock().unwrap().push(asked);
    for line in lines.by_ref() {
        if line.is_empty() {
            break;
        }
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let _ = (&stream).write_all(head.as_bytes());
    for number in 0..3 {
        let _ = (&stream).write_all(format!("data: {{\"n\":{number}}}\n\n").as_bytes());
    }
    let _ = lines.next();
}

/// Says each message again.
fn echo(stream: TcpStream, heard: &Heard) {
    let Ok(mut socket) = tungstenite::accept(stream) else {
        return;
    };
    while let Ok(message) = socket.read() {
        if let Message::Text(text) = message {
            heard.lock().unwrap().push(text.to_string());
            let _ = socket.send(Message::Text(text));
        }
    }
}

/// Runs a line of 20 arrivals, all of which have to be good, and then the scenario
/// that it prints: it has to be the same one.
fn run_and_again(sandbox: &Sandbox, line: &[&str]) {
    let more = ["-r", "20/s", "-d", "1s", "--warm-up", "0s", "--seed", "7"];
    let line = [&["load"][..], line, &more, &["-e", "success >= 60%"]].concat();
    let ended = sandbox.squall(&[&line[..], &["--format", "json"]].concat());
    ended.assert_code(0);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["outcome"], "pass", "{ended}");
    let verdict = crate::support::verdict(&sandbox.run());
    let counts = verdict.conservation;
    assert_eq!((counts.scheduled, counts.good), (20, 20), "{ended}");

    let printed = sandbox.squall(&[&line[..], &["--print-scenario"]].concat());
    printed.assert_code(0);
    let file = sandbox.write("printed.yaml", &printed.stdout);
    sandbox.squall(&["run", &file]).assert_code(0);
    let runs = sandbox.runs();
    let records = runs
        .iter()
        .map(|run| Record::read(run).unwrap().manifest.scenario);
    let records: Vec<_> = records.collect();
    assert!(records.len() == 2 && records[0] == records[1], "{runs:?}");
}

#[test]
fn a_line_calls_a_method() {
    let (address, heard) = server(answer_calls);
    let sandbox = Sandbox::new();
    let proto = "syntax = \"proto3\";\npackage greet;\nmessage Hello { string name = 1; }\n\
                 service Greeter { rpc Greet(Hello) returns (Hello); }\n";
    let proto = sandbox.write("greet.proto", proto);
    let url = format!("grpc://{address}");
    let call = ["--call", "greet.Greeter/Greet", "-b", "{\"name\":\"$x\"}"];
    run_and_again(
        &sandbox,
        &[&[url.as_str(), "--proto", &proto], &call[..]].concat(),
    );
    let heard = heard.lock().unwrap();
    // Five bytes before a message of two, then its field 1.
    let expected = "/greet.Greeter/Greet [0, 0, 0, 0, 4, 10, 2, 36, 120]";
    assert_eq!(heard.len(), 40);
    assert!(heard.iter().all(|asked| asked == expected), "{}", heard[0]);
}

#[test]
fn a_line_reads_events_and_leaves() {
    for stay in [["--events", "3"], ["--events-for", "1s"]] {
        let (address, heard) = server(send_events);
        let url = format!("http://{address}/prices?of=$x");
        run_and_again(&Sandbox::new(), &[&[url.as_str()], &stay[..]].concat());
        let heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 40);
        assert!(
            heard
                .iter()
                .all(|asked| asked == "GET /prices?of=$x HTTP/1.1")
        );
    }
}

#[test]
fn a_line_talks_on_a_socket() {
    let (address, heard) = server(echo);
    let url = format!("ws://{address}/echo");
    run_and_again(
        &Sandbox::new(),
        &[&url, "--message", "{\"n\":1}", "--receive", "1"],
    );
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 40);
    assert!(heard.iter().all(|said| said == "{\"n\":1}"), "{}", heard[0]);
}
