//! From the gates and the events to the one outcome, and why.

use squall_record::{RunEvent, StopReason};

use crate::case::Case;
use crate::outcome::RunOutcome;
use crate::quantity::percent;
use crate::verdict::{Conservation, GateOrigin, GateState, GateVerdict};

/// How the run ended, and why.
pub(super) struct Ending {
    pub(super) outcome: RunOutcome,
    pub(super) sentence: String,
    /// Most important first; the first one is behind the outcome.
    pub(super) reasons: Vec<String>,
}

/// The loudest of everything that happened decides.
pub(super) fn decide(
    case: &Case<'_>,
    gates: &[GateVerdict],
    conservation: &Conservation,
) -> Ending {
    let mut causes: Vec<(RunOutcome, String)> = Vec::new();
    for violation in &conservation.violations {
        let text = format!("arrivals do not add up: {violation}");
        causes.push((RunOutcome::Internal, text));
    }
    causes.extend(
        case.record
            .events
            .iter()
            .filter_map(|stamped| of_event(&stamped.event)),
    );
    for text in case.validity.void.iter().chain(&case.validity.doubts) {
        causes.push((RunOutcome::Inconclusive, text.clone()));
    }
    if let Some((_, why)) = &case.validity.cut_short
        && !causes
            .iter()
            .any(|(outcome, _)| *outcome != RunOutcome::Inconclusive)
    {
        causes.push((RunOutcome::Inconclusive, why.clone()));
    }
    if case.load_end_us == 0 {
        causes.push((RunOutcome::Inconclusive, "no load was recorded".to_owned()));
    }
    causes.extend(
        gates
            .iter()
            .filter(|gate| gate.origin == GateOrigin::Slo)
            .filter_map(of_gate),
    );
    let asked = gates.iter().any(|gate| gate.origin == GateOrigin::Slo);
    let quietest = match asked {
        true => RunOutcome::Pass,
        // Nothing that could have failed is nothing to be proud of.
        false => RunOutcome::Measured,
    };
    let outcome = causes
        .iter()
        .fold(quietest, |loudest, (outcome, _)| loudest.louder(*outcome));
    // Stable: among equals, what voids the run stands before what it voids.
    causes.sort_by_key(|(outcome, _)| {
        crate::OUTCOMES
            .iter()
            .position(|row| row.outcome == *outcome)
    });
    let mut reasons: Vec<String> = Vec::new();
    for (_, reason) in causes {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let mut sentence = sentence(outcome, gates, &reasons);
    if case.faults.iter().any(|fault| fault.withheld) {
        // A pass here says nothing about the fault.
        sentence.insert_str(0, "No fault was injected, on purpose. ");
    }
    Ending {
        outcome,
        sentence,
        reasons,
    }
}

fn of_event(event: &RunEvent) -> Option<(RunOutcome, String)> {
    match event {
        RunEvent::UndoFailed { detail } => Some((
            RunOutcome::UndoFailed,
            format!("could not be put back: {detail}"),
        )),
        RunEvent::Internal { detail } => Some((
            RunOutcome::Internal,
            format!("squall itself failed: {detail}"),
        )),
        RunEvent::Interrupted { reason } => match reason {
            StopReason::Interrupt => {
                Some((RunOutcome::Interrupted, "interrupted by SIGINT".to_owned()))
            }
            StopReason::Terminate => {
                Some((RunOutcome::Terminated, "terminated by SIGTERM".to_owned()))
            }
            StopReason::Finish => None,
        },
        RunEvent::NotReady { detail } => Some((
            RunOutcome::NotReady,
            format!("the system was not ready: {detail}"),
        )),
        RunEvent::Abort { guard, detail } => Some((
            RunOutcome::Aborted,
            format!("the guard `{guard}` ended the run: {detail}"),
        )),
        _ => None,
    }
}

fn of_gate(gate: &GateVerdict) -> Option<(RunOutcome, String)> {
    let outcome = match gate.state {
        GateState::Pass => return None,
        GateState::Fail => RunOutcome::Fail,
        GateState::Inconclusive | GateState::NotReached => RunOutcome::Inconclusive,
    };
    let verb = match gate.state {
        GateState::Fail => "failed",
        GateState::NotReached => "was not reached",
        _ => "is undecided",
    };
    let text = format!("`{}` {verb} {}: {}", gate.gate, gate.when, gate.explanation);
    Some((outcome, text))
}

fn sentence(outcome: RunOutcome, gates: &[GateVerdict], reasons: &[String]) -> String {
    let judged: Vec<&GateVerdict> = gates
        .iter()
        .filter(|gate| gate.origin == GateOrigin::Slo)
        .collect();
    let failed = judged
        .iter()
        .filter(|gate| gate.state == GateState::Fail)
        .count();
    match (outcome, reasons.first()) {
        (RunOutcome::Measured, _) => {
            "The load ran to its end. Without a gate there is no verdict on the system.".to_owned()
        }
        (RunOutcome::Pass, _) => {
            let closest = closest(&judged).map_or(String::new(), |text| format!("; {text}"));
            match judged.len() {
                1 => format!("The only gate passed{closest}."),
                many => format!("All {many} gates passed{closest}."),
            }
        }
        (RunOutcome::Fail, Some(first)) if failed > 1 => {
            format!(
                "{failed} of {} gates failed; the first: {first}.",
                judged.len()
            )
        }
        (_, Some(first)) => format!("{}.", capitalized(first)),
        (_, None) => "There is no reason on record.".to_owned(),
    }
}

/// The gate that came closest to failing.
fn closest(gates: &[&GateVerdict]) -> Option<String> {
    let with_margin = gates
        .iter()
        .filter_map(|gate| Some((gate.evidence.margin?, gate)));
    let (margin, gate) = with_margin.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some(format!(
        "the closest call is `{}` {} with {} to spare",
        gate.gate,
        gate.when,
        percent((margin * 100.0).round() / 100.0)
    ))
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}
