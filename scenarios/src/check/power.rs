//! Sliding windows, outages and multiples of the baseline: where they may
//! stand, and how many arrivals they need.

use std::time::Duration;

use super::gates::{Role, samples_needed};
use crate::diagnostic::quoted;
use crate::read::GateDraft;
use crate::windows::{BASELINE, HOLD, WHOLE_RUN};
use crate::{
    Comparison, Diagnostic, Gate, GateValue, Metric, MetricGate, Share, When, codes,
    format_duration,
};

/// The shortest stretch of a sliding window: the length of an interval.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// Arrivals beyond a quantile that its ratio needs on either side: with fewer,
/// resampling repeats the same few arrivals and its bounds are too narrow.
const TAIL_MIN: f64 = 30.0;

/// Arrivals that the ratio of two means needs on either side.
const MEAN_MIN: f64 = 100.0;

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
    } else if every < EVERY_MIN {
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

/// Arrivals without which the gate can only end inconclusive, or only pass
/// without a single failure; `None` where any number does. A share at a
/// `confidence` is a quantile of good and bad, and needs as many.
pub(crate) fn needed(
    gate: &MetricGate,
    confidence: Option<Share>,
    burst: Option<u64>,
) -> Option<f64> {
    if let GateValue::TimesBaseline(_) = gate.value {
        return match gate.metric {
            // 1 - 0.99 is a little more than 0.01; the millionth makes up for it.
            Metric::Quantile(q) => Some((TAIL_MIN / (1.0 - q) - 1e-6).ceil()),
            _ => Some(MEAN_MIN),
        };
    }
    let misplaced = gate.every.is_some_and(|every| every < EVERY_MIN);
    if misplaced {
        return None;
    }
    let good = match (gate.metric, gate.value) {
        (Metric::Quantile(q), _) => return Some(samples_needed(q, confidence, burst)),
        (Metric::Success, GateValue::Share(share)) => share.get(),
        (Metric::ErrorRate, GateValue::Share(share)) => 1.0 - share.get(),
        _ => return None,
    };
    if good <= 0.0 || good >= 1.0 {
        return None;
    }
    match (confidence, gate.every) {
        (Some(_), _) => Some(samples_needed(good, confidence, burst)),
        (None, Some(_)) => Some((1.0 / (1.0 - good) - 1e-6).ceil()),
        // Whether this run kept its budget is arithmetic on any number.
        (None, None) => None,
    }
}

/// Arrivals that one judgement has, of so many in the whole window.
pub(crate) fn per_stretch(gate: &MetricGate, arrivals: f64, length: Duration) -> f64 {
    match gate.every {
        Some(every) if !length.is_zero() => {
            arrivals * (every.as_secs_f64() / length.as_secs_f64()).min(1.0)
        }
        _ => arrivals,
    }
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
