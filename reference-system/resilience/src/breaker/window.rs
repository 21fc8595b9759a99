//! The rolling count of successes and errors a breaker decides on.
//!
//! Calls are counted without a lock: each thread adds to a stripe of its own, in the bucket that
//! is being filled. Only who completes a bucket or wants to know takes the lock, once a bucket.

use std::cell::Cell;

use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError};

/// Calls that counted, and how many of them failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// Successes, failures, timeouts and rejections.
    pub total: u64,
    /// All of them but the successes.
    pub errors: u64,
    /// Those that took longer than the rules allow, successes too; 0 where no rule says how long.
    pub slow: u64,
}

/// How a call ended, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ok: bool,
    pub(crate) slow: bool,
}

impl Health {
    /// Errors in whole percent of all calls, cut off, as Hystrix computes it: 99 of 200 is 49.
    pub fn error_percentage(self) -> u8 {
        percentage(self.errors, self.total)
    }

    /// Slow calls in whole percent of all calls, cut off.
    pub fn slow_percentage(self) -> u8 {
        percentage(self.slow, self.total)
    }
}

fn percentage(part: u64, total: u64) -> u8 {
    if total == 0 {
        return 0;
    }
    // A slow call that is just being counted may be seen before itself.
    let percentage = (u128::from(part) * 100 / u128::from(total)).min(100);
    u8::try_from(percentage).unwrap_or(100)
}

/// What shares a line of the cache. Two of them, for processors fetch pairs.
#[repr(align(128))]
struct Line([AtomicU64; WORDS]);

const WORDS: usize = 16;

/// The words of a bucket: successes, errors, slow calls; the fourth keeps them in one line.
const WORDS_EACH: usize = 4;

/// What a word of a bucket counts.
#[derive(Clone, Copy)]
enum Count {
    Successes,
    Errors,
    Slow,
}

/// The most stripes; threads beyond them share.
const STRIPES_MAX: usize = 32;

/// A ring of buckets. Only completed buckets count, so a decision is up to one bucket late and
/// never rests on a bucket that is a few calls old. All times are nanoseconds since one origin.
///
/// Buckets are numbered by turns: a bucket that is complete ends one, and so does
/// [`reset`](Self::reset). A call adds to the bucket whose turn it was when it began to be
/// counted, however long its thread is held up meanwhile; only a thread that is held up for a
/// whole window adds one call to a bucket of another turn.
pub(crate) struct HealthWindow {
    bucket_ns: u64,
    buckets: u64,
    /// When the bucket being filled is complete.
    ends_ns: AtomicU64,
    /// The slot of the bucket being filled.
    filling: AtomicUsize,
    lines: Box<[Line]>,
    lines_each: usize,
    stripes: usize,
    turns: Mutex<Turns>,
}

struct Turns {
    /// The turn of the bucket being filled.
    current: u64,
    /// The first turn since the last reset.
    first: u64,
    /// The number of the bucket being filled, counted from the origin.
    number: u64,
}

impl HealthWindow {
    /// An empty window of `buckets` times `bucket_ns`: as if nothing had been called for ages.
    /// `threads` is how many are thought to count at once.
    pub(crate) fn new(bucket_ns: u64, buckets: u64, threads: usize) -> Self {
        let buckets = buckets.max(1);
        let bucket_ns = bucket_ns.max(1_000_000);
        let slots = slots_of(buckets);
        let lines_each = (WORDS_EACH * slots).div_ceil(WORDS);
        let stripes = threads.clamp(1, STRIPES_MAX).next_power_of_two();
        let empty = || Line(std::array::from_fn(|_| AtomicU64::new(0)));
        Self {
            bucket_ns,
            buckets,
            ends_ns: AtomicU64::new(bucket_ns),
            filling: AtomicUsize::new(0),
            lines: std::iter::repeat_with(empty)
                .take(lines_each * stripes)
                .collect(),
            lines_each,
            stripes,
            turns: Mutex::new(Turns {
                current: 0,
                first: 0,
                number: 0,
            }),
        }
    }

    /// Counts a call that ended at `now_ns`, if `is_current` says that it still counts. A time of
    /// the past, as threads that race can give, counts into the bucket being filled.
    #[inline]
    pub(crate) fn record(&self, now_ns: u64, ended: Outcome, is_current: impl FnOnce() -> bool) {
        if now_ns >= self.ends_ns.load(Ordering::Acquire) {
            drop(self.roll(now_ns));
        }
        // The slot comes first: what is reset after the call was current takes the slot away too.
        let slot = self.filling.load(Ordering::Acquire);
        if is_current() {
            let stripe = own_stripe() & (self.stripes - 1);
            let add = |what| {
                self.word(stripe, slot, what)
                    .fetch_add(1, Ordering::Relaxed)
            };
            add(match ended.ok {
                true => Count::Successes,
                false => Count::Errors,
            });
            if ended.slow {
                add(Count::Slow);
            }
        }
    }

    /// What the completed buckets say at `now_ns`, and when they next say something new.
    pub(crate) fn health(&self, now_ns: u64) -> (Health, u64) {
        let turns = self.roll(now_ns);
        let first = turns.first.max(turns.current.saturating_sub(self.buckets));
        let mut health = Health::default();
        for turn in first..turns.current {
            let slot = self.slot_of(turn);
            for stripe in 0..self.stripes {
                let count = |what| self.word(stripe, slot, what).load(Ordering::Relaxed);
                let slow = count(Count::Slow);
                let errors = count(Count::Errors);
                health.total += count(Count::Successes) + errors;
                health.errors += errors;
                health.slow += slow;
            }
        }
        (health, self.ends_ns.load(Ordering::Relaxed))
    }

    /// Forgets every call, those too that are just being counted.
    pub(crate) fn reset(&self) {
        let mut turns = lock(&self.turns);
        let next = turns.current + 1;
        self.clear(next);
        (turns.current, turns.first) = (next, next);
        self.filling.store(self.slot_of(next), Ordering::Release);
    }

    /// Takes the turns of the buckets that are complete at `now_ns`.
    fn roll(&self, now_ns: u64) -> MutexGuard<'_, Turns> {
        let mut turns = lock(&self.turns);
        let number = now_ns / self.bucket_ns;
        if number <= turns.number {
            return turns;
        }
        let current = turns.current + (number - turns.number);
        // More than a ring of them would be cleared twice.
        let slots = slots_of(self.buckets) as u64;
        for turn in (turns.current + 1).max((current + 1).saturating_sub(slots))..=current {
            self.clear(turn);
        }
        (turns.current, turns.number) = (current, number);
        self.filling.store(self.slot_of(current), Ordering::Release);
        self.ends_ns.store(
            (number + 1).saturating_mul(self.bucket_ns),
            Ordering::Release,
        );
        turns
    }

    fn clear(&self, turn: u64) {
        let slot = self.slot_of(turn);
        for stripe in 0..self.stripes {
            for what in [Count::Successes, Count::Errors, Count::Slow] {
                self.word(stripe, slot, what).store(0, Ordering::Relaxed);
            }
        }
    }

    fn slot_of(&self, turn: u64) -> usize {
        usize::try_from(turn % slots_of(self.buckets) as u64).unwrap_or(0)
    }

    fn word(&self, stripe: usize, slot: usize, what: Count) -> &AtomicU64 {
        let nth = WORDS_EACH * slot + what as usize;
        &self.lines[stripe * self.lines_each + nth / WORDS].0[nth % WORDS]
    }
}

/// One more than the window has for the bucket being filled, and one for the bucket before them
/// all, which a thread may have begun to count in.
fn slots_of(buckets: u64) -> usize {
    usize::try_from(buckets).unwrap_or(1).max(1) + 2
}

fn lock(turns: &Mutex<Turns>) -> MutexGuard<'_, Turns> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stripe of this thread, before it is cut to how many there are.
fn own_stripe() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    OWN.with(|own| {
        if own.get() == usize::MAX {
            own.set(NEXT.fetch_add(1, Ordering::Relaxed) & (STRIPES_MAX - 1));
        }
        own.get()
    })
}
