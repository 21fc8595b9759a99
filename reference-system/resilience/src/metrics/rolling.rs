//! Counts of events over the last seconds, in a ring of buckets.

use std::time::{Duration, Instant};

use crate::event::CommandEvent;

/// How often each [`CommandEvent`] happened, in the order of the enum.
pub type EventCounts = [u64; CommandEvent::COUNT];

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    events: EventCounts,
    active_max: usize,
}

/// A ring of buckets that can hold anything which starts empty: it only keeps the time.
#[derive(Debug)]
pub(crate) struct Ring {
    origin: Instant,
    bucket: Duration,
    len: u64,
    current: u64,
}

impl Ring {
    pub(crate) fn new(origin: Instant, window: Duration, len: u32) -> Self {
        let bucket = (window / len.max(1)).max(Duration::from_millis(1));
        Self {
            origin,
            bucket,
            len: u64::from(len.max(1)),
            current: 0,
        }
    }

    /// Moves to the bucket of `now`, has `clear` empty every slot that is entered, and gives the
    /// slot to write into.
    pub(crate) fn advance(&mut self, now: Instant, mut clear: impl FnMut(usize)) -> usize {
        let elapsed = now.saturating_duration_since(self.origin).as_nanos();
        let number = u64::try_from(elapsed / self.bucket.as_nanos()).unwrap_or(u64::MAX);
        let first_entered = (self.current + 1).max(number.saturating_sub(self.len - 1));
        for entered in first_entered..=number {
            clear(self.slot(entered));
        }
        self.current = self.current.max(number);
        self.slot(self.current)
    }

    fn slot(&self, number: u64) -> usize {
        usize::try_from(number % self.len).unwrap_or(0)
    }
}

/// Rolling counts of every event and the most calls that ran at once.
#[derive(Debug)]
pub(crate) struct RollingCounts {
    ring: Ring,
    buckets: Box<[Bucket]>,
}

impl RollingCounts {
    pub(crate) fn new(origin: Instant, window: Duration, buckets: u32) -> Self {
        Self {
            ring: Ring::new(origin, window, buckets),
            buckets: vec![Bucket::default(); buckets.max(1) as usize].into_boxed_slice(),
        }
    }

    pub(crate) fn record(&mut self, now: Instant, event: CommandEvent, times: u64) {
        self.bucket(now).events[event as usize] += times;
    }

    pub(crate) fn record_active(&mut self, now: Instant, active: usize) {
        let bucket = self.bucket(now);
        bucket.active_max = bucket.active_max.max(active);
    }

    /// The sums over the window that ends at `now`, the bucket being filled included.
    pub(crate) fn sums(&mut self, now: Instant) -> (EventCounts, usize) {
        self.bucket(now);
        let mut counts = EventCounts::default();
        let mut active_max = 0;
        for bucket in &self.buckets {
            for (sum, count) in counts.iter_mut().zip(bucket.events) {
                *sum += count;
            }
            active_max = active_max.max(bucket.active_max);
        }
        (counts, active_max)
    }

    fn bucket(&mut self, now: Instant) -> &mut Bucket {
        let buckets = &mut self.buckets;
        let slot = self
            .ring
            .advance(now, |slot| buckets[slot] = Bucket::default());
        &mut self.buckets[slot]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_leave_with_their_bucket() {
        let t0 = Instant::now();
        let second = Duration::from_secs(1);
        let mut rolling = RollingCounts::new(t0, 10 * second, 10);
        rolling.record(t0, CommandEvent::Timeout, 1);
        rolling.record(t0 + 9 * second, CommandEvent::Timeout, 1);
        rolling.record_active(t0 + 9 * second, 4);
        let timeouts =
            |rolling: &mut RollingCounts, at| rolling.sums(at).0[CommandEvent::Timeout as usize];
        assert_eq!(timeouts(&mut rolling, t0 + 9 * second), 2);
        assert_eq!(timeouts(&mut rolling, t0 + 10 * second), 1);
        assert_eq!(rolling.sums(t0 + 10 * second).1, 4);
        assert_eq!(timeouts(&mut rolling, t0 + 19 * second), 0);
        rolling.record(t0 + 1000 * second, CommandEvent::Timeout, 1);
        assert_eq!(timeouts(&mut rolling, t0 + 1000 * second), 1);
        assert_eq!(rolling.sums(t0 + 1000 * second).1, 0);
    }
}
