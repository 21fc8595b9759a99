//! Gates that hold when things are bad.

use squall_scenario::{Comparison, Gate, Metric};

use super::power;
use super::role::Role;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::GateDraft;

/// Warns about a gate that holds when things are bad.
pub(super) fn check(draft: &GateDraft, role: Role, findings: &mut Vec<Diagnostic>) {
    let Gate::Metric(gate) = &draft.gate.value else {
        return;
    };
    if power::is_relative(draft) {
        // It may only be an upper limit, which is said elsewhere.
        return;
    }
    let rising = matches!(gate.comparison, Comparison::Above | Comparison::AtLeast);
    let falling = matches!(gate.comparison, Comparison::Below | Comparison::AtMost);
    let (bad_when_high, bad, good) = match gate.metric {
        Metric::Quantile(_) | Metric::Max | Metric::Mean => (true, "SLOW", "FAST"),
        Metric::ErrorRate
        | Metric::DroppedArrivals
        | Metric::Outages { .. }
        | Metric::LongestOutage { .. } => (true, "FAILING", "WELL"),
        Metric::Success | Metric::Goodput => (false, "FAILING", "WELL"),
    };
    let asks_for_bad = (bad_when_high && rising) || (!bad_when_high && falling);
    let asks_for_good = (bad_when_high && falling) || (!bad_when_high && rising);
    let title = match role {
        Role::Abort if asks_for_good => format!("this rule aborts when the service is {good}"),
        Role::SteadyState | Role::During | Role::After if asks_for_bad => {
            format!("this gate passes when the service is {bad}")
        }
        _ => return,
    };
    findings.push(other_way_round(draft, gate.comparison, &title));
}

/// A comparison that asks for what nobody wants.
pub(super) fn other_way_round(
    draft: &GateDraft,
    comparison: Comparison,
    title: &str,
) -> Diagnostic {
    let turned = match comparison {
        Comparison::Above => "<",
        Comparison::AtLeast => "<=",
        Comparison::Below => ">",
        Comparison::AtMost | Comparison::Equal => ">=",
    };
    Diagnostic::warning(codes::PASSES_WHEN_BAD, title)
        .at(
            draft.comparison.unwrap_or(draft.whole),
            "the other way round?",
        )
        .help(format!("did you mean `{turned}`?"))
}
