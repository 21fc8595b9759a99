//! The service in `docs/own-service` runs and passes as the documentation says.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Sandbox, verdict};

fn has_python() -> bool {
    let mut python = Command::new("python3");
    python.arg("--version").stdin(Stdio::null());
    python.output().is_ok_and(|output| output.status.success())
}

#[test]
fn the_shop_sells_while_prices_hang() {
    if !has_python() {
        // Past the capture of the test harness: nobody shall take it for a pass.
        std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs python3\n").unwrap();
        return;
    }
    let sandbox = Sandbox::new();
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/own-service/shop.yaml");
    let scenario = scenario.canonicalize().unwrap();
    let ended = sandbox.squall(&["run", scenario.to_str().unwrap()]);
    ended.assert_code(0).assert_stdout(&["PASS"]);
    sandbox.assert_empty();
    let verdict = verdict(&sandbox.run());
    assert_eq!(verdict.faults[0].targets, ["prices-0"]);
    assert_eq!(verdict.faults[0].effective, Some(true));
    let beside = scenario.parent().unwrap();
    assert_eq!(
        crate::support::entries(beside).len(),
        2,
        "nothing is written beside the scenario"
    );
}
