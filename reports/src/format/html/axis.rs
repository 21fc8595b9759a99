//! Scales and ticks of charts.

/// Maps run time in microseconds to pixels.
#[derive(Clone, Copy)]
pub(super) struct TimeAxis {
    pub(super) left: f64,
    pub(super) width: f64,
    pub(super) end_us: i64,
}

#[expect(clippy::cast_precision_loss, reason = "pixels of a chart")]
impl TimeAxis {
    pub(super) fn x(&self, at_us: i64) -> f64 {
        let share = at_us.clamp(0, self.end_us) as f64 / self.end_us.max(1) as f64;
        self.left + share * self.width
    }

    pub(super) fn right(&self) -> f64 {
        self.left + self.width
    }

    /// Moments worth a tick, in microseconds: at most about a dozen.
    pub(super) fn ticks(&self) -> Vec<i64> {
        const STEPS_S: [i64; 14] = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400,
        ];
        let end_s = self.end_us / 1_000_000;
        let step_s = STEPS_S
            .into_iter()
            .find(|step| end_s / step <= 12)
            .unwrap_or(86_400);
        (0..)
            .map(|n| n * step_s)
            .take_while(|s| *s <= end_s)
            .take(64)
            .map(|s| s * 1_000_000)
            .collect()
    }
}

/// Maps response times in microseconds to pixels, logarithmically.
#[derive(Clone, Copy)]
pub(super) struct LogAxis {
    pub(super) top: f64,
    pub(super) height: f64,
    low: f64,
    high: f64,
}

impl LogAxis {
    /// An axis that shows all values, with some air around them.
    pub(super) fn over(values_us: impl Iterator<Item = u64>, top: f64, height: f64) -> Self {
        let (mut low, mut high) = (u64::MAX, 0);
        for value in values_us.filter(|value| *value > 0) {
            low = low.min(value);
            high = high.max(value);
        }
        if high == 0 {
            (low, high) = (1_000, 1_000_000);
        }
        Self {
            top,
            height,
            low: log(low) - 0.12,
            high: (log(high) + 0.15).max(log(low) + 0.8),
        }
    }

    pub(super) fn y(&self, us: u64) -> f64 {
        let share = (log(us.max(1)) - self.low) / (self.high - self.low);
        self.top + self.height * (1.0 - share.clamp(0.0, 1.0))
    }

    pub(super) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Round values on the axis: decades, and 2 and 5 where there is room.
    pub(super) fn ticks(&self) -> Vec<u64> {
        let decades = self.high - self.low;
        let steps: &[u64] = if decades > 2.6 { &[1] } else { &[1, 2, 5] };
        let mut ticks = Vec::new();
        for power in 0..=10 {
            for step in steps {
                let value = step * 10_u64.pow(power);
                let at = log(value);
                if at >= self.low && at <= self.high {
                    ticks.push(value);
                }
            }
        }
        ticks
    }
}

#[expect(clippy::cast_precision_loss, reason = "pixels of a chart")]
fn log(us: u64) -> f64 {
    (us.max(1) as f64).log10()
}

/// The least round number that is at least `value`.
pub(super) fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1.0).log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= value)
        .unwrap_or(10.0 * power)
}
