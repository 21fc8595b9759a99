//! `squall proxy`: the server over HTTP, and its verbs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;

use crate::support::{Ended, HANG, Running, Sandbox};

/// A server on a free port, and its URL.
fn serve(sandbox: &Sandbox, more: &[&str]) -> (Running, String) {
    let args = [&["proxy", "--port", "0"], more].concat();
    let mut running = sandbox.start(&args);
    let line = running.line("its address", |line| line.contains("listens on"));
    let url = line.trim().rsplit(' ').next().unwrap().to_owned();
    (running, url)
}

/// Sends a request as it is; the whole answer but for its date.
fn exchange(url: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let lines = answer.split_inclusive("\r\n");
    lines.filter(|line| !line.starts_with("Date: ")).collect()
}

#[test]
fn answers_have_the_headers_of_toxiproxy() {
    let sandbox = Sandbox::new();
    let (running, url) = serve(&sandbox, &["--seed", "7"]);
    let version = exchange(
        &url,
        "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    let (head, body) = version.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "{\"version\": \"2.12.0\"}\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("\r\nContent-Type: application/json;charset=utf-8"),
        "{head}"
    );
    let id = head.split("\r\nX-Toxiproxy-Request-Id: ").nth(1).unwrap();
    assert_eq!(id.split('\r').next().unwrap().len(), 20);

    let browser = "POST /proxies HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    let refused = exchange(&url, browser);
    assert!(
        refused.starts_with("HTTP/1.1 403 Forbidden\r\n"),
        "{refused}"
    );
    assert!(
        refused.contains("\r\nX-Content-Type-Options: nosniff\r\n"),
        "{refused}"
    );
    assert!(
        refused.ends_with("\r\n\r\nUser agent not allowed\n"),
        "{refused}"
    );

    running.signal(Signal::TERM);
    running.end().assert_code(0);
}

/// A verb of `squall proxy`, its words parted by blanks.
fn verb(sandbox: &Sandbox, words: &str, url: &str) -> Ended {
    let words = format!("proxy {words} --url {url}");
    sandbox.squall(&words.split(' ').collect::<Vec<_>>())
}

#[test]
fn the_verbs_do_what_they_say() {
    let sandbox = Sandbox::new();
    let config = r#"[{"name":"redis","listen":"127.0.0.1:0","upstream":"127.0.0.1:1",
        "toxics":[{"type":"latency","attributes":{"latency":800},"ttl":60000}]}]"#;
    sandbox.write("proxies.json", config);
    let (running, url) = serve(&sandbox, &["--config", "proxies.json"]);
    let ask = |words| {
        let ended = verb(&sandbox, words, &url);
        ended.assert_code(0);
        ended.stdout
    };
    let listed = ask("list");
    assert!(listed.starts_with("NAME "), "{listed}");
    assert!(listed.contains("redis  127.0.0.1:"), "{listed}");
    let shown = ask("inspect redis");
    let toxic = "latency_downstream (latency jitter=0 latency=800) downstream, for 1m: \
                 has not acted yet\n";
    assert!(shown.contains(toxic), "{shown}");
    let created = ask("create db -u 127.0.0.1:2");
    assert!(created.starts_with("db listens on 127.0.0.1:"), "{created}");
    let add = "toxic add db -t bandwidth -n thin -a rate=5 --upstream --toxicity 0.2 --ttl 90s";
    for (words, said) in [
        ("toggle db", "db is disabled"),
        ("toggle db", "db is enabled"),
        (
            add,
            "thin (bandwidth rate=5) upstream, toxicity 0.2, for 1m30s is on db",
        ),
        (
            "toxic update db -n thin -a rate=6",
            "thin (bandwidth rate=6) upstream, toxicity 0.2, for 1m30s is on db",
        ),
        ("toxic remove db -n thin", "thin is off db"),
        ("delete db", "db is deleted"),
    ] {
        assert_eq!(ask(words).trim_end(), said, "{words}");
    }
    let left: serde_json::Value = serde_json::from_str(&ask("list --format json")).unwrap();
    let left: Vec<_> = left.as_object().unwrap().keys().collect();
    assert_eq!(left, ["redis"]);
    running.signal(Signal::INT);
    running.end().assert_code(0);
}

#[test]
fn a_live_connection_is_found_and_reset() {
    let sandbox = Sandbox::new();
    let (running, url) = serve(&sandbox, &[]);
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let create = format!("create db -u {}", upstream.local_addr().unwrap());
    let created = verb(&sandbox, &create, &url);
    created.assert_code(0);
    let none = verb(&sandbox, "connections db", &url);
    assert_eq!(none.stdout, "no live connections\n");
    let address = created.stdout.trim_end().rsplit(' ').next().unwrap();
    let mut caller = TcpStream::connect(address).unwrap();
    let (mut server, _) = upstream.accept().unwrap();
    caller.write_all(b"a").unwrap();
    server.read_exact(&mut [0]).unwrap();
    let listed = verb(&sandbox, "connections db", &url);
    let row = listed.stdout.lines().nth(1).unwrap();
    let peer = caller.local_addr().unwrap().to_string();
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!((cells[0], cells[1]), ("0", &*peer), "{}", listed.stdout);

    let killed = verb(&sandbox, "kill db 0", &url);
    killed.assert_code(0);
    assert_eq!(killed.stdout, "connection 0 of db is reset\n");
    let error = caller.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let again = verb(&sandbox, "kill db 7", &url);
    again
        .assert_code(2)
        .assert_stderr(&["(404): connection not found"]);
    running.signal(Signal::INT);
    running.end().assert_code(0);
}

#[test]
fn a_verb_that_cannot_be_done_says_why() {
    let sandbox = Sandbox::new();
    let (running, url) = serve(&sandbox, &[]);
    verb(&sandbox, "create redis -u x:1", &url).assert_code(0);
    for (words, said) in [
        (
            "delete db",
            "(404): proxy not found; `squall proxy list` shows those there are",
        ),
        ("toxic add redis -t magic", "(400): invalid toxic type"),
        (
            "toxic add redis -t latency -a latency=1s",
            "write NAME=NUMBER",
        ),
        ("create redis -u x:1", "(409): proxy already exists"),
    ] {
        let ended = verb(&sandbox, words, &url);
        ended.assert_code(2).assert_stderr(&[said]);
    }
    drop(running);
    let ended = verb(&sandbox, "list", &url);
    let said = "is `squall proxy` running?";
    ended.assert_code(5).assert_stderr(&[said]);
}

#[test]
fn beyond_loopback_a_token_is_needed() {
    let sandbox = Sandbox::new();
    let refused = sandbox.squall(&["proxy", "--host", "0.0.0.0", "--port", "0"]);
    refused.assert_code(2).assert_stderr(&["--token-file FILE"]);
    sandbox.write("token", "0123456789abcdef\n");
    sandbox.write("other", "fedcba9876543210\n");
    let (_running, url) = serve(&sandbox, &["--token-file", "token"]);
    let list = |more: &[&str]| sandbox.squall(&[&["proxy", "list", "--url", &url], more].concat());
    list(&["--token-file", "token"]).assert_code(0);
    list(&["--token-file", "other"])
        .assert_code(2)
        .assert_stderr(&["(401): send the token"]);
    list(&[]).assert_code(2);
}

#[test]
fn a_file_of_proxies_that_is_none_ends_the_server_with_its_mistake() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "wrong.json",
        r#"[{"name":"a","upstream":"u:1","toxics":[{"type":"slow"}]}]"#,
    );
    let ended = sandbox.squall(&["proxy", "--port", "0", "--config", "wrong.json"]);
    let said = "wrong.json: invalid toxic type at toxic 1 of proxy 1";
    ended.assert_code(2).assert_stderr(&[said]);
    let missing = sandbox.squall(&["proxy", "--port", "0", "--config", "missing.json"]);
    missing.assert_code(2).assert_stderr(&["missing.json"]);
}
