//! When what a stream brought came, kept small: one of these is held for each stream that
//! is under way, and for each whose interval is not over.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use squall_record::histogram::RESPONSE_MAX_US;

/// How many bits of a time are told apart: 1 in 128, as in a histogram of two digits.
const BITS: u32 = 8;

/// Times, each at the upper edge of its bucket. Only what is like none before takes room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spread {
    /// Upper edges in microseconds, ascending, and how many times lie below each.
    buckets: Vec<(u32, u32)>,
}

impl Spread {
    /// Adds a time. What takes longer than 71 minutes counts as that.
    pub fn add(&mut self, time: Duration) {
        let us = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let shift = (u32::BITS - us.leading_zeros()).saturating_sub(BITS);
        let top_us = us | ((1 << shift) - 1);
        match self.buckets.binary_search_by_key(&top_us, |(top, _)| *top) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(1),
            Err(at) => self.buckets.insert(at, (top_us, 1)),
        }
    }

    /// The longest in microseconds.
    pub(crate) fn longest_us(&self) -> Option<u64> {
        let (top_us, _) = self.buckets.last()?;
        Some(u64::from(*top_us))
    }

    /// Adds them to a histogram of microseconds.
    pub(crate) fn add_to(&self, total: &mut Histogram<u64>) {
        for (top_us, count) in &self.buckets {
            let us = u64::from(*top_us).clamp(1, RESPONSE_MAX_US);
            let grown = total.record_n(us, u64::from(*count));
            debug_assert!(grown.is_ok(), "an auto-resizing histogram takes an hour");
        }
    }
}

/// The times from one message to the next, and from the last until its client left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gaps {
    all: Spread,
    /// Without what the generator stood still, where any of them is another time then.
    unlagged: Option<Spread>,
}

impl Gaps {
    /// One more, of which the generator stood still for `own`.
    pub fn add(&mut self, all: Duration, own: Duration) {
        if !own.is_zero() && self.unlagged.is_none() {
            self.unlagged = Some(self.all.clone());
        }
        self.all.add(all);
        if let Some(unlagged) = &mut self.unlagged {
            unlagged.add(all.saturating_sub(own));
        }
    }

    /// By the clock.
    pub(crate) const fn all(&self) -> &Spread {
        &self.all
    }

    /// Without what the generator stood still.
    pub(crate) fn unlagged(&self) -> &Spread {
        self.unlagged.as_ref().unwrap_or(&self.all)
    }
}

/// What came of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// When the first message came, and how long that was behind the request, without what
    /// the generator stood still meanwhile.
    pub(crate) first: Option<(Instant, Duration)>,
    pub(crate) gaps: Gaps,
}

impl Heard {
    /// The same of an arrival that was due then, whose request was sent `before` after it
    /// was dispatched, without what the generator stood still.
    pub(crate) fn of_arrival(self, due: Instant, before: Duration) -> Brought {
        let first = self.first.map(|(at, behind)| First {
            all: at.saturating_duration_since(due),
            unlagged: behind + before,
        });
        let gaps = self.gaps;
        Brought { first, gaps }
    }
}

/// What the stream of an arrival brought that was answered as its request expects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Brought {
    /// The first message; `None` where its server ended it without one.
    pub first: Option<First>,
    /// The times between its messages.
    pub gaps: Gaps,
}

/// How long a first message took from when its arrival was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First {
    /// By the clock.
    pub all: Duration,
    /// Without what of that was the generator's own.
    pub unlagged: Duration,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use squall_record::Times;
    use squall_record::histogram::{coarse_histogram, record_us};

    use super::*;

    fn times(spread: &Spread) -> Times {
        let mut total = coarse_histogram();
        spread.add_to(&mut total);
        Times::of(&total)
    }

    proptest! {
        /// As a histogram of two digits would have them, in whatever order they came.
        #[test]
        fn a_spread_is_a_histogram(
            values in prop::collection::vec(
                prop_oneof![0..400_u64, 0..4_000_000_u64, 0..5_000_000_000_u64], 0..80,
            ),
        ) {
            let (mut spread, mut dense) = (Spread::default(), coarse_histogram());
            for us in &values {
                spread.add(Duration::from_micros(*us));
                record_us(&mut dense, *us);
            }
            prop_assert_eq!(times(&spread), Times::of(&dense));
            prop_assert!(spread.buckets.is_sorted_by(|a, b| a.0 < b.0));
        }

        /// What the generator stood still is in one of the two, and they are as many.
        #[test]
        fn gaps_are_told_with_and_without_what_was_our_own(
            steps in prop::collection::vec((0..5_000_000_u64, prop_oneof![4 => Just(0), 1 => 0..9_000_000_u64]), 0..40),
        ) {
            let mut gaps = Gaps::default();
            let (mut all, mut unlagged) = (Spread::default(), Spread::default());
            for (us, own_us) in &steps {
                let us_of = Duration::from_micros;
                gaps.add(us_of(*us), us_of(*own_us));
                all.add(us_of(*us));
                unlagged.add(us_of(us.saturating_sub(*own_us)));
            }
            prop_assert_eq!((gaps.all(), gaps.unlagged()), (&all, &unlagged));
        }
    }

    /// A stream of a million messages takes no more room than one of a thousand that are
    /// as far apart.
    #[test]
    fn messages_take_no_room_of_their_own() {
        let of = |count: u64| {
            let mut gaps = Gaps::default();
            (0..count).for_each(|nth| gaps.add(Duration::from_micros(nth % 700), Duration::ZERO));
            gaps.all.buckets.capacity()
        };
        assert_eq!(of(1_000_000), of(1_000));
    }
}
