//! One arrival as the recorder holds it until its interval is sealed: small, as
//! there is one for every arrival of the last second and a half.

use squall_record::{CacheUse, DropCause, Outcome, Parts};

use crate::settled::{Cached, Settled};

const LATE_BY_LAG: u8 = 1;
const FALLBACK: u8 = 2;
const RESENT: u8 = 4;
const HAS_USER: u8 = 8;
const MISSED: u8 = 16;
const REVALIDATED: u8 = 32;
/// It sent nothing, as the cache of its client had it.
const HIT: u8 = 64;
/// A fault began or ended between when it was due and when it was sent.
const DISPLACED: u8 = 128;
/// A part of a response time that an arrival does not have.
const ABSENT: u32 = u32::MAX;

/// An arrival, and what became of it. Times are microseconds; those above 71
/// minutes count as that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) scheduled_us: i64,
    user: u64,
    bytes: u64,
    response_us: u32,
    own_us: u32,
    lag_us: u32,
    wait_us: u32,
    /// Of connecting, TLS and the first byte; [`ABSENT`] where there was none. Messages are
    /// held beside.
    parts_us: [u32; 3],
    route: u32,
    outcome: Option<Outcome>,
    dropped: Option<DropCause>,
    flags: u8,
    retries: u8,
    evicted: u8,
}

impl Entry {
    /// An arrival that nothing has become of yet.
    pub(crate) fn new(scheduled_us: i64, route: usize, user: Option<u64>) -> Self {
        Self {
            scheduled_us,
            user: user.unwrap_or(0),
            bytes: 0,
            response_us: 0,
            own_us: 0,
            lag_us: 0,
            wait_us: 0,
            parts_us: [ABSENT; 3],
            route: u32::try_from(route).unwrap_or(u32::MAX),
            outcome: None,
            dropped: None,
            flags: if user.is_some() { HAS_USER } else { 0 },
            retries: 0,
            evicted: 0,
        }
    }

    /// What a cache answered at a time: nothing was sent.
    pub(crate) fn hit(scheduled_us: i64, route: usize) -> Self {
        Self {
            flags: HIT,
            outcome: Some(Outcome::Good),
            ..Self::new(scheduled_us, route, None)
        }
    }

    pub(crate) const fn is_settled(&self) -> bool {
        self.outcome.is_some()
    }

    pub(crate) fn settle(&mut self, settled: &Settled) {
        let short = |time_us: u64| u32::try_from(time_us).unwrap_or(u32::MAX);
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        self.bytes = settled.bytes;
        self.response_us = short(settled.response_us);
        self.own_us = short(settled.own_us);
        self.lag_us = short(settled.lag_us);
        self.wait_us = short(settled.wait_us);
        let parts = &settled.parts;
        self.parts_us = [parts.connect_us, parts.tls_us, parts.first_byte_us]
            .map(|part| part.map_or(ABSENT, |us| short(us).min(ABSENT - 1)));
        self.outcome = Some(settled.outcome);
        self.dropped = settled.dropped;
        self.retries = u8::try_from(settled.retries).unwrap_or(u8::MAX);
        self.flags |= flag(settled.late_by_lag, LATE_BY_LAG)
            | flag(settled.fallback, FALLBACK)
            | flag(settled.resent, RESENT)
            | match settled.cached {
                // What a cache had and was not as expected is an arrival as any other.
                Cached::Unasked | Cached::Hit => 0,
                Cached::Missed => MISSED,
                Cached::Revalidated => REVALIDATED,
            };
        self.evicted = u8::try_from(settled.evicted).unwrap_or(u8::MAX);
    }

    pub(crate) const fn route(&self) -> usize {
        self.route as usize
    }

    pub(crate) fn user(&self) -> Option<u64> {
        self.is(HAS_USER).then_some(self.user)
    }

    /// What became of it; nothing has, of one that is not settled.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome.unwrap_or(Outcome::Unfinished)
    }

    pub(crate) const fn dropped(&self) -> Option<DropCause> {
        self.dropped
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn lag_us(&self) -> u64 {
        u64::from(self.lag_us)
    }

    pub(crate) fn wait_us(&self) -> u64 {
        u64::from(self.wait_us)
    }

    pub(crate) fn parts(&self) -> Parts {
        let [connect_us, tls_us, first_byte_us] = self
            .parts_us
            .map(|us| (us != ABSENT).then(|| u64::from(us)));
        Parts {
            connect_us,
            tls_us,
            first_byte_us,
            ..Parts::default()
        }
    }

    pub(crate) fn response_us(&self) -> u64 {
        u64::from(self.response_us)
    }

    /// The response time without what of it is the generator's own; nothing of it is known
    /// to be the system's where the arrival met another time than its own.
    pub(crate) fn unlagged_us(&self) -> u64 {
        if self.is(DISPLACED) {
            return 0;
        }
        u64::from(self.response_us.saturating_sub(self.own_us))
    }

    /// When it was sent, as far as the generator's lag says.
    pub(crate) fn dispatched_us(&self) -> i64 {
        self.scheduled_us.saturating_add(i64::from(self.lag_us))
    }

    /// It met another time than its own, only because it was sent late.
    pub(crate) const fn displace(&mut self) {
        self.flags |= DISPLACED;
    }

    pub(crate) const fn is_displaced(&self) -> bool {
        self.is(DISPLACED)
    }

    pub(crate) const fn late_by_lag(&self) -> bool {
        self.is(LATE_BY_LAG)
    }

    pub(crate) const fn fallback(&self) -> bool {
        self.is(FALLBACK)
    }

    pub(crate) fn retries(&self) -> u64 {
        u64::from(self.retries)
    }

    /// Whether it is no arrival: a cache answered, and nothing was sent.
    pub(crate) const fn is_hit(&self) -> bool {
        self.is(HIT)
    }

    /// What the cache of its client had for it.
    pub(crate) fn cache(&self) -> CacheUse {
        CacheUse {
            hits: u64::from(self.is(HIT)),
            revalidated: u64::from(self.is(REVALIDATED)),
            misses: u64::from(self.is(MISSED)),
            evicted: u64::from(self.evicted),
        }
    }

    pub(crate) const fn resent(&self) -> bool {
        self.is(RESENT)
    }

    const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;
    use squall_record::{ALL_BAD_KINDS, ALL_DROP_CAUSES};

    use super::*;

    fn settled() -> impl Strategy<Value = Settled> {
        let outcome = prop_oneof![
            Just((Outcome::Good, None)),
            Just((Outcome::Unfinished, None)),
            prop::sample::select(&ALL_BAD_KINDS[..]).prop_map(|kind| (Outcome::Bad(kind), None)),
            prop::sample::select(&ALL_DROP_CAUSES[..])
                .prop_map(|cause| (Outcome::Dropped, Some(cause))),
        ];
        let cached = prop_oneof![
            Just(Cached::Unasked),
            Just(Cached::Missed),
            Just(Cached::Revalidated)
        ];
        // Hours, and what no arrival takes.
        let time = || prop_oneof![0..(1_u64 << 33), any::<u64>()];
        let part = || option::of(time());
        (
            (outcome, cached, [part(), part(), part()]),
            [time(), time(), time(), time()],
            (any::<[bool; 3]>(), any::<u64>(), any::<[u32; 2]>()),
        )
            .prop_map(
                |((outcome, cached, parts), times, (flags, bytes, counts))| {
                    let [connect_us, tls_us, first_byte_us] = parts;
                    let [lag_us, wait_us, response_us, own_us] = times;
                    let [late_by_lag, fallback, resent] = flags;
                    let [retries, evicted] = counts.map(|count| count % 600);
                    Settled {
                        outcome: outcome.0,
                        dropped: outcome.1,
                        lag_us,
                        wait_us,
                        service_us: 0,
                        response_us,
                        own_us,
                        parts: Parts {
                            connect_us,
                            tls_us,
                            first_byte_us,
                            ..Parts::default()
                        },
                        late_by_lag,
                        fallback,
                        bytes,
                        resent,
                        retries,
                        cached,
                        evicted,
                    }
                },
            )
    }

    proptest! {
        /// However little room there is: what is too much is told as the most there can be,
        /// and never as little or as nothing.
        #[test]
        fn what_was_settled_is_told(
            settled in settled(),
            scheduled_us in any::<i64>(),
            route in 0..1_000_usize,
            user in option::of(any::<u64>()),
        ) {
            let mut entry = Entry::new(scheduled_us, route, user);
            prop_assert_eq!((entry.is_settled(), entry.outcome()), (false, Outcome::Unfinished));
            entry.settle(&settled);
            prop_assert!(entry.is_settled() && !entry.is_hit());
            prop_assert_eq!((entry.scheduled_us, entry.route()), (scheduled_us, route));
            prop_assert_eq!(entry.user(), user);
            prop_assert_eq!((entry.outcome(), entry.dropped()), (settled.outcome, settled.dropped));
            let most = u64::from(u32::MAX);
            prop_assert_eq!(entry.lag_us(), settled.lag_us.min(most));
            prop_assert_eq!(entry.wait_us(), settled.wait_us.min(most));
            prop_assert_eq!(entry.response_us(), settled.response_us.min(most));
            let own_us = settled.own_us.min(most);
            let unlagged_us = settled.response_us.min(most).saturating_sub(own_us);
            prop_assert_eq!(entry.unlagged_us(), unlagged_us);
            let told = entry.parts();
            for (told, part) in [
                (told.connect_us, settled.parts.connect_us),
                (told.tls_us, settled.parts.tls_us),
                (told.first_byte_us, settled.parts.first_byte_us),
            ] {
                prop_assert_eq!(told, part.map(|us| us.min(most - 1)));
            }
            let flags = (entry.late_by_lag(), entry.fallback(), entry.resent());
            prop_assert_eq!(flags, (settled.late_by_lag, settled.fallback, settled.resent));
            prop_assert_eq!(entry.bytes(), settled.bytes);
            prop_assert_eq!(entry.retries(), u64::from(settled.retries).min(255));
            let cache = CacheUse {
                hits: 0,
                revalidated: u64::from(settled.cached == Cached::Revalidated),
                misses: u64::from(settled.cached == Cached::Missed),
                evicted: u64::from(settled.evicted).min(255),
            };
            prop_assert_eq!(entry.cache(), cache);
        }
    }

    #[test]
    fn what_a_cache_answered_is_a_hit_and_nothing_else() {
        let hit = Entry::hit(7, 3);
        assert!(hit.is_hit() && hit.is_settled());
        assert_eq!((hit.scheduled_us, hit.route(), hit.user()), (7, 3, None));
        assert_eq!((hit.cache().hits, hit.cache().misses), (1, 0));
    }

    /// Memory under overload is so many times this.
    #[test]
    fn it_is_small() {
        assert_eq!(size_of::<Entry>(), 64);
    }
}
