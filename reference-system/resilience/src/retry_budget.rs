//! How many retries the traffic can bear: a share of the calls of the last seconds, plus a few.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The calls of this many seconds count.
const WINDOW_S: u64 = 10;

/// A retry costs this much; a call brings a hundredth of it per percent. All integers, so that no
/// rounding turns 60 % into 100 %.
const RETRY_COST: u64 = 100;

/// A budget shared by all calls of a command: in any ten seconds at most `percent` retries per
/// hundred calls, plus `min_per_s` per second so that quiet commands can retry at all.
#[derive(Debug)]
pub struct RetryBudget(Mutex<Slots>);

#[derive(Debug)]
struct Slots {
    origin: Instant,
    percent: u64,
    reserve: u64,
    earned: [u64; WINDOW_S as usize],
    spent: [u64; WINDOW_S as usize],
    current: u64,
}

impl RetryBudget {
    /// A budget with nothing earned or spent.
    pub fn new(percent: u32, min_per_s: u32, now: Instant) -> Self {
        Self(Mutex::new(Slots {
            origin: now,
            percent: u64::from(percent),
            reserve: reserve(min_per_s),
            earned: [0; WINDOW_S as usize],
            spent: [0; WINDOW_S as usize],
            current: 0,
        }))
    }

    /// Counts a call (not a retry) made at `now`.
    pub fn deposit(&self, now: Instant) {
        self.with(now, |slots, slot| slots.earned[slot] += slots.percent);
    }

    /// Whether a retry at `now` would fit; nothing is taken.
    pub fn has_room(&self, now: Instant) -> bool {
        self.with(now, |slots, _| slots.fits_one_more())
    }

    /// Takes one retry out of the budget at `now`; false if it would be one too many.
    pub fn try_withdraw(&self, now: Instant) -> bool {
        self.with(now, |slots, slot| {
            let fits = slots.fits_one_more();
            if fits {
                slots.spent[slot] += RETRY_COST;
            }
            fits
        })
    }

    /// Changes the terms; what was earned and spent stays.
    pub fn set_terms(&self, percent: u32, min_per_s: u32) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.percent = u64::from(percent);
        slots.reserve = reserve(min_per_s);
    }

    fn with<T>(&self, now: Instant, act: impl FnOnce(&mut Slots, usize) -> T) -> T {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.roll(now);
        act(&mut slots, slot)
    }
}

fn reserve(min_per_s: u32) -> u64 {
    u64::from(min_per_s) * WINDOW_S * RETRY_COST
}

impl Slots {
    fn fits_one_more(&self) -> bool {
        let available = self.reserve + self.earned.iter().sum::<u64>();
        self.spent.iter().sum::<u64>() + RETRY_COST <= available
    }

    fn roll(&mut self, now: Instant) -> usize {
        let number =
            now.saturating_duration_since(self.origin).as_secs() / Duration::from_secs(1).as_secs();
        let first_entered = (self.current + 1).max(number.saturating_sub(WINDOW_S - 1));
        for entered in first_entered..=number {
            let slot = usize::try_from(entered % WINDOW_S).unwrap_or(0);
            self.earned[slot] = 0;
            self.spent[slot] = 0;
        }
        self.current = self.current.max(number);
        usize::try_from(self.current % WINDOW_S).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(budget: &RetryBudget, now: Instant, asked: u32) -> u32 {
        (0..asked)
            .map(|_| u32::from(budget.try_withdraw(now)))
            .sum()
    }

    #[test]
    fn retries_are_a_share_of_the_calls() {
        let now = Instant::now();
        for percent in [0, 1, 20, 60, 99, 100] {
            let budget = RetryBudget::new(percent, 0, now);
            (0..1000).for_each(|_| budget.deposit(now));
            assert_eq!(granted(&budget, now, 2000), percent * 10);
        }
    }

    #[test]
    fn a_quiet_command_may_still_retry() {
        let now = Instant::now();
        let budget = RetryBudget::new(20, 2, now);
        assert_eq!(granted(&budget, now, 100), 20);
    }

    #[test]
    fn what_was_earned_ten_seconds_ago_is_gone() {
        let now = Instant::now();
        let budget = RetryBudget::new(50, 0, now);
        (0..100).for_each(|_| budget.deposit(now));
        assert_eq!(granted(&budget, now + Duration::from_secs(9), 10), 10);
        assert_eq!(granted(&budget, now + Duration::from_secs(10), 10), 0);
        (0..10).for_each(|second| budget.deposit(now + Duration::from_secs(20 + second)));
        assert_eq!(granted(&budget, now + Duration::from_secs(1000), 10), 0);
    }
}
