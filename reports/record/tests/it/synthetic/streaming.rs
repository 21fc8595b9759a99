//! A longer run with two faults and five routes, for looking at reports: a
//! delay that breakers contain, and kills that one route does not survive.

use super::*;
use squall_scenario::inject::{Kill, Signal};

fn slo() -> Vec<SloBlock> {
    vec![
        during(
            "slow recommendations",
            0,
            vec![
                success(99.9),
                p99_below(Some("homepage"), 600),
                breaker_gate("recommendations", BreakerChange::Opens, Some(8)),
            ],
            40,
        ),
        during(
            "slow recommendations",
            8,
            vec![p99_below(Some("homepage"), 300)],
            46,
        ),
        during(
            "catalog crashes",
            0,
            vec![success(99.0), p99_below(Some("search"), 400)],
            49,
        ),
        after(
            "catalog crashes",
            10,
            vec![
                breaker_gate("catalog", BreakerChange::Closes, None),
                Gate::BaselineReturns,
            ],
            54,
        ),
        during(
            "recovery",
            0,
            vec![metric(
                Metric::Quantile(0.999),
                Some("rate"),
                Comparison::Below,
                GateValue::Duration(Duration::from_millis(500)),
            )],
            58,
        ),
    ]
}

fn scenario_two_faults() -> Scenario {
    let mut scenario = super::scenario();
    let rate = |r| Rate::per_second(r).unwrap();
    scenario.name = "a streaming evening survives a slow and a crashing dependency".to_owned();
    scenario.load.shape = vec![
        Stage::Ramp {
            from: rate(60.0),
            to: rate(300.0),
            over: Duration::from_secs(10),
        },
        Stage::Hold {
            rate: rate(300.0),
            duration: Duration::from_secs(110),
            arrivals: Arrivals::Poisson,
        },
    ];
    scenario.load.requests = vec![
        request("homepage", "GET", "/home/$profile", 10),
        request("play", "POST", "/play/$title", 4),
        request("search", "GET", "/search?q=$word", 3),
        request("continue watching", "GET", "/continue/$profile", 2),
        request("rate", "PUT", "/rate/$title", 1),
    ];
    let mut kill = delay_fault("catalog crashes", "catalog", 70, 6);
    kill.inject = Kill {
        signal: Signal::Kill,
    }
    .into();
    kill.into = located(
        FaultTarget::Any {
            count: 1,
            of: Box::new(FaultTarget::Process("catalog".to_owned())),
        },
        40,
    );
    kill.duration = None;
    kill.repeat = Some(Repeat {
        every: Duration::from_secs(8),
        times: 3,
        control: false,
    });
    scenario.faults = vec![
        delay_fault("slow recommendations", "recommendations", 25, 25),
        kill,
    ];
    scenario.slo = slo();
    scenario
}

fn behave(route: &str, s: f64) -> Behaviour {
    let usual = match route {
        "homepage" => 16_000.0,
        "play" => 9_000.0,
        "search" => 34_000.0,
        "continue watching" => 12_000.0,
        _ => 7_000.0,
    };
    let mut now = Behaviour::healthy(usual);
    if route == "homepage" && (25.01..28.4).contains(&s) {
        now = Behaviour {
            median_us: 322_000.0,
            spread: 0.07,
            ..now
        };
    } else if route == "homepage" && (28.4..52.6).contains(&s) {
        now.fallback = 0.97;
    }
    for start in [70.0, 78.0, 86.0] {
        let since = s - start;
        if (0.0..2.6).contains(&since) {
            let hit = if route == "search" { 0.18 } else { 0.012 };
            now.fail = if since < 0.6 { hit } else { hit / 3.0 };
            now.kind = if since < 0.6 {
                BadKind::Connect
            } else {
                BadKind::Status
            };
            now.median_us *= 3.5;
            now.spread = 0.7;
        }
    }
    if (89.0..91.5).contains(&s) {
        now.median_us *= 2.0;
    }
    now
}

/// Fails: search loses too much while the catalog crashes.
pub fn failing_evening() -> Record {
    let scenario = scenario_two_faults();
    let cuts = [25.014, 50.0, 50.019, 70.006, 88.4, 88.5];
    let (intervals, samples) = intervals(&scenario, 120.0, &cuts, &behave);
    let mut events = opening_events();
    delay_events(&mut events);
    kill_events(&mut events);
    events.extend(closing_events(120.0, scheduled(&intervals)));
    events.sort_by_key(|stamped| stamped.at_us);
    let mut manifest = manifest(scenario);
    manifest.scenario_text = include_str!("streaming.yaml").to_owned();
    manifest.rerun = "squall run streaming-evening.yaml --seed 42".to_owned();
    Record {
        manifest,
        events,
        intervals,
        samples,
        complete: true,
        damage: Vec::new(),
    }
}

fn delay_events(events: &mut Vec<Stamped>) {
    let say = |change| {
        fault(
            "slow recommendations",
            0,
            &["recommendations-0", "recommendations-1"],
            change,
        )
    };
    events.extend([
        at(25.0, say(FaultChange::Requested)),
        at(
            25.014,
            say(FaultChange::Active {
                evidence: FaultSeen::Words(
                    "a probe through recommendations-0 took 5.01s".to_owned(),
                ),
            }),
        ),
        at(
            27.0,
            say(FaultChange::Observed {
                evidence: FaultSeen::Words("1 612 chunks held for 5.0s (median)".to_owned()),
                effective: true,
                lost: false,
            }),
        ),
        at(50.0, say(FaultChange::RemovalRequested)),
        at(
            50.019,
            say(FaultChange::Removed {
                evidence: FaultSeen::Words("a probe through recommendations-0 took 2ms".to_owned()),
            }),
        ),
    ]);
    for (instance, shift) in [("api-0", 0.0), ("api-1", 0.5)] {
        for (s, state) in [
            (27.9, BreakerState::Open),
            (33.0, BreakerState::HalfOpen),
            (33.4, BreakerState::Open),
            (38.5, BreakerState::HalfOpen),
            (38.9, BreakerState::Open),
            (44.0, BreakerState::HalfOpen),
            (44.4, BreakerState::Open),
            (51.4, BreakerState::HalfOpen),
            (52.1, BreakerState::Closed),
        ] {
            events.push(at(
                s + shift,
                breaker("recommendations", instance, state, 140, 58),
            ));
        }
    }
}

fn kill_events(events: &mut Vec<Stamped>) {
    for (injection, (start, instance)) in [
        (70.0, "catalog-1"),
        (78.0, "catalog-0"),
        (86.0, "catalog-1"),
    ]
    .into_iter()
    .enumerate()
    {
        let injection = u32::try_from(injection).unwrap();
        let say = |change| fault("catalog crashes", injection, &[instance], change);
        let process = |change| RunEvent::Process {
            process: "catalog".to_owned(),
            instance: instance.to_owned(),
            change,
        };
        events.extend([
            at(start, say(FaultChange::Requested)),
            at(
                start + 0.004,
                process(ProcessChange::Exited {
                    status: "signal 9".to_owned(),
                    expected: true,
                }),
            ),
            at(
                start + 0.006,
                say(FaultChange::Active {
                    evidence: FaultSeen::Words(format!("{instance} ended with signal 9")),
                }),
            ),
            at(start + 1.0, process(ProcessChange::Restarting)),
            at(
                start + 1.1,
                process(ProcessChange::Started {
                    pid: 5100 + injection,
                }),
            ),
            at(start + 2.3, process(ProcessChange::Ready)),
            at(start + 2.4, say(FaultChange::RemovalRequested)),
            at(
                start + 2.5,
                say(FaultChange::Removed {
                    evidence: FaultSeen::Words(format!("{instance} is ready again")),
                }),
            ),
        ]);
    }
    for instance in ["api-0", "api-1"] {
        events.push(at(
            -4.4,
            breaker("catalog", instance, BreakerState::Closed, 90, 0),
        ));
        events.push(at(
            71.0,
            breaker("catalog", instance, BreakerState::Closed, 90, 19),
        ));
    }
}
