//! How a balancer chooses, and when it ejects.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::PropertiesError;
use crate::properties::{DAY_MS, within};

/// What makes one instance a better choice than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadMeasure {
    /// The fewer attempts run there.
    #[default]
    InFlight,
    /// The smaller the product of attempts that run there and their latency: its peaks at once,
    /// its mean as peaks fade (Finagle's `Peak EWMA`, with ten seconds for a peak to fade to a
    /// third). It keeps away from slow instances while they are slow. An error never makes an
    /// instance look faster.
    PeakEwma,
}

/// The rules of a [`Balancer`](super::Balancer). Names and meanings of those of outliers are
/// Envoy's; defaults too, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BalanceRules {
    /// What makes one instance a better choice than another. Default `in_flight`.
    pub load: LoadMeasure,
    /// What the instances of a zone can bear, in percent of an even share of the traffic. While
    /// those of the own zone bear what is asked of it, everything stays there. Default 140, Envoy's
    /// overprovisioning factor; 100 leaves the zone as soon as one instance is out.
    pub zone_capacity_percentage: u32,
    /// Attempts that fail one after the other at one instance until it is ejected; 0 for never.
    /// Default 5.
    pub outlier_consecutive_failures: u32,
    /// How often instances are compared, in milliseconds. Default 10 000.
    pub outlier_interval_ms: u64,
    /// Attempts at an instance in one interval below which it is not compared. Default 100.
    pub outlier_success_rate_request_volume: u32,
    /// How many instances must be comparable; 0 for no comparison. Default 3, where Envoy has 5:
    /// its standard deviation includes the outlier, which hides itself among fewer.
    pub outlier_success_rate_minimum_instances: u32,
    /// How many standard deviations of the others, in thousandths, below their mean an instance
    /// must be. Default 1900.
    pub outlier_success_rate_stdev_factor: u32,
    /// How far below the mean of the others, in percentage points, it must be at least. Default
    /// 10. Envoy has no such thing: where all others never fail, a single failure is an outlier.
    pub outlier_success_rate_margin: u32,
    /// For how long an instance is ejected the first time, in milliseconds; the second time in a
    /// row for twice as long, and so on. Default 30 000.
    pub outlier_base_ejection_ms: u64,
    /// The longest ejection, in milliseconds. Default 300 000.
    pub outlier_max_ejection_ms: u64,
    /// The most instances that may be out at once, in percent, rounded down, and never all. Default
    /// 50; Envoy has 10, which of a few instances is none.
    pub outlier_max_ejection_percentage: u32,
    /// When fewer than so many percent are left, ejections are ignored: those that are left would
    /// be overrun. Default 50, Envoy's panic threshold; 0 for never.
    pub outlier_panic_percentage: u32,
    /// How long after an ejection an instance is chosen less often than others: a tenth as often
    /// at first, then more and more. Default 10 000, in milliseconds; 0 for not at all.
    pub outlier_ramp_up_ms: u64,
    /// An attempt that is given up is a failure of its instance after so many milliseconds, and a
    /// first attempt when its deadline has passed; otherwise it says nothing. Default 0: only by
    /// the deadline. Where calls are hedged it should be set: a loser is given up early.
    pub outlier_abandoned_ms: u64,
}

impl Default for BalanceRules {
    fn default() -> Self {
        Self {
            load: LoadMeasure::InFlight,
            zone_capacity_percentage: 140,
            outlier_consecutive_failures: 5,
            outlier_interval_ms: 10_000,
            outlier_success_rate_request_volume: 100,
            outlier_success_rate_minimum_instances: 3,
            outlier_success_rate_stdev_factor: 1900,
            outlier_success_rate_margin: 10,
            outlier_base_ejection_ms: 30_000,
            outlier_max_ejection_ms: 300_000,
            outlier_max_ejection_percentage: 50,
            outlier_panic_percentage: 50,
            outlier_ramp_up_ms: 10_000,
            outlier_abandoned_ms: 0,
        }
    }
}

impl BalanceRules {
    /// Rules that never eject.
    pub fn without_outliers() -> Self {
        Self {
            outlier_consecutive_failures: 0,
            outlier_success_rate_minimum_instances: 0,
            ..Self::default()
        }
    }

    /// Checks every rule.
    ///
    /// # Errors
    /// The first one found wrong, and what it must be.
    pub fn validate(&self) -> Result<(), PropertiesError> {
        let base_ms = self.outlier_base_ejection_ms;
        let minimum = self.outlier_success_rate_minimum_instances;
        let volume = self.outlier_success_rate_request_volume;
        let ranges = [
            (
                "zone_capacity_percentage",
                u64::from(self.zone_capacity_percentage),
                100,
                10_000,
            ),
            ("outlier_interval_ms", self.outlier_interval_ms, 1, DAY_MS),
            (
                "outlier_success_rate_request_volume",
                u64::from(volume),
                1,
                1_000_000,
            ),
            (
                "outlier_success_rate_stdev_factor",
                u64::from(self.outlier_success_rate_stdev_factor),
                0,
                100_000,
            ),
            (
                "outlier_success_rate_margin",
                u64::from(self.outlier_success_rate_margin),
                1,
                100,
            ),
            ("outlier_base_ejection_ms", base_ms, 1, DAY_MS),
            (
                "outlier_max_ejection_ms",
                self.outlier_max_ejection_ms,
                base_ms,
                DAY_MS,
            ),
            (
                "outlier_max_ejection_percentage",
                u64::from(self.outlier_max_ejection_percentage),
                0,
                100,
            ),
            (
                "outlier_panic_percentage",
                u64::from(self.outlier_panic_percentage),
                0,
                100,
            ),
            ("outlier_ramp_up_ms", self.outlier_ramp_up_ms, 0, DAY_MS),
            ("outlier_abandoned_ms", self.outlier_abandoned_ms, 0, DAY_MS),
        ];
        for (name, found, min, max) in ranges {
            within(name, found, min, max)?;
        }
        // One instance has no others to be compared with.
        let compares = u64::from(minimum);
        let name = "outlier_success_rate_minimum_instances";
        within(name, compares, if minimum == 0 { 0 } else { 2 }, 1_000_000)
    }

    /// How many of so many instances may be out at once.
    pub(super) fn ejectable(&self, instances: usize) -> usize {
        let percentage = self.outlier_max_ejection_percentage as usize;
        (instances * percentage / 100).min(instances.saturating_sub(1))
    }

    /// How long the `nth` ejection in a row takes, counted from 1.
    pub(super) fn ejection(&self, nth: u32) -> Duration {
        let length_ms = self.outlier_base_ejection_ms.saturating_mul(nth.into());
        Duration::from_millis(length_ms.min(self.outlier_max_ejection_ms))
    }

    /// Whether so few are left of all that ejections are ignored.
    pub(super) fn panics(&self, healthy: usize, all: usize) -> bool {
        healthy * 100 < all * self.outlier_panic_percentage as usize
    }
}
