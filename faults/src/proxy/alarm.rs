//! Waking links when what they hold is due.
//!
//! A runtime's own timer counts in milliseconds and rounds up, which made every
//! delay one millisecond longer than it was asked for. One thread waits for the
//! first of all instants instead, on the kernel's high-resolution timer, and
//! wakes whoever is due. It wakes at most once in [`REST`], however many links
//! hold something.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// From one wake-up to the next: what is due within is woken together.
const REST: Duration = Duration::from_micros(100);

/// Who is to be woken when, over all proxies of the process.
#[derive(Debug, Default)]
struct Clock {
    due: Mutex<BTreeMap<(Instant, u64), Waker>>,
    /// Told when somebody is due before all others.
    sooner: Condvar,
}

/// `None` where the thread could not be started.
static CLOCK: LazyLock<Option<&'static Clock>> = LazyLock::new(|| {
    let clock: &'static Clock = Box::leak(Box::default());
    let thread = std::thread::Builder::new().name("squall-alarm".to_owned());
    match thread.spawn(move || clock.run()) {
        Ok(_detached) => Some(clock),
        Err(error) => {
            tracing::warn!(%error, "no thread for alarms: delays are up to a millisecond longer");
            None
        }
    }
});

impl Clock {
    fn run(&self) -> ! {
        let mut due = self.lock();
        let mut rested = Instant::now();
        loop {
            let first = due.first_key_value().map(|((at, _), _)| *at);
            let now = Instant::now();
            match first.map(|at| at.max(rested)) {
                None => {
                    due = self
                        .sooner
                        .wait(due)
                        .unwrap_or_else(PoisonError::into_inner)
                }
                Some(at) if at > now => {
                    let waited = self.sooner.wait_timeout(due, at - now);
                    due = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Some(_) => {
                    let later = due.split_off(&(now, u64::MAX));
                    let woken = std::mem::replace(&mut *due, later);
                    drop(due);
                    woken.into_values().for_each(Waker::wake);
                    rested = now + REST;
                    due = self.lock();
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Instant, u64), Waker>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, at: Instant, key: u64, waker: &Waker) {
        let mut due = self.lock();
        let first = due
            .first_key_value()
            .is_none_or(|((first, _), _)| at < *first);
        due.entry((at, key))
            .and_modify(|known| known.clone_from(waker))
            .or_insert_with(|| waker.clone());
        drop(due);
        if first {
            self.sooner.notify_one();
        }
    }

    fn forget(&self, at: Instant, key: u64) {
        self.lock().remove(&(at, key));
    }
}

/// The alarm of one link; it is set for one instant at a time.
#[derive(Debug)]
pub(super) struct Alarm {
    key: u64,
    set: Option<Instant>,
    /// Where there is none, the timer of the runtime does.
    clock: Option<&'static Clock>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    pub(super) fn new() -> Self {
        static KEYS: AtomicU64 = AtomicU64::new(0);
        Self {
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            set: None,
            clock: *CLOCK,
            sleep: None,
        }
    }

    /// On the time of the runtime, which may be paused.
    #[cfg(test)]
    pub(super) fn on_runtime_time() -> Self {
        Self {
            clock: None,
            key: 0,
            set: None,
            sleep: None,
        }
    }

    /// Ready once `at` has come; until then whoever polls is woken for it, and
    /// for no other instant any more.
    pub(super) fn poll_at(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let Some(clock) = self.clock else {
            return self.poll_sleep(at, cx);
        };
        if self.set != Some(at) {
            self.clear();
        }
        if at <= Instant::now() {
            self.clear();
            return Poll::Ready(());
        }
        clock.set(at, self.key, cx.waker());
        self.set = Some(at);
        Poll::Pending
    }

    fn poll_sleep(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let at = tokio::time::Instant::from_std(at);
        let sleep = || Box::pin(tokio::time::sleep_until(at));
        let sleep = self.sleep.get_or_insert_with(sleep);
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }

    /// Nobody is to be woken any more.
    pub(super) fn clear(&mut self) {
        self.sleep = None;
        if let (Some(at), Some(clock)) = (self.set.take(), self.clock) {
            clock.forget(at, self.key);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Longer than anything may hang.
    const HANG: Duration = Duration::from_secs(30);

    async fn ring(alarm: &mut Alarm, at: Instant) -> Instant {
        let rings = poll_fn(|cx| alarm.poll_at(at, cx));
        tokio::time::timeout(HANG, rings).await.unwrap();
        Instant::now()
    }

    #[tokio::test]
    async fn nobody_is_woken_early_and_the_first_comes_first() {
        let start = Instant::now();
        let (hour, soon) = (Duration::from_secs(3600), Duration::from_millis(10));
        let (mut late, mut early) = (Alarm::new(), Alarm::new());
        let set = poll_fn(|cx| Poll::Ready(late.poll_at(start + hour, cx))).await;
        assert!(set.is_pending());
        // The clock waits for the later one already.
        assert!(ring(&mut early, start + soon).await >= start + soon);
        let set = poll_fn(|cx| Poll::Ready(late.poll_at(start + hour, cx))).await;
        assert!(set.is_pending());
    }

    #[tokio::test]
    async fn an_alarm_rings_for_the_last_instant_it_was_set_to() {
        let start = Instant::now();
        let mut alarm = Alarm::new();
        let hour = start + Duration::from_secs(3600);
        let first = poll_fn(|cx| Poll::Ready(alarm.poll_at(hour, cx))).await;
        assert!(first.is_pending());
        let soon = start + Duration::from_millis(5);
        assert!(ring(&mut alarm, soon).await >= soon);
        let due = CLOCK.unwrap().lock();
        assert!(due.keys().all(|(at, _)| *at != hour), "it is forgotten");
    }

    #[tokio::test]
    async fn an_alarm_that_is_dropped_leaves_nothing() {
        let hour = Instant::now() + Duration::from_secs(3600);
        let mut alarm = Alarm::new();
        let key = alarm.key;
        let set = poll_fn(|cx| Poll::Ready(alarm.poll_at(hour, cx))).await;
        assert!(set.is_pending());
        let known = || CLOCK.unwrap().lock().contains_key(&(hour, key));
        assert!(known());
        drop(alarm);
        assert!(!known());
    }
}
