//! A figure with its bounds, and the difference of two such figures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A figure and what it may have been, as far as its sample tells.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// What was seen.
    pub value: f64,
    /// Lower bound; at most `value`.
    pub low: f64,
    /// Upper bound; at least `value`.
    pub high: f64,
}

impl Estimate {
    /// The wider of both bounds on either side. Both are bounds of one figure.
    #[must_use]
    pub const fn widened_to(self, other: Self) -> Self {
        Self {
            value: self.value,
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }

    /// The same on a logarithmic scale; all three must be positive.
    #[must_use]
    pub fn ln(self) -> Self {
        self.map(f64::ln)
    }

    /// The same by an increasing function.
    #[must_use]
    pub fn map(self, increasing: impl Fn(f64) -> f64) -> Self {
        Self {
            value: increasing(self.value),
            low: increasing(self.low),
            high: increasing(self.high),
        }
    }

    /// `self` minus `other`, of independent samples, with bounds recovered
    /// from those of both (MOVER; Zou and Donner 2008, of which Newcombe 1998,
    /// method 10, is a case).
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        let value = self.value - other.value;
        Self {
            value,
            low: value - (self.value - self.low).hypot(other.high - other.value),
            high: value + (self.high - self.value).hypot(other.value - other.low),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(value: f64, low: f64, high: f64) -> Estimate {
        Estimate { value, low, high }
    }

    #[test]
    fn the_difference_is_that_of_newcombe() {
        // 56/70 - 48/80 with the score intervals of both (Newcombe 1998).
        let a = estimate(0.6, 0.490_492_5, 0.699_977_5);
        let b = estimate(0.8, 0.691_795_7, 0.876_968_2);
        let found = b.minus(a);
        assert!((found.low - 0.0524).abs() < 1e-3, "{found:?}");
        assert!((found.high - 0.3339).abs() < 1e-3, "{found:?}");
    }

    #[test]
    fn the_difference_is_antisymmetric() {
        let (a, b) = (estimate(3.0, 2.0, 7.0), estimate(5.0, 4.5, 6.0));
        let (there, back) = (b.minus(a), a.minus(b));
        assert_eq!(there.value, -back.value);
        assert_eq!((there.low, there.high), (-back.high, -back.low));
    }
}
