//! One short run each of faults that need a system of their own.

use crate::support::{Sandbox, has_python, one_server, shop_script, skip, verdict};

/// Answers 200 where it was answered over TLS itself, and 502 otherwise.
const CALLER: &str = r#"
import http.server, sys, urllib.request
class Caller(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        try:
            status = urllib.request.urlopen(sys.argv[2], timeout=1).status
        except OSError:
            status = 502
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Caller).serve_forever()
"#;

/// What a fault that was effective was seen to do.
fn seen(sandbox: &Sandbox) -> Vec<String> {
    let verdict = verdict(&sandbox.run());
    let fault = &verdict.faults[0];
    assert_eq!(fault.effective, Some(true), "{fault:#?}");
    fault.seen.clone()
}

#[test]
fn an_instance_is_short_of_descriptors_and_is_given_them_back() {
    let sandbox = Sandbox::new();
    let rest = "load:
  shape: [ { hold: { rate: 20/s, for: 3s } } ]
  requests: [ { name: health, send: GET /health, within: 1s } ]
  warm_up: 0s
faults:
  - { name: short, at: 1s, inject: { limit: { files: 200 } }, into: api, for: 1s }
slo: [ { during: short, expect: [ success >= 90% ] } ]
";
    let file = sandbox.write("short.yaml", one_server(rest));
    sandbox.squall(&["run", &file]).assert_code(0);
    let seen = seen(&sandbox);
    let says = |what: &str| seen.iter().any(|seen| seen.starts_with(what));
    assert!(says("limit files to 200 is in force on api-0"), "{seen:?}");
    assert!(says("limit files to 200 was taken off api-0"), "{seen:?}");
    sandbox
        .squall(&["recover", "--list"])
        .assert_stdout(&["nothing to recover"]);
    sandbox.assert_empty();
}

#[test]
fn calls_inside_a_service_fail_as_long_as_the_fault_is_set() {
    let sandbox = Sandbox::new();
    let text = "version: 1
name: requests fail inside
processes:
  registry:
    command: [ $squall, reference, serve, discovery, --instance, $self.name,
               --listen, \"127.0.0.1:$self.port\", --data-dir, $run.dir/$self.name ]
    ready: { http: /health }
target: registry
load:
  shape: [ { hold: { rate: 20/s, for: 6s } } ]
  requests: [ GET /apps ]
  warm_up: 0s
faults:
  - name: refused
    at: 2s
    inject: { in_process: { point: requests, error: out of order } }
    into: registry
    for: 2s
slo:
  - { during: baseline, expect: [ success >= 50% ] }
  - { during: refused, expect: [ success < 50% ] }
  - { during: recovery, expect: [ success >= 50% ] }
";
    let file = sandbox.write("inside.yaml", text);
    sandbox.squall(&["run", &file]).assert_code(0);
    let seen = seen(&sandbox);
    let first = "set at requests in registry-0, no call yet";
    assert!(seen.iter().any(|seen| seen == first), "{seen:?}");
    let last = seen.last().unwrap();
    assert!(last.starts_with("taken out of registry-0; "), "{last}");
    assert!(last.ends_with(" calls at requests failed"), "{last}");
    // The socket goes with the process.
    let data = sandbox.run().join("data");
    assert!(!data.join("squall-faults").exists());
    sandbox.assert_empty();
}

#[test]
fn a_service_that_opened_no_switch_is_said_to_have_none() {
    let sandbox = Sandbox::new();
    let rest = "load:
  shape: [ { hold: { rate: 20/s, for: 3s } } ]
  requests: [ { name: health, send: GET /health, within: 1s } ]
  warm_up: 0s
faults:
  - { name: hung, at: 1s, inject: { in_process: { point: a, do: hang } }, into: api, for: 1s }
slo: [ { during: hung, expect: [ success >= 90% ] } ]
";
    let closed = one_server("    env: { SQUALL_FAULTS_SOCKET: \"\" }\n") + rest;
    let file = sandbox.write("none.yaml", closed);
    let run = sandbox.squall(&["run", &file]);
    run.assert_code(3);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(
        said.contains("api-0: it lets nobody switch its faults"),
        "{said}"
    );
    sandbox.assert_empty();
}

#[test]
fn a_caller_refuses_a_certificate_that_ran_out_until_the_fault_is_gone() {
    if !has_python() {
        return skip("needs python3");
    }
    let sandbox = Sandbox::new();
    let prices = shop_script();
    sandbox.write("caller.py", CALLER);
    let text = format!(
        "version: 1
name: callers see a certificate that ran out
processes:
  prices: {{ command: [ python3, {prices}, $self.port ] }}
  caller:
    command: [ python3, caller.py, $self.port, \"https://$links.secure/\" ]
    env: {{ SSL_CERT_FILE: $run.ca }}
links:
  secure: {{ to: prices, tls: terminate }}
target: caller
load:
  shape: [ {{ hold: {{ rate: 20/s, for: 6s }} }} ]
  requests: [ GET / ]
  warm_up: 0s
faults:
  - {{ name: ran out, at: 2s, inject: {{ tls: expired }}, into: secure, for: 2s }}
slo:
  - {{ during: baseline, expect: [ success >= 50% ] }}
  - {{ during: ran out, expect: [ success < 50% ] }}
  - {{ during: recovery, expect: [ success >= 50% ] }}
"
    );
    let file = sandbox.write("caller.yaml", text);
    sandbox.squall(&["run", &file]).assert_code(0);
    let seen = seen(&sandbox);
    let last = seen.last().unwrap();
    assert!(last.starts_with("taken off secure; "), "{last}");
    assert!(last.contains("met an expired certificate"), "{last}");
    assert!(last.ends_with(", 0 took it"), "{last}");
    sandbox.assert_empty();
}

#[test]
fn a_scoped_fault_hits_only_the_requests_that_carry_the_scope_of_the_run() {
    let sandbox = Sandbox::new();
    let rest = "load:
  shape: [ { hold: { rate: 40/s, for: 4s } } ]
  requests:
    - { name: users, send: GET /health, within: 1s }
    - { name: canary, send: GET /health, headers: { x-fault-scope: $run.scope }, within: 1s }
    - { name: forger, send: GET /health, headers: { x-fault-scope: v1;sig=00 }, within: 1s }
  warm_up: 0s
faults:
  - { name: closed, at: 1s, inject: { http: { scope: signed, answer: 503 } }, into: api, for: 2s }
slo:
  - during: closed
    expect: [ success of users >= 99%, success of forger >= 99%, success of canary < 50% ]
";
    let file = sandbox.write("scoped.yaml", one_server(rest));
    sandbox.squall(&["run", &file]).assert_code(0);
    let seen = seen(&sandbox);
    let last = seen.last().unwrap();
    assert!(
        last.contains("scopes were not signed with the key of the run"),
        "{last}"
    );
    // Nobody learns the scope from what the run leaves.
    let record = std::fs::read_to_string(sandbox.run().join("run.json")).unwrap();
    assert!(!record.replace("v1;sig=00", "").contains(";sig="));
    sandbox.assert_empty();
}
