//! The settings of a command, with Hystrix's names and defaults, validated as a whole.

mod range;

use std::num::NonZero;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::range::PropertiesError;
pub(crate) use self::range::{divides, within};
use crate::Priority;
use crate::breaker::{BreakerRules, OnProbeCancel, SlowCalls};

/// The settings of one command. Defaults are Hystrix 1.5.18's; settings that Hystrix does not have are off.
///
/// [`Properties::builder`] validates in `build`; a value from a file is validated by
/// [`Command::new`](crate::Command::new), so no command ever runs on settings that contradict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Properties {
    /// How long the work may take, in milliseconds. Default 1000.
    pub execution_timeout_ms: u64,
    /// Whether the timeout and the caller's deadline end a call. Default true.
    pub execution_timeout_enabled: bool,
    /// How many calls may run at once. Default 10.
    pub execution_semaphore_max_concurrent: usize,
    /// From this on up to `execution_semaphore_max_concurrent` the number of calls at a time follows
    /// what the dependency can bear ([`AdaptiveLimit`](crate::adaptive::AdaptiveLimit)). Once a
    /// minute no more than so many run at a time for about 50 calls. Default 0: it is fixed.
    pub execution_adaptive_min_concurrent: usize,
    /// Of the calls at a time, in percent, how many may run before degraded ones are shed.
    /// Default 100: they are not.
    pub execution_degraded_percentage: u8,
    /// Of the calls at a time, in percent, how many may run before non-critical ones are shed.
    /// Default 100: they are not.
    pub execution_non_critical_percentage: u8,
    /// How many calls may wait for one of those that run to end. The wait is part of the call's
    /// timeout, and ends with the caller's deadline. Default 0: a full bulkhead refuses at once.
    pub execution_queue_size: usize,
    /// Threads for work that blocks ([`Command::execute_blocking`](crate::Command::execute_blocking)),
    /// begun when they are first needed. Default 10.
    pub thread_pool_core_size: usize,
    /// How many calls may wait for a thread, within their timeout. Default 0, as Hystrix's −1.
    pub thread_pool_max_queue_size: usize,
    /// How many fallbacks may run at once. Default 10.
    pub fallback_semaphore_max_concurrent: usize,
    /// Whether fallbacks run. Default true.
    pub fallback_enabled: bool,
    /// Whether the breaker refuses calls. Default true.
    pub circuit_breaker_enabled: bool,
    /// Calls in the rolling window below which the breaker never opens. Default 20.
    pub circuit_breaker_request_volume_threshold: u64,
    /// How long an open breaker waits before it lets a probe through, in milliseconds. Default 5000.
    pub circuit_breaker_sleep_window_ms: u64,
    /// Share of errors, in percent, from which the breaker opens. Default 50.
    pub circuit_breaker_error_threshold_percentage: u8,
    /// Refuse every call. Wins over `force_closed`. Default false.
    pub circuit_breaker_force_open: bool,
    /// Refuse no call. Default false.
    pub circuit_breaker_force_closed: bool,
    /// Calls that take longer than this, in milliseconds, are slow, and the breaker opens by their
    /// share too. Default 0: none is.
    pub circuit_breaker_slow_call_ms: u64,
    /// Share of slow calls, in percent, from which the breaker opens. Default 100.
    pub circuit_breaker_slow_call_threshold_percentage: u8,
    /// Failures one after the other at which the breaker opens at once. Default 0: it does not.
    pub circuit_breaker_consecutive_failures: u32,
    /// The breaker opens at once when the error threshold is reached among so many calls, whenever
    /// they were. Default 0: it does not.
    pub circuit_breaker_last_calls: u32,
    /// How long after closing it takes until every call is admitted again, in milliseconds.
    /// Default 0: at once.
    pub circuit_breaker_ramp_up_ms: u64,
    /// What a probe means that its caller drops. Default `reopen`: another sleep window.
    pub circuit_breaker_on_probe_cancel: OnProbeCancel,
    /// The rolling window of counters and of the breaker, in milliseconds. Default 10 000.
    pub metrics_rolling_window_ms: u64,
    /// Buckets of the rolling counters. Default 10.
    pub metrics_rolling_buckets: u32,
    /// The rolling window of latencies, in milliseconds. Default 60 000.
    pub metrics_rolling_percentile_window_ms: u64,
    /// Buckets of the rolling latencies. Default 6.
    pub metrics_rolling_percentile_buckets: u32,
    /// Buckets of the breaker's window, in milliseconds; it reacts up to this late. Default 500.
    pub metrics_health_snapshot_interval_ms: u64,
    /// Whether calls that ask the same within one request get one answer. Default true.
    pub request_cache_enabled: bool,
    /// Attempts per call, the first included. Default 1: no retry.
    pub retry_max_attempts: u32,
    /// The longest that a retry waits, in milliseconds, where the dependency says how long to leave
    /// it alone ([`Classify::retry_after`](crate::Classify::retry_after)). Told more than that, or
    /// than its deadline leaves, a call is not tried again. Default 5000.
    pub retry_after_max_ms: u64,
    /// Retries allowed per 100 calls. Default 20.
    pub retry_budget_percent: u32,
    /// Retries per second allowed whatever the traffic. Default 10.
    pub retry_budget_min_per_s: u32,
    /// A first attempt that takes longer than this, in milliseconds, is sent once more, to another
    /// instance, if the call is idempotent. Default 0: it is not, unless by `hedge_percentile`.
    pub hedge_after_ms: u64,
    /// The same for one that takes longer than this percentile of the command's own latencies, and
    /// than `hedge_after_ms`. While fewer than 100 are known, `hedge_after_ms` alone decides.
    /// Default 0: none.
    pub hedge_percentile: u8,
    /// Hedges allowed per 100 calls. Default 10.
    pub hedge_budget_percent: u32,
    /// Hedges per second allowed whatever the traffic. Default 1.
    pub hedge_budget_min_per_s: u32,
}

impl Default for Properties {
    fn default() -> Self {
        Self {
            execution_timeout_ms: 1000,
            execution_timeout_enabled: true,
            execution_semaphore_max_concurrent: 10,
            execution_adaptive_min_concurrent: 0,
            execution_degraded_percentage: 100,
            execution_non_critical_percentage: 100,
            execution_queue_size: 0,
            thread_pool_core_size: 10,
            thread_pool_max_queue_size: 0,
            fallback_semaphore_max_concurrent: 10,
            fallback_enabled: true,
            circuit_breaker_enabled: true,
            circuit_breaker_request_volume_threshold: 20,
            circuit_breaker_sleep_window_ms: 5000,
            circuit_breaker_error_threshold_percentage: 50,
            circuit_breaker_force_open: false,
            circuit_breaker_force_closed: false,
            circuit_breaker_slow_call_ms: 0,
            circuit_breaker_slow_call_threshold_percentage: 100,
            circuit_breaker_consecutive_failures: 0,
            circuit_breaker_last_calls: 0,
            circuit_breaker_ramp_up_ms: 0,
            circuit_breaker_on_probe_cancel: OnProbeCancel::Reopen,
            metrics_rolling_window_ms: 10_000,
            metrics_rolling_buckets: 10,
            metrics_rolling_percentile_window_ms: 60_000,
            metrics_rolling_percentile_buckets: 6,
            metrics_health_snapshot_interval_ms: 500,
            request_cache_enabled: true,
            retry_max_attempts: 1,
            retry_after_max_ms: 5000,
            retry_budget_percent: 20,
            retry_budget_min_per_s: 10,
            hedge_after_ms: 0,
            hedge_percentile: 0,
            hedge_budget_percent: 10,
            hedge_budget_min_per_s: 1,
        }
    }
}

impl Properties {
    /// Starts from the defaults.
    pub fn builder() -> PropertiesBuilder {
        PropertiesBuilder(Self::default())
    }

    /// Checks every setting and every rule between two of them.
    ///
    /// # Errors
    /// The first setting found wrong, and what it must be.
    pub fn validate(&self) -> Result<(), PropertiesError> {
        self.validate_ranges()?;
        self.validate_pools()?;
        self.validate_breaker()?;
        self.validate_hedge()?;
        self.validate_windows()
    }

    fn validate_ranges(&self) -> Result<(), PropertiesError> {
        let permits = |limit: usize| u64::try_from(limit).unwrap_or(u64::MAX);
        let executions = permits(self.execution_semaphore_max_concurrent);
        let fallbacks = permits(self.fallback_semaphore_max_concurrent);
        let volume = self.circuit_breaker_request_volume_threshold;
        let threshold = u64::from(self.circuit_breaker_error_threshold_percentage);
        let sleep_ms = self.circuit_breaker_sleep_window_ms;
        let attempts = u64::from(self.retry_max_attempts);
        let percent = u64::from(self.retry_budget_percent);
        let min_per_s = u64::from(self.retry_budget_min_per_s);
        within("execution_timeout_ms", self.execution_timeout_ms, 1, DAY_MS)?;
        within(
            "execution_semaphore_max_concurrent",
            executions,
            1,
            u64::MAX,
        )?;
        within("fallback_semaphore_max_concurrent", fallbacks, 1, u64::MAX)?;
        within(
            "circuit_breaker_request_volume_threshold",
            volume,
            1,
            u64::MAX,
        )?;
        within(
            "circuit_breaker_error_threshold_percentage",
            threshold,
            1,
            100,
        )?;
        within("circuit_breaker_sleep_window_ms", sleep_ms, 1, DAY_MS)?;
        within("retry_max_attempts", attempts, 1, 100)?;
        within("retry_after_max_ms", self.retry_after_max_ms, 0, DAY_MS)?;
        within("retry_budget_percent", percent, 0, 100)?;
        within("retry_budget_min_per_s", min_per_s, 0, 1_000_000)
    }

    fn validate_pools(&self) -> Result<(), PropertiesError> {
        let size = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (queue, core) = (
            size(self.execution_queue_size),
            size(self.thread_pool_core_size),
        );
        within("execution_queue_size", queue, 0, QUEUE_MAX)?;
        within("thread_pool_core_size", core, 1, THREADS_MAX)?;
        let (least, most) = (
            size(self.execution_adaptive_min_concurrent),
            size(self.execution_semaphore_max_concurrent),
        );
        within("execution_adaptive_min_concurrent", least, 0, most)?;
        // What is worth less has no more of the calls than what is worth more.
        let degraded = u64::from(self.execution_degraded_percentage);
        let non_critical = u64::from(self.execution_non_critical_percentage);
        within("execution_degraded_percentage", degraded, 0, 100)?;
        within(
            "execution_non_critical_percentage",
            non_critical,
            0,
            degraded,
        )?;
        let queue = size(self.thread_pool_max_queue_size);
        within("thread_pool_max_queue_size", queue, 0, QUEUE_MAX)
    }

    /// What the breaker has beside Hystrix's settings.
    fn validate_breaker(&self) -> Result<(), PropertiesError> {
        within(
            "circuit_breaker_slow_call_ms",
            self.circuit_breaker_slow_call_ms,
            0,
            DAY_MS,
        )?;
        within(
            "circuit_breaker_slow_call_threshold_percentage",
            u64::from(self.circuit_breaker_slow_call_threshold_percentage),
            1,
            100,
        )?;
        within(
            "circuit_breaker_last_calls",
            u64::from(self.circuit_breaker_last_calls),
            0,
            LAST_CALLS_MAX,
        )?;
        let ramp_up_ms = self.circuit_breaker_ramp_up_ms;
        within("circuit_breaker_ramp_up_ms", ramp_up_ms, 0, DAY_MS)
    }

    fn validate_hedge(&self) -> Result<(), PropertiesError> {
        // A hedge after the timeout would never be sent.
        let longest = match self.execution_timeout_enabled {
            true => self.execution_timeout_ms.saturating_sub(1),
            false => DAY_MS,
        };
        within("hedge_after_ms", self.hedge_after_ms, 0, longest)?;
        within("hedge_percentile", u64::from(self.hedge_percentile), 0, 99)?;
        let (percent, min_per_s) = (self.hedge_budget_percent, self.hedge_budget_min_per_s);
        within("hedge_budget_percent", u64::from(percent), 0, 100)?;
        let name = "hedge_budget_min_per_s";
        within(name, u64::from(min_per_s), 0, 1_000_000)
    }

    fn validate_windows(&self) -> Result<(), PropertiesError> {
        let interval_ms = self.metrics_health_snapshot_interval_ms;
        let rolling_ms = self.metrics_rolling_window_ms;
        let latency_ms = self.metrics_rolling_percentile_window_ms;
        let latency_buckets = u64::from(self.metrics_rolling_percentile_buckets);
        within("metrics_rolling_window_ms", rolling_ms, 1, DAY_MS)?;
        within(
            "metrics_rolling_percentile_window_ms",
            latency_ms,
            1,
            DAY_MS,
        )?;
        divides(
            "metrics_rolling_buckets",
            rolling_ms,
            u64::from(self.metrics_rolling_buckets),
        )?;
        divides(
            "metrics_rolling_percentile_buckets",
            latency_ms,
            latency_buckets,
        )?;
        divides(
            "metrics_health_snapshot_interval_ms",
            rolling_ms,
            interval_ms,
        )?;
        within(
            "metrics_health_snapshot_interval_ms (as number of buckets)",
            self.health_buckets(),
            1,
            BUCKETS_MAX,
        )?;
        within(
            "metrics_rolling_buckets",
            u64::from(self.metrics_rolling_buckets),
            1,
            BUCKETS_MAX,
        )?;
        within(
            "metrics_rolling_percentile_buckets",
            latency_buckets,
            1,
            LATENCY_BUCKETS_MAX,
        )
    }

    /// Whether `other` keeps the shape of the rolling windows, which a running command cannot
    /// change.
    pub fn same_windows(&self, other: &Self) -> bool {
        let windows = |p: &Self| {
            (
                p.metrics_rolling_window_ms,
                p.metrics_rolling_buckets,
                p.metrics_rolling_percentile_window_ms,
                p.metrics_rolling_percentile_buckets,
                p.metrics_health_snapshot_interval_ms,
            )
        };
        windows(self) == windows(other)
    }

    /// The number of buckets the breaker's window has.
    pub fn health_buckets(&self) -> u64 {
        self.metrics_rolling_window_ms / self.metrics_health_snapshot_interval_ms.max(1)
    }

    /// The command's own timeout; none where timeouts are switched off.
    pub fn timeout(&self) -> Option<Duration> {
        self.execution_timeout_enabled
            .then(|| Duration::from_millis(self.execution_timeout_ms))
    }

    /// Of the calls at a time, in percent, how many may run before those of `priority` are shed.
    pub(crate) fn percentage_for(&self, priority: Priority) -> u8 {
        match priority {
            Priority::NonCritical => self.execution_non_critical_percentage,
            Priority::Degraded => self.execution_degraded_percentage,
            Priority::Critical => 100,
        }
    }

    /// What the breaker needs to know of these settings.
    pub fn breaker_rules(&self) -> BreakerRules {
        let sleep_window = Duration::from_millis(self.circuit_breaker_sleep_window_ms);
        BreakerRules {
            enabled: self.circuit_breaker_enabled,
            force_open: self.circuit_breaker_force_open,
            force_closed: self.circuit_breaker_force_closed,
            request_volume_threshold: self.circuit_breaker_request_volume_threshold,
            error_threshold_percentage: self.circuit_breaker_error_threshold_percentage,
            slow_calls: (self.circuit_breaker_slow_call_ms > 0).then(|| SlowCalls {
                longer_than: Duration::from_millis(self.circuit_breaker_slow_call_ms),
                threshold_percentage: self.circuit_breaker_slow_call_threshold_percentage,
            }),
            consecutive_failures: NonZero::new(self.circuit_breaker_consecutive_failures),
            last_calls: NonZero::new(self.circuit_breaker_last_calls),
            sleep_window,
            on_probe_cancel: self.circuit_breaker_on_probe_cancel,
            ramp_up: Duration::from_millis(self.circuit_breaker_ramp_up_ms),
            probe_lease: self
                .timeout()
                .map_or(sleep_window, |timeout| timeout.max(sleep_window)),
        }
    }
}

/// The longest window or wait, in milliseconds (one day); longer ones are mistakes of units.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// The most buckets a window of counters may have; it bounds the memory of a command.
pub(crate) const BUCKETS_MAX: u64 = 600;

/// The most threads of one command; more are a mistake, for each costs memory and time.
const THREADS_MAX: u64 = 10_000;

/// The most calls that may wait; it bounds the memory of a command.
const QUEUE_MAX: u64 = 100_000;

/// The most last calls a breaker judges by; it bounds the memory of a command.
const LAST_CALLS_MAX: u64 = 100_000;

/// The most buckets the window of latencies may have: each is a histogram of about 12 KiB.
pub(crate) const LATENCY_BUCKETS_MAX: u64 = 60;

/// Builds [`Properties`]; every setter has the name of its setting.
#[derive(Debug, Clone)]
pub struct PropertiesBuilder(Properties);

macro_rules! setters {
    ($($name:ident: $kind:ty),+ $(,)?) => {
        impl PropertiesBuilder {
            $(
                #[doc = concat!("Sets [`Properties::", stringify!($name), "`].")]
                #[must_use]
                pub fn $name(mut self, value: $kind) -> Self {
                    self.0.$name = value;
                    self
                }
            )+
        }
    };
}

setters! {
    execution_timeout_ms: u64,
    execution_timeout_enabled: bool,
    execution_semaphore_max_concurrent: usize,
    execution_adaptive_min_concurrent: usize,
    execution_degraded_percentage: u8,
    execution_non_critical_percentage: u8,
    execution_queue_size: usize,
    thread_pool_core_size: usize,
    thread_pool_max_queue_size: usize,
    fallback_semaphore_max_concurrent: usize,
    fallback_enabled: bool,
    circuit_breaker_enabled: bool,
    circuit_breaker_request_volume_threshold: u64,
    circuit_breaker_sleep_window_ms: u64,
    circuit_breaker_error_threshold_percentage: u8,
    circuit_breaker_force_open: bool,
    circuit_breaker_force_closed: bool,
    circuit_breaker_slow_call_ms: u64,
    circuit_breaker_slow_call_threshold_percentage: u8,
    circuit_breaker_consecutive_failures: u32,
    circuit_breaker_last_calls: u32,
    circuit_breaker_ramp_up_ms: u64,
    circuit_breaker_on_probe_cancel: OnProbeCancel,
    metrics_rolling_window_ms: u64,
    metrics_rolling_buckets: u32,
    metrics_rolling_percentile_window_ms: u64,
    metrics_rolling_percentile_buckets: u32,
    metrics_health_snapshot_interval_ms: u64,
    request_cache_enabled: bool,
    retry_max_attempts: u32,
    retry_after_max_ms: u64,
    retry_budget_percent: u32,
    retry_budget_min_per_s: u32,
    hedge_after_ms: u64,
    hedge_percentile: u8,
    hedge_budget_percent: u32,
    hedge_budget_min_per_s: u32,
}

impl PropertiesBuilder {
    /// Checks the settings and hands them over.
    ///
    /// # Errors
    /// As [`Properties::validate`].
    pub fn build(self) -> Result<Properties, PropertiesError> {
        self.0.validate()?;
        Ok(self.0)
    }

    /// As [`build`](Self::build), for calls made on behalf of somebody who waits no longer than
    /// `caller`: a timeout above that would never end a call.
    ///
    /// # Errors
    /// As [`Properties::validate`]; or the timeout is longer than the caller's.
    pub fn build_within(self, caller: Duration) -> Result<Properties, PropertiesError> {
        let properties = self.build()?;
        if properties.execution_timeout_enabled {
            let caller_ms = u64::try_from(caller.as_millis()).unwrap_or(u64::MAX);
            let timeout_ms = properties.execution_timeout_ms;
            within("execution_timeout_ms", timeout_ms, 1, caller_ms)?;
        }
        Ok(properties)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_survive_json() {
        let defaults = Properties::builder().build().unwrap();
        let json = serde_json::to_string(&defaults).unwrap();
        assert_eq!(serde_json::from_str::<Properties>(&json).unwrap(), defaults);
        assert_eq!(serde_json::from_str::<Properties>("{}").unwrap(), defaults);
    }

    #[test]
    fn an_unknown_setting_is_an_error() {
        let error = serde_json::from_str::<Properties>(r#"{"timeout": 3}"#).unwrap_err();
        assert!(error.to_string().contains("timeout"), "{error}");
    }

    #[test]
    fn a_timeout_above_the_callers_is_an_error() {
        let within = |ms| {
            let builder = Properties::builder().execution_timeout_ms(300);
            builder.build_within(Duration::from_millis(ms))
        };
        let longer = within(299).unwrap_err().to_string();
        assert_eq!(longer, "execution_timeout_ms must be 1 to 299, not 300");
        assert!(within(300).is_ok());
    }

    #[test]
    fn settings_that_contradict_are_named() {
        let new = Properties::builder;
        let health_interval = new().metrics_health_snapshot_interval_ms(333);
        let many_buckets = new().metrics_health_snapshot_interval_ms(1);
        let wrong = [
            ("execution_timeout_ms", new().execution_timeout_ms(0)),
            ("metrics_rolling_buckets", new().metrics_rolling_buckets(7)),
            ("metrics_rolling_buckets", new().metrics_rolling_buckets(0)),
            ("metrics_health_snapshot_interval_ms", health_interval),
            (
                "metrics_health_snapshot_interval_ms (as number of buckets)",
                many_buckets,
            ),
            (
                "circuit_breaker_error_threshold_percentage",
                new().circuit_breaker_error_threshold_percentage(101),
            ),
            (
                "circuit_breaker_slow_call_threshold_percentage",
                new().circuit_breaker_slow_call_threshold_percentage(0),
            ),
            (
                "circuit_breaker_last_calls",
                new().circuit_breaker_last_calls(u32::MAX),
            ),
            (
                "circuit_breaker_ramp_up_ms",
                new().circuit_breaker_ramp_up_ms(u64::MAX),
            ),
            (
                "circuit_breaker_sleep_window_ms",
                new().circuit_breaker_sleep_window_ms(u64::MAX),
            ),
            ("retry_max_attempts", new().retry_max_attempts(0)),
            ("retry_after_max_ms", new().retry_after_max_ms(u64::MAX)),
            ("thread_pool_core_size", new().thread_pool_core_size(0)),
            (
                "thread_pool_max_queue_size",
                new().thread_pool_max_queue_size(usize::MAX),
            ),
            (
                "execution_adaptive_min_concurrent",
                new().execution_adaptive_min_concurrent(11),
            ),
            (
                "execution_non_critical_percentage",
                new().execution_degraded_percentage(50),
            ),
            (
                "execution_queue_size",
                new().execution_queue_size(usize::MAX),
            ),
        ];
        for (expected, builder) in wrong {
            let named = match builder.build().unwrap_err() {
                PropertiesError::OutOfRange { name, .. } | PropertiesError::Uneven { name, .. } => {
                    name
                }
                PropertiesError::WindowsFixed => "metrics",
            };
            assert_eq!(named, expected);
        }
    }
}
