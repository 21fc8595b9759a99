//! Sliding windows, outages and multiples of the baseline: where they may
//! stand, and how many arrivals they need.

use std::time::Duration;

use squall_scenario::{
    BASELINE, Comparison, Gate, GateValue, HOLD, Metric, MetricGate, STRETCH_MIN, Share, WHOLE_RUN,
    When, format_duration, quoted,
};

use super::role::Role;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::GateDraft;

fn metric_gate(draft: &GateDraft) -> Option<&MetricGate> {
    match &draft.gate.value {
        Gate::Metric(gate) => Some(gate),
        _ => None,
    }
}

/// Whether the gate compares with the baseline.
pub(super) fn is_relative(draft: &GateDraft) -> bool {
    metric_gate(draft).is_some_and(|gate| matches!(gate.value, GateValue::TimesBaseline(_)))
}

fn counts_outages(gate: &MetricGate) -> bool {
    matches!(
        gate.metric,
        Metric::Outages { .. } | Metric::LongestOutage { .. }
    )
}

/// Reports gates of these kinds that stand where they cannot be judged; `true`
/// when one was reported.
pub(super) fn place(draft: &GateDraft, role: Role, findings: &mut Vec<Diagnostic>) -> bool {
    let Some(gate) = metric_gate(draft) else {
        return false;
    };
    let before = findings.len();
    every_place(draft, gate, role, findings);
    if counts_outages(gate) && role != Role::During {
        findings.push(
            Diagnostic::error(
                codes::GATE_OUT_OF_PLACE,
                "outages are counted over a window",
            )
            .at(draft.whole, "only in a block with `during`")
            .help("write for instance `success >= 99%` here"),
        );
    }
    if is_relative(draft) && role != Role::During {
        findings.push(
            Diagnostic::error(
                codes::GATE_OUT_OF_PLACE,
                "only a window can be compared with the baseline",
            )
            .at(draft.whole, "only in a block with `during`")
            .help("write a time here, for instance `p99 < 300ms`"),
        );
    } else if is_relative(draft)
        && !matches!(gate.comparison, Comparison::Below | Comparison::AtMost)
    {
        findings.push(
            Diagnostic::error(
                codes::GATE_SYNTAX,
                "a multiple of the baseline is an upper limit",
            )
            .at(draft.comparison.unwrap_or(draft.whole), "`<=`?")
            .help(format!("write `{} <= {}`", gate.subject(), gate.value)),
        );
    }
    findings.len() > before
}

/// Reports a sliding window that has nothing to slide in.
fn every_place(draft: &GateDraft, gate: &MetricGate, role: Role, findings: &mut Vec<Diagnostic>) {
    let Some(every) = gate.every else { return };
    let at = draft.every.unwrap_or(draft.whole);
    let whole = counts_outages(gate) || is_relative(draft);
    if role != Role::During {
        findings.push(
            Diagnostic::error(
                codes::GATE_OUT_OF_PLACE,
                "`in every` needs a window to slide in",
            )
            .at(at, "only in a block with `during`")
            .help(match role {
                Role::Abort => {
                    "write `for` instead: an abort rule is looked at every second anyway"
                }
                _ => "leave it out",
            }),
        );
    } else if whole {
        findings.push(
            Diagnostic::error(
                codes::GATE_OUT_OF_PLACE,
                format!("{} is judged on its window as a whole", gate.metric),
            )
            .at(at, "not in every stretch of it")
            .help("leave it out"),
        );
    } else if every < STRETCH_MIN {
        findings.push(
            Diagnostic::error(codes::OUT_OF_RANGE, "a run is counted by the second")
                .at(at, "shorter than that")
                .help("write `in every 1s` or longer"),
        );
    }
}

/// Reports a gate on a window that holds the baseline it is compared with.
pub(super) fn apart_from_baseline(draft: &GateDraft, when: &When, findings: &mut Vec<Diagnostic>) {
    let When::During(name) = when else { return };
    if !is_relative(draft) || ![BASELINE, HOLD, WHOLE_RUN].contains(&name.as_str()) {
        return;
    }
    findings.push(
        Diagnostic::error(
            codes::GATE_OUT_OF_PLACE,
            format!("{} holds the baseline itself", quoted(name)),
        )
        .at(draft.whole, "compared with itself")
        .help("judge it `during` a fault or `recovery`"),
    );
}

/// Reports a stretch that is longer than what is left of its window.
pub(super) fn stretch_fits(
    draft: &GateDraft,
    left: Duration,
    window: &str,
    findings: &mut Vec<Diagnostic>,
) {
    let Some(every) = metric_gate(draft).and_then(|gate| gate.every) else {
        return;
    };
    if every <= left {
        return;
    }
    findings.push(
        Diagnostic::error(
            codes::EMPTY_WINDOW,
            format!(
                "no stretch of {} fits in {}",
                format_duration(every),
                quoted(window)
            ),
        )
        .at(
            draft.every.unwrap_or(draft.whole),
            format!("the window lasts {}", format_duration(left)),
        )
        .help("slide a shorter stretch, or leave `in every` out"),
    );
}

/// How to give a stretch `factor` times as many arrivals.
pub(super) fn longer_stretch(every: Duration, factor: f64) -> String {
    let longer = (every.as_secs_f64() * factor).ceil();
    format!(
        "raise the rate to {factor:.1} times as much, slide a stretch of {longer}s, or ask for less"
    )
}

/// Whether the arithmetic of a share is asked of every stretch: any number of
/// arrivals decides it, few of them too strictly.
fn strict_share(gate: &MetricGate, confidence: Option<Share>) -> bool {
    matches!(gate.metric, Metric::Success | Metric::ErrorRate) && confidence.is_none()
}

/// What is wrong with too few arrivals.
pub(super) fn title(gate: &MetricGate, confidence: Option<Share>) -> String {
    if strict_share(gate, confidence) {
        "a single failure is too many here".to_owned()
    } else {
        format!("{} cannot be judged here", gate.metric)
    }
}

/// What happens if nothing is changed.
pub(super) fn consequence(gate: &MetricGate, confidence: Option<Share>) -> &'static str {
    if strict_share(gate, confidence) {
        "as written one failure in such a stretch fails the gate"
    } else {
        "as written this gate cannot pass: at best it ends inconclusive (exit code 3)"
    }
}
