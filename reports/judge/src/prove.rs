//! Whether a weakened variant shows that its scenario can fail.

use squall_scenario::Variant;

use crate::outcome::RunOutcome;
use crate::verdict::{GateState, GateVerdict, Subject, Verdict};

/// What the run of a variant shows about its scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariantOutcome {
    /// The variant failed where it should: the scenario can fail. The reason
    /// names the gate.
    Proven(String),
    /// The variant passed what it should fail: the scenario is toothless.
    Toothless(String),
    /// The run proves neither.
    Nothing(String),
}

/// Judges the run of a weakened variant. It must fail on a listed gate that is
/// about users; an aborted run counts as failed, an inconclusive one proves
/// nothing.
#[must_use]
pub fn variant_outcome(verdict: &Verdict, variant: &Variant) -> VariantOutcome {
    match verdict.outcome {
        RunOutcome::Aborted => {
            return VariantOutcome::Proven(format!("it was aborted: {}", verdict.sentence));
        }
        RunOutcome::Pass | RunOutcome::Measured | RunOutcome::Fail | RunOutcome::Inconclusive => {}
        other => return VariantOutcome::Nothing(format!("{other}: {}", verdict.sentence)),
    }
    let listed: Vec<&GateVerdict> = verdict
        .gates
        .iter()
        .filter(|gate| is_listed(gate, variant) && gate.subject == Subject::Users)
        .collect();
    if listed.is_empty() {
        return VariantOutcome::Nothing(format!(
            "no gate about users is listed under `fails` of variant `{}` and judged",
            variant.name
        ));
    }
    if let Some(gate) = listed.iter().find(|gate| gate.state == GateState::Fail) {
        return VariantOutcome::Proven(format!("{} ({})", gate.name(), gate.explanation));
    }
    let open = listed.iter().find(|gate| gate.state != GateState::Pass);
    if let Some(gate) = open {
        return VariantOutcome::Nothing(format!(
            "{} is undecided: {}",
            gate.name(),
            gate.explanation
        ));
    }
    let names: Vec<String> = listed.iter().map(|gate| gate.name()).collect();
    VariantOutcome::Toothless(format!("passed although weakened: {}", names.join(", ")))
}

fn is_listed(gate: &GateVerdict, variant: &Variant) -> bool {
    variant.fails.iter().any(|expected| {
        expected.value.metric == gate.metric && expected.value.window == gate.window
    })
}
