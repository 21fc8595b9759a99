//! The circuit breaker: Hystrix's window and sleep rules around a three-state machine, with one
//! probe at a time.
//!
//! Three rules keep it from the stuck and flapping states known from other breakers:
//! 1. every state has an epoch, every call carries the epoch it was admitted in, and a call that
//!    ends in a later epoch changes nothing;
//! 2. only the probe of the current epoch moves the breaker out of half-open;
//! 3. a probe that is dropped, or does not come back within its lease, loses its right, and the
//!    next call after the sleep window becomes the probe.

mod core;
mod failsafe_core;
mod guard;
mod mirror;
mod rules;
mod window;

#[cfg(test)]
mod behaviour_test;
#[cfg(test)]
mod model_test;
#[cfg(test)]
mod window_test;

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

pub use self::core::BreakerCore;
pub use self::failsafe_core::FailsafeCore;
pub use self::guard::CallGuard;
use self::mirror::{Mirror, Shown};
pub use self::rules::{BreakerRules, BreakerState};
pub use self::window::Health;
use self::window::HealthWindow;
use crate::clock::nanos;
use crate::event::BreakerTransition;

type TransitionObserver = Box<dyn Fn(BreakerTransition) + Send + Sync>;

/// A circuit breaker. Cloning shares it.
#[derive(Clone)]
pub struct Breaker(Arc<Shared>);

struct Shared {
    origin: Instant,
    /// All an admission reads while the breaker is closed, with `evaluate_ns`.
    mirror: Mirror,
    /// When the window next has something new to say, in nanoseconds since the origin.
    evaluate_ns: AtomicU64,
    /// When the next probe may go, in nanoseconds since the origin. Admission needs *more* than it.
    probe_due_ns: AtomicU64,
    window: HealthWindow,
    rules: ArcSwap<BreakerRules>,
    opened_count: AtomicU64,
    /// Held during every change of state; the core is behind it and touched by nothing else.
    changes: Mutex<Changes>,
    observer: TransitionObserver,
}

struct Changes {
    core: Box<dyn BreakerCore>,
    probe_sent: Instant,
    sleep_window: Duration,
}

impl std::fmt::Debug for Breaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.0.mirror.read();
        f.debug_struct("Breaker")
            .field("state", &shown.state())
            .field("epoch", &shown.epoch())
            .finish_non_exhaustive()
    }
}

impl AsRef<Self> for Breaker {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// The refusal of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("circuit open for another {retry_after:?}")]
pub struct CircuitOpen {
    /// When a call may next be let through.
    pub retry_after: Duration,
}

impl Breaker {
    /// A closed breaker on failsafe's state machine, with a window of `buckets` times `bucket`.
    pub fn new(rules: BreakerRules, bucket: Duration, buckets: u64, now: Instant) -> Self {
        let core = Box::new(FailsafeCore::new(now));
        Self::with_core(core, rules, bucket, buckets, now, Box::new(|_| ()))
    }

    /// A closed breaker on a core of your own, which must be closed, telling `observer` of every
    /// change of state. The observer runs while the change is locked: it must be quick and must
    /// not call the breaker.
    pub fn with_core(
        core: Box<dyn BreakerCore>,
        rules: BreakerRules,
        bucket: Duration,
        buckets: u64,
        now: Instant,
        observer: TransitionObserver,
    ) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let window = HealthWindow::new(nanos(bucket), buckets, threads);
        Self(Arc::new(Shared {
            origin: now,
            mirror: Mirror::new(rules.is_by_hand()),
            probe_due_ns: AtomicU64::new(0),
            evaluate_ns: AtomicU64::new(window.health(0).1),
            opened_count: AtomicU64::new(0),
            window,
            changes: Mutex::new(Changes {
                core,
                probe_sent: now,
                sleep_window: rules.sleep_window,
            }),
            rules: ArcSwap::from_pointee(rules),
            observer,
        }))
    }

    /// Replaces the rules from now on. A sleep window that has begun keeps its length.
    pub fn set_rules(&self, rules: BreakerRules) {
        let shared = &self.0;
        let changes = lock(&shared.changes);
        shared.rules.store(Arc::new(rules));
        shared.mirror.set_by_hand(rules.is_by_hand());
        // The window has to be judged anew, even in the middle of a bucket.
        shared.evaluate_ns.store(0, Ordering::Release);
        drop(changes);
    }

    /// Asks to make a call at `now`. Report its end to the [`CallGuard`]; dropping the guard means
    /// the call was given up. [`CallGuard::admit`] is for a call that outlives the borrow.
    ///
    /// # Errors
    /// The breaker is open, or half-open with its probe on the way.
    #[inline]
    pub fn admit(&self, now: Instant) -> Result<CallGuard<&Self>, CircuitOpen> {
        CallGuard::admit(&self, now)
    }

    /// What a caller meets at `now`: forced and disabled breakers included, a window that has
    /// crossed the threshold since the last call too.
    pub fn state(&self, now: Instant) -> BreakerState {
        let rules = **self.0.rules.load();
        if !rules.enabled {
            return BreakerState::Closed;
        }
        if rules.force_open {
            return BreakerState::Open;
        }
        self.0.evaluate(now);
        if rules.force_closed {
            BreakerState::Closed
        } else {
            self.0.mirror.read().state()
        }
    }

    /// What the completed buckets of the window say at `now`.
    pub fn health(&self, now: Instant) -> Health {
        self.0.window.health(self.0.since_origin(now)).0
    }

    /// How often it went from closed to open.
    pub fn opened_count(&self) -> u64 {
        self.0.opened_count.load(Ordering::Acquire)
    }

    /// How long until a call may be let through as a probe; none while closed, zero when the next
    /// call will be it.
    pub fn next_probe_in(&self, now: Instant) -> Option<Duration> {
        if self.state(now) == BreakerState::Closed {
            return None;
        }
        let due_ns = self.0.probe_due_ns.load(Ordering::Acquire);
        Some(Duration::from_nanos(
            due_ns.saturating_sub(self.0.since_origin(now)),
        ))
    }
}

struct Admission {
    epoch: u64,
    is_probe: bool,
}

impl Admission {
    /// Of a call that decides over nothing by itself.
    fn plain(shown: Shown) -> Self {
        Self {
            epoch: shown.epoch(),
            is_probe: false,
        }
    }
}

impl Shared {
    #[inline]
    fn since_origin(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.origin))
    }

    /// Two atomic loads, unless the breaker has something to decide.
    #[inline]
    fn admit(&self, now: Instant) -> Result<Admission, CircuitOpen> {
        let shown = self.mirror.read();
        if !shown.is_by_hand() {
            let now_ns = self.since_origin(now);
            match shown.state() {
                BreakerState::Closed if now_ns < self.evaluate_ns.load(Ordering::Acquire) => {
                    return Ok(Admission::plain(shown));
                }
                BreakerState::Closed => {}
                BreakerState::Open | BreakerState::HalfOpen => self.check_due(now_ns)?,
            }
        }
        self.decide(now)
    }

    #[cold]
    fn decide(&self, now: Instant) -> Result<Admission, CircuitOpen> {
        let rules = **self.rules.load();
        if rules.force_open && rules.enabled {
            return Err(CircuitOpen {
                retry_after: rules.sleep_window,
            });
        }
        self.evaluate(now);
        let shown = self.mirror.read();
        if shown.state() == BreakerState::Closed || rules.force_closed || !rules.enabled {
            return Ok(Admission::plain(shown));
        }
        self.check_due(self.since_origin(now))?;
        self.take_probe(now, &rules)
    }

    #[inline]
    fn check_due(&self, now_ns: u64) -> Result<(), CircuitOpen> {
        let due_ns = self.probe_due_ns.load(Ordering::Acquire);
        if now_ns > due_ns {
            return Ok(());
        }
        Err(CircuitOpen {
            retry_after: Duration::from_nanos(due_ns - now_ns),
        })
    }

    /// Opens the breaker if the window has something new to say and says so. Between two bucket
    /// ends this is one atomic load.
    fn evaluate(&self, now: Instant) {
        let now_ns = self.since_origin(now);
        if now_ns < self.evaluate_ns.load(Ordering::Acquire) {
            return;
        }
        // The epoch comes first: what is counted in a later one opens nothing in this one. The
        // rules come last: new ones ask for another evaluation once they are in force.
        let epoch = self.mirror.read().epoch();
        let (health, next_ns) = self.window.health(now_ns);
        self.evaluate_ns.store(next_ns, Ordering::Release);
        let rules = **self.rules.load();
        let trips = health.total >= rules.request_volume_threshold
            && health.error_percentage() >= rules.error_threshold_percentage;
        if trips && rules.enabled {
            self.trip(epoch, now, &rules);
        }
    }

    fn trip(&self, epoch: u64, now: Instant, rules: &BreakerRules) {
        let mut changes = lock(&self.changes);
        if !self.mirror.read().is(BreakerState::Closed, epoch) {
            return;
        }
        changes.sleep_window = rules.sleep_window;
        let state = changes.core.trip(now, rules.sleep_window);
        self.set_due(now + rules.sleep_window);
        self.opened_count.fetch_add(1, Ordering::AcqRel);
        self.enter(state, now);
    }

    fn take_probe(&self, now: Instant, rules: &BreakerRules) -> Result<Admission, CircuitOpen> {
        let mut changes = lock(&self.changes);
        let shown = self.mirror.read();
        if shown.state() == BreakerState::Closed {
            return Ok(Admission::plain(shown));
        }
        self.check_due(self.since_origin(now))?;
        let state = changes.core.try_half_open(now);
        if state != BreakerState::HalfOpen {
            return Err(CircuitOpen {
                retry_after: Duration::ZERO,
            });
        }
        changes.probe_sent = now;
        self.set_due(now + rules.probe_lease.max(changes.sleep_window));
        self.enter(state, now);
        Ok(Admission {
            epoch: shown.epoch() + 1,
            is_probe: true,
        })
    }

    fn probe_succeeded(&self, epoch: u64, now: Instant) {
        let changes = lock(&self.changes);
        if !self.mirror.read().is(BreakerState::HalfOpen, epoch) {
            return;
        }
        let state = changes.core.probe_succeeded(now);
        self.window.reset();
        self.enter(state, now);
    }

    fn probe_gave_up(&self, epoch: u64, now: Instant) {
        let changes = lock(&self.changes);
        if !self.mirror.read().is(BreakerState::HalfOpen, epoch) {
            return;
        }
        let state = changes.core.probe_failed(changes.probe_sent);
        self.set_due(changes.probe_sent + changes.sleep_window);
        self.enter(state, now.max(changes.probe_sent));
    }

    /// A drop knows no time; the transition is stamped with the probe's start.
    fn probe_dropped(&self, epoch: u64) {
        let sent = lock(&self.changes).probe_sent;
        self.probe_gave_up(epoch, sent);
    }

    /// Counts the end of a call that was no probe, if the state it was admitted in still stands.
    #[inline]
    fn record(&self, epoch: u64, now: Instant, ok: bool) {
        self.window.record(self.since_origin(now), ok, || {
            self.mirror.read().is(BreakerState::Closed, epoch)
        });
    }

    fn set_due(&self, due: Instant) {
        self.probe_due_ns
            .store(self.since_origin(due), Ordering::Release);
    }

    /// Begins a new epoch. Callers hold `changes`.
    fn enter(&self, to: BreakerState, at: Instant) {
        let from = self.mirror.read().state();
        self.mirror.enter(to);
        if from != to {
            (self.observer)(BreakerTransition { from, to, at });
        }
    }
}

/// A panic elsewhere leaves counters that are at worst one call off, so the lock is taken anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
