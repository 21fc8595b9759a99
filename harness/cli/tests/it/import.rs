//! `squall init --from`: what a browser saved, what describes an API and what somebody
//! typed become scenarios that are checked and run as they are.

use serde_json::json;

use crate::load::{Seen, Server};
use crate::support::{Ended, Running, Sandbox};

/// The environment that the scenarios ask for.
const SECRETS: [(&str, &str); 3] = [
    ("TOKEN", "t0ken"),
    ("PASSWORD", "hunter22"),
    ("API_KEY", "k-1"),
];

fn with_secrets(sandbox: &Sandbox, words: &[&str]) -> Ended {
    let mut command = sandbox.command(words);
    command.envs(SECRETS);
    Running::start(command).end()
}

/// Makes a scenario, checks it, and runs it for a second instead of thirty; what the
/// server was asked.
fn run(sandbox: &Sandbox, server: &Server, from: &str, secrets: &[&str]) -> Vec<Seen> {
    let before = server.asked().len();
    let made = sandbox.squall(&["init", "made.yaml", "--from", from]);
    made.assert_code(0).assert_stdout(&["wrote made.yaml"]);
    let asked_for: Vec<_> = SECRETS.iter().map(|(name, _)| *name).collect();
    for name in asked_for {
        let said = made.stderr.contains(&format!("export {name}="));
        assert_eq!(said, secrets.contains(&name), "{name} in {made}");
    }
    let checked = with_secrets(sandbox, &["check", "--strict", "made.yaml"]);
    checked.assert_code(0);
    assert_eq!(checked.stderr, "", "no finding");
    let path = sandbox.work().join("made.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    for (_, secret) in SECRETS {
        assert!(!text.contains(secret), "{text}");
    }
    let hold = "hold: { rate: 10/s, for: 30s }";
    assert!(text.contains(hold), "{text}");
    let short = text.replace(hold, "hold: { rate: 200/s, for: 1s }");
    std::fs::write(&path, short).unwrap();
    with_secrets(sandbox, &["run", "made.yaml", "--ui", "none"]).assert_code(0);
    std::fs::remove_file(path).unwrap();
    server.asked().split_off(before)
}

fn lines(asked: &[Seen]) -> Vec<String> {
    let mut lines: Vec<String> = asked.iter().map(|seen| seen.line.clone()).collect();
    lines.sort();
    lines.dedup();
    lines
}

#[test]
fn what_a_browser_saved_is_sent_again() {
    let sandbox = Sandbox::new();
    let server = Server::start("200 OK");
    let entry = |method: &str, path: &str, more: serde_json::Value| {
        let mut request = json!({
            "method": method,
            "url": server.url(path),
            "headers": [{ "name": "Authorization", "value": "Bearer t0ken" }],
        });
        if !more.is_null() {
            request["postData"] = more;
        }
        json!({ "request": request, "response": { "status": 200 } })
    };
    let login = json!({
        "mimeType": "application/json",
        "text": r#"{"user": "me", "password": "hunter22"}"#,
    });
    let har = json!({ "log": { "entries": [
        entry("GET", "/items/1?page=2", json!(null)),
        entry("GET", "/items/2?page=2", json!(null)),
        entry("GET", "/page?wsdl", json!(null)),
        entry("POST", "/login", login),
    ] } });
    let file = sandbox.write("visit.har", har.to_string());
    let asked = run(&sandbox, &server, &file, &["TOKEN", "PASSWORD"]);
    assert_eq!(
        lines(&asked),
        [
            "GET /items/1?page=2 HTTP/1.1",
            "GET /items/2?page=2 HTTP/1.1",
            "GET /page?wsdl HTTP/1.1",
            "POST /login HTTP/1.1"
        ]
    );
    let bearer = "authorization: Bearer t0ken".to_owned();
    assert!(asked.iter().all(|seen| seen.headers.contains(&bearer)));
    let login = asked.iter().find(|seen| seen.line.starts_with("POST"));
    assert_eq!(
        login.unwrap().body,
        r#"{"user":"me","password":"hunter22"}"#
    );
}

#[test]
fn what_describes_an_api_is_asked() {
    let sandbox = Sandbox::new();
    let server = Server::start("201 Created");
    let api = format!(
        "openapi: 3.1.0
info: {{ title: a shop }}
servers: [ {{ url: '{}' }} ]
security: [ {{ key: [] }} ]
components:
  securitySchemes:
    key: {{ type: apiKey, in: header, name: x-key }}
  schemas:
    Order:
      required: [ size, next ]
      properties:
        size: {{ type: string, enum: [ '38' ] }}
        next: {{ $ref: '#/components/schemas/Order' }}
paths:
  /orders/{{id}}:
    get:
      parameters:
        - {{ name: id, in: path, required: true, schema: {{ type: integer, minimum: 7, maximum: 7 }} }}
        - {{ name: accept, in: header, required: true, schema: {{ type: string }} }}
  /orders:
    post:
      requestBody:
        content: {{ application/json: {{ schema: {{ $ref: '#/components/schemas/Order' }} }} }}
      responses: {{ '201': {{ description: made }} }}
",
        server.url("/v1")
    );
    let file = sandbox.write("api.yaml", api);
    let asked = run(&sandbox, &server, &file, &["API_KEY"]);
    assert_eq!(
        lines(&asked),
        ["GET /v1/orders/7 HTTP/1.1", "POST /v1/orders HTTP/1.1"]
    );
    let key = "x-key: k-1".to_owned();
    assert!(asked.iter().all(|seen| seen.headers.contains(&key)));
    let post = asked.iter().find(|seen| seen.line.starts_with("POST"));
    assert_eq!(post.unwrap().body, r#"{"size":"38","next":null}"#);
}

#[test]
fn what_somebody_typed_is_sent_again() {
    let sandbox = Sandbox::new();
    let server = Server::start("200 OK");
    let line = format!(
        "$ curl -u me:hunter22 '{}' -F 'note=\"a;b\";type=text/plain' -L --max-redirs 0>out.txt",
        server.url("/photos?tag=a+b")
    );
    let asked = run(&sandbox, &server, &line, &["PASSWORD"]);
    assert_eq!(lines(&asked), ["POST /photos?tag=a+b HTTP/1.1"]);
    let basic = "authorization: Basic bWU6aHVudGVyMjI=".to_owned();
    assert!(asked[0].headers.contains(&basic), "{:?}", asked[0].headers);
    let part = "name=\"note\"\r\ncontent-type: text/plain\r\n\r\na;b\r\n";
    assert!(asked[0].body.contains(part), "{}", asked[0].body);
}

#[test]
fn a_file_that_a_line_names_and_that_is_not_there_is_told() {
    let sandbox = Sandbox::new();
    let line = "curl -d @order.json http://127.0.0.1:8080/";
    let made = sandbox.squall(&["init", "made.yaml", "--from", line]);
    made.assert_code(0)
        .assert_stderr(&["missing: I cannot read `order.json`"]);
    let wrong = sandbox.squall(&["init", "other.yaml", "--from", "nothing.har"]);
    wrong
        .assert_code(2)
        .assert_stderr(&["nothing.har: No such"]);
    assert!(!sandbox.work().join("other.yaml").exists());
}
