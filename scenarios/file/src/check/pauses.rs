//! Whether two faults would stop one process at the same time.

use squall_scenario::{FaultSpec, FaultTarget, System, quoted};

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::FaultDraft;

/// Whether two faults would stop one process at the same time: the first to end
/// would continue it for both.
pub(super) fn check(faults: &[FaultDraft], system: &System, findings: &mut Vec<Diagnostic>) {
    let mut earlier: Vec<&FaultDraft> = Vec::new();
    let pauses = faults
        .iter()
        .filter(|fault| fault.spec.inject.stops_processes());
    for fault in pauses {
        let units = system.units(&fault.spec.into.value);
        let shared = |other: &&FaultDraft| -> Option<String> {
            let theirs = system.units(&other.spec.into.value);
            units.iter().find(|unit| theirs.contains(unit)).cloned()
        };
        let met = earlier
            .iter()
            .filter(|other| meet(&fault.spec, &other.spec))
            .find_map(|other| Some((other, shared(other)?)));
        if let Some((other, unit)) = met {
            let any = [fault, other]
                .iter()
                .any(|fault| matches!(fault.spec.into.value, FaultTarget::Any { .. }));
            let would = if any { "could" } else { "would" };
            findings.push(
                Diagnostic::error(
                    codes::PAUSES_OVERLAP,
                    format!("two faults {would} pause {unit} at the same time"),
                )
                .at(fault.into, format!("while {} does", quoted(&other.spec.name.value)))
                .also(other.into, "paused by this one too")
                .help("the first to end would continue it for both; let one end before the other begins, or pause other processes"),
            );
        }
        earlier.push(fault);
    }
}

/// Whether both are injected at any one time.
fn meet(one: &FaultSpec, other: &FaultSpec) -> bool {
    let length = |fault: &FaultSpec| fault.duration.unwrap_or_default();
    let (mut ones, mut others) = (one.repeats().peekable(), other.repeats().peekable());
    // Both lists are in order, so the one that ends first is done with.
    while let (Some(a), Some(b)) = (ones.peek(), others.peek()) {
        let (a_end, b_end) = (*a + length(one), *b + length(other));
        if *a < b_end && *b < a_end {
            return true;
        }
        if a_end <= b_end {
            ones.next();
        } else {
            others.next();
        }
    }
    false
}
