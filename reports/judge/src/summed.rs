//! A metric gate judged on a sum of arrivals.

use squall_scenario::{
    CONFIDENCE, Comparison, GateValue, Metric, MetricGate, samples_for_quantile,
};

use crate::dispersion::{dispersion, spread};
use crate::generator::excuse;
use crate::quantity::{Quantity, grouped, percent, significant};
use crate::ratio::{Claim, Decision, Inference, Trial, claim_of};
use crate::ruling::{Ruling, undecided, unit_threshold};
use crate::slice::{Slice, share};
use crate::statistics::{binomial_quantile, upper_bound};
use crate::verdict::{Evidence, GateState};

/// What it takes to fail with fewer arrivals than a quantile needs.
pub(super) const CERTAIN: Inference = Inference {
    confidence: CONFIDENCE,
    burst: Some(1),
};

/// Judges a metric gate on a sum of arrivals. Gates that need to know when
/// things happened are undecided here.
pub(crate) fn rule_slice(slice: &Slice, gate: &MetricGate, inference: Option<Inference>) -> Ruling {
    let timed = matches!(
        gate.metric,
        Metric::Outages { .. } | Metric::LongestOutage { .. }
    );
    if timed || gate.every.is_some() || matches!(gate.value, GateValue::TimesBaseline(_)) {
        return undecided("it is judged when the run is over");
    }
    let mut evidence = Evidence {
        n: slice.counts.settled(),
        threshold: unit_threshold(gate.value),
        intervals: slice.intervals,
        ..Evidence::default()
    };
    if evidence.n == 0 {
        return Ruling {
            state: GateState::Inconclusive,
            explanation: "no arrival of this window settled: no data is never a pass".to_owned(),
            evidence,
        };
    }
    let times_matter = !matches!(
        gate.metric,
        Metric::Success | Metric::ErrorRate | Metric::Goodput | Metric::DroppedArrivals
    );
    if times_matter && slice.missing_times() > 0 {
        let missing = grouped(slice.missing_times());
        return Ruling {
            state: GateState::Inconclusive,
            explanation: format!(
                "the response times of {missing} answers are missing from the record"
            ),
            evidence,
        };
    }
    match claim_of(gate) {
        Some((claim, limit_us)) => {
            let (mut trial, needed) = count(slice, gate, limit_us, &mut evidence);
            if let Some(inference) = inference {
                trial.dispersion = spread(&slice.bins, inference.burst);
                evidence.burst = Some(trial.dispersion);
            }
            evidence.bad = trial.bad;
            evidence.budget_30d = budget(&claim, slice, gate);
            weigh(slice, &claim, &trial, gate, inference, needed, evidence)
        }
        None => rule_scalar(slice, gate, evidence),
    }
}

/// Counts the bad arrivals of a claim, fills in what was observed and its
/// bound, and says how many arrivals a quantile needs.
pub(super) fn count(
    slice: &Slice,
    gate: &MetricGate,
    limit_us: Option<u64>,
    evidence: &mut Evidence,
) -> (Trial, u64) {
    let n = slice.counts.settled();
    let strict = gate.comparison == Comparison::Below;
    let (bad, bad_unlagged) = match limit_us {
        Some(limit_us) => (
            slice.slower(limit_us, strict),
            slice.slower_unlagged(limit_us, strict),
        ),
        None => (slice.counts.failed(), slice.failed_unlagged()),
    };
    let trial = Trial {
        bad,
        bad_unlagged: bad_unlagged.min(bad),
        n,
        unfinished: slice.counts.unfinished,
        dispersion: dispersion(&slice.bins),
    };
    let failed_at_most = upper(bad, n);
    let mut needed = 1;
    (evidence.observed, evidence.bound) = match gate.metric {
        Metric::Quantile(q) => {
            needed = samples_for_quantile(q, CONFIDENCE);
            // The order-statistic bound: r with P[Bin(n, q) <= r - 1] >= 95 %.
            let bound_rank = binomial_quantile(n, q, CONFIDENCE) + 1;
            let bound = (bound_rank <= n).then(|| slice.at_rank(bound_rank));
            (slice.quantile(q), bound)
        }
        Metric::Max => (slice.quantile(1.0), None),
        Metric::ErrorRate => (
            share(bad, n).map(Quantity::Share),
            Some(Quantity::Share(failed_at_most)),
        ),
        _ => (
            slice.success().map(Quantity::Share),
            Some(Quantity::Share(1.0 - failed_at_most)),
        ),
    };
    (trial, needed)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn upper(bad: u64, n: u64) -> f64 {
    upper_bound(bad as f64, n as f64, CONFIDENCE)
}

/// Turns the decision on a claim into a ruling with its explanation.
fn weigh(
    slice: &Slice,
    claim: &Claim,
    trial: &Trial,
    gate: &MetricGate,
    inference: Option<Inference>,
    needed: u64,
    mut evidence: Evidence,
) -> Ruling {
    let allowed = claim.allowed(trial.n);
    evidence.bad_allowed = claim.at_most.then_some(allowed);
    evidence.margin = margin(gate, &evidence);
    let mut fact = fact(claim, trial, gate, &evidence);
    if let Some(cost) = evidence.budget_30d {
        let good = percent(1.0 - claim.limit);
        fact.push_str(&format!(
            "; this costs {} of a 30-day {good} budget",
            percent(cost)
        ));
    }
    let mut decision = claim.decide(trial, inference);
    if trial.n < needed {
        evidence.needed = Some(needed);
        // Too few to pass; a failure that chance does not explain is one.
        let certain = claim.decide(trial, Some(inference.unwrap_or(CERTAIN)));
        if certain != Decision::Violated {
            decision = Decision::NeedsMore(Some(needed));
        }
    }
    let (state, reason) = match decision {
        Decision::Holds => (GateState::Pass, String::new()),
        Decision::Violated => (GateState::Fail, String::new()),
        Decision::Unfinished => (
            GateState::Inconclusive,
            format!("; {} more never settled", grouped(trial.unfinished)),
        ),
        Decision::OnlyLag => (
            GateState::Inconclusive,
            format!(
                "; {} it would be {}",
                excuse(slice.counts.drops),
                grouped(trial.bad_unlagged)
            ),
        ),
        Decision::NeedsMore(Some(needed)) => {
            evidence.needed = Some(needed);
            let more = grouped(needed.saturating_sub(trial.n));
            (
                GateState::Inconclusive,
                format!(
                    "; too few to tell: needs {more} more{}",
                    bursts(trial, inference)
                ),
            )
        }
        Decision::NeedsMore(None) => (
            GateState::Inconclusive,
            format!(
                "; too close to tell at this confidence{}",
                bursts(trial, inference)
            ),
        ),
    };
    Ruling {
        state,
        explanation: format!("{fact}{reason}"),
        evidence,
    }
}

/// What the failures cost of the budget of 30 days at the slice's rate.
#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn budget(claim: &Claim, slice: &Slice, gate: &MetricGate) -> Option<f64> {
    const THIRTY_DAYS_S: f64 = 30.0 * 86_400.0;
    let share = matches!(gate.metric, Metric::Success | Metric::ErrorRate) && claim.at_most;
    let allowed = claim.limit * slice.per_second(slice.counts.settled()) * THIRTY_DAYS_S;
    let cost = slice.counts.failed() as f64 / allowed;
    (share && allowed > 0.0 && slice.counts.failed() > 0).then_some(cost)
}

/// Why failures weigh less than one each, in words.
fn bursts(trial: &Trial, inference: Option<Inference>) -> String {
    let burst = significant(trial.dispersion);
    match inference {
        Some(_) if trial.dispersion <= 1.0 => String::new(),
        Some(Inference { burst: None, .. }) if trial.bad == 0 => format!(
            ", as failures may come in bursts of {burst} (`burst: 1` says that they do not)"
        ),
        Some(_) => format!(", as {burst} failures count as one: they may come in bursts"),
        None => String::new(),
    }
}

/// What was counted, in words.
pub(super) fn fact(claim: &Claim, trial: &Trial, gate: &MetricGate, evidence: &Evidence) -> String {
    let (bad, n) = (grouped(trial.bad), grouped(trial.n));
    let limit = match (gate.metric, evidence.threshold) {
        (Metric::Quantile(_) | Metric::Max, Some(limit)) => format!(" or took longer than {limit}"),
        _ => String::new(),
    };
    if claim.at_most {
        let allowed = grouped(claim.allowed(trial.n));
        format!("{bad} of {n} arrivals failed{limit}; the gate allows {allowed}")
    } else {
        format!("{bad} of {n} arrivals failed{limit}")
    }
}

/// How much of the allowance is left, from 1 (untouched) to below 0.
#[expect(clippy::cast_precision_loss, reason = "shown as a percentage")]
pub(super) fn margin(gate: &MetricGate, evidence: &Evidence) -> Option<f64> {
    match (gate.metric, evidence.observed, evidence.threshold) {
        (
            Metric::Quantile(_) | Metric::Max,
            Some(Quantity::Micros(seen)),
            Some(Quantity::Micros(limit)),
        ) if limit > 0 => Some(1.0 - seen as f64 / limit as f64),
        (Metric::Success | Metric::ErrorRate, _, _) => {
            let allowed = evidence.bad_allowed.filter(|allowed| *allowed > 0)?;
            Some(1.0 - evidence.bad as f64 / allowed as f64)
        }
        _ => None,
    }
}

/// The value of a metric as it was seen, as it would be without the
/// generator's lag and limits, and as it is shown.
fn scalar(slice: &Slice, metric: Metric) -> (f64, f64, Option<Quantity>) {
    let counts = &slice.counts;
    let (mean_us, unlagged_us) = slice.means_us();
    match metric {
        Metric::Mean => (mean_us, unlagged_us, Some(micros(mean_us))),
        Metric::Quantile(_) | Metric::Max => {
            let q = if let Metric::Quantile(q) = metric {
                q
            } else {
                1.0
            };
            let value = slice.quantile(q);
            let us = match value {
                Some(Quantity::Micros(us)) => us as f64,
                _ => f64::INFINITY,
            };
            (us, us, value)
        }
        Metric::Goodput => {
            let rate = slice.per_second(counts.good);
            let unlagged = slice.per_second(counts.good.saturating_add(counts.excused()));
            (rate, unlagged, Some(Quantity::PerSecond(rate)))
        }
        Metric::DroppedArrivals => {
            let excused = counts.drops.excused().min(counts.dropped);
            let unexcused = counts.dropped - excused;
            (
                counts.dropped as f64,
                unexcused as f64,
                Some(Quantity::Count(counts.dropped)),
            )
        }
        // These are judged on the course of the run, not on a sum.
        Metric::Outages { .. } | Metric::LongestOutage { .. } => (f64::NAN, f64::NAN, None),
        Metric::Success | Metric::ErrorRate => {
            let success = slice.success().unwrap_or(0.0);
            let share = if metric == Metric::Success {
                success
            } else {
                1.0 - success
            };
            (share, share, Some(Quantity::Share(share)))
        }
    }
}

/// Gates that compare one number: mean, goodput, dropped arrivals, and
/// unusual directions of the others.
fn rule_scalar(slice: &Slice, gate: &MetricGate, mut evidence: Evidence) -> Ruling {
    let counts = &slice.counts;
    if gate.metric == Metric::DroppedArrivals {
        evidence.bad = counts.dropped;
    }
    let (seen, excused, observed) = scalar(slice, gate.metric);
    evidence.observed = observed;
    let limit = evidence.threshold.map_or(f64::NAN, Quantity::as_number);
    let shown = observed.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
    let fact = format!(
        "{} was {shown} over {} arrivals",
        gate.metric,
        grouped(evidence.n)
    );
    let (state, reason) = if !gate.comparison.holds(seen, limit) {
        if gate.comparison.holds(excused, limit) {
            let excuse = excuse(counts.drops);
            (GateState::Inconclusive, format!("; {excuse} it would hold"))
        } else {
            (GateState::Fail, String::new())
        }
    } else if counts.unfinished > 0 {
        let reason = "; some arrivals never settled".to_owned();
        (GateState::Inconclusive, reason)
    } else if gate.metric == Metric::Mean && counts.good == 0 {
        let reason = "; no answer was good, so there is no mean".to_owned();
        (GateState::Inconclusive, reason)
    } else {
        (GateState::Pass, String::new())
    };
    Ruling {
        state,
        explanation: format!("{fact}{reason}"),
        evidence,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mean of recorded values is positive and at most an hour"
)]
fn micros(us: f64) -> Quantity {
    Quantity::Micros(us.round() as u64)
}
