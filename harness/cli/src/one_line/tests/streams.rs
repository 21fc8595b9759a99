//! Calls of gRPC, server-sent events and WebSockets, as they are typed.

use squall_scenario::Stay;

use super::*;

/// A file that describes one method, and its path.
fn described() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greet.proto");
    let text = "syntax = \"proto3\";\npackage greet;\nmessage Hello { string name = 1; \
                repeated int64 ids = 2; map<string, string> tags = 3; }\n\
                service Greeter { rpc Greet(Hello) returns (Hello); }\n";
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn a_call_is_what_a_file_says_of_one() {
    let (folder, proto) = described();
    let (text, scenario) = composed(&[
        "grpcs://localhost:50051",
        "--proto",
        &proto,
        "--call",
        "greet.Greeter/Greet",
        "-b",
        "{\"name\": \"5$ ${HOME}\",\n \"ids\": [9223372036854775807], \"tags\": {\"$a\": \"\\/$b\"}}",
        "--status",
        "OK,NOT_FOUND",
        "-H",
        "x-user: me",
        "--within",
        "1s",
    ]);
    let text = text.replace(&folder.path().display().to_string(), "");
    insta::assert_snapshot!(text, @r#"
    # written by `squall load`
    version: 1
    name: load localhost:50051/greet.Greeter/Greet
    target: https://localhost:50051
    load:
      shape:
        - hold:
            rate: 50/s
            for: 10s
      requests:
        - call: greet.Greeter/Greet
          proto: /greet.proto
          message: {"name": "5$$ $${HOME}",  "ids": [9223372036854775807], "tags": {"$a": "/$$b"}}
          within: 1s
          expect:
            status:
              - OK
              - NOT_FOUND
          headers:
            x-user: me
    "#);
    let request = &scenario.load.requests[0];
    let message = request.body.as_ref().unwrap().source();
    assert_eq!(
        message.replace("$$", "$"),
        r#"{"name":"5$ ${HOME}","ids":[9223372036854775807],"tags":{"$a":"/$b"}}"#
    );
    assert_eq!(request.call.as_ref().unwrap().method, "greet.Greeter/Greet");
    let plain = [
        "grpc://localhost",
        "--proto",
        &proto,
        "--call",
        "greet.Greeter/Greet",
    ];
    let (text, scenario) = composed(&[&plain[..], &["--http2"]].concat());
    assert!(text.contains("target: http://localhost\n"), "{text}");
    assert_eq!(
        scenario.load.requests[0].body.as_ref().unwrap().source(),
        "{}"
    );
}

#[test]
fn a_client_leaves_a_stream_when_the_line_says_so() {
    let stay = |words: &[&str]| {
        let line = [&["http://localhost/a?b=$c"][..], words].concat();
        composed(&line).1.load.requests[0].events
    };
    let time = Some(std::time::Duration::from_secs(2));
    let count = Some(3);
    assert_eq!(stay(&[]), None);
    assert_eq!(stay(&["--events", "3"]), Some(Stay { count, time: None }));
    assert_eq!(
        stay(&["--events-for", "2s"]),
        Some(Stay { count: None, time })
    );
    let both = ["--events", "3", "--events-for", "2s", "-b", "{}"];
    assert_eq!(stay(&both), Some(Stay { count, time }));
    assert_eq!(stay(&["--events", "all"]), Some(Stay::default()));
}

#[test]
fn a_socket_is_what_a_file_says_of_one() {
    let (text, scenario) = composed(&[
        "wss://localhost:8443/chat?room=$a",
        "--message",
        "{\"n\": 1}",
        "--message",
        "5$ ${HOME}",
        "--receive",
        "1",
        "--receive-for",
        "2s",
        "--status",
        "1000,4001",
        "--bearer",
        "${PATH}",
    ]);
    let request = text.split_once("requests:\n").unwrap().1;
    insta::assert_snapshot!(request, @r#"
        - name: socket /chat
          socket: /chat?room=$$a
          message:
            - "{\"n\": 1}"
            - 5$$ $${HOME}
          receive:
            count: 1
            for: 2s
          expect:
            status:
              - 1000
              - 4001
          auth:
            bearer: ${PATH}
    "#);
    assert!(text.contains("target: https://localhost:8443\n"), "{text}");
    let socket = scenario.load.requests[0].socket.clone().unwrap();
    assert_eq!(socket.messages.len(), 2);
    let (_, scenario) = composed(&["ws://localhost", "--message", "", "--message", "-"]);
    let request = &scenario.load.requests[0];
    let stay = request.socket.as_ref().unwrap().stay;
    assert_eq!((request.path.source(), stay.count), ("/", Some(2)));
}

#[test]
fn what_is_of_another_protocol_is_pointed_at() {
    let cases: [(&[&str], &[&str]); 16] = [
        (
            &["http://localhost", "--call", "x/Y"],
            &["--call x/Y", "`grpc://localhost`"],
        ),
        (&["localhost:1", "--call", "x/Y"], &["`grpc://localhost:1`"]),
        (
            &["ws://localhost", "--message", "m", "--proto", "x"],
            &["--proto x", "`grpc://localhost`"],
        ),
        (
            &["http://localhost", "--message", "x"],
            &["--message x", "`ws://localhost/PATH`"],
        ),
        (&["localhost/b", "--receive", "1"], &["`ws://localhost/b`"]),
        (
            &["ws://localhost", "--message", "x", "-b", "y"],
            &["--body y", "`--message TEXT`"],
        ),
        (
            &["ws://localhost", "--message", "x", "-m", "PUT"],
            &["--method PUT"],
        ),
        (
            &["ws://localhost", "--message", "x", "--http2"],
            &["--http2", "HTTP/1.1"],
        ),
        (
            &["ws://localhost/b"],
            &["ws://localhost/b\n", "^^", "`--message TEXT`"],
        ),
        (
            &["grpc://localhost"],
            &["grpc://localhost\n", "`--call package.Service/Method`"],
        ),
        (
            &["grpc://localhost", "--call", "x/Y"],
            &["--call x/Y", "`--proto FILE.proto`"],
        ),
        (
            &["grpc://localhost/x/Y"],
            &["/x/Y", "`--call package.Service/Method`"],
        ),
        (
            &["http://localhost", "--events", "many"],
            &["--events many", "`--events-for 8s`"],
        ),
        (
            &["http://localhost", "--events", "all", "--events-for", "1s"],
            &["--events all"],
        ),
        (
            &["http://localhost", "--events-for", "1"],
            &["--events-for 1", "no unit"],
        ),
        (&["ws://localhost", "--receive", "0"], &["--receive 0"]),
    ];
    for (words, parts) in cases {
        let said = refused(words);
        for part in parts {
            assert!(said.contains(part), "{words:?} {part}: {said}");
        }
        // Without a scheme the rest is looked at all the same.
        let errors = if words[0] == "localhost:1" { 2 } else { 1 };
        assert_eq!(said.matches("error[").count(), errors, "{words:?}: {said}");
    }
}

#[test]
fn what_cannot_be_called_is_pointed_at() {
    let (_folder, proto) = described();
    let call = |method: &str, body: &str| {
        let said = refused(&[
            "grpc://localhost",
            "--proto",
            &proto,
            "--call",
            method,
            "-b",
            body,
        ]);
        assert_eq!(said.matches("error[").count(), 1, "{said}");
        said
    };
    let method = "greet.Greeter/Greet";
    let said = call("greet.Greeter/Great", "{}");
    assert!(said.contains("--call greet.Greeter/Great"), "{said}");
    assert!(said.contains("`greet.Greeter/Greet`"), "{said}");
    let said = call(method, "{\"nome\": 1}");
    insta::assert_snapshot!(said, @r#"
    error[S0127]: a greet.Hello has no field called `nome`
     --> command line:6:9
      |
    6 | --body {"nome": 1}
      |         ^^^^^^ not in the file
      |
      = help: did you mean `name`?
    "#);
    for (body, help) in [
        ("@hello.json", "`-b \"$(cat hello.json)\"`"),
        ("[1]", "`-b '{\"name\": \"x\"}'`"),
        ("{\"name\": }", "`-b '{\"name\": \"x\"}'`"),
    ] {
        let said = call(method, body);
        assert!(said.contains(help) && said.contains("--body "), "{said}");
    }
    let missing = refused(&["grpc://localhost", "--proto", "no.proto", "--call", method]);
    assert!(missing.contains("--proto no.proto"), "{missing}");
}

#[test]
fn lines_of_streams_repeat_themselves() {
    for words in [
        "grpc://localhost -r 5/s -d 10s --call a.B/C --proto c.proto",
        "http://localhost/a -r 5/s -d 10s --events 3 --events-for 2s",
        "ws://localhost/a -r 5/s -d 10s --receive 3 --receive-for 2s --message a --message b",
    ] {
        let line = again::command(&args(&words.split(' ').collect::<Vec<_>>()));
        assert_eq!(line, format!("squall load {words}"));
    }
}
