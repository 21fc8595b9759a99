//! The service in `docs/own-service` runs and passes as the documentation says.

use std::path::Path;

use crate::support::{Sandbox, has_python, skip, verdict};

#[test]
fn the_shop_sells_while_prices_hang() {
    if !has_python() {
        skip("needs python3");
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

/// The example of squall-resilience sells behind its layers, and not without them.
#[test]
fn layers_around_one_call_keep_a_shop_selling() {
    let examples = Path::new(env!("CARGO_BIN_EXE_squall")).with_file_name("examples");
    let shop = examples.join("shop");
    if !shop.exists() {
        skip("needs the example: cargo build -p squall-resilience --example shop");
        return;
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference-system/resilience");
    let scenario = std::fs::read_to_string(beside.join("examples/shop.yaml")).unwrap();
    let built = "../../../target/debug/examples/shop";
    assert_eq!(scenario.matches(built).count(), 2);
    let sandbox = Sandbox::new();
    let scenario = sandbox.write("shop.yaml", scenario.replace(built, shop.to_str().unwrap()));
    let ended = sandbox.squall(&["prove", &scenario]);
    ended
        .assert_code(0)
        .assert_stdout(&["2 of 2 attempts ended as they must"]);
    sandbox.assert_empty();
}
