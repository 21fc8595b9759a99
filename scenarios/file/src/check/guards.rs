//! Rules of `abort_when` beside the gates: a run that keeps its objectives is
//! not to be aborted.

use squall_scenario::{Comparison, Gate, GateValue, Metric, When};

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::{GateDraft, ScenarioDraft};

/// What a rule and a gate are about, and the values that satisfy them.
struct Bound {
    /// Equal where both speak of the same thing.
    about: String,
    /// Whether greater values satisfy it, as against smaller ones.
    upwards: bool,
    inclusive: bool,
    limit: f64,
}

/// Warns about every rule that may fire while a gate still holds.
pub(super) fn check(draft: &ScenarioDraft, findings: &mut Vec<Diagnostic>) {
    let during = draft
        .slo
        .iter()
        .filter(|block| matches!(block.when.value, When::During(_)));
    let gates: Vec<&GateDraft> = during.flat_map(|block| &block.gates).collect();
    for rule in &draft.abort_when {
        let Some(aborts) = bound(&rule.gate.value) else {
            continue;
        };
        let early = gates
            .iter()
            .find(|gate| bound(&gate.gate.value).is_some_and(|holds| overlap(&aborts, &holds)));
        if let Some(gate) = early {
            findings.push(
                Diagnostic::warning(
                    codes::ABORTS_EARLY,
                    "this rule may abort a run that keeps its objectives",
                )
                .at(rule.whole, "fires here already")
                .also(gate.whole, "while this still holds")
                .help("abort only beyond what every gate allows, or leave the rule out"),
            );
        }
    }
}

/// Whether some value aborts the run and satisfies the gate. Both ask for the
/// same direction only when one of them is the wrong way round, which is said
/// elsewhere.
fn overlap(aborts: &Bound, holds: &Bound) -> bool {
    if aborts.about != holds.about || aborts.upwards == holds.upwards {
        return false;
    }
    let (from, to) = if aborts.upwards {
        (aborts.limit, holds.limit)
    } else {
        (holds.limit, aborts.limit)
    };
    // Binary noise of `1 - share` is no overlap.
    let slack = f64::EPSILON * 4.0 * from.abs().max(to.abs());
    let touches = (to - from).abs() <= slack && aborts.inclusive && holds.inclusive;
    touches || to - from > slack
}

fn bound(gate: &Gate) -> Option<Bound> {
    let (mut about, comparison, value) = match gate {
        Gate::Metric(gate) => (gate.subject(), gate.comparison, gate.value),
        Gate::Reading(gate) => (format!("{:?}", gate.reading), gate.comparison, gate.value),
        _ => return None,
    };
    let mut limit = number(value)?;
    let (mut upwards, inclusive) = match comparison {
        Comparison::Below => (false, false),
        Comparison::AtMost => (false, true),
        Comparison::Above => (true, false),
        Comparison::AtLeast => (true, true),
        Comparison::Equal => return None,
    };
    // Success and error rate are the same thing seen from both ends.
    if let Gate::Metric(gate) = gate
        && gate.metric == Metric::ErrorRate
    {
        about = about.replacen(
            &Metric::ErrorRate.to_string(),
            &Metric::Success.to_string(),
            1,
        );
        (upwards, limit) = (!upwards, 1.0 - limit);
    }
    Some(Bound {
        about,
        upwards,
        inclusive,
        limit,
    })
}

/// A limit that does not depend on the run.
#[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
fn number(value: GateValue) -> Option<f64> {
    Some(match value {
        GateValue::TimesBaseline(_) => return None,
        GateValue::Duration(duration) => duration.as_secs_f64(),
        GateValue::Share(share) => share.get(),
        GateValue::Rate(rate) => rate.as_per_second(),
        GateValue::Count(count) => count as f64,
        GateValue::Bytes(bytes) => bytes.0 as f64,
        GateValue::BitRate(rate) => rate.0,
        GateValue::Number(number) => number,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlaps(rule: &str, gate: &str) -> bool {
        let of = |text: &str| bound(&crate::parse::parse_gate(text).unwrap()).unwrap();
        overlap(&of(rule), &of(gate))
    }

    #[test]
    fn a_rule_fires_only_beyond_the_gate() {
        for (rule, gate) in [
            ("error_rate > 80% for 10s", "success >= 99%"),
            ("error_rate > 1% for 10s", "success >= 99%"),
            ("success < 99%", "success >= 99%"),
            ("p99 > 600ms", "p99 < 600ms"),
            ("p99 >= 600ms", "p99 < 600ms"),
            ("p99 of a > 100ms", "p99 < 600ms"),
            ("p99 > 100ms", "p95 < 600ms"),
            ("memory of api > 1GiB", "memory of api < 500MiB"),
            ("memory of api > 1MiB", "memory of db < 500MiB"),
        ] {
            assert!(!overlaps(rule, gate), "{rule}; {gate}");
        }
        for (rule, gate) in [
            ("error_rate > 0.5% for 10s", "success >= 99%"),
            ("error_rate >= 1%", "success >= 99%"),
            ("success < 99.9%", "error_rate <= 1%"),
            ("p99 > 500ms", "p99 < 600ms"),
            ("memory of api > 100MiB", "memory of api < 500MiB"),
            ("probe queue > 10", "probe queue < 100"),
        ] {
            assert!(overlaps(rule, gate), "{rule}; {gate}");
        }
    }
}
