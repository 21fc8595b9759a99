//! A run whose fault was withheld.

use squall_record::*;
use squall_scenario::*;

use super::*;

/// A run of 60 s whose fault, from 20 to 40 s, was withheld.
pub fn without_the_fault(
    seed: u64,
    gates: Vec<Gate>,
    behaviour: &dyn Fn(&str, f64) -> Behaviour,
) -> Record {
    let mut record = with_behaviour(behaviour);
    record.manifest.seed = seed;
    record.manifest.scenario.slo = vec![during("slow recommendations", 0, gates, 36)];
    let targets = ["recommendations"];
    record
        .events
        .retain(|stamped| !matches!(stamped.event, RunEvent::Fault { .. }));
    for (s, change) in [
        (20.0, FaultChange::Withheld),
        (40.0, FaultChange::WithheldEnds),
    ] {
        let event = fault("slow recommendations", 0, &targets, change);
        record.events.push(at(s, event));
    }
    record.events.sort_by_key(|stamped| stamped.at_us);
    record
}

/// Nothing happens.
pub fn quiet(_: &str, _: f64) -> Behaviour {
    Behaviour::healthy(14_000.0)
}
