//! What was seen after a fault, second by second.

use super::criterion::Bin;

/// What was seen after the fault.
pub(super) struct Course {
    /// Start of the last good stretch, if the observation ends in one.
    pub(super) recovered_us: Option<i64>,
    /// Start of the bad bin before it.
    pub(super) last_bad_us: Option<i64>,
    pub(super) relapses: u32,
}

/// Microseconds from one time to another; 0 where it came before.
pub(super) fn since(at_us: i64, from_us: i64) -> u64 {
    u64::try_from(at_us.saturating_sub(from_us)).unwrap_or(0)
}

/// The instant of recovery is the start of the last good stretch; earlier
/// stretches that had held long enough count as relapses.
pub(super) fn follow(bins: &[Bin], hold_us: u64, good: fn(&Bin) -> bool) -> Course {
    let mut course = Course {
        recovered_us: None,
        last_bad_us: None,
        relapses: 0,
    };
    for bin in bins {
        if good(bin) {
            course.recovered_us = course.recovered_us.or(Some(bin.range.start_us));
        } else {
            let held = course
                .recovered_us
                .map(|at_us| since(bin.range.start_us, at_us));
            course.relapses += u32::from(held.is_some_and(|held_us| held_us >= hold_us));
            course.recovered_us = None;
            course.last_bad_us = Some(bin.range.start_us);
        }
    }
    course
}
