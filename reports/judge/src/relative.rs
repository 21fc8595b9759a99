//! `p99 <= 1.25x baseline`: no slower than so many times the baseline, as a
//! test of non-inferiority.
//!
//! The bound on the ratio comes from resampling whole seconds of both windows
//! (block bootstrap, percentile of the ratio; Efron and Tibshirani 1993, ch. 8
//! and 13), with the percentile widened for few blocks (Hesterberg 2015). Where
//! few arrivals lie beyond a quantile, resampling is too sure of itself: a
//! quantile must in addition be decided by the exact bounds of
//! `statistics::binomial`, first on the baseline's quantile and then on the
//! share of arrivals beyond so many times it.

mod resample;

use squall_scenario::{CONFIDENCE, Metric, MetricGate};

use self::resample::{Side, widened};
use crate::case::Case;
use crate::dispersion::{dispersion, spread};
use crate::generator::excuse;
use crate::quantity::{Quantity, grouped};
use crate::ratio::{Claim, Inference};
use crate::ruling::Ruling;
use crate::samples::samples;
use crate::slice::Slice;
use crate::statistics::{surely_above, surely_at_most};
use crate::verdict::{Evidence, GateState};
use crate::window::Window;

/// Resampled ratios behind a bound.
const RESAMPLES: u64 = 2_000;

/// With fewer seconds on either side their resampling means nothing.
const BLOCKS_MIN: usize = 10;

/// How sure a failure must be where the block names no confidence.
const DEFAULT: Inference = Inference {
    confidence: CONFIDENCE,
    burst: None,
};

/// The two windows that are compared.
struct Pair {
    baseline: Slice,
    now: Slice,
    base: Side,
    side: Side,
}

/// What the exact bounds say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exact {
    Within,
    Beyond,
    /// Beyond, but only with the generator's lag.
    BeyondByLag,
    Open,
}

/// Judges a gate that compares a window with the baseline.
pub(super) fn rule(
    case: &Case<'_>,
    window: &Window,
    gate: &MetricGate,
    times: f64,
    inference: Option<Inference>,
) -> Ruling {
    let undecided = |why: String| Ruling {
        state: GateState::Inconclusive,
        explanation: why,
        evidence: Evidence {
            threshold: Some(Quantity::Times(times)),
            ranges: window.ranges.clone(),
            ..Evidence::default()
        },
    };
    let Some(baseline) = case.window("baseline") else {
        return undecided("there is no baseline to compare with".to_owned());
    };
    let pair = Pair::of(case, baseline, window, gate);
    if let Some(why) = pair.problem(gate) {
        return undecided(why);
    }
    let before = pair.base.value(gate.metric, None);
    let now = pair.side.value(gate.metric, None);
    if !before.is_finite() || before <= 0.0 {
        return undecided(format!(
            "{} of the baseline is itself a failure",
            gate.metric
        ));
    }
    let sure = inference.unwrap_or(DEFAULT);
    let seed = squall_scenario::seed::sub_seed(
        case.record.manifest.seed,
        &format!("judge/{gate}/{}", window.name),
    );
    let (lower, upper) = bounds(&pair, gate.metric, sure, seed);
    let mut evidence = pair.evidence(gate, before * times);
    evidence.observed = Some(ratio(now / before));
    evidence.threshold = Some(Quantity::Times(times));
    evidence.bound = Some(ratio(upper));
    evidence.margin = (now.is_finite()).then(|| 1.0 - now / before / times);
    evidence.ranges.clone_from(&window.ranges);
    evidence.samples = samples(case, window, gate);
    let exact = match gate.metric {
        Metric::Quantile(q) => exact(&pair, q, times, sure, inference.is_some()),
        // A mean is smooth: its resampled ratios need no help.
        _ if upper <= times => Exact::Within,
        _ if lower > times => Exact::Beyond,
        _ => Exact::Open,
    };
    let fact = format!(
        "{} was {}, {} the baseline\u{2019}s {}; at {:.0}% confidence at most {}, and {} may be",
        gate.metric,
        shown(now),
        ratio(now / before),
        shown(before),
        sure.confidence * 100.0,
        ratio(upper),
        ratio(times),
    );
    let (state, reason) = conclude(&pair, exact, (lower, upper), times);
    Ruling {
        state,
        explanation: format!("{fact}{reason}"),
        evidence,
    }
}

fn conclude(
    pair: &Pair,
    exact: Exact,
    (lower, upper): (f64, f64),
    times: f64,
) -> (GateState, String) {
    match exact {
        Exact::Within if upper <= times && pair.now.counts.unfinished > 0 => (
            GateState::Inconclusive,
            format!(
                "; {} more never settled",
                grouped(pair.now.counts.unfinished)
            ),
        ),
        Exact::Within if upper <= times => (GateState::Pass, String::new()),
        Exact::Beyond if lower > times => (GateState::Fail, String::new()),
        Exact::BeyondByLag if lower > times => (
            GateState::Inconclusive,
            format!("; {} it would hold", excuse(pair.now.counts.drops)),
        ),
        _ => (
            GateState::Inconclusive,
            format!(
                "; too close to tell from {} seconds and {} of baseline",
                pair.side.blocks(),
                pair.base.blocks()
            ),
        ),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a response time is positive and at most an hour"
)]
fn shown(us: f64) -> Quantity {
    if us.is_finite() {
        Quantity::Micros(us.round() as u64)
    } else {
        Quantity::Never
    }
}

fn ratio(times: f64) -> Quantity {
    if times.is_finite() {
        Quantity::Times(times)
    } else {
        Quantity::Never
    }
}

impl Pair {
    fn of(case: &Case<'_>, baseline: &Window, window: &Window, gate: &MetricGate) -> Self {
        let route = gate.of.as_deref();
        let intervals = &case.record.intervals;
        Self {
            baseline: Slice::to_judge().gather(intervals, baseline, route),
            now: Slice::to_judge().gather(intervals, window, route),
            base: Side::of(intervals, baseline, route),
            side: Side::of(intervals, window, route),
        }
    }

    /// Why nothing can be compared.
    fn problem(&self, gate: &MetricGate) -> Option<String> {
        let both = [
            (&self.now, &self.side, "this window"),
            (&self.baseline, &self.base, "the baseline"),
        ];
        for (slice, side, name) in both {
            if slice.counts.settled() == 0 {
                return Some(format!(
                    "no arrival of {name} settled: no data is never a pass"
                ));
            }
            if slice.missing_times() > 0 {
                let missing = grouped(slice.missing_times());
                return Some(format!(
                    "the response times of {missing} answers are missing from the record"
                ));
            }
            if gate.metric == Metric::Mean && slice.counts.good == 0 {
                return Some(format!("no answer of {name} was good, so there is no mean"));
            }
            if side.blocks() < BLOCKS_MIN {
                return Some(format!(
                    "{name} has {} seconds with arrivals, and comparing takes {BLOCKS_MIN}",
                    side.blocks()
                ));
            }
        }
        None
    }

    /// Arrivals slower than the limit, and how many may be.
    fn evidence(&self, gate: &MetricGate, limit_us: f64) -> Evidence {
        let mut evidence = Evidence {
            n: self.now.counts.settled(),
            intervals: self.now.intervals,
            ..Evidence::default()
        };
        if let Metric::Quantile(q) = gate.metric {
            let claim = Claim {
                limit: 1.0 - q,
                strict: false,
                at_most: true,
            };
            evidence.bad = self.now.slower(whole(limit_us), false);
            evidence.bad_allowed = Some(claim.allowed(evidence.n));
        }
        evidence
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a limit is positive, and one beyond an hour saturates"
)]
fn whole(us: f64) -> u64 {
    us as u64
}

/// One-sided bounds on the ratio: what is needed to fail and to pass.
fn bounds(pair: &Pair, metric: Metric, sure: Inference, seed: u64) -> (f64, f64) {
    let blocks = pair.base.blocks().min(pair.side.blocks());
    let (mut low, mut high): (Vec<f64>, Vec<f64>) = (0..RESAMPLES)
        .map(|index| {
            let now = pair.side.value(metric, Some((seed, 2 * index)));
            let before = pair.base.value(metric, Some((seed, 2 * index + 1)));
            // Where the resampled baseline fails too, the ratio can be anything.
            match (now.is_finite(), before.is_finite() && before > 0.0) {
                (true, true) => (now / before, now / before),
                (false, true) => (f64::INFINITY, f64::INFINITY),
                (_, false) => (0.0, f64::INFINITY),
            }
        })
        .unzip();
    low.sort_by(f64::total_cmp);
    high.sort_by(f64::total_cmp);
    let at = |sorted: &[f64], share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of two thousand"
        )]
        let index = (share * sorted.len() as f64).floor() as usize;
        sorted
            .get(index.min(sorted.len().saturating_sub(1)))
            .copied()
    };
    let to_fail = widened(1.0 - sure.confidence_to_fail(), blocks);
    let to_pass = widened(1.0 - sure.confidence, blocks);
    (
        at(&low, to_fail).unwrap_or(0.0),
        at(&high, 1.0 - to_pass).unwrap_or(f64::INFINITY),
    )
}

/// Decides `Q(now) <= times Q(baseline)` by exact bounds, half of the error on
/// either side. With `confidence` bursts that were not refuted are assumed.
fn exact(pair: &Pair, q: f64, times: f64, sure: Inference, assume: bool) -> Exact {
    let share = 1.0 - q;
    let half = |confidence: f64| 1.0 - (1.0 - confidence) / 2.0;
    let (to_pass, to_fail) = (half(sure.confidence), half(sure.confidence_to_fail()));
    let usual_us = pair.base.value(Metric::Quantile(q), None);
    let weight = |side: &Side, limit_us: f64| {
        let bins = side.bins(limit_us);
        if assume {
            spread(&bins, sure.burst)
        } else {
            dispersion(&bins)
        }
    };
    let base_weight = weight(&pair.base, usual_us);
    let n = pair.base.arrivals() / base_weight;
    let above = |bad: f64| surely_above(bad / base_weight, n, share, to_pass);
    let within = |bad: f64| surely_at_most(bad / base_weight, n, share, to_fail);
    let low_us = pair.base.slowest(above);
    let high_us = pair.base.fastest(within);
    let now = |limit_us: f64| {
        let weight = weight(&pair.side, limit_us);
        let n = pair.side.arrivals() / weight;
        (pair.side.slower(limit_us) / weight, n, weight)
    };
    if let Some(low_us) = low_us {
        let (bad, n, _) = now(low_us * times);
        if surely_at_most(bad, n, share, to_pass) {
            return Exact::Within;
        }
    }
    if let Some(high_us) = high_us {
        let (bad, n, weight) = now(high_us * times);
        if surely_above(bad, n, share, to_fail) {
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let unlagged = pair.now.slower_unlagged(whole(high_us * times), false) as f64 / weight;
            let still = surely_above(unlagged.min(bad), n, share, to_fail);
            return if still {
                Exact::Beyond
            } else {
                Exact::BeyondByLag
            };
        }
    }
    Exact::Open
}
