//! The plan of a scenario: windows, arrivals, samples and overlaps.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use std::time::Duration;

use squall_scenario::{Plan, Scenario};
use squall_scenario_file::{ParseOptions, Source, library, parse_scenario};

fn no_environment(_: &str) -> Option<String> {
    None
}

fn parse(source: &Source) -> Scenario {
    let checked = parse_scenario(source, &ParseOptions::new(&no_environment));
    let text = checked.render(false);
    checked.value.unwrap_or_else(|| panic!("{text}"))
}

fn slow_recommendations() -> Plan {
    parse(&library::source("slow-recommendations").unwrap()).plan()
}

#[test]
fn arrivals_are_the_area_under_the_shape() {
    let plan = slow_recommendations();
    // 5 s from 5/s to 87/s, then 50 s at 87/s; and what follows from them, but at the end.
    let first = plan.windows[4].requests.iter();
    let first = first.filter(|(route, _)| route.ends_with("/homepage"));
    let first: f64 = first.map(|(_, requests)| requests).sum();
    assert!((first - (230.0 + 4_350.0)).abs() < 1e-6, "{first}");
    assert!(plan.arrivals > 2.2 * first && plan.arrivals < 2.3 * first);
    let names: Vec<&str> = plan.windows.iter().map(|w| w.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "baseline",
            "slow recommendations",
            "recovery",
            "hold",
            "whole run"
        ]
    );
    let fault = &plan.windows[1];
    assert_eq!(fault.start, Duration::from_secs(15));
    assert_eq!(fault.end, Duration::from_secs(35));
    // 20 s at 87/s, 76 of 81 of them visits.
    assert!((fault.requests[0].1 - 1_740.0 * 76.0 / 81.0).abs() < 1e-6);
    assert!((3_900.0..4_000.0).contains(&fault.arrivals));
}

#[test]
fn windows_of_a_run_add_up() {
    for (name, _) in library::scenarios() {
        let plan = parse(&library::source(name).unwrap()).plan();
        let of = |name: &str| {
            let window = plan.windows.iter().find(|window| window.name == name);
            window.unwrap().arrivals
        };
        let fault = &plan.windows[1].name;
        let parts = of("baseline") + of(fault) + of("recovery");
        assert!((parts - of("whole run")).abs() < 1e-6, "{name}");
    }
}

#[test]
fn gates_know_their_samples_and_what_they_tolerate() {
    let plan = slow_recommendations();
    let during: Vec<_> = plan
        .gates
        .iter()
        .filter(|gate| gate.when == "during slow recommendations")
        .collect();
    assert_eq!(during[0].gate, "success >= 99.9%");
    assert_eq!(during[0].failures_tolerated, Some(3));
    assert_eq!(during[1].samples, Some(1632));
    assert_eq!(during[1].samples_needed, Some(299));
    assert!(during.iter().all(|gate| gate.is_provable()));
    assert_eq!(during[2].samples, None);
}

#[test]
fn a_settled_gate_has_fewer_samples() {
    let plan = slow_recommendations();
    let settled = plan.gates.iter().find(|g| g.when.ends_with("settled 8s"));
    // 12 s at 87/s, 76 of 81 of them visits.
    assert_eq!(settled.unwrap().samples, Some(979));
}

#[test]
fn overlaps_are_named() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fixtures/valid/faults-overlapping.yaml"
    );
    let plan = parse(&Source::read(path.as_ref()).unwrap()).plan();
    let overlap = &plan.overlaps[0];
    assert_eq!(
        (overlap.first.as_str(), overlap.on.as_str()),
        ("slow payments", "payments")
    );
    assert_eq!(overlap.from, Duration::from_secs(20));
    assert_eq!(overlap.until, Duration::from_secs(25));
    assert!(
        plan.to_string()
            .contains("act on payments together from 20s to 25s")
    );
}

#[test]
fn the_plan_reads_well() {
    let expected = include_str!("plan.txt");
    let text = slow_recommendations().to_string();
    if std::env::var_os("SQUALL_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/plan.txt");
        std::fs::write(path, &text).unwrap();
        return;
    }
    assert_eq!(text, expected);
}

#[test]
fn json_speaks_of_seconds() {
    let json = serde_json::to_value(slow_recommendations()).unwrap();
    assert_eq!(json["duration_s"], 55.0);
    assert_eq!(json["windows"][1]["start_s"], 15.0);
}

#[test]
fn steps_and_spikes_are_holds() {
    let text = include_str!("../../../fixtures/valid/shapes.yaml");
    let load = parse(&Source::new("shapes.yaml", text)).load;
    let holds: Vec<_> = load
        .shape
        .iter()
        .map(|stage| (stage.to_string(), stage.duration().as_secs()))
        .collect();
    let expected = [
        ("hold 100/s for 10s", 10),
        ("hold 200/s for 10s", 10),
        ("hold 300/s for 10s", 10),
        ("hold 0.3/s for 10s", 10),
        ("hold 0.2/s for 10s", 10),
        ("hold 0.1/s for 10s", 10),
        ("hold 0/s for 10s", 10),
        ("hold 100/s for 20s", 20),
        ("hold 1000/s for 5s", 5),
        ("hold 100/s for 20s", 20),
    ];
    let expected = expected.map(|(text, length)| (text.to_owned(), length));
    assert_eq!(holds, expected);
}

#[test]
fn several_loads_are_planned_as_one_with_their_own_routes() {
    let text = include_str!("../../../fixtures/valid/loads.yaml");
    let plan = parse(&Source::new("loads.yaml", text)).plan();
    // 550 + 5 000, 60 for 60 s, 30 for 20 s.
    assert_eq!((plan.arrivals, plan.duration.as_secs()), (9_750.0, 60));
    let whole = plan.windows.last().unwrap();
    let requests: Vec<_> = whole
        .requests
        .iter()
        .map(|(name, arrivals)| (name.as_str(), *arrivals))
        .collect();
    let expected = [
        ("GET /home/$profile", 5_550.0),
        ("heartbeat", 3_600.0),
        ("GET /sitemap", 600.0),
    ];
    assert_eq!(requests, expected);
    assert_eq!(plan.gates[1].samples, Some(3_600));
    let text = plan.to_string();
    for line in [
        "  load telemetry: hold 60/s for 1m, poisson",
        "40s  load crawler: over",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn a_closed_loop_is_called_so_and_promises_no_arrivals() {
    let text = include_str!("../../../fixtures/valid/closed.yaml");
    let plan = parse(&Source::new("closed.yaml", text)).plan();
    assert_eq!((plan.arrivals, plan.closed.len()), (3_600.0, 1));
    let text = plan.to_string();
    for line in [
        "about 3600 arrivals and a closed loop",
        "closed loop: GET /; the target decides",
        "load: closed loop of 64 users for 30s, thinking 0s..1s",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let gate = |text: &str| plan.gates.iter().find(|gate| gate.gate == text).unwrap();
    assert!(gate("p99 < 300ms").closed && gate("p99 < 300ms").samples.is_none());
    assert_eq!(gate("p99 of POST /heartbeat < 300ms").samples, Some(3_600));
}

#[test]
fn cycles_in_a_closed_loop_promise_no_arrivals() {
    let text = include_str!("../../../fixtures/valid/fault-cycles.yaml");
    let arrivals = |shape: &str, beside: &str| {
        let text = text.replace("    - hold: { rate: 100/s, for: 180s }", shape);
        let text = text.replace("faults:", &format!("{beside}faults:"));
        let plan = parse(&Source::new("cycles.yaml", text)).plan().to_string();
        let line = plan.lines().find(|line| line.contains("in a period"));
        line.unwrap().trim().to_owned()
    };
    let open = "    - hold: { rate: 50/s, for: 180s }";
    let closed = "    - closed: { users: 64, for: 180s }";
    let beside = "  loads:
    - name: more
      shape: [ closed: { users: 1, for: 180s } ]
      requests: [ GET /more ]
";
    let said = "arrivals in a period: ";
    assert_eq!(arrivals(open, ""), format!("{said}about 400"));
    assert_eq!(
        arrivals(closed, ""),
        format!(
            "{said}as many as 64 users of a closed loop make: the target decides; a p99 needs 299"
        )
    );
    assert_eq!(
        arrivals(open, beside),
        format!(
            "{said}about 400, and as many as 1 user of a closed loop make: the target decides; a p99 needs 299"
        )
    );
}
