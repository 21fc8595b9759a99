//! What such a run told besides its intervals.

use std::collections::BTreeMap;

use squall_record::*;
use squall_scenario::*;

use super::{at, breaker, fault};

pub fn opening_events() -> Vec<Stamped> {
    let process = |instance: &str, change| RunEvent::Process {
        process: instance.rsplit_once('-').unwrap().0.to_owned(),
        instance: instance.to_owned(),
        change,
    };
    let mut events = vec![at(-12.0, RunEvent::Phase(Phase::Starting))];
    for instance in ["api-0", "api-1", "recommendations-0"] {
        events.push(at(
            -11.5,
            process(instance, ProcessChange::Started { pid: 4711 }),
        ));
        events.push(at(-10.9, process(instance, ProcessChange::Ready)));
    }
    events.push(at(
        -10.8,
        RunEvent::LinkUp {
            link: "recommendations-0".to_owned(),
            listen: "127.0.0.1:21004".to_owned(),
            to: "127.0.0.1:21005".to_owned(),
        },
    ));
    events.push(at(-8.0, RunEvent::BreakersRead { every_us: 500_000 }));
    events.push(at(-7.0, RunEvent::Phase(Phase::WarmUp)));
    for instance in ["api-0", "api-1"] {
        events.push(at(
            -6.5,
            breaker("recommendations", instance, BreakerState::Closed, 0, 0),
        ));
        events.push(at(
            -4.5,
            breaker("recommendations", instance, BreakerState::Closed, 180, 0),
        ));
    }
    events.push(at(-5.0, RunEvent::Phase(Phase::SteadyState)));
    events.push(at(
        -0.001,
        RunEvent::SteadyState {
            reached: true,
            detail: "success 100%, p99 41ms".to_owned(),
        },
    ));
    events.push(at(0.0, RunEvent::Phase(Phase::Load)));
    events
}

pub fn fault_events() -> Vec<Stamped> {
    let name = "slow recommendations";
    let targets = ["recommendations-0"];
    let say = |change| fault(name, 0, &targets, change);
    vec![
        at(20.0, say(FaultChange::Requested)),
        at(
            20.013,
            say(FaultChange::Active {
                evidence: FaultSeen::Words(
                    "a probe through recommendations-0 took 5.01s".to_owned(),
                ),
            }),
        ),
        at(
            22.0,
            say(FaultChange::Observed {
                evidence: FaultSeen::Words("1 612 chunks held for 5.0s (median)".to_owned()),
                effective: true,
                lost: false,
            }),
        ),
        at(
            22.6,
            breaker("recommendations", "api-0", BreakerState::Open, 240, 61),
        ),
        at(
            23.1,
            breaker("recommendations", "api-1", BreakerState::Open, 238, 63),
        ),
        at(40.0, say(FaultChange::RemovalRequested)),
        at(
            40.021,
            say(FaultChange::Removed {
                evidence: FaultSeen::Words("a probe through recommendations-0 took 2ms".to_owned()),
            }),
        ),
        at(
            41.9,
            breaker("recommendations", "api-0", BreakerState::HalfOpen, 0, 0),
        ),
        at(
            42.1,
            breaker("recommendations", "api-0", BreakerState::Closed, 12, 0),
        ),
        at(
            42.4,
            breaker("recommendations", "api-1", BreakerState::Closed, 14, 0),
        ),
    ]
}

pub fn closing_events(end_s: f64, scheduled: u64) -> Vec<Stamped> {
    let mut events: Vec<Stamped> = (0..end_s as u64)
        .step_by(5)
        .map(|s| {
            let squall = ResourceUse {
                cpu_ms: 900 + s * 180,
                rss_bytes: 48 << 20,
                fds: Some(40),
            };
            let api = ResourceUse {
                cpu_ms: 400 + s * 310,
                rss_bytes: 61 << 20,
                fds: Some(25),
            };
            let usage = BTreeMap::from([("squall".to_owned(), squall), ("api-0".to_owned(), api)]);
            at(s as f64 + 0.5, RunEvent::Resources { usage })
        })
        .collect();
    events.extend([
        at(end_s, RunEvent::Phase(Phase::Drain)),
        at(
            end_s + 0.3,
            RunEvent::LoadFinished {
                scheduled,
                lag_max_us: 310,
            },
        ),
        at(end_s + 0.4, RunEvent::Phase(Phase::Stopping)),
        at(
            end_s + 1.1,
            RunEvent::UndoVerified {
                detail: "1 fault, 3 processes, 1 link".to_owned(),
            },
        ),
        at(end_s + 1.2, RunEvent::Phase(Phase::Finished)),
    ]);
    events
}
