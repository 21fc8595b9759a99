//! How many calls run at once: a semaphore that refuses at once, or after a bounded queue.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::sync::{Arc, AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError};

/// Bounds how many calls run at once, and how many may wait for that. Cloning shares the permits.
///
/// Who waits is served in the order of coming: nobody who comes later overtakes.
#[derive(Debug, Clone)]
pub struct Bulkhead(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: AtomicUsize,
    /// How many run and how many wait, in one word, so that neither changes unseen by who changes
    /// the other. How many wait changes only under the lock of the queue.
    counts: AtomicU64,
    /// The most that were active since the last [`Bulkhead::take_peak`].
    peak: AtomicUsize,
    /// How many may wait.
    room: AtomicUsize,
    queue: Mutex<VecDeque<Arc<Mutex<Place>>>>,
}

/// How many run, in the lower half, and how many wait, in the upper.
#[derive(Debug, Clone, Copy)]
struct Counts(u64);

const ONE_ACTIVE: u64 = 1;
const ONE_WAITING: u64 = 1 << 32;

impl Counts {
    fn active(self) -> usize {
        usize::try_from(self.0 & (ONE_WAITING - 1)).unwrap_or(usize::MAX)
    }

    fn waiting(self) -> usize {
        usize::try_from(self.0 / ONE_WAITING).unwrap_or(usize::MAX)
    }
}

/// A place in the queue.
#[derive(Debug)]
enum Place {
    Waits(Option<Waker>),
    /// It has left the queue with a permit that nobody has taken yet.
    Granted,
    Taken,
}

impl Bulkhead {
    /// A bulkhead of `limit` permits, for which up to `room` calls may wait. Both are cut to 2³² − 1.
    pub fn new(limit: usize, room: usize) -> Self {
        Self(Arc::new(Shared {
            limit: AtomicUsize::new(cut(limit)),
            counts: AtomicU64::new(0),
            peak: AtomicUsize::new(0),
            room: AtomicUsize::new(cut(room)),
            queue: Mutex::new(VecDeque::new()),
        }))
    }

    /// Takes a permit, or says at once how many are allowed.
    ///
    /// # Errors
    /// All permits are taken, or others wait for one.
    pub fn try_acquire(&self) -> Result<Permit, BulkheadFull> {
        self.try_acquire_of(100)
    }

    /// Takes a permit while fewer than `percentage` of them, rounded up, are taken.
    ///
    /// # Errors
    /// So many are taken, or others wait for one.
    pub fn try_acquire_of(&self, percentage: u8) -> Result<Permit, BulkheadFull> {
        let share = self.limit() as u64 * u64::from(percentage.min(100));
        let limit = usize::try_from(share.div_ceil(100)).unwrap_or(usize::MAX);
        let before = self.change(|counts| {
            let is_free = counts.waiting() == 0 && counts.active() < limit;
            is_free.then_some(counts.0 + ONE_ACTIVE)
        });
        match before {
            Ok(_) => Ok(Permit(self.clone())),
            Err(counts) => Err(BulkheadFull {
                limit,
                waiting: counts.waiting(),
            }),
        }
    }

    /// Takes a permit, or a place in the queue for one. The future must be polled to receive it;
    /// dropping it leaves the queue.
    ///
    /// # Errors
    /// All permits are taken and the queue is full.
    pub fn acquire(&self) -> Result<Acquire, BulkheadFull> {
        if let Ok(permit) = self.try_acquire() {
            return Ok(Acquire(Turn::Come(Some(permit))));
        }
        let mut queue = lock(&self.0.queue);
        let (limit, room) = (self.limit(), self.0.room.load(Ordering::Acquire));
        let before = self.change(|counts| {
            if counts.waiting() == 0 && counts.active() < limit {
                Some(counts.0 + ONE_ACTIVE)
            } else {
                (counts.waiting() < room).then_some(counts.0 + ONE_WAITING)
            }
        });
        match before {
            Ok(counts) if counts.waiting() == 0 && counts.active() < limit => {
                Ok(Acquire(Turn::Come(Some(Permit(self.clone())))))
            }
            Ok(_) => {
                let place = Arc::new(Mutex::new(Place::Waits(None)));
                queue.push_back(place.clone());
                Ok(Acquire(Turn::Queued {
                    bulkhead: self.clone(),
                    place,
                }))
            }
            Err(counts) => Err(BulkheadFull {
                limit,
                waiting: counts.waiting(),
            }),
        }
    }

    /// Changes the number of permits. Calls that already run keep theirs.
    pub fn set_limit(&self, limit: usize) {
        wake(self.limit_to(limit));
    }

    /// As [`set_limit`](Self::set_limit), but leaves it to the caller to wake those who have a
    /// permit now.
    pub(crate) fn limit_to(&self, limit: usize) -> Vec<Waker> {
        self.0.limit.store(cut(limit), Ordering::Release);
        self.grant()
    }

    /// Changes how many may wait. Who waits already keeps the place.
    pub fn set_room(&self, room: usize) {
        self.0.room.store(cut(room), Ordering::Release);
    }

    /// How many calls may run at once.
    pub fn limit(&self) -> usize {
        self.0.limit.load(Ordering::Acquire)
    }

    /// How many run now.
    pub fn active(&self) -> usize {
        self.counts().active()
    }

    /// How many wait now.
    pub fn waiting(&self) -> usize {
        self.counts().waiting()
    }

    /// The most that ran at once since this was last asked.
    pub(crate) fn take_peak(&self) -> usize {
        self.0.peak.swap(self.active(), Ordering::Relaxed)
    }

    fn counts(&self) -> Counts {
        Counts(self.0.counts.load(Ordering::Acquire))
    }

    /// Changes the counts; gives what they were, as an error where `change` found nothing to do.
    fn change(&self, change: impl Fn(Counts) -> Option<u64>) -> Result<Counts, Counts> {
        let counts = &self.0.counts;
        let before = counts.fetch_update(Ordering::AcqRel, Ordering::Acquire, |counts| {
            change(Counts(counts))
        });
        let before = before.map(Counts).map_err(Counts)?;
        if let Some(after) = change(before) {
            let active = Counts(after).active();
            self.0.peak.fetch_max(active, Ordering::Relaxed);
        }
        Ok(before)
    }

    fn give_back(&self) {
        let before = Counts(self.0.counts.fetch_sub(ONE_ACTIVE, Ordering::AcqRel));
        if before.waiting() > 0 {
            wake(self.grant());
        }
    }

    /// Hands free permits to those who wait longest; gives who has to be woken.
    fn grant(&self) -> Vec<Waker> {
        let mut woken = Vec::new();
        {
            let mut queue = lock(&self.0.queue);
            let limit = self.limit();
            let free = |counts: Counts| {
                let is_one = counts.waiting() > 0 && counts.active() < limit;
                is_one.then(|| counts.0 - ONE_WAITING + ONE_ACTIVE)
            };
            while self.change(free).is_ok() {
                let Some(place) = queue.pop_front() else {
                    break;
                };
                if let Place::Waits(waker) = std::mem::replace(&mut *lock(&place), Place::Granted) {
                    woken.extend(waker);
                }
            }
        }
        woken
    }
}

/// A waker may run anything, so nothing is locked here.
pub(crate) fn wake(woken: Vec<Waker>) {
    woken.into_iter().for_each(Waker::wake);
}

/// What half a word holds.
fn cut(count: usize) -> usize {
    count.min(u32::MAX as usize)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A permit that comes now or later. Dropping it leaves the queue.
#[derive(Debug)]
#[must_use = "a place in the queue that is dropped is left"]
pub struct Acquire(Turn);

#[derive(Debug)]
enum Turn {
    Come(Option<Permit>),
    Queued {
        bulkhead: Bulkhead,
        place: Arc<Mutex<Place>>,
    },
}

impl Acquire {
    /// The permit, if it needs no waiting.
    pub fn now(mut self) -> Result<Permit, Self> {
        match &mut self.0 {
            Turn::Come(permit) => permit.take().ok_or(self),
            Turn::Queued { .. } => Err(self),
        }
    }
}

impl Future for Acquire {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        let (bulkhead, place) = match &mut self.0 {
            // Taken already: as all futures, it is not to be polled again.
            Turn::Come(permit) => return permit.take().map_or(Poll::Pending, Poll::Ready),
            Turn::Queued { bulkhead, place } => (bulkhead.clone(), place.clone()),
        };
        let mut place = lock(&place);
        match &mut *place {
            Place::Granted => {
                *place = Place::Taken;
                drop(place);
                self.0 = Turn::Come(None);
                Poll::Ready(Permit(bulkhead))
            }
            Place::Waits(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => *waker = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
            Place::Taken => Poll::Pending,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Self::Queued { bulkhead, place } = self else {
            return;
        };
        let shared = &*bulkhead.0;
        // Who was served has left the queue long ago.
        if matches!(*lock(place), Place::Taken) {
            return;
        }
        {
            let mut queue = lock(&shared.queue);
            if let Some(nth) = queue.iter().position(|other| Arc::ptr_eq(other, place)) {
                queue.remove(nth);
                shared.counts.fetch_sub(ONE_WAITING, Ordering::AcqRel);
                return;
            }
        }
        let was_granted = matches!(*lock(place), Place::Granted);
        if was_granted {
            bulkhead.give_back();
        }
    }
}

/// The right to run one call; given back when dropped, to who waits longest.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once bounds nothing"]
pub struct Permit(Bulkhead);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// Every permit is taken, and every place to wait for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("all {limit} permits are taken, and {waiting} calls wait for one")]
pub struct BulkheadFull {
    /// How many calls may run at once.
    pub limit: usize,
    /// How many wait.
    pub waiting: usize,
}
