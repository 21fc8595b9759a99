//! `success >= 99% in every 5s`: the gate in every stretch of its window.
//!
//! Stretches begin at every edge of an interval, and one ends with the window.
//! Faults cut intervals where they happen, so a stretch may end inside of an
//! interval: its failures are then counted without that interval and its
//! arrivals with it, so that it is only violated where that is certain.

use std::time::Duration;

use squall_record::Interval;
use squall_scenario::{CONFIDENCE, Comparison, MetricGate, samples_for_quantile};

use crate::case::Case;
use crate::dispersion::Bin;
use crate::quantity::{Quantity, clock, grouped};
use crate::ratio::{Claim, Decision, Inference, Trial, claim_of};
use crate::ruling::{Ruling, unit_threshold};
use crate::samples::samples;
use crate::slice::Slice;
use crate::summed::{CERTAIN, count, fact, margin, rule_slice};
use crate::verdict::{Evidence, GateState, Stretch, Stretches, TimeRange};
use crate::window::Window;

/// A fault's edges shorten its window by moments; one that was planned to be
/// as long as its stretch is judged as one.
const SHORTFALL_US: i64 = 1_000_000;

/// A stretch: the intervals that lie in it, and one more at either end that it
/// only touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    inner: (usize, usize),
    outer: (usize, usize),
    range: TimeRange,
}

/// What became of a stretch.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Judged {
    state: GateState,
    /// Why it is undecided.
    why: &'static str,
    /// How bad it is: the worst stretch has most of it.
    badness: f64,
}

/// Judges a metric gate in every stretch of `every` of a window.
pub(super) fn rule(
    case: &Case<'_>,
    window: &Window,
    gate: &MetricGate,
    every: Duration,
    inference: Option<Inference>,
) -> Ruling {
    let length_us = i64::try_from(every.as_micros()).unwrap_or(i64::MAX);
    let whole = MetricGate {
        every: None,
        ..gate.clone()
    };
    let intervals: Vec<&Interval> = case
        .record
        .intervals
        .iter()
        .filter(|interval| window.contains(interval))
        .collect();
    let spans = spans(&intervals, length_us);
    let judged = match claim_of(&whole) {
        Some((claim, limit_us)) => {
            by_claim(&intervals, &spans, &whole, (claim, limit_us), inference)
        }
        None => by_slice(&intervals, &spans, &whole),
    };
    conclude(case, window, gate, &intervals, &spans, &judged)
}

/// Every stretch of `length_us`, in each run of intervals without a gap.
fn spans(intervals: &[&Interval], length_us: i64) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut from = 0;
    for to in 1..=intervals.len() {
        let gap = intervals
            .get(to)
            .is_none_or(|next| next.start_us != intervals[to - 1].end_us);
        if gap {
            spans_of_run(intervals, (from, to), length_us, &mut spans);
            from = to;
        }
    }
    spans
}

fn spans_of_run(
    intervals: &[&Interval],
    (from, to): (usize, usize),
    length_us: i64,
    spans: &mut Vec<Span>,
) {
    let (start_us, end_us) = (intervals[from].start_us, intervals[to - 1].end_us);
    let missing_us = length_us.saturating_sub(end_us.saturating_sub(start_us));
    if missing_us > 0 {
        if missing_us < SHORTFALL_US {
            let range = TimeRange { start_us, end_us };
            spans.push(Span {
                inner: (from, to),
                outer: (from, to),
                range,
            });
        }
        return;
    }
    let mut inner_end = from;
    for first in from..to {
        let start_us = intervals[first].start_us;
        let until_us = start_us.saturating_add(length_us);
        if until_us > end_us {
            break;
        }
        while inner_end < to && intervals[inner_end].end_us <= until_us {
            inner_end += 1;
        }
        let touched = inner_end < to && intervals[inner_end].start_us < until_us;
        spans.push(Span {
            inner: (first, inner_end),
            outer: (first, inner_end + usize::from(touched)),
            range: TimeRange {
                start_us,
                end_us: until_us,
            },
        });
    }
    let since_us = end_us.saturating_sub(length_us);
    let first = (from..to)
        .find(|at| intervals[*at].start_us >= since_us)
        .unwrap_or(from);
    if first > from && intervals[first].start_us > since_us {
        let range = TimeRange {
            start_us: since_us,
            end_us,
        };
        spans.push(Span {
            inner: (first, to),
            outer: (first - 1, to),
            range,
        });
    }
}

/// Sums of what was counted before each interval.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    bad: u64,
    bad_unlagged: u64,
    n: u64,
    unfinished: u64,
    missing: u64,
    /// Dropped at the generator's limits.
    at_limits: u64,
}

impl Sum {
    fn until(self, earlier: Self) -> Self {
        Self {
            bad: self.bad.saturating_sub(earlier.bad),
            bad_unlagged: self.bad_unlagged.saturating_sub(earlier.bad_unlagged),
            n: self.n.saturating_sub(earlier.n),
            unfinished: self.unfinished.saturating_sub(earlier.unfinished),
            missing: self.missing.saturating_sub(earlier.missing),
            at_limits: self.at_limits.saturating_sub(earlier.at_limits),
        }
    }
}

/// The sums before each interval, and each interval as a bin.
fn sums(intervals: &[&Interval], gate: &MetricGate, limit_us: Option<u64>) -> (Vec<Sum>, Vec<Bin>) {
    let strict = gate.comparison == Comparison::Below;
    let mut sum = Sum::default();
    let mut sums = vec![sum];
    let mut bins = Vec::new();
    for interval in intervals {
        let mut slice = Slice::to_judge().against(limit_us, strict);
        slice.add(interval, gate.of.as_deref());
        let (bad, unlagged) = match limit_us {
            Some(us) => (slice.slower(us, strict), slice.slower_unlagged(us, strict)),
            None => (slice.counts.failed(), slice.failed_unlagged()),
        };
        sum.bad = sum.bad.saturating_add(bad);
        sum.bad_unlagged = sum.bad_unlagged.saturating_add(unlagged.min(bad));
        sum.n = sum.n.saturating_add(slice.counts.settled());
        sum.unfinished = sum.unfinished.saturating_add(slice.counts.unfinished);
        sum.missing = sum
            .missing
            .saturating_add(limit_us.map_or(0, |_| slice.missing_times()));
        let at_limits = slice.counts.drops.excused();
        sum.at_limits = sum.at_limits.saturating_add(at_limits);
        sums.push(sum);
        bins.append(&mut slice.bins);
    }
    (sums, bins)
}

fn by_claim(
    intervals: &[&Interval],
    spans: &[Span],
    gate: &MetricGate,
    (claim, limit_us): (Claim, Option<u64>),
    inference: Option<Inference>,
) -> Vec<Judged> {
    let (sums, bins) = sums(intervals, gate, limit_us);
    let looks = u64::try_from(spans.len()).unwrap_or(u64::MAX);
    let needed = match gate.metric {
        squall_scenario::Metric::Quantile(q) => samples_for_quantile(q, CONFIDENCE),
        _ => 1,
    };
    let judge = |span: &Span| {
        let part = |(from, to): (usize, usize)| sums[to].until(sums[from]);
        let (inner, outer) = (part(span.inner), part(span.outer));
        let dispersion = inference.map_or(1.0, |inference| {
            // Of this stretch alone: its neighbours may be at another level.
            super::spread(&bins[span.inner.0..span.inner.1], inference.burst)
        });
        let sure = Trial {
            bad: inner.bad,
            bad_unlagged: inner.bad_unlagged,
            n: if claim.at_most { outer.n } else { inner.n },
            unfinished: outer.unfinished,
            dispersion,
        };
        let worst = Trial {
            bad: outer.bad,
            n: inner.n,
            ..sure
        };
        let decision = if outer.missing > 0 {
            return undecided("response times are missing from the record");
        } else if inner.n == 0 {
            return undecided("no arrival settled, and no data is never a pass");
        } else if sure.n < needed {
            let strict = inference.unwrap_or(CERTAIN).shared(looks);
            match claim.decide(&sure, Some(strict)) {
                Decision::Violated => Decision::Violated,
                _ => Decision::NeedsMore(Some(needed)),
            }
        } else {
            decide(&claim, &sure, &worst, inference, looks)
        };
        let (state, why) = match decision {
            Decision::Holds => (GateState::Pass, ""),
            Decision::Violated => (GateState::Fail, ""),
            Decision::Unfinished => (GateState::Inconclusive, "some arrivals never settled"),
            Decision::OnlyLag if outer.at_limits > 0 => (
                GateState::Inconclusive,
                "the generator was at its limits, and without them it would hold",
            ),
            Decision::OnlyLag => (
                GateState::Inconclusive,
                "the generator was late, and without its lag it would hold",
            ),
            Decision::NeedsMore(_) => (GateState::Inconclusive, "too few arrivals to tell"),
        };
        Judged {
            state,
            why,
            badness: badness(inner.bad, inner.n, claim.at_most),
        }
    };
    spans.iter().map(judge).collect()
}

/// Every stretch must be proven to pass, so no error adds up; one is enough to
/// fail, so the error of failing is shared out over all of them.
fn decide(
    claim: &Claim,
    sure: &Trial,
    worst: &Trial,
    inference: Option<Inference>,
    looks: u64,
) -> Decision {
    let Some(inference) = inference else {
        return claim.decide(sure, None);
    };
    let pass = claim.decide(worst, Some(inference));
    if pass == Decision::Holds {
        return pass;
    }
    match claim.decide(sure, Some(inference.shared(looks))) {
        Decision::Holds => Decision::NeedsMore(None),
        other => other,
    }
}

fn undecided(why: &'static str) -> Judged {
    Judged {
        state: GateState::Inconclusive,
        why,
        badness: -1.0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn badness(bad: u64, n: u64, at_most: bool) -> f64 {
    let share = bad as f64 / n.max(1) as f64;
    if at_most { share } else { 1.0 - share }
}

/// Metrics that are no shares, one sum of arrivals at a time.
fn by_slice(intervals: &[&Interval], spans: &[Span], gate: &MetricGate) -> Vec<Judged> {
    let judge = |span: &Span| {
        let slice = slice_of(intervals, span, gate, None);
        let ruling = rule_slice(&slice, gate, None);
        let observed = ruling
            .evidence
            .observed
            .map_or(f64::NAN, Quantity::as_number);
        let rising = matches!(gate.comparison, Comparison::Above | Comparison::AtLeast);
        let badness = if rising { -observed } else { observed };
        let why = match ruling.state {
            GateState::Inconclusive => "it cannot be told there",
            _ => "",
        };
        Judged {
            state: ruling.state,
            why,
            badness,
        }
    };
    spans.iter().map(judge).collect()
}

fn slice_of(
    intervals: &[&Interval],
    span: &Span,
    gate: &MetricGate,
    limit_us: Option<u64>,
) -> Slice {
    let mut slice = Slice::to_judge().against(limit_us, gate.comparison == Comparison::Below);
    for interval in &intervals[span.inner.0..span.inner.1] {
        slice.add(interval, gate.of.as_deref());
    }
    slice
}

/// The worst stretch: a failed one if there is one, then the worst figures,
/// then the earliest.
fn worst<'a>(spans: &'a [Span], judged: &'a [Judged]) -> Option<(&'a Span, &'a Judged)> {
    let severity = |judged: &Judged| match judged.state {
        GateState::Fail => 2,
        GateState::Pass => 0,
        _ => 1,
    };
    spans.iter().zip(judged).rev().max_by(|(_, a), (_, b)| {
        let order = severity(a).cmp(&severity(b));
        order.then(a.badness.total_cmp(&b.badness))
    })
}

fn conclude(
    case: &Case<'_>,
    window: &Window,
    gate: &MetricGate,
    intervals: &[&Interval],
    spans: &[Span],
    judged: &[Judged],
) -> Ruling {
    let every = gate.every.unwrap_or_default();
    let shown = squall_scenario::format_duration(every);
    let count_of = |state| judged.iter().filter(|one| one.state == state).count() as u64;
    let (violated, open) = (count_of(GateState::Fail), count_of(GateState::Inconclusive));
    let mut evidence = Evidence {
        threshold: unit_threshold(gate.value),
        ranges: window.ranges.clone(),
        ..Evidence::default()
    };
    let mut stretches = Stretches {
        length_us: u64::try_from(every.as_micros()).unwrap_or(u64::MAX),
        count: spans.len() as u64,
        violated,
        undecided: open,
        worst: None,
    };
    let Some((span, one)) = worst(spans, judged) else {
        evidence.stretches = Some(stretches);
        return Ruling {
            state: GateState::Inconclusive,
            explanation: format!("the window holds no stretch of {shown}: no data is never a pass"),
            evidence,
        };
    };
    let figures = figures(intervals, span, gate, &mut evidence);
    let range = span.range;
    stretches.worst = Some(Stretch {
        range,
        observed: evidence.observed,
        n: evidence.n,
        bad: evidence.bad,
    });
    evidence.stretches = Some(stretches);
    evidence.intervals = intervals.len() as u64;
    let place = Window::new(&window.name, window.kind, vec![range]);
    evidence.samples = samples(case, &place, gate);
    let many = grouped(spans.len() as u64);
    let at = format!("{}\u{2013}{}", clock(range.start_us), clock(range.end_us));
    let head = format!("in the worst of {many} stretches of {shown}, {at}, {figures}");
    let (state, tail) = if violated > 0 {
        (
            GateState::Fail,
            format!("; {} of them fail", grouped(violated)),
        )
    } else if open > 0 {
        let why = one.why;
        (
            GateState::Inconclusive,
            format!("; {} of them are undecided: {why}", grouped(open)),
        )
    } else {
        (GateState::Pass, String::new())
    };
    Ruling {
        state,
        explanation: format!("{head}{tail}"),
        evidence,
    }
}

/// What was seen in one stretch, in words; fills in the evidence.
fn figures(
    intervals: &[&Interval],
    span: &Span,
    gate: &MetricGate,
    evidence: &mut Evidence,
) -> String {
    let whole = MetricGate {
        every: None,
        ..gate.clone()
    };
    let claimed = claim_of(&whole);
    let slice = slice_of(
        intervals,
        span,
        &whole,
        claimed.and_then(|(_, limit_us)| limit_us),
    );
    evidence.n = slice.counts.settled();
    let Some((claim, limit_us)) = claimed else {
        let ruling = rule_slice(&slice, &whole, None);
        evidence.observed = ruling.evidence.observed;
        evidence.bad = ruling.evidence.bad;
        let observed = evidence
            .observed
            .map_or_else(|| "nothing".to_owned(), |q| q.to_string());
        return format!("{} was {observed}", gate.metric);
    };
    let (trial, needed) = count(&slice, &whole, limit_us, evidence);
    evidence.bad = trial.bad;
    evidence.bad_allowed = claim.at_most.then(|| claim.allowed(trial.n));
    evidence.needed = (trial.n < needed).then_some(needed);
    evidence.margin = margin(&whole, evidence);
    evidence.resolution_us = intervals
        .iter()
        .filter_map(|interval| u64::try_from(interval.end_us - interval.start_us).ok())
        .max();
    fact(&claim, &trial, &whole, evidence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(edges: &[i64]) -> Vec<Interval> {
        let interval = |pair: &[i64]| Interval {
            start_us: pair[0],
            end_us: pair[1],
            routes: Vec::new(),
            lag: None,
            wait: None,
            parts: squall_record::IntervalParts::default(),
            users: None,
        };
        edges.windows(2).map(interval).collect()
    }

    fn stretches(edges: &[i64], length_us: i64) -> Vec<(i64, i64, usize, usize)> {
        let intervals = cut(edges);
        let intervals: Vec<&Interval> = intervals.iter().collect();
        spans(&intervals, length_us)
            .iter()
            .map(|span| {
                let inner = span.inner.1 - span.inner.0;
                let outer = span.outer.1 - span.outer.0;
                (span.range.start_us, span.range.end_us, inner, outer)
            })
            .collect()
    }

    #[test]
    fn stretches_slide_by_the_interval() {
        let s = 1_000_000;
        let edges: Vec<i64> = (0..=5).map(|second| second * s).collect();
        assert_eq!(
            stretches(&edges, 3 * s),
            [(0, 3 * s, 3, 3), (s, 4 * s, 3, 3), (2 * s, 5 * s, 3, 3)]
        );
        assert_eq!(stretches(&edges, 6 * s), []);
    }

    #[test]
    fn stretches_are_as_long_in_time_where_faults_cut() {
        let s = 1_000_000;
        // From 0.4 s to 3 s: the last stretch is anchored at the end.
        assert_eq!(
            stretches(&[400_000, s, 2 * s, 3 * s], 2 * s),
            [(400_000, 2_400_000, 2, 3), (s, 3 * s, 2, 2)]
        );
        assert_eq!(
            stretches(&[0, s, 2 * s, 2_400_000], 2 * s),
            [(0, 2 * s, 2, 2), (400_000, 2_400_000, 2, 3)]
        );
    }

    #[test]
    fn a_window_that_a_fault_shortened_by_moments_is_one_stretch() {
        let s = 1_000_000;
        assert_eq!(
            stretches(&[13_000, s, 2 * s], 2 * s),
            [(13_000, 2 * s, 2, 2)]
        );
    }
}
