//! Whether arrivals were worse than the baseline allows, beyond chance.

use squall_record::Interval;

use crate::case::Case;
use crate::dispersion::{dispersion, spread};
use crate::recovery::criterion::{CHANCE, Criterion, QUANTILE};
use crate::slice::Slice;
use crate::statistics::{ln_evidence_above, ln_evidence_since};
use crate::verdict::TimeRange;

/// Most steps in which a fault is looked at: every start is compared at each.
const STEPS_MAX: usize = 120;

/// Arrivals of a step, of which some speak against the criterion.
#[derive(Debug, Clone, Copy)]
struct Step {
    range: TimeRange,
    bad: f64,
    n: f64,
}

/// The first stretch that is beyond chance, from where it most likely began to
/// where that was sure. All criteria share one error, and so do all moments at
/// which one may look.
pub(super) fn worse(
    case: &Case<'_>,
    intervals: &[&Interval],
    criteria: &[Criterion],
) -> Option<TimeRange> {
    let enough = -((1.0 - CHANCE) / (2.0 * as_f64(criteria.len().max(1)))).ln();
    let found = criteria.iter().flat_map(|criterion| {
        let failed = steps(case, intervals, criterion, None);
        let slow = criterion
            .limit_us
            .map(|limit_us| steps(case, intervals, criterion, Some(limit_us)));
        let failed = crossed(&failed, criterion.failures, enough);
        let slow = slow.and_then(|slow| crossed(&slow, 1.0 - QUANTILE, enough));
        [failed, slow].into_iter().flatten()
    });
    found.min_by_key(|range| range.end_us)
}

/// Failures, or answers slower than `limit_us` as well, less what the generator's
/// lag explains. What comes together counts as once: failures as far as they did
/// so in the baseline; slow answers always, as machines stall.
fn steps(
    case: &Case<'_>,
    intervals: &[&Interval],
    criterion: &Criterion,
    limit_us: Option<u64>,
) -> Vec<Step> {
    let route = criterion.route.as_deref();
    let baseline = case.window("baseline").map(|window| {
        let slice = Slice::to_judge().against(limit_us, true);
        slice.gather(&case.record.intervals, window, route)
    });
    let together = baseline.map_or(1.0, |baseline| match limit_us {
        Some(_) => spread(&baseline.bins, None),
        None => dispersion(&baseline.bins),
    });
    let size = intervals.len().div_ceil(STEPS_MAX).max(1);
    let step = |part: &[&Interval]| {
        let mut slice = Slice::to_judge();
        part.iter().for_each(|interval| slice.add(interval, route));
        let bad = match limit_us {
            Some(limit_us) => slice.slower_unlagged(limit_us, false),
            None => slice.failed_unlagged(),
        };
        let range = TimeRange {
            start_us: part.first()?.start_us,
            end_us: part.last()?.end_us,
        };
        Some(Step {
            range,
            bad: as_f64(bad) / together,
            n: as_f64(slice.counts.settled()) / together,
        })
    };
    intervals.chunks(size).filter_map(step).collect()
}

/// Where the share of bad arrivals was surely above `limit`, looked at after
/// each step.
fn crossed(steps: &[Step], limit: f64, enough: f64) -> Option<TimeRange> {
    (1..=steps.len()).find_map(|seen| {
        let parts = parts(&steps[..seen]);
        if ln_evidence_since(parts.iter().copied(), limit) < enough {
            return None;
        }
        let weight = |part: &(f64, f64, f64)| {
            let (start, bad, n) = *part;
            ln_evidence_above(bad, n, limit) - (start * (start + 1.0)).ln()
        };
        let likely = parts
            .iter()
            .enumerate()
            .max_by(|a, b| weight(a.1).total_cmp(&weight(b.1)));
        Some(TimeRange {
            start_us: steps[likely?.0].range.start_us,
            end_us: steps[seen - 1].range.end_us,
        })
    })
}

/// The number of each start, and what was seen since.
fn parts(steps: &[Step]) -> Vec<(f64, f64, f64)> {
    let mut sum = (0.0, 0.0);
    let mut parts: Vec<(f64, f64, f64)> = steps
        .iter()
        .enumerate()
        .rev()
        .map(|(at, step)| {
            sum = (sum.0 + step.bad, sum.1 + step.n);
            (as_f64(at + 1), sum.0, sum.1)
        })
        .collect();
    parts.reverse();
    parts
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn as_f64(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds of 10 arrivals after the division by what comes together.
    fn seconds(bad: &[f64]) -> Vec<Step> {
        let step = |(second, bad): (usize, &f64)| {
            let start_us = i64::try_from(second).unwrap() * 1_000_000;
            let end_us = start_us + 1_000_000;
            Step {
                range: TimeRange { start_us, end_us },
                bad: *bad,
                n: 10.0,
            }
        };
        bad.iter().enumerate().map(step).collect()
    }

    fn seen(bad: &[f64], limit: f64) -> Option<(i64, i64)> {
        let range = crossed(&seconds(bad), limit, 1000.0_f64.ln())?;
        Some((range.start_us / 1_000_000, range.end_us / 1_000_000))
    }

    #[test]
    fn one_bad_second_among_many_is_chance_and_an_outage_is_not() {
        let mut stall = [0.4; 12];
        stall[11] = 3.0;
        assert_eq!(seen(&stall, 0.05), None, "a stall of a third of a second");
        assert_eq!(seen(&[0.0; 12], 0.001), None);
        assert_eq!(seen(&[10.0, 10.0, 10.0], 0.001), Some((0, 1)));
        let late = [0.0, 0.0, 0.0, 0.0, 10.0, 10.0];
        assert_eq!(seen(&late, 0.001), Some((4, 5)));
        let mut slower = [0.4; 12];
        slower[6..].fill(3.0);
        assert_eq!(seen(&slower, 0.05).unwrap().0, 6);
    }
}
