//! What every instance shares, whatever its service: its configuration, commands, metrics,
//! directory, readiness and life from the first request to the last.

pub(crate) mod guard;
pub(crate) mod operations;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use squall_fault_layer::Faults;
use squall_resilience::{Command, DEADLINE_MS_MAX, Deadline, Properties, Registry};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::dependencies::{Dependency, REQUEST_BUDGET_MS, RetryClass, dependency};
use crate::platform::discovery::directory::{Directory, zone_of};
use crate::platform::metrics::Metrics;
use crate::service::{ServeError, ServiceConfig, ServiceKind};

/// Event streams open at a time, as in Hystrix.
const EVENT_STREAMS_MAX: usize = 5;

/// Threads of a command whose work blocks, if it may be made so often at a time.
const THREADS_MAX: usize = 10;
/// Calls that may wait for such a thread.
const WAITING_FOR_THREADS_MAX: usize = 32;

/// Hedges per 100 calls, as many as retries.
const HEDGE_BUDGET_PERCENT: u32 = 20;
/// Hedges per second whatever the traffic, as many as retries.
const HEDGE_BUDGET_MIN_PER_S: u32 = 10;

/// One running instance.
pub(crate) struct Host {
    /// What it was told.
    pub(crate) config: ServiceConfig,
    /// The zone it stands in.
    pub(crate) zone: String,
    /// Its copy of the registry.
    pub(crate) directory: Arc<Directory>,
    /// Its commands.
    pub(crate) commands: Registry,
    /// What it counts.
    pub(crate) metrics: Arc<Metrics>,
    /// What is to go wrong inside, if anything.
    pub(crate) faults: Faults,
    /// Ends what runs in the background and the event streams.
    pub(crate) stop: CancellationToken,
    /// Room for event streams.
    event_streams: Arc<Semaphore>,
    ready: AtomicBool,
    /// The services it has not seen yet, while it is not ready.
    waiting_for: Mutex<Vec<&'static str>>,
}

impl Host {
    /// An instance that is not ready yet.
    pub(crate) fn new(config: ServiceConfig, faults: Faults) -> Arc<Self> {
        Arc::new(Self {
            zone: zone_of(&config.instance),
            directory: Arc::default(),
            commands: Registry::new(),
            metrics: Arc::default(),
            faults,
            stop: CancellationToken::new(),
            event_streams: Arc::new(Semaphore::new(EVENT_STREAMS_MAX)),
            ready: AtomicBool::new(false),
            waiting_for: Mutex::new(vec![ServiceKind::Discovery.name()]),
            config,
        })
    }

    /// From now on `/health` answers 200. It never goes back: a service that has lost a dependency
    /// still serves what it can, and restarting it would not help.
    pub(crate) fn set_ready(&self) {
        if !self.ready.swap(true, Ordering::Relaxed) {
            tracing::info!(service = %self.config.kind, instance = %self.config.instance, "ready");
        }
    }

    /// Notes which services a start still waits for, for whoever asks and, once each time that
    /// changes, for the log.
    pub(crate) fn set_waiting_for(&self, missing: Vec<&'static str>) {
        let mut waiting_for = lock(&self.waiting_for);
        if *waiting_for != missing {
            tracing::info!(service = %self.config.kind, instance = %self.config.instance, ?missing, "waiting");
            *waiting_for = missing;
        }
    }

    /// The services a start still waits for.
    pub(crate) fn waiting_for(&self) -> Vec<&'static str> {
        lock(&self.waiting_for).clone()
    }

    /// Whether it can serve.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// The command of this name with its row of the table.
    ///
    /// # Errors
    /// The table has no such row for this service, or its numbers contradict themselves.
    pub(crate) fn command(&self, name: &'static str) -> Result<(Command, Dependency), ServeError> {
        let setup = |reason: String| ServeError::Setup { what: name, reason };
        let row = dependency(self.config.kind, name)
            .ok_or_else(|| setup(format!("{} does not declare it", self.config.kind)))?;
        let properties = self
            .properties(&row)
            .map_err(|error| setup(error.to_string()))?;
        let command = self
            .commands
            .command(name, self.config.kind.name(), properties)
            .map_err(|error| setup(error.to_string()))?;
        Ok((command, row))
    }

    fn properties(
        &self,
        row: &Dependency,
    ) -> Result<Properties, squall_resilience::PropertiesError> {
        let settings = &self.config.settings;
        let retried = settings.retries.is_enabled() && row.retry == RetryClass::NextInstance;
        // The discovery loop is its own retry with its own wait: a breaker would only delay the
        // moment it finds the registry again, and without a time limit it could stand still.
        let loops = row.command == "discovery";
        Properties::builder()
            .execution_timeout_ms(row.timeout_ms)
            .execution_timeout_enabled(settings.timeouts.is_enabled() || loops)
            .execution_semaphore_max_concurrent(row.concurrency_max)
            .thread_pool_core_size(row.concurrency_max.min(THREADS_MAX))
            .thread_pool_max_queue_size(WAITING_FOR_THREADS_MAX)
            .fallback_semaphore_max_concurrent(row.concurrency_max)
            .circuit_breaker_enabled(settings.breakers.is_enabled() && !loops)
            .retry_max_attempts(if retried { 2 } else { 1 })
            .hedge_after_ms(row.hedge_after_ms.filter(|_| retried).unwrap_or(0))
            .hedge_budget_percent(HEDGE_BUDGET_PERCENT)
            .hedge_budget_min_per_s(HEDGE_BUDGET_MIN_PER_S)
            .build_within(Duration::from_millis(REQUEST_BUDGET_MS))
    }

    /// The deadline of work that begins now without anyone waiting for it.
    pub(crate) fn own_deadline(&self, now: Instant) -> Deadline {
        let budget_ms = if self.config.settings.timeouts.is_enabled() {
            REQUEST_BUDGET_MS
        } else {
            DEADLINE_MS_MAX
        };
        Deadline::after(now, Duration::from_millis(budget_ms))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind it is replaced as a whole; a panic elsewhere cannot have broken it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
