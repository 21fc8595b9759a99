//! The line and the scenario it stands for: what is asked is what is sent, and
//! what is wrong is pointed at in the line.

use clap::Parser;
use proptest::prelude::*;
use squall_load::RequestMaker;
use squall_scenario::Scenario;
use squall_scenario_file::{Source, explain};

use super::*;
use crate::args::{Cli, Command, ContentArgs};

mod content;
mod streams;

fn args(words: &[&str]) -> LoadArgs {
    let line = ["squall", "load"].iter().chain(words);
    match Cli::try_parse_from(line).unwrap().command {
        Command::Load(args) => *args,
        other => panic!("{other:?}"),
    }
}

/// The text and the scenario of a line without a mistake.
fn composed(words: &[&str]) -> (String, Scenario) {
    let Read {
        sound, findings, ..
    } = read(&args(words), Some(&Allowed::default()));
    let sound = sound.unwrap_or_else(|| panic!("{findings:?}"));
    (sound.text, sound.scenario)
}

/// What is said about a line that is wrong.
fn refused(words: &[&str]) -> String {
    let Read {
        arguments,
        findings,
        sound,
    } = read(&args(words), Some(&Allowed::default()));
    assert!(sound.is_none(), "{words:?}");
    let sources = [arguments.source().clone()];
    let texts = findings.iter().map(|found| found.render(&sources, false));
    texts.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_url_is_enough() {
    let (text, scenario) = composed(&["http://127.0.0.1:8080"]);
    insta::assert_snapshot!(text, @r"
    # written by `squall load`
    version: 1
    name: load 127.0.0.1:8080/
    target: http://127.0.0.1:8080
    load:
      shape:
        - hold:
            rate: 50/s
            for: 10s
      requests:
        - name: GET /
          send: GET /
    ");
    assert!(scenario.slo.is_empty());
}

#[test]
fn everything_has_its_place() {
    let (text, _) = composed(&[
        "http://[::1]:8080/a$b/c?q=1&r=$x#".trim_end_matches('#'),
        "-r",
        "200/s",
        "-d",
        "30s",
        "--ramp",
        "5s",
        "--arrivals",
        "poisson",
        "-m",
        "put",
        "-H",
        "x-a: one: two",
        "-H",
        "accept:*/*",
        "-b",
        "{\"price\": \"5$\"}\n",
        "--within",
        "1s",
        "--status",
        "200,4xx",
        "-e",
        "p99 < 300ms",
        "-e",
        "success >= 99%",
        "--timeout",
        "2s",
        "-c",
        "20",
        "--workers",
        "2",
        "--seed",
        "7",
    ]);
    insta::assert_snapshot!(text, @r#"
    # written by `squall load`
    version: 1
    name: load [::1]:8080/a$b/c
    seed: 7
    target: http://[::1]:8080
    load:
      shape:
        - ramp:
            from: 0/s
            to: 200/s
            over: 5s
        - hold:
            rate: 200/s
            for: 30s
            arrivals: poisson
      requests:
        - name: PUT /a$b/c
          send: PUT /a$$b/c?q=1&r=$$x
          within: 1s
          expect:
            status:
              - 200
              - 4xx
          headers:
            x-a: "one: two"
            accept: "*/*"
          body: "{\"price\": \"5$$\"}\n"
      connections: 20
      workers: 2
      timeout: 2s
      warm_up: 0s
    slo:
      - during: whole run
        expect:
          - p99 < 300ms
          - success >= 99%
    "#);
}

#[test]
fn a_closed_loop_has_as_many_users_as_connections() {
    let shape = |words: &[&str]| composed(words).1.load.shape[0].to_string();
    let url = "http://localhost/";
    let line = [
        url, "--closed", "-c", "64", "-d", "30s", "--think", "1s..3s",
    ];
    assert_eq!(
        shape(&line),
        "closed loop of 64 users for 30s, thinking 1s..3s"
    );
    assert_eq!(shape(&[url, "--closed"]), "closed loop of 50 users for 10s");
}

#[test]
fn what_is_wrong_is_pointed_at_in_the_line() {
    let line = "http://127.0.0.1:8080/x|-r|200|-d|soon|-m|GTE|-H|accept|-H|x a: b|--within|30s|\
                --status|twohundred|-e|p99 < 300|-c|many";
    let said = refused(&line.split('|').collect::<Vec<_>>());
    insta::assert_snapshot!(said, @r#"
    error[S0107]: a header has a name and a value
     --> command line:7:10
      |
    7 | --header accept
      |          ^^^^^^ no colon
      |
      = help: write `-H 'accept: VALUE'`

    error[S0110]: `200` has no unit
     --> command line:2:8
      |
    2 | --rate 200
      |        ^^^ a second or a minute?
      |
      = help: write `200/s`

    error[S0111]: `soon` is not a duration
     --> command line:3:12
      |
    3 | --duration soon
      |            ^^^^ a number with its unit goes here
      |
      = help: write `30s`, `1m30s` or `250ms`

    error[S0114]: `GTE /x` is not a method and a path
     --> command line:4:10
      |
    4 | --method GTE
      |          ^^^ not a method
      |
      = help: did you mean `GET`?

    error[S0108]: `twohundred` is not a status
     --> command line:6:10
      |
    6 | --status twohundred
      |          ^^^^^^^^^^ 100 to 599, or 2xx
      |
      = help: write for instance `200`, `2xx` or `[200, 404]`

    error[S0107]: `x a` cannot be a header
     --> command line:8:10
      |
    8 | --header x a: b
      |          ^^^ here
      |
      = help: header names have letters, digits and dashes: `content-type`

    error[S0109]: `many` is not a whole number
     --> command line:9:15
      |
    9 | --connections many
      |               ^^^^ a whole number
      |
      = help: write digits, without a unit

    error[S0301]: a gate needs a unit after 300
      --> command line:10:16
       |
    10 | --expect p99 < 300
       |                ^^^ 300 what?
       |
       = help: write `p99 < 300ms`
    "#);
}

#[test]
fn a_wrong_url_does_not_hide_the_rest() {
    let said = refused(&[
        "localhost:8080/x",
        "-e",
        "p99 <",
        "-H",
        "a: 1",
        "-H",
        "A: 2",
    ]);
    insta::assert_snapshot!(said, @r#"
    error[S0115]: a URL says how to speak to the host
     --> command line:1:1
      |
    1 | localhost:8080/x
      | ^^^^^^^^^^^^^^^^ no http://
      |
      = help: write `http://localhost:8080/x`

    error[S0112]: the header "A" is there already
     --> command line:5:10
      |
    5 | --header A: 2
      |          ^ again here
      |
      = help: a request carries each header once; join the values by `, `

    error[S0304]: a gate needs a value
     --> command line:6:10
      |
    6 | --expect p99 <
      |          ^^^^^ compared with what?
      |
      = help: write for instance `p99 < 300ms`
    "#);
}

#[test]
fn other_hosts_need_to_be_allowed() {
    let words = ["http://shop.example.com/x"];
    let said = refused(&words);
    assert!(said.contains("S0410"), "{said}");
    assert!(said.contains("--> command line:1:1"), "{said}");
    assert!(said.contains("--allow-remote shop.example.com"), "{said}");
    let allowed = read(
        &args(&words),
        Some(&Allowed {
            hosts: vec!["shop.example.com".to_owned()],
            ..Allowed::default()
        }),
    );
    assert!(allowed.sound.is_some());
    let printed = read(&args(&words), None);
    assert!(printed.sound.is_some());
}

#[test]
fn too_few_samples_are_told_at_the_gate() {
    let read = read(
        &args(&["http://localhost/", "-e", "p99.9 < 1s"]),
        Some(&Allowed::default()),
    );
    let sources = [read.arguments.source().clone()];
    let said = read.findings[0].render(&sources, false);
    assert!(read.sound.is_some());
    assert!(said.contains("warning[S0310]"), "{said}");
    assert!(said.contains("--expect p99.9 < 1s"), "{said}");
}

#[test]
fn the_environment_is_for_headers_only() {
    let path = std::env::var("PATH").unwrap();
    let (text, scenario) = composed(&[
        "http://localhost/$PATH",
        "-H",
        "x-path: a $ ${PATH}",
        "-b",
        "${PATH}",
    ]);
    assert!(!text.contains(&path), "{text}");
    let request = RequestMaker::new(&scenario.load, 1).unwrap().prepare(0);
    let request = request.unwrap();
    assert_eq!(request.path, "/$PATH");
    assert_eq!(request.body, "${PATH}");
    assert_eq!(request.headers[0].1, format!("a $ {path}").as_str());

    let said = refused(&["http://localhost/", "-H", "x: a ${SQUALL_IS_NOT_SET}"]);
    insta::assert_snapshot!(said, @r#"
    error[S0401]: ${SQUALL_IS_NOT_SET} is not set
     --> command line:4:15
      |
    4 | --header x: a ${SQUALL_IS_NOT_SET}
      |               ^^^^^^^^^^^^^^^^^^^^
      |
      = help: export SQUALL_IS_NOT_SET, or give a default: `${SQUALL_IS_NOT_SET:-none}`
    "#);
    let said = refused(&["http://localhost/", "-H", "x: a: ${PATH}"]);
    assert!(said.contains("S0402") && said.contains("${NAME}"), "{said}");
}

#[test]
fn the_target_is_reached_as_the_line_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = folder.path().join(name);
        let kind = if name == "key.pem" {
            "PRIVATE KEY"
        } else {
            "CERTIFICATE"
        };
        let text = format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (ca, cert, key) = (file("ca.pem"), file("cert.pem"), file("key.pem"));
    let (text, scenario) = composed(&[
        "https://localhost/a",
        "--disable-keepalive",
        "--http2",
        "--cacert",
        &ca,
        "--cert",
        &cert,
        "--key",
        &key,
        "--connect-to",
        "localhost:443:127.0.0.1:8443",
        "--connect-to",
        "[::1]:8443",
    ]);
    let text = text.replace(&folder.path().display().to_string(), "");
    insta::assert_snapshot!(text.split_once("GET /a\n").unwrap().1, @r#"
          send: GET /a
      connections: per request
      connect_to:
        - 127.0.0.1:8443
        - "[::1]:8443"
      http: 2
      tls:
        ca: /ca.pem
        certificate: /cert.pem
        key: /key.pem
    "#);
    assert!(scenario.load.connecting.per_request);
    let (text, _) = composed(&["https://localhost/", "-k"]);
    assert!(text.contains("  tls:\n    insecure: true\n"), "{text}");
    let (text, _) = composed(&["http://localhost/", "--unix-socket", "/run/a b.sock"]);
    assert!(
        text.contains("  connect_to: unix:/run/a b.sock\n"),
        "{text}"
    );
    let said = refused(&[
        "http://localhost/",
        "--connect-to",
        "elsewhere:80:127.0.0.1:81",
    ]);
    assert!(said.contains("`--connect-to 127.0.0.1:81`"), "{said}");
}

#[test]
fn a_connection_for_each_request_leaves_a_closed_loop_its_users() {
    let line = ["http://localhost/", "--disable-keepalive", "-c", "4"];
    let (text, scenario) = composed(&[&line[..], &["--closed"]].concat());
    assert!(text.contains("        users: 4\n"), "{text}");
    assert!(scenario.load.connecting.per_request);
    assert_eq!(scenario.load.connections, None);
    insta::assert_snapshot!(refused(&line), @r"
    error[S0113]: where each request has a connection, none are shared
     --> command line:5:15
      |
    5 | --connections 4
      |               ^ so this says nothing
      |
      = help: leave out one of the two; with `--closed` this is how many users there are
    ");
}

#[test]
fn options_without_a_value_are_pointed_at() {
    insta::assert_snapshot!(refused(&["http://localhost/", "-k"]), @r"
    error[S0113]: the target is spoken to without TLS
     --> command line:4:1
      |
    4 | --insecure
      | ^^^^^^^^^^ so this says nothing
      |
      = help: write `target: https://…`, or leave this out
    ");
}

#[test]
fn paths_of_a_line_start_where_it_is_typed() {
    let said = refused(&["http://localhost/", "-b", "@no/such/file"]);
    let help = "= help: the path is relative to the folder you are in";
    assert!(said.contains(help), "{said}");
}

#[test]
fn the_line_repeats_itself() {
    let words = [
        "http://localhost/a?b=c",
        "-r",
        "5/s",
        "-d",
        "10s",
        "--arrivals",
        "poisson",
        "--ramp",
        "2s",
        "--warm-up",
        "1s",
        "-m",
        "put",
        "-b",
        "it's",
        "--within",
        "1s",
        "--timeout",
        "2s",
        "-c",
        "9",
        "-H",
        "x: ${PATH}",
        "--status",
        "200",
        "--status",
        "404",
        "-e",
        "p99 < 1s",
    ];
    let line = again::command(&args(&words));
    // What a shell makes of it are the words that were given.
    let words: Vec<String> = words.iter().map(|word| quoted_word(word)).collect();
    assert_eq!(line, format!("squall load {}", words.join(" ")));
}

fn quoted_word(word: &str) -> String {
    crate::session::quoted(word)
}

#[test]
fn codes_are_those_of_files() {
    for code in [
        NO_GATES, "S0001", "S0003", "S0004", "S0107", "S0112", "S0114", "S0115", "S0402",
    ] {
        assert!(explain(code).is_some(), "{code}");
    }
}

prop_compose! {
    /// What a URL may hold after its host.
    fn path_and_query()(
        path in "(/([A-Za-z0-9$._~!&'()*+,;:@=-]|%[0-9A-Fa-f]{2}){0,9}){0,3}",
        query in "(\\?([A-Za-z0-9$._~!&'()*+,;:@=/?\\[\\]-]|%[0-9A-Fa-f]{2}){0,12})?",
    ) -> (String, String) {
        (path, query)
    }
}

proptest! {
    #[test]
    fn what_is_asked_is_what_is_sent(
        host in "(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[1-9][0-9]{0,3})?",
        (path, query) in path_and_query(),
        method in "(GET|head|Post|PUT|patch|DELETE|options)",
        headers in proptest::collection::btree_map(
            "[a-z0-9!#$%&'*+.^_`|~-]{1,9}", "[!-~]([ -~]{0,12}[!-~])?", 0..4),
        body in proptest::option::of("[^@](?s:.{0,20})"),
    ) {
        prop_assume!(headers.values().all(|value| !value.contains("${")));
        let url = format!("http://{host}{path}{query}");
        let headers: Vec<_> = headers.into_iter().collect();
        let lines: Vec<_> = headers.iter().map(|(n, v)| format!("--header={n}: {v}")).collect();
        let mut words = vec![url.as_str(), "-m", &method];
        for line in &lines {
            words.push(line);
        }
        let body_word = body.as_ref().map(|body| format!("--body={body}"));
        words.extend(body_word.as_deref());
        let (text, scenario) = composed(&words);

        let read_again = parse_scenario(&Source::new("x", text), &ParseOptions::new(&|_| None));
        prop_assert_eq!(read_again.value.as_ref(), Some(&scenario));
        let request = RequestMaker::new(&scenario.load, 1).unwrap().prepare(0).unwrap();
        prop_assert_eq!(request.method.as_str(), method.to_uppercase());
        let path = if path.is_empty() { "/" } else { &path };
        prop_assert_eq!(request.path, format!("{path}{query}"));
        prop_assert_eq!(request.body, body.unwrap_or_default());
        let sent: Vec<_> = request.headers.iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        prop_assert_eq!(sent, headers);
    }

    /// Whatever is typed, there is a scenario or an error, and every place that
    /// is named lies in the line.
    #[test]
    fn anything_can_be_typed(
        url in ".*", rate in ".*", duration in ".{0,9}", header in ".*", gate in ".*",
        status in ".{0,5}", body in "(?s:.*)", form in 0..4,
        who in proptest::option::of(".*"),
    ) {
        let mut args = args(&["http://localhost/"]);
        (args.url, args.rate, args.duration) = (url, rate, duration);
        (args.headers, args.expect) = (vec![header], vec![gate]);
        args.status = vec![status];
        args.content = match form {
            0 => ContentArgs { body: Some(body), bearer: who, ..ContentArgs::default() },
            1 => ContentArgs { json: Some(body), user: who, ..ContentArgs::default() },
            2 => ContentArgs { form: vec![body.clone(), body], ..ContentArgs::default() },
            _ => ContentArgs { data_urlencode: vec![body], ..ContentArgs::default() },
        };
        let Read { arguments, findings, sound } = read(&args, Some(&Allowed::default()));
        prop_assert_eq!(sound.is_none(), findings.iter().any(Diagnostic::is_error));
        let source = arguments.source();
        for finding in &findings {
            prop_assert!(!finding.labels.is_empty(), "{finding:?}");
            for label in &finding.labels {
                let span = label.span;
                prop_assert_eq!(source.span(span.start, span.end), span);
                prop_assert!(span.end <= source.text.len());
            }
            let text = finding.render(std::slice::from_ref(source), false);
            prop_assert!(text.contains(finding.code));
        }
    }
}
