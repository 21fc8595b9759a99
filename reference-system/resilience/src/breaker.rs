//! The circuit breaker: Hystrix's window and sleep rules around a three-state machine, with one
//! probe at a time.
//!
//! Three rules keep it from the stuck and flapping states known from other breakers:
//! 1. every state has an epoch, every call carries the epoch it was admitted in, and a call that
//!    ends in a later epoch changes nothing;
//! 2. only the probe of the current epoch moves the breaker out of half-open;
//! 3. a probe that is dropped, or does not come back within its lease, loses its right, and the
//!    next call after the sleep window becomes the probe.

mod builder;
mod core;
mod due;
mod failsafe_core;
mod guard;
mod ledger;
mod mirror;
mod moment;
mod numbered;
mod questions;
mod ramp;
mod rules;
mod why;
mod window;

#[cfg(test)]
mod behaviour_test;
#[cfg(test)]
mod model_test;
#[cfg(test)]
mod moment_test;
#[cfg(test)]
mod ways_test;
#[cfg(test)]
mod window_test;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

pub use self::builder::BreakerBuilder;
use self::builder::Observer;
pub use self::core::BreakerCore;
use self::due::Due;
pub use self::failsafe_core::FailsafeCore;
pub use self::guard::CallGuard;
use self::ledger::{Ledger, Verdict};
use self::mirror::{Admission, Mirror, Shown, UNTOLD};
pub use self::moment::{Moment, Nanos, ReadBy};
use self::numbered::thread_number;
use self::ramp::Ramp;
use self::rules::SLEEP_MAX;
pub use self::rules::{BreakerRules, BreakerState, OnProbeCancel, SlowCalls};
pub use self::why::{Explanation, Why};
pub use self::window::Health;
use self::window::{HealthWindow, Outcome};
use crate::clock::nanos;
use crate::event::BreakerTransition;

/// A circuit breaker. Cloning shares it.
#[derive(Clone)]
pub struct Breaker(Arc<Shared>);

struct Shared {
    origin: Instant,
    /// All an admission reads while the breaker is closed, with `evaluate_due`.
    mirror: Mirror,
    /// When the window next has something new to say.
    evaluate_due: Due,
    /// When the next probe may go, in nanoseconds since the origin. Admission needs *more* than it.
    probe_due_ns: AtomicU64,
    /// From how many nanoseconds on a call is slow.
    slow_ns: AtomicU64,
    window: HealthWindow,
    window_length: Duration,
    ramp: Ramp,
    rules: ArcSwap<BreakerRules>,
    opened_count: AtomicU64,
    /// Taken after `changes`, never before it.
    ledger: Mutex<Ledger>,
    /// Held during every change of state; the core is behind it and touched by nothing else.
    changes: Mutex<Changes>,
    observer: Observer,
}

struct Changes {
    core: Box<dyn BreakerCore>,
    probe_sent: Instant,
    sleep_window: Duration,
    opened_by: Option<Why>,
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
        Self::builder(rules).window(bucket, buckets).build(now)
    }

    /// Begins a breaker with other parts than the usual ones.
    pub fn builder(rules: BreakerRules) -> BreakerBuilder {
        BreakerBuilder::new(rules)
    }

    /// Replaces the rules from now on. A sleep window that has begun keeps its length, the next one
    /// has the new one's.
    pub fn set_rules(&self, rules: BreakerRules) {
        let shared = &self.0;
        let rules = rules.capped();
        let mut changes = lock(&shared.changes);
        if rules.sleep_window != shared.rules.load().sleep_window {
            changes.sleep_window = rules.sleep_window;
        }
        shared.heed(&rules);
        shared.rules.store(Arc::new(rules));
        // The window has to be judged anew, even in the middle of a bucket.
        shared.evaluate_due.at_latest(0);
        drop(changes);
    }

    /// Asks to make a call at `now`, an [`Instant`] or another [`Moment`]. Report its end to the [`CallGuard`]; dropping the guard means
    /// the call was given up. [`CallGuard::admit`] is for a call that outlives the borrow.
    ///
    /// # Errors
    /// The breaker is open, or half-open with its probe on the way.
    #[inline]
    pub fn admit(&self, now: impl Moment) -> Result<CallGuard<&Self>, CircuitOpen> {
        CallGuard::admit(&self, now)
    }
}

impl Shared {
    /// Of a window of so many buckets, which so many threads count in.
    fn new(
        now: Instant,
        rules: BreakerRules,
        (bucket, buckets, threads): (Duration, u64, usize),
        core: Box<dyn BreakerCore>,
        ledger: Ledger,
        observer: Observer,
    ) -> Self {
        let rules = rules.capped();
        let window = HealthWindow::new(nanos(bucket), buckets, threads);
        let shared = Self {
            origin: now,
            mirror: Mirror::new(),
            probe_due_ns: AtomicU64::new(0),
            slow_ns: AtomicU64::new(u64::MAX),
            evaluate_due: Due::new(),
            opened_count: AtomicU64::new(0),
            window,
            window_length: bucket.saturating_mul(u32::try_from(buckets).unwrap_or(u32::MAX)),
            ramp: Ramp::default(),
            ledger: Mutex::new(ledger),
            changes: Mutex::new(Changes {
                core,
                probe_sent: now,
                sleep_window: rules.sleep_window,
                opened_by: None,
            }),
            rules: ArcSwap::from_pointee(rules),
            observer,
        };
        shared.heed(&rules);
        shared
    }

    /// What the rules say to those who do not read them.
    fn heed(&self, rules: &BreakerRules) {
        let in_order = {
            let mut ledger = lock(&self.ledger);
            let in_order = rules.need_order() || ledger.has_policy();
            if !in_order {
                // Calls that are not written down from here on would be missing in the row.
                ledger.forget_calls();
            }
            in_order
        };
        let slow = rules.slow_calls.map(|slow| nanos(slow.longer_than));
        self.slow_ns
            .store(slow.unwrap_or(u64::MAX), Ordering::Release);
        self.mirror
            .set_rules(rules.is_by_hand(), in_order, slow.is_some());
    }

    #[inline]
    fn since_origin(&self, now: Instant) -> u64 {
        now.since(self.origin)
    }

    /// The time that is so many nanoseconds after the origin.
    fn instant(&self, ns: u64) -> Instant {
        self.origin + Duration::from_nanos(ns)
    }

    /// Two atomic loads, unless the breaker has something to decide.
    #[inline]
    fn admit(&self, now: impl Moment) -> Result<Admission, CircuitOpen> {
        let shown = self.mirror.read();
        if shown.is_plain() && self.evaluate_due.is_never() {
            return Ok(Admission::plain(shown, UNTOLD));
        }
        let now_ns = now.since(self.origin);
        if !shown.is_special() {
            match shown.state() {
                BreakerState::Closed if self.evaluate_due.is_later_than(now_ns) => {
                    return Ok(Admission::plain(shown, now_ns));
                }
                BreakerState::Closed => {}
                BreakerState::Open | BreakerState::HalfOpen => self.check_due(now_ns)?,
            }
        }
        self.decide(now_ns)
    }

    #[cold]
    fn decide(&self, now_ns: u64) -> Result<Admission, CircuitOpen> {
        let rules = **self.rules.load();
        if rules.force_open && rules.enabled {
            return Err(CircuitOpen {
                retry_after: rules.sleep_window,
            });
        }
        self.evaluate(now_ns);
        let shown = self.mirror.read();
        if rules.force_closed || !rules.enabled {
            return Ok(Admission::plain(shown, now_ns));
        }
        if shown.state() == BreakerState::Closed {
            self.pass_ramp(shown, now_ns)?;
            return Ok(Admission::plain(shown, now_ns));
        }
        self.check_due(now_ns)?;
        self.take_probe(now_ns, &rules)
    }

    /// Admits the share of calls that a breaker admits that has just closed.
    fn pass_ramp(&self, shown: Shown, now_ns: u64) -> Result<(), CircuitOpen> {
        if !shown.is_ramping() {
            return Ok(());
        }
        let Some(retry_after) = self.ramp.left(now_ns) else {
            let changes = lock(&self.changes);
            if self.mirror.read().is(BreakerState::Closed, shown.epoch()) {
                self.mirror.end_ramp();
            }
            drop(changes);
            return Ok(());
        };
        match self.ramp.admits(now_ns) {
            true => Ok(()),
            false => Err(CircuitOpen { retry_after }),
        }
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
    fn evaluate(&self, now_ns: u64) {
        if self.evaluate_due.is_later_than(now_ns) {
            return;
        }
        // The epoch comes first: what is counted in a later one opens nothing in this one. The
        // rules come after: new ones ask for another evaluation once they are in force.
        let epoch = self.mirror.read().epoch();
        self.evaluate_due.never();
        let rules = **self.rules.load();
        let (health, next_ns) = self.window.health(now_ns);
        self.evaluate_due.at_latest(match rules.need_no_errors() {
            true => self.window.ends_ns(),
            false => next_ns,
        });
        let why = Why::of_window(health, &rules);
        if let Some(why) = why.filter(|_| rules.may_trip()) {
            self.trip(epoch, self.instant(now_ns), why, rules.sleep_window);
        }
    }

    fn trip(&self, epoch: u64, now: Instant, why: Why, sleep_window: Duration) {
        let mut changes = lock(&self.changes);
        if !self.mirror.read().is(BreakerState::Closed, epoch) {
            return;
        }
        changes.sleep_window = sleep_window;
        changes.opened_by = Some(why);
        let state = changes.core.trip(now, sleep_window);
        self.set_due(now + sleep_window);
        self.opened_count.fetch_add(1, Ordering::AcqRel);
        self.enter(state, now, why);
    }

    fn take_probe(&self, now_ns: u64, rules: &BreakerRules) -> Result<Admission, CircuitOpen> {
        let now = self.instant(now_ns);
        let mut changes = lock(&self.changes);
        let shown = self.mirror.read();
        if shown.state() == BreakerState::Closed {
            return Ok(Admission::plain(shown, now_ns));
        }
        self.check_due(now_ns)?;
        let state = changes.core.try_half_open(now);
        if state != BreakerState::HalfOpen {
            return Err(CircuitOpen {
                retry_after: Duration::ZERO,
            });
        }
        changes.probe_sent = now;
        self.set_due(now + rules.probe_lease.max(changes.sleep_window));
        self.enter(state, now, Why::ProbeSent);
        Ok(Admission {
            epoch: shown.epoch() + 1,
            is_probe: true,
            begun_ns: now_ns,
        })
    }

    /// How a probe ended that was not dropped.
    #[cold]
    fn probe_ended(&self, epoch: u64, now_ns: u64, ok: bool) {
        let now = self.instant(now_ns);
        let mut changes = lock(&self.changes);
        if !self.mirror.read().is(BreakerState::HalfOpen, epoch) {
            return;
        }
        let mut ledger = lock(&self.ledger);
        let sent_ns = self.since_origin(changes.probe_sent);
        let slow = self.is_slow(sent_ns, now_ns);
        if ok && !slow {
            ledger.forget(now);
            self.window.reset();
            let ramp_up = nanos(self.rules.load().ramp_up);
            self.ramp.begin(self.since_origin(now), ramp_up);
            let state = changes.core.probe_succeeded(now);
            self.enter(state, now, Why::ProbeSucceeded);
            return;
        }
        if let Some(sleep) = ledger.probe_failed(now) {
            changes.sleep_window = sleep.min(SLEEP_MAX);
        }
        let why = if ok { Why::ProbeSlow } else { Why::ProbeFailed };
        self.reopen(&changes, now, why);
    }

    /// A drop knows no time; the transition is stamped with the probe's start.
    fn probe_given_back(&self, epoch: u64, means: OnProbeCancel) {
        let changes = lock(&self.changes);
        if !self.mirror.read().is(BreakerState::HalfOpen, epoch) {
            return;
        }
        let sent = changes.probe_sent;
        match means {
            OnProbeCancel::Reopen => self.reopen(&changes, sent, Why::ProbeDropped),
            OnProbeCancel::Release => {
                // As if it had slept until just before the probe went; no core sleeps for nothing.
                let slept = Duration::from_nanos(2);
                let begun = sent.checked_sub(slept).unwrap_or(sent);
                let state = changes.core.probe_failed(begun, Duration::ZERO);
                self.set_due(begun);
                self.enter(state, sent, Why::ProbeDropped);
            }
        }
    }

    fn reopen(&self, changes: &Changes, at: Instant, why: Why) {
        let (sent, sleep) = (changes.probe_sent, changes.sleep_window);
        let state = changes.core.probe_failed(sent, sleep);
        self.set_due(sent + sleep);
        self.enter(state, at.max(sent), why);
    }

    /// Counts the end of a call that was no probe, if the state it was admitted in still stands.
    #[inline]
    fn record(&self, admitted: &Admission, now_ns: u64, ok: bool) {
        // The turn comes first: who closes the breaker again takes it away as well.
        let turn = self.window.turn_at(now_ns);
        let shown = self.mirror.read();
        if shown.epoch() != admitted.epoch {
            return;
        }
        let slow = shown.is_timed() && self.is_slow(admitted.begun_ns, now_ns);
        self.window
            .count(turn, thread_number(), Outcome { ok, slow });
        if !ok || slow {
            self.judge_soon();
        }
        if shown.is_in_order() {
            self.write_down(admitted.epoch, now_ns, ok);
        }
    }

    /// After a call was counted that may open the breaker.
    #[cold]
    fn judge_soon(&self) {
        self.evaluate_due.at_latest(self.window.ends_ns());
    }

    fn is_slow(&self, begun_ns: u64, now_ns: u64) -> bool {
        now_ns.saturating_sub(begun_ns) > self.slow_ns.load(Ordering::Relaxed)
    }

    #[cold]
    fn write_down(&self, epoch: u64, now_ns: u64, ok: bool) {
        let now = self.instant(now_ns);
        let rules = **self.rules.load();
        let verdict = {
            let mut ledger = lock(&self.ledger);
            // Under the lock: who closes the breaker again forgets under it as well.
            if !self.mirror.read().is(BreakerState::Closed, epoch) {
                return;
            }
            ledger.enter(now, ok, &rules)
        };
        if let Some(Verdict { why, sleep }) = verdict.filter(|_| rules.may_trip()) {
            let sleep = sleep.map_or(rules.sleep_window, |sleep| sleep.min(SLEEP_MAX));
            self.trip(epoch, now, why, sleep);
        }
    }

    fn set_due(&self, due: Instant) {
        self.probe_due_ns
            .store(self.since_origin(due), Ordering::Release);
    }

    /// Begins a new epoch. Callers hold `changes`.
    fn enter(&self, to: BreakerState, at: Instant, why: Why) {
        let from = self.mirror.read().state();
        let is_ramping = to == BreakerState::Closed && self.ramp.is_any();
        self.mirror.enter(to, is_ramping);
        if from != to {
            (self.observer)(BreakerTransition { from, to, at, why });
        }
    }
}

/// A panic elsewhere leaves counters that are at worst one call off, so the lock is taken anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
