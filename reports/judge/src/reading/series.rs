//! Readings of one thing, in order.

use crate::verdict::TimeRange;
use crate::window::Window;

/// A reading, and the time it speaks of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) from_us: i64,
    pub(super) at_us: i64,
    pub(super) value: f64,
    /// Of a count that never falls: how long before `from_us` it had not
    /// changed yet. The value is that of `from_us`.
    pub(super) looked_us: Option<i64>,
}

/// The readings of one thing.
#[derive(Debug)]
pub(super) struct Series {
    /// What was read: `catalog-0`.
    pub(super) who: String,
    pub(super) points: Vec<Point>,
    /// Readings that failed, and why.
    pub(super) failed: Vec<(i64, String)>,
    /// When there was nothing to read, for a reason.
    pub(super) absent: Vec<TimeRange>,
    /// From one reading to the next.
    pub(super) every_us: u64,
    /// The longest stretch without a reading that a pass bears.
    pub(super) gap_max_us: i64,
}

impl Series {
    /// Whether this is a count that never falls.
    pub(super) fn never_falls(&self) -> bool {
        self.points.iter().any(|point| point.looked_us.is_some())
    }

    /// The readings that speak of a time that lies wholly in the window.
    pub(super) fn inside(&self, window: &Window) -> Vec<Point> {
        let points = self.points.iter().copied();
        points
            .filter(|point| {
                let until_us = point.looked_us.map_or(point.at_us, |_| point.from_us);
                let mut ranges = window.ranges.iter();
                ranges.any(|range| point.from_us >= range.start_us && until_us < range.end_us)
            })
            .collect()
    }
}

/// Whether the time lies in the range.
pub(super) const fn within(range: TimeRange, at_us: i64) -> bool {
    at_us >= range.start_us && at_us < range.end_us
}
