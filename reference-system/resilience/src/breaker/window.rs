//! The rolling count of successes and errors a breaker decides on.
//!
//! Calls are counted without a lock: each thread counts in a stripe of its own, in the bucket that
//! is being filled. Only who completes a bucket or wants to know takes the lock, once a bucket.

use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, PoisonError};

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

/// What threads count in one bucket.
#[derive(Default)]
struct Counts {
    /// The turn they belong to; of any other they are none.
    turn: AtomicU64,
    successes: AtomicU64,
    errors: AtomicU64,
    slow: AtomicU64,
}

/// What shares a line of the cache. Two of them, for processors fetch pairs.
#[derive(Default)]
#[repr(align(128))]
struct Line([Counts; COUNTS_EACH]);

const COUNTS_EACH: usize = 4;

/// The most threads with a stripe of their own.
const OWNED_MAX: usize = 32;

/// The most stripes for all other threads.
const SHARED_MAX: usize = 8;

/// A ring of buckets. Only completed buckets count, so a decision is up to one bucket late and
/// never rests on a bucket that is a few calls old. All times are nanoseconds since one origin.
///
/// Buckets are numbered by turns: a bucket that is complete ends one, and so does
/// [`reset`](Self::reset). A call adds to the bucket whose turn it was when it began to be
/// counted, however long its thread is held up meanwhile.
///
/// The first threads of the process have a stripe each and write it alone, which needs no atomic
/// addition: what they leave of an earlier turn they clear themselves, and a call they count a whole
/// window late is of a turn that is not read any more. All other threads add to the last stripes,
/// which are cleared for them; one of them that is held up for a whole window adds one call to a
/// bucket of another turn.
pub(crate) struct HealthWindow {
    bucket_ns: u64,
    buckets: u64,
    /// When the bucket being filled is complete.
    ends_ns: AtomicU64,
    /// The turn of the bucket being filled.
    filling: AtomicU64,
    lines: Box<[Line]>,
    /// Slots of the ring, a power of two.
    slots: usize,
    /// Stripes of one thread each; the others come after them.
    owned: usize,
    /// How many they are, a power of two.
    shared: usize,
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
    /// `threads` is how many are thought to count at once, beside the one that begins them.
    pub(crate) fn new(bucket_ns: u64, buckets: u64, threads: usize) -> Self {
        let buckets = buckets.max(1);
        let slots = slots_of(buckets);
        let owned = threads.saturating_add(1).min(OWNED_MAX);
        let shared = threads.clamp(1, SHARED_MAX).next_power_of_two();
        Self {
            bucket_ns: bucket_ns.max(1_000_000),
            buckets,
            ends_ns: AtomicU64::new(bucket_ns.max(1_000_000)),
            filling: AtomicU64::new(0),
            lines: std::iter::repeat_with(Line::default)
                .take(slots / COUNTS_EACH * (owned + shared))
                .collect(),
            slots,
            owned,
            shared,
            turns: Mutex::new(Turns {
                current: 0,
                first: 0,
                number: 0,
            }),
        }
    }

    /// The turn a call counts in that ended at `now_ns`. A time of the past, as threads that race
    /// can give, counts into the bucket being filled.
    ///
    /// Ask before you look whether the call still counts: what is reset after that takes the turn
    /// away too.
    #[inline]
    pub(crate) fn turn_at(&self, now_ns: u64) -> u64 {
        if now_ns >= self.ends_ns.load(Ordering::Acquire) {
            drop(self.roll(now_ns));
        }
        self.filling.load(Ordering::Acquire)
    }

    /// Counts a call. No two threads that count at once have the same number below [`OWNED_MAX`].
    #[inline]
    pub(crate) fn count(&self, turn: u64, thread_number: usize, ended: Outcome) {
        let is_owned = thread_number < self.owned;
        let stripe = match is_owned {
            true => thread_number,
            false => self.owned + (thread_number & (self.shared - 1)),
        };
        let counts = self.counts(stripe, turn);
        if is_owned && counts.turn.load(Ordering::Relaxed) != turn {
            counts.begin(turn);
        }
        let add = |count: &AtomicU64| match is_owned {
            true => count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed),
            false => drop(count.fetch_add(1, Ordering::Relaxed)),
        };
        add(match ended.ok {
            true => &counts.successes,
            false => &counts.errors,
        });
        if ended.slow {
            add(&counts.slow);
        }
    }

    /// When the bucket being filled is complete.
    pub(crate) fn ends_ns(&self) -> u64 {
        self.ends_ns.load(Ordering::Acquire)
    }

    /// What the completed buckets say at `now_ns`, and when they next say something new: as long as
    /// no call failed or was slow, in the bucket being filled neither, that is never, `u64::MAX`.
    pub(crate) fn health(&self, now_ns: u64) -> (Health, u64) {
        let turns = self.roll(now_ns);
        let first = turns.first.max(turns.current.saturating_sub(self.buckets));
        let completed = (first..turns.current).fold(Health::default(), |sum, turn| {
            let next = self.sum(turn);
            Health {
                total: sum.total + next.total,
                errors: sum.errors + next.errors,
                slow: sum.slow + next.slow,
            }
        });
        let filling = self.sum(turns.current);
        let bad = completed.errors + completed.slow + filling.errors + filling.slow;
        let next_ns = match bad {
            0 => u64::MAX,
            1.. => self.ends_ns.load(Ordering::Relaxed),
        };
        (completed, next_ns)
    }

    fn sum(&self, turn: u64) -> Health {
        let mut health = Health::default();
        for stripe in 0..self.owned + self.shared {
            let counts = self.counts(stripe, turn);
            if counts.turn.load(Ordering::Acquire) == turn {
                let errors = counts.errors.load(Ordering::Relaxed);
                health.total += counts.successes.load(Ordering::Relaxed) + errors;
                health.errors += errors;
                health.slow += counts.slow.load(Ordering::Relaxed);
            }
        }
        health
    }

    /// Forgets every call, those too that are just being counted.
    pub(crate) fn reset(&self) {
        let mut turns = lock(&self.turns);
        let next = turns.current + 1;
        self.clear(next);
        (turns.current, turns.first) = (next, next);
        self.filling.store(next, Ordering::Release);
    }

    /// Takes the turns of the buckets that are complete at `now_ns`.
    #[cold]
    fn roll(&self, now_ns: u64) -> MutexGuard<'_, Turns> {
        let mut turns = lock(&self.turns);
        let number = now_ns / self.bucket_ns;
        if number <= turns.number {
            return turns;
        }
        let current = turns.current + (number - turns.number);
        // More than a ring of them would be cleared twice.
        let slots = self.slots as u64;
        for turn in (turns.current + 1).max((current + 1).saturating_sub(slots))..=current {
            self.clear(turn);
        }
        (turns.current, turns.number) = (current, number);
        self.filling.store(current, Ordering::Release);
        self.ends_ns.store(
            (number + 1).saturating_mul(self.bucket_ns),
            Ordering::Release,
        );
        turns
    }

    /// For the threads that share a stripe.
    fn clear(&self, turn: u64) {
        for stripe in self.owned..self.owned + self.shared {
            self.counts(stripe, turn).begin(turn);
        }
    }

    #[inline]
    fn counts(&self, stripe: usize, turn: u64) -> &Counts {
        // The slots are a power of two, so only the lowest bits of a turn matter.
        let nth = stripe * self.slots + (turn as usize & (self.slots - 1));
        &self.lines[nth / COUNTS_EACH].0[nth % COUNTS_EACH]
    }
}

impl Counts {
    /// Belongs to `turn` from now on, and counts nothing yet.
    fn begin(&self, turn: u64) {
        for count in [&self.successes, &self.errors, &self.slow] {
            count.store(0, Ordering::Relaxed);
        }
        self.turn.store(turn, Ordering::Release);
    }
}

/// One more than the window has for the bucket being filled, and one for the bucket before them
/// all, which a thread may have begun to count in; and as many as fill a line.
fn slots_of(buckets: u64) -> usize {
    let slots = usize::try_from(buckets).unwrap_or(1).max(1) + 2;
    slots.next_power_of_two().max(COUNTS_EACH)
}

fn lock(turns: &Mutex<Turns>) -> MutexGuard<'_, Turns> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}
