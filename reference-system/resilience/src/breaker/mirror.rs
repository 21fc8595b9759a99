//! The state of a breaker in one word: all that an admission reads while nothing is wrong.

use std::sync::atomic::{AtomicU64, Ordering};

use super::BreakerState;

const STATE: u64 = 0b11;
const BY_HAND: u64 = 0b100;
const EPOCH_SHIFT: u32 = 3;

/// State, epoch and whether the rules say more than thresholds do. Written only by who holds the
/// lock of all changes.
#[derive(Debug)]
pub(super) struct Mirror(AtomicU64);

/// What a mirror showed at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown(u64);

impl Mirror {
    /// Closed, in the epoch 0.
    pub(super) fn new(is_by_hand: bool) -> Self {
        Self(AtomicU64::new(if is_by_hand { BY_HAND } else { 0 }))
    }

    pub(super) fn read(&self) -> Shown {
        Shown(self.0.load(Ordering::Acquire))
    }

    /// Begins the next epoch, in `state`.
    pub(super) fn enter(&self, state: BreakerState) {
        let now = self.read();
        let epoch = (now.epoch() + 1) << EPOCH_SHIFT;
        self.0
            .store(epoch | now.0 & BY_HAND | state as u64, Ordering::Release);
    }

    /// Says whether it is forced open, forced closed or switched off.
    pub(super) fn set_by_hand(&self, is_by_hand: bool) {
        let others = self.read().0 & !BY_HAND;
        let by_hand = if is_by_hand { BY_HAND } else { 0 };
        self.0.store(others | by_hand, Ordering::Release);
    }
}

impl Shown {
    pub(super) fn state(self) -> BreakerState {
        BreakerState::from_u8((self.0 & STATE) as u8)
    }

    pub(super) fn epoch(self) -> u64 {
        self.0 >> EPOCH_SHIFT
    }

    pub(super) fn is_by_hand(self) -> bool {
        self.0 & BY_HAND != 0
    }

    /// Whether it shows this state in this epoch.
    pub(super) fn is(self, state: BreakerState, epoch: u64) -> bool {
        (self.state(), self.epoch()) == (state, epoch)
    }
}
