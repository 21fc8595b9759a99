//! Whether readings speak for a whole window: none may be missing for long.

use super::count;
use super::series::{Point, Series, within};
use crate::quantity::{Quantity, clock};
use crate::verdict::TimeRange;
use crate::window::Window;

/// Why these readings do not speak for the whole window, if so.
pub(super) fn doubt(
    series: &Series,
    window: &Window,
    inside: &[Point],
    holds: impl Fn(f64) -> bool,
) -> Option<String> {
    if series.never_falls() {
        return count::doubt(series, window, holds);
    }
    let failed: Vec<_> = series
        .failed
        .iter()
        .filter(|(at_us, _)| window.ranges.iter().any(|range| within(*range, *at_us)))
        .collect();
    if let Some((at_us, why)) = failed.first() {
        let all = failed.len() + inside.len();
        return Some(format!(
            "{} of {all} readings of {} failed, the first at {}: {why}",
            failed.len(),
            series.who,
            clock(*at_us)
        ));
    }
    if inside.is_empty() {
        return Some(format!("{} was never read in this window", series.who));
    }
    let (gap_us, from_us) = window
        .ranges
        .iter()
        .map(|range| longest_gap(series, *range, inside))
        .max()?;
    (gap_us > series.gap_max_us).then(|| {
        let gap = Quantity::Micros(u64::try_from(gap_us).unwrap_or(0));
        format!(
            "{} was not read for {gap} from {}",
            series.who,
            clock(from_us)
        )
    })
}

/// The longest stretch of `range` without a reading, and its start; what
/// is absent for a reason is not counted.
fn longest_gap(series: &Series, range: TimeRange, inside: &[Point]) -> (i64, i64) {
    let mut longest = (0, range.start_us);
    let mut last_us = range.start_us;
    let readings = inside.iter().filter(|point| within(range, point.at_us));
    let ends = readings.map(|point| (point.from_us, point.at_us));
    for (from_us, at_us) in ends.chain([(range.end_us, range.end_us)]) {
        let absent: i64 = series
            .absent
            .iter()
            .map(|gone| gone.end_us.min(from_us) - gone.start_us.max(last_us))
            .filter(|overlap_us| *overlap_us > 0)
            .sum();
        longest = longest.max((from_us - last_us - absent, last_us));
        last_us = at_us.max(last_us);
    }
    longest
}
