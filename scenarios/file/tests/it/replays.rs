//! Arrivals that stand in a file beside the scenario.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use squall_scenario::{Scenario, Stage};
use squall_scenario_file::{Checked, ParseOptions, Source, parse_scenario};

/// A scenario that replays `arrivals.txt`, which holds these lines.
fn read(stage: &str, lines: &str) -> Checked<Scenario> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("arrivals.txt"), lines).unwrap();
    let text = format!(
        "version: 1
name: example
target: http://127.0.0.1:8080
load:
  shape: [ {{ hold: {{ rate: 10/s, for: 10s }} }}, {{ replay: {{ {stage} }} }} ]
  requests: [ GET / ]
slo: [ {{ during: whole run, expect: [ success >= 90% ] }} ]
"
    );
    let name = folder.path().join("shop.yaml").display().to_string();
    parse_scenario(&Source::new(name, text), &ParseOptions::new(&|_| None))
}

#[test]
fn a_plan_knows_exactly_what_a_replay_sends() {
    let checked = read("file: arrivals.txt, speed: 2", "100\n100.5\n101\n104\n");
    assert_eq!(checked.render(false), "");
    let scenario = checked.value.unwrap();
    let plan = scenario.plan();
    assert_eq!((plan.arrivals, plan.duration.as_secs()), (104.0, 13));
    let told = "  10s  load: replay arrivals.txt, 4 arrivals in 3s, at 2 times its speed";
    assert!(plan.to_string().contains(told), "{plan}");
    // Another file is another load, whatever it is called.
    let other = read("file: arrivals.txt, speed: 2", "100\n100.6\n101\n104\n");
    let shape = |scenario: Scenario| scenario.load.shape;
    assert_ne!(shape(other.value.unwrap()), shape(scenario.clone()));
    // As it is recorded: without the times, and yet the same plan.
    let json = serde_json::to_string(&scenario).unwrap();
    assert!(!json.contains("times\""), "{json}");
    let recorded: Scenario = serde_json::from_str(&json).unwrap();
    assert_eq!((&recorded, recorded.plan()), (&scenario, plan));
}

#[test]
fn a_length_of_its_own_cuts_it_or_waits_behind_it() {
    for (length, arrivals, seconds) in [("2s", 3, 2), ("60s", 4, 60)] {
        let stage = format!("file: arrivals.txt, for: {length}");
        let checked = read(&stage, "7\n7.5\n8\n11\n");
        assert_eq!(checked.render(false), "");
        let shape = checked.value.unwrap().load.shape;
        let Stage::Replay(replay) = &shape[1] else {
            panic!("no replay: {shape:?}");
        };
        assert_eq!(
            (replay.arrivals, replay.duration.as_secs()),
            (arrivals, seconds)
        );
    }
}

#[test]
fn what_cannot_be_replayed_is_pointed_at_with_its_line() {
    for (stage, lines, said) in [
        (
            "file: arrivals.txt",
            "1\n3\n2\n",
            ["S0001", "line 3 is earlier than line 2"],
        ),
        (
            "file: nowhere.txt",
            "1\n",
            ["S0001", "I cannot read `nowhere.txt`"],
        ),
        (
            "file: arrivals.txt, speed: 0",
            "1\n",
            ["S0108", "0.001 to 100"],
        ),
        (
            "file: arrivals.txt, speed: 1e-300",
            "1\n2\n",
            ["S0108", "0.001 to 100"],
        ),
        (
            "file: arrivals.txt, speed: 1e300",
            "1\n2\n",
            ["S0108", "0.001 to 100"],
        ),
        (
            "file: arrivals.txt, speed: nan",
            "1\n2\n",
            ["S0108", "0.001 to 100"],
        ),
        (
            "file: arrivals.txt, for: 0s",
            "1\n",
            ["S0108", "no time at all"],
        ),
        ("speed: 2", "1\n", ["S0102", "file"]),
        ("file: arrivals.txt, sped: 2", "1\n", ["S0101", "speed"]),
        (
            "file: arrivals.txt, speed: 0.01",
            "1\n900\n",
            ["S0213", "24h is the most"],
        ),
    ] {
        let checked = read(stage, lines);
        let rendered = checked.render(false);
        assert!(
            said.iter().all(|it| rendered.contains(it)),
            "{stage}: {rendered}"
        );
        assert!(checked.value.is_none(), "{stage}");
    }
}
