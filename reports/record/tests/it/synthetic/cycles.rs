//! A run whose fault came in cycles, with and without it in random order.

use std::time::Duration;

use squall_record::*;
use squall_scenario::*;

use super::*;

/// The fault that comes and goes.
pub const FAULT: &str = "slow recommendations";

/// From 10 s on a period of 3 s every 5 s, two to a cycle, in 60 s.
fn in_cycles(cycles: u32) -> FaultSpec {
    let mut spec = delay_fault(FAULT, "recommendations", 10, 3);
    spec.repeat = Some(Repeat {
        every: Duration::from_secs(5),
        times: cycles * 2,
        control: true,
    });
    spec
}

/// A run with these cycles, in which the fault does what `behaviour` says.
pub fn run(seed: u64, cycles: u32, behaviour: &dyn Fn(bool, f64) -> Behaviour) -> Record {
    let spec = in_cycles(cycles);
    let starts: Vec<f64> = spec.repeats().map(|at| at.as_secs_f64()).collect();
    let numbered = |number: usize| u32::try_from(number).unwrap();
    let mut record = with_behaviour(&|_, s| {
        let under_way = starts
            .iter()
            .position(|start| (*start..start + 3.0).contains(&s));
        let with = under_way.is_some_and(|n| !spec.is_control(numbered(n), seed));
        behaviour(with, s)
    });
    record.manifest.seed = seed;
    record
        .events
        .retain(|stamped| !matches!(stamped.event, RunEvent::Fault { .. }));
    for (number, start) in starts.iter().enumerate() {
        let number = numbered(number);
        let mut tell = |s: f64, change| {
            let event = fault(FAULT, number, &["recommendations-0"], change);
            record.events.push(at(s, event));
        };
        if spec.is_control(number, seed) {
            tell(*start, FaultChange::Withheld);
            tell(start + 3.0, FaultChange::WithheldEnds);
            continue;
        }
        let evidence = || "seen".to_owned();
        tell(*start, FaultChange::Requested);
        tell(
            *start,
            FaultChange::Active {
                evidence: FaultSeen::Words(evidence()),
            },
        );
        let observed = FaultChange::Observed {
            evidence: FaultSeen::Words(evidence()),
            effective: true,
            lost: false,
        };
        tell(start + 2.9, observed);
        tell(start + 3.0, FaultChange::RemovalRequested);
        tell(
            start + 3.0,
            FaultChange::Removed {
                evidence: FaultSeen::Words(evidence()),
            },
        );
    }
    record.events.sort_by_key(|stamped| stamped.at_us);
    let scenario = &mut record.manifest.scenario;
    scenario.faults = vec![spec];
    scenario.slo = vec![
        during(FAULT, 1, vec![success(99.0)], 36),
        during(&control_window(FAULT), 0, vec![p99_below(None, 300)], 41),
    ];
    record
}

/// The fault makes everything half as slow again.
pub fn slower(with: bool, _: f64) -> Behaviour {
    Behaviour::healthy(if with { 21_000.0 } else { 14_000.0 })
}
