//! How clients reach the target: the files of TLS, and where connections go.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use squall_scenario::Scenario;
use squall_scenario_file::{Checked, ParseOptions, Source, parse_scenario};

/// Parses a scenario whose load says this of TLS; beside it stand two files in PEM
/// and one that is none.
fn parse(tls: &str) -> Checked<Scenario> {
    parse_load(&format!("tls: {tls}"))
}

/// The same, with any key of the load.
fn parse_load(key: &str) -> Checked<Scenario> {
    let folder = tempfile::tempdir().unwrap();
    let pem = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    for (name, content) in [
        ("ca.pem", pem("CERTIFICATE")),
        ("client.key", pem("EC PRIVATE KEY")),
        ("notes.txt", "BEGIN CERTIFICATE".to_owned()),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let text = format!(
        "version: 1\nname: example\ntarget: https://127.0.0.1:8443\nload:\n  shape:\n    \
         - hold: {{ rate: 100/s, for: 60s }}\n  requests: [ GET / ]\n  {key}\n"
    );
    let path = folder.path().join("shop.yaml").display().to_string();
    let source = Source::from_bytes(&path, text.into_bytes()).unwrap();
    parse_scenario(&source, &ParseOptions::new(&|_: &str| None))
}

#[test]
fn certificates_and_keys_are_read_and_not_recorded() {
    let tls = "{ ca: ca.pem, certificate: ca.pem, key: client.key }";
    let checked = parse(tls);
    assert!(checked.diagnostics.iter().all(|it| !it.is_error()));
    let scenario = checked.value.unwrap();
    let read = &scenario.load.connecting.tls;
    let shown = read.shows.as_ref().unwrap();
    assert!(
        read.ca
            .as_ref()
            .unwrap()
            .content
            .starts_with(b"-----BEGIN CERT")
    );
    assert!(shown.key.content.starts_with(b"-----BEGIN EC"));
    let recorded = serde_json::to_string(&scenario).unwrap();
    assert!(recorded.contains("client.key") && !recorded.contains("BEGIN"));
    let again: Scenario = serde_json::from_str(&recorded).unwrap();
    assert_eq!(again.load.connecting, scenario.load.connecting);
}

#[test]
fn what_does_not_go_together_is_said() {
    for (tls, code) in [
        ("{ certificate: ca.pem }", "S0102"),
        ("{ key: client.key }", "S0102"),
        ("{ ca: notes.txt }", "S0001"),
        ("{ certificate: client.key, key: client.key }", "S0001"),
        ("{ certificate: ca.pem, key: ca.pem }", "S0001"),
        ("{ ca: ca.pem, insecure: true }", "S0113"),
    ] {
        let checked = parse(tls);
        let mut errors = checked.diagnostics.iter().filter(|it| it.is_error());
        assert_eq!(errors.next().map(|it| it.code), Some(code), "{tls}");
        assert!(checked.value.is_none(), "{tls}");
    }
}

#[test]
fn connections_go_to_ports_and_sockets() {
    for (written, part) in [
        ("127.0.0.1:8080", None),
        ("'[::1]:8080'", None),
        ("shop.example:8080", None),
        ("unix:/run/app.sock", None),
        ("unix:///run/app.sock", None),
        ("/run/app.sock", Some("write `unix:/run/app.sock`")),
        ("unix:app.sock", Some("whole path")),
        ("shop.example", Some("`127.0.0.1:8443`")),
        ("shop.example:0", Some("1 to 65535")),
        ("http://a:1/", Some("write `a:1`")),
        ("me@shop.example:1", Some("authorization")),
        ("[]", Some("127.0.0.1:8080")),
    ] {
        let checked = parse_load(&format!("connect_to: {written}"));
        let mut errors = checked.diagnostics.iter().filter(|it| it.is_error());
        let error = errors.next();
        let help = error.map(|error| error.help.concat());
        let fits = match (part, &help) {
            (None, None) => true,
            (Some(part), Some(help)) => help.contains(part),
            _ => false,
        };
        assert!(fits, "{written}: {help:?}");
    }
}

#[test]
fn a_place_to_connect_to_is_shown_as_it_is_written() {
    let written = "[ '[::1]:1', 'a.b:2', 'unix:/x' ]";
    let scenario = parse_load(&format!("connect_to: {written}")).value.unwrap();
    let shown: Vec<_> = scenario
        .load
        .connecting
        .to
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(shown, ["[::1]:1", "a.b:2", "unix:/x"]);
}
