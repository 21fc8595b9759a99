//! The axis of time that lanes and charts share, and how times are written.

/// A stretch of time over a number of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// Start in microseconds since time zero.
    pub start_us: i64,
    /// End in microseconds since time zero; after the start.
    pub end_us: i64,
    /// Columns.
    pub columns: u16,
}

impl Axis {
    /// Length in microseconds.
    #[must_use]
    pub fn length_us(&self) -> i64 {
        self.end_us.saturating_sub(self.start_us).max(1)
    }

    /// The time that a part of the axis stands for, where it is cut into
    /// `parts` and `part` is counted from 0.
    #[must_use]
    pub fn part(&self, part: u32, parts: u32) -> (i64, i64) {
        let edge = |n: u32| {
            let along = i128::from(self.length_us()) * i128::from(n) / i128::from(parts.max(1));
            self.start_us
                .saturating_add(i64::try_from(along).unwrap_or(i64::MAX))
        };
        let (from, to) = (edge(part), edge(part + 1));
        (from, to.max(from + 1))
    }

    /// The time that a column stands for.
    #[must_use]
    pub fn range(&self, column: u16) -> (i64, i64) {
        self.part(u32::from(column), u32::from(self.columns))
    }

    /// The column of a time; `None` outside.
    #[must_use]
    pub fn column(&self, at_us: i64) -> Option<u16> {
        if at_us < self.start_us || at_us >= self.end_us || self.columns == 0 {
            return None;
        }
        // The last column that does not begin later; beginnings are cut to
        // whole microseconds.
        let past = i128::from(at_us - self.start_us + 1) * i128::from(self.columns);
        u16::try_from((past - 1) / i128::from(self.length_us())).ok()
    }

    /// The columns that a stretch touches, first and one past the last.
    #[must_use]
    pub fn columns_of(&self, from_us: i64, to_us: i64) -> std::ops::Range<u16> {
        if to_us <= self.start_us || from_us >= self.end_us || to_us < from_us {
            return 0..0;
        }
        let first = self.column(from_us.max(self.start_us)).unwrap_or(0);
        let last_us = (to_us - 1).clamp(self.start_us, self.end_us - 1);
        let last = self.column(last_us.max(from_us)).unwrap_or(first);
        first..last.saturating_add(1).max(first + 1).min(self.columns)
    }

    /// Round times for labels, at least `apart` columns from one another.
    #[must_use]
    pub fn ticks(&self, apart: u16) -> Vec<i64> {
        const STEPS_S: [i64; 14] = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
        ];
        let most = i64::from((self.columns / apart.max(1)).max(1));
        let fits = |step: &&i64| self.length_us() / (**step * 1_000_000) < most;
        let step_us = STEPS_S.iter().find(fits).copied().unwrap_or(14_400) * 1_000_000;
        let first = self.start_us.max(0).div_euclid(step_us);
        let first_us = (first * step_us..).step_by(usize::try_from(step_us).unwrap_or(1));
        first_us
            .skip_while(|at| *at < self.start_us)
            .take_while(|at| *at < self.end_us)
            .take(usize::from(self.columns))
            .collect()
    }
}

/// A point in time as `mm:ss`, or `h:mm:ss`.
#[must_use]
pub fn clock(us: i64) -> String {
    let seconds = us.max(0) / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

/// A point in time with tenths of a second.
#[must_use]
pub fn clock_tenths(us: i64) -> String {
    format!("{}.{}", clock(us), us.max(0) / 100_000 % 10)
}

/// A length of time in few characters: `41s`, `3m20s`.
#[must_use]
pub fn length(us: i64) -> String {
    let seconds = us.max(0) / 1_000_000;
    if seconds < 60 {
        format!("{seconds}s")
    } else if seconds < 3600 {
        format!("{}m{:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_cover_the_axis_without_gaps() {
        let axis = Axis {
            start_us: 0,
            end_us: 60_000_000,
            columns: 7,
        };
        let mut last = 0;
        for column in 0..7 {
            let (from, to) = axis.range(column);
            assert_eq!(from, last);
            assert_eq!(axis.column(from), Some(column));
            assert_eq!(axis.column(to - 1), Some(column));
            last = to;
        }
        assert_eq!(last, 60_000_000);
        assert_eq!(axis.column(60_000_000), None);
        assert_eq!(axis.columns_of(-5, 1), 0..1);
        assert_eq!(axis.columns_of(59_000_000, i64::MAX), 6..7);
        assert_eq!(axis.columns_of(5, 5), 0..1);
        assert!(axis.columns_of(61_000_000, i64::MAX).is_empty());
    }

    #[test]
    fn ticks_are_round_and_apart() {
        let axis = Axis {
            start_us: 0,
            end_us: 60_000_000,
            columns: 60,
        };
        let ticks: Vec<_> = axis.ticks(8).iter().map(|us| us / 1_000_000).collect();
        assert_eq!(ticks, [0, 10, 20, 30, 40, 50]);
    }

    #[test]
    fn times_read_well() {
        assert_eq!(clock(61_000_000), "01:01");
        assert_eq!(clock(7_261_000_000), "2:01:01");
        assert_eq!(clock_tenths(61_250_000), "01:01.2");
        assert_eq!(length(200_000_000), "3m20s");
    }
}
