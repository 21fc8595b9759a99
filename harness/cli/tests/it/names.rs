//! Names of a system: who answers for them, and what is broken about them.

use squall_judge::verdict::GateState;
use squall_record::BadKind;

use crate::support::{Sandbox, has_python, shop_script, skip, verdict};

/// The shop of the documentation, which finds its prices by name.
fn shop() -> String {
    let shop = shop_script();
    format!(
        "version: 1
name: the shop sells while prices have no address
processes:
  prices: {{ command: [ python3, {shop}, $self.port ], inbound_link: true }}
  shop:
    command: [ python3, {shop}, $self.port ]
    env: {{ PRICES_URL: \"http://$names.prices.test/\" }}
names:
  prices.test: prices
target: shop
load:
  shape: [ {{ hold: {{ rate: 20/s, for: 8s }} }} ]
  requests: [ GET / ]
faults:
  - name: prices have no address
    at: 3s
    inject: {{ dns: nxdomain }}
    into: prices.test
    for: 3s
slo:
  - during: prices have no address
    expect: [ success >= 90% ]
"
    )
}

#[test]
fn a_process_looks_names_up_and_a_fault_on_one_is_seen_and_put_back() {
    if !has_python() || !rustix::process::geteuid().is_root() {
        return skip("needs python3 and root");
    }
    let sandbox = Sandbox::new();
    sandbox.write("shop.yaml", shop());
    let ended = sandbox.squall(&["run", "shop.yaml"]);
    ended.assert_code(0).assert_stdout(&["PASS"]);
    sandbox.assert_empty();
    let verdict = verdict(&sandbox.run());
    assert_eq!(verdict.gates[0].state, GateState::Pass);
    let fault = &verdict.faults[0];
    assert_eq!(fault.targets, ["prices.test"]);
    assert_eq!(fault.effective, Some(true), "{fault:#?}");
    let told = "questions answered with NXDOMAIN on name prices.test";
    assert!(
        fault.seen.iter().any(|seen| seen.contains(told)),
        "{fault:#?}"
    );
}

/// A name of the system is a target too, and is looked up while the load runs.
#[test]
fn the_load_misses_a_name_that_is_gone_and_finds_it_when_it_is_back() {
    if !has_python() || !rustix::process::geteuid().is_root() {
        return skip("needs python3 and root");
    }
    let sandbox = Sandbox::new();
    let shop = shop()
        .replace("target: shop", "target: http://$names.prices.test/")
        .replace("load:\n", "load:\n  connections: per request\n");
    sandbox.write("shop.yaml", shop);
    let ended = sandbox.squall(&["run", "shop.yaml"]);
    ended
        .assert_code(1)
        .assert_stdout(&["look up prices.test", "NXDOMAIN"]);
    sandbox.assert_empty();
    let verdict = verdict(&sandbox.run());
    assert!(!verdict.errors.is_empty());
    for error in &verdict.errors {
        assert_eq!(error.kind, Some(BadKind::Dns), "{error:#?}");
    }
    let fault = &verdict.faults[0];
    assert_eq!(fault.effective, Some(true), "{fault:#?}");
}
