//! The `failsafe` crate's state machine as a [`BreakerCore`], with its own ideas of when to trip,
//! whom to admit and what time it is replaced by ours.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use failsafe::{FailurePolicy, Instrument, StateMachine, clock};

use super::BreakerState;
use super::core::BreakerCore;
use crate::clock::nanos;

/// How far ahead of real time the machine's private time runs. Its clock can be moved forward but
/// never back, so the shown time has to lie beyond every real one of the process's life.
const AHEAD: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The default core of a breaker.
///
/// failsafe has no getter for its state and asks a hidden clock for the time; so the state is
/// mirrored from its callbacks, and each call is made under that clock frozen at the `now` given.
/// [`Breaker`](super::Breaker) serialises the calls, so callbacks, which failsafe runs after it has
/// released its lock, cannot overtake each other.
///
/// That clock belongs to the thread, and failsafe panics when it is frozen twice: do not call a
/// breaker from inside `failsafe::clock::freeze`.
pub struct FailsafeCore {
    machine: StateMachine<TripOnDemand, Mirror>,
    trip_for_ns: Arc<AtomicU64>,
    state: Arc<AtomicU8>,
    clock: PrivateClock,
}

/// The hidden clock of failsafe, for the length of a call.
pub(super) struct PrivateClock {
    origin: Instant,
    shown_origin: Instant,
}

impl PrivateClock {
    /// A clock whose time begins at `origin`.
    pub(super) fn new(origin: Instant) -> Self {
        Self {
            origin,
            shown_origin: clock::now() + AHEAD,
        }
    }

    /// Acts while failsafe thinks that it is `now`.
    pub(super) fn at<T>(&self, now: Instant, act: impl FnOnce() -> T) -> T {
        let shown = self.shown_origin + now.saturating_duration_since(self.origin);
        clock::freeze(|time| {
            time.advance(shown.saturating_duration_since(time.now()));
            act()
        })
    }
}

impl FailsafeCore {
    /// A closed machine whose time begins at `origin`.
    pub fn new(origin: Instant) -> Self {
        let trip_for_ns = Arc::new(AtomicU64::new(0));
        let state = Arc::new(AtomicU8::new(BreakerState::Closed as u8));
        let machine = StateMachine::new(TripOnDemand(trip_for_ns.clone()), Mirror(state.clone()));
        Self {
            machine,
            trip_for_ns,
            state,
            clock: PrivateClock::new(origin),
        }
    }

    fn at(
        &self,
        now: Instant,
        act: impl FnOnce(&StateMachine<TripOnDemand, Mirror>),
    ) -> BreakerState {
        self.clock.at(now, || act(&self.machine));
        BreakerState::from_u8(self.state.load(Ordering::Acquire))
    }
}

impl BreakerCore for FailsafeCore {
    fn trip(&self, now: Instant, sleep_window: Duration) -> BreakerState {
        self.trip_for_ns
            .store(nanos(sleep_window).max(1), Ordering::Release);
        self.at(now, StateMachine::on_error)
    }

    fn try_half_open(&self, now: Instant) -> BreakerState {
        self.at(now, |machine| {
            machine.is_call_permitted();
        })
    }

    fn probe_succeeded(&self, now: Instant) -> BreakerState {
        self.at(now, StateMachine::on_success)
    }

    fn probe_failed(&self, probe_sent: Instant, sleep_window: Duration) -> BreakerState {
        self.trip_for_ns
            .store(nanos(sleep_window).max(1), Ordering::Release);
        self.at(probe_sent, StateMachine::on_error)
    }
}

/// Trips exactly when told to: the window that decides is not failsafe's.
#[derive(Debug)]
struct TripOnDemand(Arc<AtomicU64>);

impl FailurePolicy for TripOnDemand {
    fn record_success(&mut self) {}

    fn mark_dead_on_failure(&mut self) -> Option<Duration> {
        match self.0.swap(0, Ordering::AcqRel) {
            0 => None,
            sleep_window_ns => Some(Duration::from_nanos(sleep_window_ns)),
        }
    }

    fn revived(&mut self) {}
}

/// Remembers the state failsafe says it has entered. It never calls the machine, which may hold
/// its lock.
#[derive(Debug)]
struct Mirror(Arc<AtomicU8>);

impl Instrument for Mirror {
    fn on_call_rejected(&self) {}

    fn on_open(&self) {
        self.0.store(BreakerState::Open as u8, Ordering::Release);
    }

    fn on_half_open(&self) {
        self.0
            .store(BreakerState::HalfOpen as u8, Ordering::Release);
    }

    fn on_closed(&self) {
        self.0.store(BreakerState::Closed as u8, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_lives_on_the_time_it_is_given() {
        let t0 = Instant::now();
        let core = FailsafeCore::new(t0);
        let sleep = Duration::from_secs(5);
        assert_eq!(core.trip(t0 + sleep, sleep), BreakerState::Open);
        assert_eq!(
            core.try_half_open(t0 + 2 * sleep),
            BreakerState::Open,
            "the end itself is still asleep"
        );
        let probe_sent = t0 + 2 * sleep + Duration::from_nanos(1);
        assert_eq!(core.try_half_open(probe_sent), BreakerState::HalfOpen);
        assert_eq!(core.probe_failed(probe_sent, sleep), BreakerState::Open);
        assert_eq!(core.try_half_open(probe_sent + sleep), BreakerState::Open);
        assert_eq!(
            core.try_half_open(probe_sent + sleep * 2),
            BreakerState::HalfOpen
        );
        assert_eq!(
            core.probe_succeeded(probe_sent + sleep * 2),
            BreakerState::Closed
        );
    }
}
