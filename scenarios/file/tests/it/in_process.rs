//! A fault inside processes is for those that squall started.

use squall_scenario_file::{ParseOptions, Source, parse_scenario};

#[test]
fn a_process_that_somebody_else_started_has_no_switch() {
    let text = "version: 1
name: x
target: http://127.0.0.1:1
existing: { database: { port: 5432 } }
load: { shape: [ { hold: { rate: 100/s, for: 60s } } ], requests: [ GET / ] }
slo: [ { during: baseline, expect: [ success >= 99% ] } ]
faults:
  - { name: a, at: 15s, inject: { in_process: { point: a, do: hang } }, into: database, for: 5s }
";
    let nothing = |_: &str| None;
    let checked = parse_scenario(&Source::new("x", text), &ParseOptions::new(&nothing));
    let said = checked.render(false);
    assert!(checked.value.is_none());
    let title = "`database` cannot suffer `in_process`";
    assert!(
        said.contains(title) && said.contains("squall did not start it"),
        "{said}"
    );
}
