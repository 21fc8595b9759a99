//! A command: everything one process keeps about calling one dependency.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::broadcast;

use crate::adaptive::AdaptiveLimit;
use crate::breaker::{Breaker, BreakerState, Explanation};
use crate::bulkhead::{Bulkhead, wake};
use crate::chance::Chance;
use crate::event::{CommandEvent, Happening, Notice};
use crate::hedge::HedgeDelay;
use crate::metrics::Metrics;
use crate::retry_after::pause;
use crate::retry_budget::RetryBudget;
use crate::snapshot::CommandSnapshot;
use crate::threads::Threads;
use crate::{CallOptions, Clock, Properties, PropertiesError, SystemClock};

/// How many notices a subscriber may lag behind before it loses the oldest (and is told so).
pub(crate) const NOTICES_MAX: usize = 4096;

/// How long a call waits where timeouts are switched off, which end no call.
const PATIENCE_MAX: Duration = Duration::from_secs(86_400);

/// Everything about calling one dependency: its breaker, bulkhead, timeout, retry budget, metrics
/// and settings. Make one per dependency and process, and clone it freely.
#[derive(Clone)]
pub struct Command(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    group: Arc<str>,
    properties: ArcSwap<Properties>,
    breaker: Breaker,
    bulkhead: Bulkhead,
    adaptive: Mutex<AdaptiveLimit>,
    threads: Threads,
    fallback_bulkhead: Bulkhead,
    retry_budget: RetryBudget,
    /// By how much retries that are told when to come miss each other.
    retry_chance: Chance,
    hedge_budget: RetryBudget,
    hedge_delay: HedgeDelay,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    notices: broadcast::Sender<Notice>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command")
            .field("name", &self.0.name)
            .field("group", &self.0.group)
            .field("breaker", &self.0.breaker)
            .finish_non_exhaustive()
    }
}

impl AsRef<Breaker> for Command {
    fn as_ref(&self) -> &Breaker {
        self.breaker()
    }
}

impl Command {
    /// A command on its own, on the system's clock. [`Registry::command`](crate::Registry::command)
    /// makes one that is listed.
    ///
    /// # Errors
    /// The properties contradict themselves.
    pub fn new(name: &str, group: &str, properties: Properties) -> Result<Self, PropertiesError> {
        let (notices, _) = broadcast::channel(NOTICES_MAX);
        Self::with_parts(name, group, properties, Arc::new(SystemClock), notices)
    }

    pub(crate) fn with_parts(
        name: &str,
        group: &str,
        properties: Properties,
        clock: Arc<dyn Clock>,
        notices: broadcast::Sender<Notice>,
    ) -> Result<Self, PropertiesError> {
        properties.validate()?;
        let name: Arc<str> = Arc::from(name);
        let now = clock.now();
        Ok(Self(Arc::new(Inner {
            group: Arc::from(group),
            breaker: observed_breaker(name.clone(), &properties, now, notices.clone()),
            bulkhead: Bulkhead::new(
                match properties.execution_adaptive_min_concurrent {
                    0 => properties.execution_semaphore_max_concurrent,
                    least => least,
                },
                properties.execution_queue_size,
            ),
            adaptive: Mutex::new(AdaptiveLimit::new(
                properties.execution_adaptive_min_concurrent,
                properties.execution_semaphore_max_concurrent,
                name_hash(&name),
                now,
            )),
            threads: Threads::new(
                name.clone(),
                properties.thread_pool_core_size,
                properties.thread_pool_max_queue_size,
            ),
            fallback_bulkhead: Bulkhead::new(properties.fallback_semaphore_max_concurrent, 0),
            retry_budget: RetryBudget::new(
                properties.retry_budget_percent,
                properties.retry_budget_min_per_s,
                now,
            ),
            // Two processes are not made at the same millisecond, as a rule.
            retry_chance: Chance::new(clock.unix_ms(), &name),
            hedge_budget: RetryBudget::new(
                properties.hedge_budget_percent,
                properties.hedge_budget_min_per_s,
                now,
            ),
            hedge_delay: HedgeDelay::new(now),
            metrics: Metrics::new(&properties, now),
            properties: ArcSwap::from_pointee(properties),
            name,
            clock,
            notices,
        })))
    }

    /// Replaces the settings of the running command. Calls that run keep what they began with.
    ///
    /// # Errors
    /// The settings contradict themselves, or would change the shape of the rolling windows.
    pub fn set_properties(&self, properties: Properties) -> Result<(), PropertiesError> {
        properties.validate()?;
        if !properties.same_windows(&self.properties()) {
            return Err(PropertiesError::WindowsFixed);
        }
        let inner = &self.0;
        // Also keeps one change of settings from meeting another half way.
        let mut adaptive = lock(&inner.adaptive);
        inner.breaker.set_rules(properties.breaker_rules());
        let most = properties.execution_semaphore_max_concurrent;
        let limit = match properties.execution_adaptive_min_concurrent {
            0 => most,
            least => {
                if !self.adapts() {
                    // What it may have measured was measured without it.
                    let seed = name_hash(&inner.name);
                    *adaptive = AdaptiveLimit::new(least, most, seed, self.now());
                }
                adaptive.set_bounds(least, most);
                adaptive.limit()
            }
        };
        inner.bulkhead.set_room(properties.execution_queue_size);
        let threads = inner.threads.bulkhead();
        threads.set_room(properties.thread_pool_max_queue_size);
        let fallbacks = properties.fallback_semaphore_max_concurrent;
        let woken = [
            inner.bulkhead.limit_to(limit),
            threads.limit_to(properties.thread_pool_core_size),
            inner.fallback_bulkhead.limit_to(fallbacks),
        ];
        inner.retry_budget.set_terms(
            properties.retry_budget_percent,
            properties.retry_budget_min_per_s,
        );
        inner.hedge_budget.set_terms(
            properties.hedge_budget_percent,
            properties.hedge_budget_min_per_s,
        );
        inner.properties.store(Arc::new(properties));
        inner.hedge_delay.forget();
        drop(adaptive);
        woken.into_iter().for_each(wake);
        Ok(())
    }

    /// The command key: one per dependency.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn key(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The group key, for dashboards.
    pub fn group(&self) -> &str {
        &self.0.group
    }

    /// The settings in force.
    pub fn properties(&self) -> Arc<Properties> {
        self.0.properties.load_full()
    }

    /// The breaker.
    pub fn breaker(&self) -> &Breaker {
        &self.0.breaker
    }

    /// The state of the breaker as the next caller meets it.
    pub fn breaker_state(&self) -> BreakerState {
        self.0.breaker.state(self.now())
    }

    /// Why the breaker admits or refuses the next caller.
    pub fn explain_breaker(&self) -> Explanation {
        self.0.breaker.explain(self.now())
    }

    /// The bulkhead of executions.
    pub fn bulkhead(&self) -> &Bulkhead {
        &self.0.bulkhead
    }

    /// Whether the number of calls at a time follows the dependency.
    pub(crate) fn adapts(&self) -> bool {
        self.properties().execution_adaptive_min_concurrent > 0
    }

    /// An execution that began at `began` has ended: the number of calls at a time may follow.
    pub(crate) fn adapt(&self, began: Instant) {
        let (now, inner) = (self.now(), &self.0);
        let took = now.saturating_duration_since(began);
        let mut adaptive = lock(&inner.adaptive);
        // Asked under the lock: it may have been switched off since this one began.
        if !self.adapts() {
            return;
        }
        let limit = adaptive.ended(now, took, inner.bulkhead.active());
        let woken = inner.bulkhead.limit_to(limit);
        drop(adaptive);
        wake(woken);
    }

    /// The threads for work that blocks.
    pub(crate) fn threads(&self) -> &Threads {
        &self.0.threads
    }

    /// Fixes when a call that is admitted now has to end: its deadline, or earlier by the command's
    /// timeout. Gives how long that is.
    pub(crate) fn fix_deadline(&self, options: &mut CallOptions) -> Duration {
        let now = self.now();
        match self.properties().timeout() {
            Some(timeout) => {
                options.deadline = options.deadline.tightened(now, timeout);
                options.deadline.remaining(now)
            }
            None => PATIENCE_MAX,
        }
    }

    /// The bulkhead of fallbacks.
    pub fn fallback_bulkhead(&self) -> &Bulkhead {
        &self.0.fallback_bulkhead
    }

    /// The retry budget.
    pub fn retry_budget(&self) -> &RetryBudget {
        &self.0.retry_budget
    }

    /// How long a retry waits that is told to wait `told` and has `left` until its deadline; none if
    /// that is too long.
    pub(crate) fn retry_pause(&self, told: Duration, left: Duration) -> Option<Duration> {
        let longest = Duration::from_millis(self.0.properties.load().retry_after_max_ms);
        pause(told, longest, left, self.0.retry_chance.next())
    }

    /// The budget of hedges, by the same rules.
    pub fn hedge_budget(&self) -> &RetryBudget {
        &self.0.hedge_budget
    }

    /// How long a first attempt may take at `now` until it is hedged; none if it is not.
    pub fn hedge_delay(&self, now: Instant) -> Option<Duration> {
        let inner = &self.0;
        let properties = inner.properties.load();
        let percentile = properties.hedge_percentile;
        crate::hedge::delay(properties.hedge_after_ms, percentile, || {
            let latency = || inner.metrics.latency(now, percentile);
            inner.hedge_delay.learnt(now, latency)
        })
    }

    /// The clock this command lives by.
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// The time on that clock.
    pub fn now(&self) -> Instant {
        self.0.clock.now()
    }

    /// Receives the events and breaker transitions from now on; of the whole registry, for a
    /// command of a registry. A subscriber that falls 4096 notices behind loses the oldest and is
    /// told how many.
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.0.notices.subscribe()
    }

    /// Everything a dashboard shows, at this instant.
    pub fn snapshot(&self) -> CommandSnapshot {
        let inner = &self.0;
        let now = self.now();
        let threads = inner.threads.bulkhead();
        CommandSnapshot {
            name: inner.name.clone(),
            group: inner.group.clone(),
            unix_ms: inner.clock.unix_ms(),
            breaker_state: inner.breaker.state(now),
            opened_count: inner.breaker.opened_count(),
            next_probe_in: inner.breaker.next_probe_in(now),
            health: inner.breaker.health(now),
            limit: inner.bulkhead.limit(),
            active: inner.bulkhead.active() + threads.active(),
            waiting: inner.bulkhead.waiting() + threads.waiting(),
            threads_begun: inner.threads.begun(),
            metrics: inner.metrics.snapshot(now, self.take_peak()),
            properties: self.properties(),
        }
    }

    pub(crate) fn record(&self, event: CommandEvent) {
        let now = self.now();
        self.0.metrics.record(now, event);
        self.notify(event, None, now);
    }

    /// A batch of `size` arguments goes.
    pub(crate) fn record_collapsed(&self, size: usize) {
        let now = self.now();
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        self.0
            .metrics
            .record_many(now, CommandEvent::Collapsed, size);
        self.notify(CommandEvent::Collapsed, None, now);
    }

    pub(crate) fn record_end(&self, now: Instant, event: CommandEvent, latency: Option<Duration>) {
        self.0
            .metrics
            .record_end(now, event, latency, self.take_peak());
        self.notify(event, latency, now);
    }

    /// Work of a call that began at `began` has ended, and nobody waited for it any more.
    pub(crate) fn record_late(&self, began: Instant) {
        let now = self.now();
        let took = now.saturating_duration_since(began);
        self.0.metrics.record_late(now, took);
    }

    /// The caller gets its answer.
    pub(crate) fn record_total(&self, started: Instant, failed: bool) {
        let now = self.now();
        self.0
            .metrics
            .record_total(now, now.saturating_duration_since(started));
        if failed {
            self.record(CommandEvent::ExceptionThrown);
        }
    }

    /// The most calls that ran at once since this was last asked.
    fn take_peak(&self) -> usize {
        self.0.bulkhead.take_peak() + self.0.threads.bulkhead().take_peak()
    }

    fn notify(&self, event: CommandEvent, latency: Option<Duration>, at: Instant) {
        if self.0.notices.receiver_count() > 0 {
            let what = Happening::Call { event, latency, at };
            // The last subscriber may have gone since; nobody is left to tell.
            let _ = self.0.notices.send(Notice {
                command: self.0.name.clone(),
                what,
            });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A seed of the name (FNV-1a), so that commands do not measure at the same time.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn observed_breaker(
    command: Arc<str>,
    properties: &Properties,
    now: Instant,
    notices: broadcast::Sender<Notice>,
) -> Breaker {
    let bucket = Duration::from_millis(properties.metrics_health_snapshot_interval_ms);
    Breaker::builder(properties.breaker_rules())
        .window(bucket, properties.health_buckets())
        .observer(move |transition| {
            tracing::info!(
                %command,
                from = transition.from.as_str(),
                to = transition.to.as_str(),
                why = %transition.why,
                "breaker"
            );
            // Nobody may be listening.
            let _ = notices.send(Notice {
                command: command.clone(),
                what: Happening::Breaker(transition),
            });
        })
        .build(now)
}
