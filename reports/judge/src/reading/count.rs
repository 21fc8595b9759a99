//! Counts that never fall: lines in the output of a process. What such a number
//! was between two readings lies between the two, so a reading that came late
//! speaks for the time before it, and one after the window for its end.

use super::series::{Point, Series, within};
use crate::quantity::{Quantity, clock};
use crate::verdict::TimeRange;
use crate::window::Window;

/// Why the readings that hold do not speak for the whole window, if so.
pub(super) fn doubt(
    series: &Series,
    window: &Window,
    holds: impl Fn(f64) -> bool,
) -> Option<String> {
    let ranges = window.ranges.iter();
    ranges
        .filter_map(|range| {
            failed(series, *range, &holds).or_else(|| the_end(series, *range, &holds))
        })
        .next()
}

/// A reading that failed is made good by those around it: what keeps a limit
/// before and after has kept it in between.
fn failed(series: &Series, range: TimeRange, holds: &impl Fn(f64) -> bool) -> Option<String> {
    let inside: Vec<_> = series
        .failed
        .iter()
        .filter(|(at_us, _)| within(range, *at_us))
        .collect();
    let doubtful = inside.iter().find(|(at_us, _)| {
        let before = last_until(series, *at_us);
        let after = series.points.iter().find(|point| point.from_us > *at_us);
        let is_kept = |point: Option<&Point>| point.is_some_and(|point| holds(point.value));
        !(is_kept(before) && is_kept(after))
    });
    let (at_us, why) = doubtful?;
    Some(format!(
        "{} readings of {} failed, one at {}: {why}",
        inside.len(),
        series.who,
        clock(*at_us)
    ))
}

/// What the number was when the window ended, which only a reading after it
/// can tell.
fn the_end(series: &Series, range: TimeRange, holds: &impl Fn(f64) -> bool) -> Option<String> {
    let end_us = range.end_us;
    let Some(last) = last_until(series, end_us) else {
        return Some(format!("{} was never read in this window", series.who));
    };
    let next = series.points.iter().find(|point| point.from_us >= end_us);
    let Some(next) = next else {
        let later = series.failed.iter().find(|(at_us, _)| *at_us >= end_us);
        if let Some((at_us, why)) = later {
            return Some(format!(
                "{} could not be read any more after {}, at {}: {why}",
                series.who,
                clock(last.from_us),
                clock(*at_us)
            ));
        }
        let gap_us = end_us.saturating_sub(last.from_us);
        return (gap_us > series.gap_max_us).then(|| {
            format!(
                "{} was not read for {} from {}",
                series.who,
                Quantity::Micros(gap_us.unsigned_abs()),
                clock(last.from_us)
            )
        });
    };
    let looked_us = next.looked_us.unwrap_or(i64::MAX);
    let unchanged_until_us = next.from_us.saturating_sub(looked_us);
    (unchanged_until_us < end_us && !holds(next.value)).then(|| {
        format!(
            "{} was {} at {} and {} at {}: which it was when the window ended, at {}, is not known",
            series.who,
            Quantity::Number(last.value),
            clock(last.from_us.max(unchanged_until_us)),
            Quantity::Number(next.value),
            clock(next.from_us),
            clock(end_us)
        )
    })
}

fn last_until(series: &Series, at_us: i64) -> Option<&Point> {
    let mut before = series.points.iter().rev();
    before.find(|point| point.from_us < at_us)
}
