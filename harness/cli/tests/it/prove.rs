//! `squall prove`: a scenario must be able to fail.

use crate::support::Sandbox;

/// Two servers, one of which dies for a second; clients try the next one.
/// `variants` say how that is weakened.
fn losing_one(success: &str, variants: &str) -> String {
    format!(
        r#"version: 1
name: losing one goes unnoticed
seed: 3
target: api
settings: {{ replicas: 2 }}
processes:
  api:
    command: [$squall, reference, serve, discovery, --instance, $self.name,
              --listen, "127.0.0.1:$self.port", --data-dir, $run.dir/$self.name]
    instances: $settings.replicas
    ready: {{ http: /health }}
    restart: {{ after: 100ms }}
load:
  shape: [ {{ hold: {{ rate: 50/s, for: 3s }} }} ]
  requests: [ GET /health ]
  timeout: 5s
  warm_up: 200ms
faults:
  - {{ name: one is dead, at: 1s, inject: kill, into: api-0, for: 1s }}
slo:
  - during: one is dead
    expect: [ {success} ]
{variants}"#
    )
}

fn variant(replicas: u32) -> String {
    format!(
        "variants:
  - name: another number of them
    with: {{ replicas: {replicas} }}
    fails: [ success during one is dead ]
"
    )
}

#[test]
fn a_scenario_that_fails_when_weakened_is_proven() {
    let sandbox = Sandbox::new();
    let text = losing_one("success >= 70%", &variant(1));
    let file = sandbox.write("proven.yaml", text);
    let ended = sandbox.squall(&["prove", &file]);
    ended.assert_code(0).assert_stdout(&[
        "fails as it must: during one is dead: success >= 70%",
        "2 of 2 attempts ended as they must",
    ]);
    sandbox.assert_empty();
    assert_eq!(sandbox.runs().len(), 2, "both left a record");
}

#[test]
fn a_scenario_without_variants_proves_nothing_and_runs_nothing() {
    let sandbox = Sandbox::new();
    let file = sandbox.write("bare.yaml", losing_one("success >= 50%", ""));
    let ended = sandbox.squall(&["prove", &file]);
    ended
        .assert_code(2)
        .assert_stderr(&["bare.yaml", "no `variants`"]);
    assert!(sandbox.runs().is_empty());
}

#[test]
fn a_variant_can_be_run_by_its_name() {
    let sandbox = Sandbox::new();
    let text = losing_one("success >= 70%", &variant(1));
    let file = sandbox.write("proven.yaml", text);
    let ended = sandbox.squall(&["run", &file, "--variant", "another number of them"]);
    ended
        .assert_code(1)
        .assert_stdout(&["another number of them"]);
    let unknown = sandbox.squall(&["run", &file, "--variant", "nobody"]);
    unknown
        .assert_code(2)
        .assert_stderr(&["nobody", "another number of them"]);
    assert_eq!(sandbox.runs().len(), 1, "the unknown one was not run");
}

#[test]
fn a_scenario_that_passes_either_way_is_toothless_with_every_seed() {
    let sandbox = Sandbox::new();
    let text = losing_one("success >= 0.1%", &variant(3));
    let file = sandbox.write("seeds.yaml", text);
    let args = [
        "prove",
        &file,
        "--seeds",
        "4-5",
        "--ui",
        "json",
        "--save",
        "proof.json",
    ];
    let ended = sandbox.squall(&args);
    ended.assert_code(1);
    let lines = ended.stdout.lines().map(serde_json::from_str);
    let lines: Vec<serde_json::Value> = lines.collect::<Result<_, _>>().unwrap();
    let saved = std::fs::read(sandbox.work().join("proof.json")).unwrap();
    let saved: serde_json::Value = serde_json::from_slice(&saved).unwrap();
    assert_eq!(lines.last(), Some(&saved));
    let attempts = saved["attempts"].as_array().unwrap();
    assert_eq!(
        attempts[1]["remark"],
        "toothless: passed although weakened: during one is dead: success >= 0.1%"
    );
    let told: Vec<_> = attempts
        .iter()
        .map(|attempt| (attempt["seed"].as_u64(), attempt["as_it_must"].as_bool()))
        .collect();
    let (yes, no) = (Some(true), Some(false));
    let (four, five) = (Some(4), Some(5));
    assert_eq!(told, [(four, yes), (four, no), (five, yes), (five, no)]);
}
