//! The settings of a collapser, with Hystrix's names.

use serde::{Deserialize, Serialize};

use crate::PropertiesError;
use crate::properties::{BUCKETS_MAX, DAY_MS, LATENCY_BUCKETS_MAX, divides, within};

/// The settings of one collapser, validated by [`Collapser::new`](super::Collapser::new). Defaults
/// are Hystrix 1.5.18's, but for the size of a batch, which is without bound there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CollapserProperties {
    /// How many different arguments a batch has at most; a full one goes at once. Default 1000.
    pub max_requests_in_batch: usize,
    /// How long a batch waits from its first argument on, in milliseconds. Default 10.
    pub timer_delay_ms: u64,
    /// Whether a request remembers answers. Default true. Callers that share a batch share their
    /// answers in any case.
    pub request_cache_enabled: bool,
    /// The rolling window of counters, in milliseconds. Default 10 000.
    pub metrics_rolling_window_ms: u64,
    /// Buckets of the rolling counters. Default 10.
    pub metrics_rolling_buckets: u32,
    /// The rolling window of batch sizes, in milliseconds. Default 60 000.
    pub metrics_rolling_percentile_window_ms: u64,
    /// Buckets of the rolling batch sizes. Default 6.
    pub metrics_rolling_percentile_buckets: u32,
}

impl Default for CollapserProperties {
    fn default() -> Self {
        Self {
            max_requests_in_batch: 1000,
            timer_delay_ms: 10,
            request_cache_enabled: true,
            metrics_rolling_window_ms: 10_000,
            metrics_rolling_buckets: 10,
            metrics_rolling_percentile_window_ms: 60_000,
            metrics_rolling_percentile_buckets: 6,
        }
    }
}

/// The most arguments in one batch; it bounds the memory of a collapser.
pub(super) const REQUESTS_MAX: u64 = 1_000_000;

/// The longest delay of a batch, in milliseconds; longer ones are mistakes of units.
const DELAY_MS_MAX: u64 = 60_000;

impl CollapserProperties {
    /// Checks every setting and every rule between two of them.
    ///
    /// # Errors
    /// The first setting found wrong, and what it must be.
    pub fn validate(&self) -> Result<(), PropertiesError> {
        let requests = u64::try_from(self.max_requests_in_batch).unwrap_or(u64::MAX);
        let buckets = u64::from(self.metrics_rolling_buckets);
        let size_buckets = u64::from(self.metrics_rolling_percentile_buckets);
        let window_ms = self.metrics_rolling_window_ms;
        let size_window_ms = self.metrics_rolling_percentile_window_ms;
        within("max_requests_in_batch", requests, 1, REQUESTS_MAX)?;
        within("timer_delay_ms", self.timer_delay_ms, 0, DELAY_MS_MAX)?;
        within("metrics_rolling_window_ms", window_ms, 1, DAY_MS)?;
        within("metrics_rolling_buckets", buckets, 1, BUCKETS_MAX)?;
        divides("metrics_rolling_buckets", window_ms, buckets)?;
        let name = "metrics_rolling_percentile_window_ms";
        within(name, size_window_ms, 1, DAY_MS)?;
        let name = "metrics_rolling_percentile_buckets";
        within(name, size_buckets, 1, LATENCY_BUCKETS_MAX)?;
        divides(name, size_window_ms, size_buckets)
    }

    /// Whether `other` keeps the shape of the rolling windows, which a running collapser cannot
    /// change.
    pub fn same_windows(&self, other: &Self) -> bool {
        let windows = |p: &Self| {
            (
                p.metrics_rolling_window_ms,
                p.metrics_rolling_buckets,
                p.metrics_rolling_percentile_window_ms,
                p.metrics_rolling_percentile_buckets,
            )
        };
        windows(self) == windows(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_contradict_are_named() {
        let defaults = CollapserProperties::default;
        assert_eq!(defaults().validate(), Ok(()));
        for (properties, expected) in [
            (
                CollapserProperties {
                    max_requests_in_batch: 0,
                    ..defaults()
                },
                "max_requests_in_batch",
            ),
            (
                CollapserProperties {
                    timer_delay_ms: 60_001,
                    ..defaults()
                },
                "timer_delay_ms",
            ),
            (
                CollapserProperties {
                    metrics_rolling_buckets: 7,
                    ..defaults()
                },
                "metrics_rolling_buckets",
            ),
            (
                CollapserProperties {
                    metrics_rolling_percentile_buckets: 61,
                    ..defaults()
                },
                "metrics_rolling_percentile_buckets",
            ),
        ] {
            let error = properties.validate().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
