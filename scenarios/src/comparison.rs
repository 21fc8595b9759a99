//! How something measured is compared, and with what.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bit_rate::BitRate;
use crate::units::{ByteCount, Rate, Share, format_duration};

/// How a metric is compared with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `=`
    Equal,
}

impl Comparison {
    /// Whether `left` stands in this relation to `right`.
    #[must_use]
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Below => left < right,
            Self::AtMost => left <= right,
            Self::Above => left > right,
            Self::AtLeast => left >= right,
            Self::Equal => (left - right).abs() < f64::EPSILON,
        }
    }
}

/// The right-hand side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum GateValue {
    /// A response time.
    Duration(Duration),
    /// A share.
    Share(Share),
    /// A rate per second.
    Rate(Rate),
    /// A count.
    Count(u64),
    /// A size.
    Bytes(ByteCount),
    /// So many times what the same metric was in the baseline.
    TimesBaseline(f64),
    /// A number without a unit; for CPU, of cores.
    Number(f64),
    /// A bit rate.
    BitRate(BitRate),
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Equal => "=",
        })
    }
}

impl fmt::Display for GateValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration(duration) => f.write_str(&format_duration(*duration)),
            Self::Share(share) => share.fmt(f),
            Self::Rate(rate) => rate.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Bytes(bytes) => bytes.fmt(f),
            Self::BitRate(rate) => rate.fmt(f),
            Self::TimesBaseline(factor) => {
                write!(f, "{}x baseline", (factor * 1e9).round() / 1e9)
            }
            Self::Number(number) => number.fmt(f),
        }
    }
}
