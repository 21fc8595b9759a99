//! A rate that swings between two rates: how many arrivals there are up to a time,
//! and when there are so many.

use std::time::Duration;

use crate::units::Rate;

/// Steps to a time of a wave; six are usual, halving takes forty.
const STEPS_MAX: u32 = 100;
/// As exact as a time has to be, in seconds: schedules round to nanoseconds.
const EXACT_S: f64 = 1e-11;

/// A rate that swings, as a function of the seconds since it began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wave {
    mean: f64,
    swing: f64,
    /// Radians per second.
    turn: f64,
}

impl Wave {
    /// The rate of a [`Stage::Wave`].
    #[must_use]
    pub fn new(from: Rate, to: Rate, every: Duration) -> Self {
        let (from, to) = (from.as_per_second(), to.as_per_second());
        Self {
            mean: (from + to) / 2.0,
            swing: (to - from) / 2.0,
            turn: std::f64::consts::TAU / every.as_secs_f64(),
        }
    }

    /// Arrivals per second at a time.
    #[must_use]
    pub fn rate(&self, at_s: f64) -> f64 {
        (self.turn * at_s).cos().mul_add(-self.swing, self.mean)
    }

    /// Arrivals from the beginning to a time; it never falls.
    #[must_use]
    pub fn integral(&self, at_s: f64) -> f64 {
        (self.turn * at_s)
            .sin()
            .mul_add(-self.swing / self.turn, self.mean * at_s)
    }

    /// The time at which the integral reaches `target`, if it ever does.
    #[must_use]
    pub fn time_of(&self, target: f64) -> Option<f64> {
        if target <= 0.0 {
            return Some(0.0);
        }
        if self.mean <= 0.0 {
            return None;
        }
        // The integral is never farther from a straight line than this.
        let off = self.swing.abs() / self.turn;
        let mut low = ((target - off) / self.mean).max(0.0);
        let mut high = (target + off) / self.mean;
        let mut at_s = f64::midpoint(low, high);
        for _ in 0..STEPS_MAX {
            let missing = target - self.integral(at_s);
            if missing > 0.0 {
                low = at_s;
            } else {
                high = at_s;
            }
            // Newton's step; where the rate is nearly nothing it would leap out
            // of what is known, and half of that does.
            let mut next = at_s + missing / self.rate(at_s);
            if !(low..=high).contains(&next) {
                next = f64::midpoint(low, high);
            }
            let moved = (next - at_s).abs();
            at_s = next;
            if moved < EXACT_S {
                break;
            }
        }
        Some(at_s)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wave() -> impl Strategy<Value = (f64, f64, Wave)> {
        (0.0..500.0, 0.0..500.0, 0.01..100.0).prop_map(|(from, to, every_s)| {
            let rate = |per_second| Rate::per_second(per_second).unwrap();
            let every = Duration::from_secs_f64(every_s);
            (from, to, Wave::new(rate(from), rate(to), every))
        })
    }

    #[test]
    fn it_begins_at_one_rate_and_is_at_the_other_half_a_period_later() {
        let [from, to] = [20.0, 200.0].map(|rate| Rate::per_second(rate).unwrap());
        let wave = Wave::new(from, to, Duration::from_secs(60));
        for (at_s, rate) in [(0.0, 20.0), (15.0, 110.0), (30.0, 200.0), (60.0, 20.0)] {
            assert!((wave.rate(at_s) - rate).abs() < 1e-9, "{at_s}");
        }
        // As many as a whole period at the mean.
        assert!((wave.integral(60.0) - 60.0 * 110.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_ever_reached_without_a_rate() {
        let nothing = Rate::per_second(0.0).unwrap();
        let wave = Wave::new(nothing, nothing, Duration::from_secs(1));
        assert_eq!((wave.time_of(1.0), wave.time_of(0.0)), (None, Some(0.0)));
    }

    proptest! {
        #[test]
        fn the_rate_stays_between_the_two_and_the_integral_is_its_area(
            (from, to, wave) in wave(), at_s in 0.0..200.0, share in 0.0..0.1_f64,
        ) {
            let (low, high) = (f64::min(from, to), f64::max(from, to));
            let rate = wave.rate(at_s);
            prop_assert!(low - 1e-9 <= rate && rate <= high + 1e-9, "{rate}");
            // The midpoint rule, and how far it can be off.
            let length_s = share * std::f64::consts::TAU / wave.turn;
            let area = wave.integral(at_s + length_s) - wave.integral(at_s);
            let middle = wave.rate(at_s + length_s / 2.0) * length_s;
            let off = wave.swing.abs() * wave.turn.powi(2) * length_s.powi(3) / 24.0;
            prop_assert!((area - middle).abs() <= off + 1e-6, "{area}, {middle}");
        }

        #[test]
        fn the_time_of_so_many_arrivals_has_so_many(
            (_, _, wave) in wave(), target in 0.0..50_000.0,
        ) {
            // Where the rate is next to nothing, a time is not told more exactly.
            if let Some(at_s) = wave.time_of(target) {
                let found = wave.integral(at_s);
                prop_assert!((found - target).abs() < 1e-5, "{found} at {at_s}");
            }
        }
    }
}
