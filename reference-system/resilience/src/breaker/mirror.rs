//! The state of a breaker in one word: all that an admission reads while nothing is wrong.

use std::sync::atomic::{AtomicU64, Ordering};

use super::BreakerState;

const STATE: u64 = 0b11;
/// It is forced open, forced closed or switched off.
const BY_HAND: u64 = 0b100;
/// It has just closed, and does not admit every call.
const RAMPING: u64 = 0b1000;
/// Calls have to be kept in their order.
const IN_ORDER: u64 = 0b1_0000;
/// A rule asks how long calls take.
const TIMED: u64 = 0b10_0000;
const EPOCH_SHIFT: u32 = 6;

/// State, epoch and what else an admission or an end of a call has to heed. Written only by who holds the
/// lock of all changes.
#[derive(Debug)]
pub(super) struct Mirror(AtomicU64);

/// What a mirror showed at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown(u64);

impl Mirror {
    /// Closed, in the epoch 0.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(super) fn read(&self) -> Shown {
        Shown(self.0.load(Ordering::Acquire))
    }

    /// Begins the next epoch, in `state`.
    pub(super) fn enter(&self, state: BreakerState, is_ramping: bool) {
        let now = self.read();
        let epoch = (now.epoch() + 1) << EPOCH_SHIFT;
        let kept = now.0 & (BY_HAND | IN_ORDER | TIMED);
        let ramping = if is_ramping { RAMPING } else { 0 };
        self.0
            .store(epoch | kept | ramping | state as u64, Ordering::Release);
    }

    /// Says what the rules ask for.
    pub(super) fn set_rules(&self, is_by_hand: bool, in_order: bool, is_timed: bool) {
        self.set(BY_HAND, is_by_hand);
        self.set(TIMED, is_timed);
        self.set(IN_ORDER, in_order);
    }

    /// Says that every call is admitted again.
    pub(super) fn end_ramp(&self) {
        self.set(RAMPING, false);
    }

    fn set(&self, bit: u64, on: bool) {
        let others = self.read().0 & !bit;
        self.0
            .store(others | if on { bit } else { 0 }, Ordering::Release);
    }
}

impl Shown {
    #[inline]
    pub(super) fn state(self) -> BreakerState {
        BreakerState::from_u8((self.0 & STATE) as u8)
    }

    #[inline]
    pub(super) fn epoch(self) -> u64 {
        self.0 >> EPOCH_SHIFT
    }

    /// Whether an admission has more to heed than state and window.
    #[inline]
    pub(super) fn is_special(self) -> bool {
        self.0 & (BY_HAND | RAMPING) != 0
    }

    /// Whether an admission has nothing to heed but the window, and needs no time for anything else.
    #[inline]
    pub(super) fn is_plain(self) -> bool {
        self.0 & (STATE | BY_HAND | RAMPING | TIMED) == BreakerState::Closed as u64
    }

    #[inline]
    pub(super) fn is_timed(self) -> bool {
        self.0 & TIMED != 0
    }

    pub(super) fn is_ramping(self) -> bool {
        self.0 & RAMPING != 0
    }

    #[inline]
    pub(super) fn is_in_order(self) -> bool {
        self.0 & IN_ORDER != 0
    }

    /// Whether it shows this state in this epoch.
    pub(super) fn is(self, state: BreakerState, epoch: u64) -> bool {
        (self.state(), self.epoch()) == (state, epoch)
    }
}

/// A call that is let through.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) epoch: u64,
    pub(super) is_probe: bool,
    /// When it began, in nanoseconds since the origin; [`UNTOLD`] where nobody had to know.
    pub(super) begun_ns: u64,
}

/// Later than any end, so that such a call took no time.
pub(super) const UNTOLD: u64 = u64::MAX;

impl Admission {
    /// Of a call that decides over nothing by itself.
    #[inline]
    pub(super) fn plain(shown: Shown, begun_ns: u64) -> Self {
        Self {
            epoch: shown.epoch(),
            is_probe: false,
            begun_ns,
        }
    }
}
