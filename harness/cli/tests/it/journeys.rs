//! A journey through a small shop: who logged in buys, with the token and the
//! cookie that the shop gave.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use squall_record::{Counts, Record, RunEvent};

use crate::support::Sandbox;

/// A shop that ends with the test's process.
fn shop() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || converse(&stream));
        }
    });
    address
}

/// Answers the requests of one connection until it is closed. Requests have no
/// body.
fn converse(stream: &TcpStream) -> Option<()> {
    let mut answers = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let target = first.split(' ').nth(1)?;
        let user = target.rsplit('/').next()?;
        let has = |field: String| head.contains(&field);
        let known = has(format!("cookie: sid={user}")) && has(format!("x-token: t{user}"));
        let (status, sets, body) = match target.split('/').nth(1)? {
            "login" => (
                200,
                format!("set-cookie: sid={user}; Path=/\r\n"),
                format!("{{\"token\":\"t{user}\"}}"),
            ),
            "home" if known => (
                200,
                String::new(),
                "<a href=\"/cart/7\">cart</a>".to_owned(),
            ),
            "cart" if target.starts_with("/cart/7/") => (201, String::new(), String::new()),
            _ => (403, String::new(), String::new()),
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\n{sets}content-length: {length}\r\n\r\n{body}");
        answers.write_all(answer.as_bytes()).ok()?;
    }
    None
}

fn scenario(address: SocketAddr, token: &str) -> String {
    format!(
        "version: 1
name: shopping
seed: 5
target: http://{address}
load:
  shape: [ hold: {{ rate: 40/s, for: 3s }} ]
  warm_up: 0s
  journeys:
    - name: buy
      steps:
        - {{ name: log in, send: GET /login/$who, take: {{ token: {{ json: {token} }} }} }}
        - think: 10ms..50ms
        - name: home
          send: GET /home/$who
          headers: {{ x-token: $token }}
          take: {{ cart: {{ regex: '/cart/([0-9]+)' }} }}
          leave: 20%
        - {{ name: pay, send: GET /cart/$cart/$who, expect: {{ status: 201 }} }}
  data:
    who: {{ count: {{ from: 100 }} }}
slo:
  - during: whole run
    expect: [ success >= 100%, success of buy/pay >= 100%, p50 of buy/home < 60s ]
"
    )
}

#[test]
fn a_journey_goes_on_with_what_it_was_given_and_ends_where_it_fails() {
    let address = shop();
    let sandbox = Sandbox::new();
    let file = sandbox.write("shopping.yaml", scenario(address, "/token"));
    let plan = sandbox.squall(&["plan", &file]);
    plan.assert_code(0)
        .assert_stdout(&["buy/log in", "buy/home", "buy/pay"]);
    let ended = sandbox.squall(&["run", &file, "--ui", "plain"]);
    ended.assert_code(0).assert_stdout(&["PASS"]);
    let run = sandbox.run();
    let record = Record::read(&run).unwrap();
    let ends = record.events.iter().find_map(|told| match &told.event {
        RunEvent::JourneysEnded { journeys } => Some(journeys[0].clone()),
        _ => None,
    });
    let ends = ends.expect("journeys end");
    assert!(ends.is_conserved(), "{ends:?}");
    assert_eq!((ends.started, ends.failed), (120, 0), "{ends:?}");
    assert!(ends.completed > 0 && ends.left > 0, "{ends:?}");

    let other = Sandbox::new();
    let file = other.write("shopping.yaml", scenario(address, "/nothing"));
    other.squall(&["run", &file]).assert_code(1);
    let record = Record::read(&other.run()).unwrap();
    let mut total = Counts::default();
    for route in record
        .intervals
        .iter()
        .flat_map(|interval| &interval.routes)
    {
        total.add(&route.counts);
    }
    assert_eq!((total.scheduled, total.check), (120, 120), "{total:?}");
}
