//! What a difference amounts to: margins of what counts for nothing, and the
//! bounds of what was seen against them.

use serde::{Deserialize, Serialize};
use squall_judge::statistics::Estimate;

use super::noise::NEVER_US;

/// What a difference amounts to.
///
/// A difference within the margin is none, however surely it is there: with
/// enough arrivals everything differs. Better and worse are told when the
/// whole interval at 95 % lies beyond the margin, and the same when all of it
/// lies within; nothing else is ever called the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Surely better by more than the margin.
    Better,
    /// Surely worse by more than the margin.
    Worse,
    /// Surely within the margin.
    Same,
    /// The interval holds zero, and reaches over the margin: a difference was
    /// not seen, and one that matters is not excluded.
    NoDifferenceSeen,
    /// Too few arrivals, or a difference that is surely there and may lie on
    /// either side of the margin.
    CannotTell,
}

impl Change {
    /// The words reports use.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::Same => "same",
            Self::NoDifferenceSeen => "no difference seen",
            Self::CannotTell => "cannot tell",
        }
    }

    /// What it is with the runs exchanged.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Better => Self::Worse,
            Self::Worse => Self::Better,
            same => same,
        }
    }
}

/// Differences that count for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Margins {
    /// Ratio of response times, above 1: `1.25` lets one grow by a quarter, or
    /// shrink by a fifth.
    pub latency_ratio: f64,
    /// Difference of response times in microseconds. Within either of the two
    /// a response time counts as the same.
    pub latency_us: u64,
    /// Difference of success, as a share: `0.005` is half a percentage point.
    pub success: f64,
}

impl Default for Margins {
    fn default() -> Self {
        Self {
            latency_ratio: 1.25,
            latency_us: 1_000,
            success: 0.005,
        }
    }
}

impl Margins {
    /// Weighs two response times in microseconds. Also gives their ratio.
    #[expect(clippy::cast_precision_loss, reason = "a margin is far below 2^52")]
    pub(super) fn latency(&self, estimates: [Option<Estimate>; 2]) -> (Option<Estimate>, Change) {
        let [Some(a), Some(b)] = estimates else {
            return (None, Change::CannotTell);
        };
        let (ratio, apart) = (b.ln().minus(a.ln()), b.minus(a));
        let (most, far) = (self.latency_ratio.ln(), self.latency_us as f64);
        let within =
            |estimate: Estimate, margin: f64| estimate.low >= -margin && estimate.high <= margin;
        let failed = [a, b].map(|estimate| estimate.value >= NEVER_US);
        let change = if within(ratio, most) || within(apart, far) {
            Change::Same
        } else if ratio.low > most && apart.low > far {
            Change::Worse
        } else if ratio.high < -most && apart.high < -far {
            Change::Better
        } else if holds_zero(ratio) && failed[0] == failed[1] {
            Change::NoDifferenceSeen
        } else {
            Change::CannotTell
        };
        (Some(ratio.map(f64::exp)), change)
    }

    /// Weighs two shares of success. Also gives their difference.
    pub(super) fn success(&self, estimates: [Option<Estimate>; 2]) -> (Option<Estimate>, Change) {
        let [Some(a), Some(b)] = estimates else {
            return (None, Change::CannotTell);
        };
        let apart = b.minus(a);
        let change = if apart.low >= -self.success && apart.high <= self.success {
            Change::Same
        } else if apart.low > self.success {
            Change::Better
        } else if apart.high < -self.success {
            Change::Worse
        } else if holds_zero(apart) {
            Change::NoDifferenceSeen
        } else {
            Change::CannotTell
        };
        (Some(apart), change)
    }
}

fn holds_zero(difference: Estimate) -> bool {
    difference.low <= 0.0 && difference.high >= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(value: f64, share: f64) -> Option<Estimate> {
        Some(Estimate {
            value,
            low: value * (1.0 - share),
            high: value * (1.0 + share),
        })
    }

    fn latency(a: Option<Estimate>, b: Option<Estimate>) -> Change {
        Margins::default().latency([a, b]).1
    }

    #[test]
    fn a_sure_difference_within_the_margin_is_none() {
        let (a, b) = (around(100_000.0, 0.001), around(110_000.0, 0.001));
        assert_eq!(latency(a, b), Change::Same);
        // Twice as slow, and half a millisecond.
        let (a, b) = (around(400.0, 0.01), around(900.0, 0.01));
        assert_eq!(latency(a, b), Change::Same);
    }

    #[test]
    fn beyond_the_margin_is_worse_only_when_it_is_sure() {
        let a = around(100_000.0, 0.02);
        assert_eq!(latency(a, around(160_000.0, 0.02)), Change::Worse);
        assert_eq!(latency(around(160_000.0, 0.02), a), Change::Better);
        assert_eq!(latency(a, around(160_000.0, 0.3)), Change::CannotTell);
        assert_eq!(latency(a, None), Change::CannotTell);
    }

    #[test]
    fn the_same_is_told_only_when_the_margin_holds_the_bounds() {
        // Equal values prove nothing by themselves.
        let wide = around(100_000.0, 0.3);
        assert_eq!(latency(wide, wide), Change::NoDifferenceSeen);
        let narrow = around(100_000.0, 0.05);
        assert_eq!(latency(narrow, narrow), Change::Same);
        // Both fail at this quantile; or one does, and the other may.
        let never = Some(Estimate {
            value: NEVER_US,
            low: 40_000.0,
            high: NEVER_US,
        });
        let open = Some(Estimate {
            value: 50_000.0,
            low: 40_000.0,
            high: NEVER_US,
        });
        assert_eq!(latency(never, never), Change::NoDifferenceSeen);
        assert_eq!(latency(open, never), Change::CannotTell);
        let success = |low: f64| {
            let one = Some(Estimate {
                value: 1.0,
                low,
                high: 1.0,
            });
            Margins::default().success([one, one]).1
        };
        assert_eq!(success(0.999), Change::Same);
        assert_eq!(success(0.96), Change::NoDifferenceSeen);
    }

    #[test]
    fn success_is_weighed_in_points() {
        let at = |value: f64| {
            Some(Estimate {
                value,
                low: value - 0.001,
                high: value + 0.001,
            })
        };
        let change = |a, b| Margins::default().success([at(a), at(b)]).1;
        assert_eq!(change(0.999, 0.998), Change::Same);
        assert_eq!(change(0.999, 0.98), Change::Worse);
        assert_eq!(change(0.98, 0.999), Change::Better);
        assert_eq!(change(0.999, 0.9938), Change::CannotTell);
    }
}
