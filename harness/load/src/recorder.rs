//! Turns settled arrivals into intervals, cut at every second and fault edge.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use squall_record::{DropCause, Interval, Sample};

use crate::entry::Entry;
use crate::heard::Brought;
use crate::samples::Samples;
use crate::settled::Settled;
use crate::stretch::{Folded, Stretch, interval};

/// How long after its end an interval may still be cut by a fault edge; edges
/// are reported within milliseconds of their instant.
const EDGE_GRACE_US: i64 = 500_000;
/// How long edges from before a stall are waited for after it.
const STALL_GRACE_US: i64 = 200_000;
const SECOND_US: i64 = 1_000_000;

/// Collects arrivals in the order of their schedule and seals intervals once
/// every arrival in them is settled. Holds only the arrivals of intervals that
/// are not sealed. All times are microseconds since time zero.
#[derive(Debug)]
pub struct Recorder {
    routes: Vec<String>,
    entries: VecDeque<Entry>,
    /// Ticket of the first entry that is still held.
    first_ticket: u64,
    interval_start_us: i64,
    edges: BTreeSet<i64>,
    /// Arrivals that are counted and not held, by the end of their interval.
    folded: BTreeMap<i64, Folded>,
    /// What streams brought, by the ticket of their arrival.
    brought: BTreeMap<u64, Brought>,
    /// Before it nothing is sealed: edges that were reported late come first.
    hold_until_us: i64,
    samples: Samples,
    in_flight: u32,
    scheduled: u64,
    lag_max_us: u64,
}

impl Recorder {
    /// A recorder whose first interval starts at time zero.
    #[must_use]
    pub fn new(routes: Vec<String>) -> Self {
        let samples = Samples::new(routes.len());
        Self {
            routes,
            entries: VecDeque::new(),
            first_ticket: 0,
            interval_start_us: 0,
            edges: BTreeSet::new(),
            folded: BTreeMap::new(),
            brought: BTreeMap::new(),
            hold_until_us: i64::MIN,
            samples,
            in_flight: 0,
            scheduled: 0,
            lag_max_us: 0,
        }
    }

    /// Arrivals that are neither settled nor dropped.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Arrivals scheduled so far.
    #[must_use]
    pub const fn scheduled(&self) -> u64 {
        self.scheduled
    }

    /// The greatest lag so far.
    #[must_use]
    pub const fn lag_max_us(&self) -> u64 {
        self.lag_max_us
    }

    /// Notes an arrival and returns the ticket to settle it with. Arrivals
    /// come in the order of their scheduled time.
    pub fn schedule(&mut self, scheduled_us: i64, route: usize) -> u64 {
        self.schedule_for(scheduled_us, route, None)
    }

    /// The same for the arrival of a virtual user.
    pub fn schedule_for(&mut self, scheduled_us: i64, route: usize, user: Option<u64>) -> u64 {
        self.entries
            .push_back(Entry::new(scheduled_us, route, user));
        self.scheduled += 1;
        self.in_flight += 1;
        self.first_ticket + self.entries.len() as u64 - 1
    }

    /// Notes what a client's cache answered at a time, which comes in the order of
    /// arrivals: it is none, as nothing was sent, and in no count but its own.
    pub fn hit(&mut self, at_us: i64, route: usize) {
        self.entries.push_back(Entry::hit(at_us, route));
    }

    /// Notes an arrival that was dropped so late that every edge that could part
    /// its interval has been told: it is counted and takes no room.
    pub fn drop_late(
        &mut self,
        scheduled_us: i64,
        route: usize,
        user: Option<u64>,
        cause: DropCause,
    ) {
        self.scheduled += 1;
        let end_us = self.edge_after(scheduled_us);
        let routes = self.routes.len();
        let folded = self.folded.entry(end_us);
        let folded = folded.or_insert_with(|| Folded::new(routes, scheduled_us));
        folded.drop_one((scheduled_us, route), user, cause);
    }

    /// Settles an arrival. A ticket that is settled already, or whose arrival
    /// was given up, is ignored: the first word counts.
    pub fn settle(&mut self, ticket: u64, settled: Settled) {
        let Some(index) = ticket.checked_sub(self.first_ticket) else {
            return;
        };
        let Some(entry) = self.entries.get_mut(index as usize) else {
            return;
        };
        if !entry.is_settled() {
            entry.settle(&settled);
            self.in_flight -= 1;
            self.lag_max_us = self.lag_max_us.max(settled.lag_us);
        }
    }

    /// Notes what the stream of an arrival brought, before that is settled.
    pub fn brought(&mut self, ticket: u64, brought: Brought) {
        let index = ticket.checked_sub(self.first_ticket);
        let entry = index.and_then(|index| self.entries.get(index as usize));
        if entry.is_some_and(|entry| !entry.is_settled()) {
            self.brought.insert(ticket, brought);
        }
    }

    /// Offers an arrival, by its scheduled time and route, as evidence; `make` is
    /// called only if it is kept.
    pub fn offer_sample(
        &mut self,
        arrival: (i64, usize),
        settled: &Settled,
        make: impl FnOnce() -> Sample,
    ) {
        self.samples.offer(arrival, settled, make);
    }

    /// Cuts the interval that holds `at_us`; whether it could. An edge before
    /// the current interval, or among arrivals that are not held, comes too late.
    #[must_use]
    pub fn cut(&mut self, at_us: i64) -> bool {
        if at_us < self.interval_start_us {
            return false;
        }
        let end_us = self.edge_after(at_us);
        if let Some(folded) = self.folded.get(&end_us) {
            if folded.is_split_by(at_us) {
                return false;
            }
            if folded.is_before(at_us)
                && let Some(folded) = self.folded.remove(&end_us)
            {
                self.folded.insert(at_us, folded);
            }
        }
        if at_us > self.interval_start_us {
            self.edges.insert(at_us);
        }
        true
    }

    /// The generator has stood still until now. Edges from before may only now
    /// be on their way, however late the clock says it is.
    pub fn stood_still(&mut self, now_us: i64) {
        self.hold_until_us = now_us.saturating_add(STALL_GRACE_US);
    }

    /// Seals the next interval if it is over and settled. It is over when the
    /// schedule says so, not when the clock does: every arrival before
    /// `entered_us` has been noted, and later ones may still be to come. Call
    /// again until there is none.
    pub fn seal(&mut self, now_us: i64, entered_us: i64) -> Option<Interval> {
        let stretch = self.seal_stretch(now_us, entered_us)?;
        Some(interval(&self.routes, &[stretch]))
    }

    /// The same, with the making of the interval left to the caller.
    pub(crate) fn seal_stretch(&mut self, now_us: i64, entered_us: i64) -> Option<Stretch> {
        let end_us = self.next_edge_us();
        let edges_may_come = now_us < end_us + EDGE_GRACE_US || now_us < self.hold_until_us;
        if edges_may_come || entered_us < end_us || !self.settled_before(end_us) {
            return None;
        }
        Some(self.take_stretch(end_us))
    }

    /// Gives up on whatever is not settled: it becomes unfinished.
    pub fn give_up(&mut self) {
        for entry in &mut self.entries {
            if !entry.is_settled() {
                entry.settle(&Settled::UNFINISHED);
            }
        }
        self.in_flight = 0;
    }

    /// Seals everything up to `end_us`, the end of the load. All arrivals must
    /// be settled or given up.
    pub fn finish(&mut self, end_us: i64) -> Vec<Interval> {
        let stretches = self.finish_stretches(end_us).into_iter();
        stretches
            .map(|stretch| interval(&self.routes, &[stretch]))
            .collect()
    }

    /// The same, with the making of the intervals left to the caller.
    pub(crate) fn finish_stretches(&mut self, end_us: i64) -> Vec<Stretch> {
        let mut sealed = Vec::new();
        // No arrival is left out, whatever the caller calls the end.
        let held = self.entries.back().map(|entry| entry.scheduled_us);
        let counted = self.folded.values().map(Folded::last_us).max();
        let last_us = held.max(counted).map_or(0, |last_us| last_us + 1);
        let end_us = end_us.max(last_us);
        while self.interval_start_us < end_us {
            let edge_us = self.next_edge_us().min(end_us);
            sealed.push(self.take_stretch(edge_us));
        }
        sealed
    }

    /// Samples of seconds that are sealed.
    pub fn take_samples(&mut self) -> Vec<Sample> {
        let sealed_before = self.interval_start_us.div_euclid(SECOND_US);
        self.samples.take_before(sealed_before)
    }

    /// The samples that are still held, at the end.
    pub fn take_all_samples(&mut self) -> Vec<Sample> {
        self.samples.take_before(i64::MAX)
    }

    fn next_edge_us(&self) -> i64 {
        self.edge_after(self.interval_start_us)
    }

    /// The first edge behind a moment.
    fn edge_after(&self, at_us: i64) -> i64 {
        let second_us = (at_us.div_euclid(SECOND_US) + 1) * SECOND_US;
        let edge = self.edges.range(at_us + 1..).next();
        edge.map_or(second_us, |edge_us| second_us.min(*edge_us))
    }

    fn settled_before(&self, end_us: i64) -> bool {
        self.entries
            .iter()
            .take_while(|entry| entry.scheduled_us < end_us)
            .all(Entry::is_settled)
    }

    fn take_stretch(&mut self, end_us: i64) -> Stretch {
        let count = self
            .entries
            .partition_point(|entry| entry.scheduled_us < end_us);
        let mut entries: Vec<Entry> = self.entries.drain(..count).collect();
        for entry in &mut entries {
            let (due_us, sent_us) = (entry.scheduled_us, entry.dispatched_us());
            // An edge at the very moment it was due is none that lag has carried it over.
            if sent_us > due_us && self.edges.range(due_us + 1..=sent_us).next().is_some() {
                entry.displace();
            }
        }
        let first_ticket = self.first_ticket;
        self.first_ticket += count as u64;
        let later = self.brought.split_off(&self.first_ticket);
        let brought = std::mem::replace(&mut self.brought, later).into_iter();
        let brought = brought.filter_map(|(ticket, brought)| {
            let entry = entries.get(ticket.checked_sub(first_ticket)? as usize)?;
            Some((entry.route(), brought))
        });
        let brought = brought.collect();
        let folded = self.folded.remove(&self.next_edge_us());
        let start_us = std::mem::replace(&mut self.interval_start_us, end_us);
        self.edges = self.edges.split_off(&(end_us + 1));
        Stretch {
            start_us,
            end_us,
            entries,
            brought,
            folded,
        }
    }
}

/// A time as it is recorded: in whole microseconds.
pub(crate) fn micros_i64(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use squall_record::{ALL_BAD_KINDS, ALL_DROP_CAUSES, BadKind, Counts, Outcome, Parts, Times};

    use super::*;
    use crate::settled::Cached;

    /// What may happen to a recorder.
    #[derive(Debug, Clone)]
    enum Step {
        /// An arrival this many microseconds after the last, on this route.
        Arrive(i64, usize),
        /// The same, but it is dropped so late that it is only counted.
        ArriveLate(i64, usize),
        /// The nth open arrival is settled.
        Settle(usize, Settled),
        /// A fault's edge this many microseconds before now.
        Cut(i64),
        /// Time passes, intervals are sealed.
        Seal(i64),
    }

    fn settled() -> impl Strategy<Value = Settled> {
        let outcome = prop_oneof![
            Just(Outcome::Good),
            Just(Outcome::Bad(BadKind::Connect)),
            Just(Outcome::Bad(BadKind::Timeout)),
            Just(Outcome::Bad(BadKind::Late)),
            Just(Outcome::Bad(BadKind::Status)),
            Just(Outcome::Bad(BadKind::Broken)),
            Just(Outcome::Bad(BadKind::Malformed)),
            Just(Outcome::Bad(BadKind::Check)),
            Just(Outcome::Dropped),
        ];
        (outcome, 0..100_000_u64, 0..20_000_000_u64).prop_map(|(outcome, lag_us, rest_us)| {
            Settled {
                outcome,
                dropped: (outcome == Outcome::Dropped).then_some(DropCause::Ports),
                lag_us,
                wait_us: 1,
                service_us: rest_us,
                response_us: lag_us + rest_us + 1,
                parts: Parts::default(),
                own_us: lag_us,
                late_by_lag: false,
                fallback: false,
                bytes: 10,
                resent: false,
                retries: 2,
                cached: Cached::Missed,
                evicted: 1,
            }
        })
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..400_000_i64, 0..2_usize).prop_map(|(gap, route)| Step::Arrive(gap, route)),
            4 => (0..64_usize, settled()).prop_map(|(index, settled)| Step::Settle(index, settled)),
            1 => (0..400_000_i64, 0..2_usize).prop_map(|(gap, route)| Step::ArriveLate(gap, route)),
            1 => (0..400_000_i64).prop_map(Step::Cut),
            2 => (0..2_000_000_i64).prop_map(Step::Seal),
        ]
    }

    /// Plays the steps, then ends the run: cut short if not all is settled.
    fn play(steps: &[Step]) -> (u64, u64, Vec<Interval>) {
        let mut recorder = Recorder::new(vec!["a".into(), "b".into()]);
        let (mut now_us, mut last_us) = (0, 0);
        let mut open = Vec::new();
        let mut sealed = Vec::new();
        let mut good = 0;
        for step in steps {
            match step {
                Step::Arrive(gap_us, route) => {
                    last_us = (last_us + gap_us).max(now_us);
                    now_us = last_us;
                    open.push(recorder.schedule(last_us, *route));
                }
                Step::ArriveLate(gap_us, route) => {
                    last_us = (last_us + gap_us).max(now_us);
                    now_us = last_us;
                    recorder.drop_late(last_us, *route, None, DropCause::Lag);
                }
                Step::Settle(index, settled) if !open.is_empty() => {
                    good += u64::from(settled.outcome == Outcome::Good);
                    let ticket = open.swap_remove(index % open.len());
                    recorder.settle(ticket, *settled);
                    // Only the first word counts.
                    recorder.settle(ticket, Settled::dropped(DropCause::InFlight));
                }
                Step::Settle(..) => {}
                Step::Cut(before_us) => {
                    let _ = recorder.cut(now_us - before_us);
                }
                Step::Seal(passed_us) => {
                    now_us += passed_us;
                    sealed.extend(std::iter::from_fn(|| recorder.seal(now_us, now_us)));
                }
            }
        }
        assert_eq!(recorder.in_flight() as usize, open.len());
        recorder.give_up();
        sealed.extend(recorder.finish(last_us + 1));
        (recorder.scheduled(), good, sealed)
    }

    proptest! {
        #[test]
        fn every_arrival_is_in_exactly_one_interval(
            steps in prop::collection::vec(step(), 0..120),
        ) {
            let (scheduled, good, intervals) = play(&steps);
            let mut total = Counts::default();
            for route in intervals.iter().flat_map(|interval| &interval.routes) {
                prop_assert!(route.counts.is_conserved());
                let recorded = route.response.as_ref().map_or(0, Times::len);
                prop_assert_eq!(recorded, route.counts.good);
                prop_assert_eq!(route.counts.drops.named(), route.counts.dropped);
                total.add(&route.counts);
            }
            for interval in &intervals {
                let span = interval.start_us..interval.end_us;
                for route in &interval.routes {
                    let kinds = ALL_BAD_KINDS.into_iter();
                    let bad = kinds.map(|it| (route.counts.of(it), route.seen.of(Some(it), None)));
                    let causes = ALL_DROP_CAUSES.into_iter();
                    let never = causes
                        .map(|it| (route.counts.drops.of(it), route.seen.of(None, Some(it))));
                    for (count, seen) in bad.chain(never) {
                        prop_assert_eq!(count > 0, seen.is_some());
                        if let Some((first_us, last_us)) = seen {
                            prop_assert!(span.contains(&first_us) && span.contains(&last_us));
                            prop_assert!(first_us <= last_us);
                        }
                    }
                }
            }
            prop_assert!(total.is_conserved());
            prop_assert_eq!(total.scheduled, scheduled);
            prop_assert_eq!(total.good, good);
        }

        #[test]
        fn intervals_are_contiguous_and_cut_at_every_second(
            steps in prop::collection::vec(step(), 0..120),
        ) {
            let (_, _, intervals) = play(&steps);
            let mut end_us = 0;
            for interval in &intervals {
                prop_assert_eq!(interval.start_us, end_us);
                prop_assert!(interval.end_us > interval.start_us);
                let last_us = interval.end_us - 1;
                let second = |us: i64| us.div_euclid(SECOND_US);
                prop_assert_eq!(second(interval.start_us), second(last_us));
                end_us = interval.end_us;
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// The generator stands still at any moment and for any time, then
        /// enters what is overdue some arrivals at a time, sealing in between.
        #[test]
        fn a_stall_moves_no_arrival_out_of_its_second(
            wakes_ms in prop::collection::vec((1..5_000_i64, 1..40_usize), 1..60),
            gap_us in 1_000..60_000_i64,
            length_s in 1..9_i64,
            cuts in prop::collection::vec(0..9_000_000_i64, 0..3),
        ) {
            let planned: Vec<i64> = (0..).map(|n| n * gap_us + gap_us / 2)
                .take_while(|at_us| *at_us < length_s * SECOND_US).collect();
            let mut recorder = Recorder::new(vec!["a".into()]);
            let (mut now_us, mut entered) = (0, 0);
            let mut sealed = Vec::new();
            for (passed_ms, batch) in wakes_ms {
                now_us += passed_ms * 1_000;
                recorder.stood_still(now_us - 3 * EDGE_GRACE_US);
                for at_us in cuts.iter().filter(|at| (now_us - 5_000_000..now_us).contains(at)) {
                    let _ = recorder.cut(*at_us);
                }
                for at_us in planned[entered..].iter().take(batch).take_while(|at| **at <= now_us) {
                    entered += 1;
                    let ticket = recorder.schedule(*at_us, 0);
                    recorder.settle(ticket, Settled::dropped(DropCause::InFlight));
                }
                let frontier_us = planned.get(entered).copied().unwrap_or(i64::MAX);
                sealed.extend(std::iter::from_fn(|| recorder.seal(now_us, frontier_us)));
            }
            for at_us in &planned[entered..] {
                let _ = recorder.schedule(*at_us, 0);
            }
            recorder.give_up();
            sealed.extend(recorder.finish(length_s * SECOND_US));
            let entered = |interval: &Interval| interval.routes[0].counts.scheduled;
            prop_assert_eq!(sealed.iter().map(entered).sum::<u64>(), planned.len() as u64);
            for interval in &sealed {
                let own = planned.iter()
                    .filter(|at| (interval.start_us..interval.end_us).contains(at)).count();
                prop_assert_eq!(entered(interval), own as u64, "{} us", interval.start_us);
            }
        }
    }

    #[test]
    fn an_interval_waits_for_its_last_answer_and_for_late_edges() {
        let mut recorder = Recorder::new(vec!["a".into()]);
        let first = recorder.schedule(100, 0);
        let good = Settled {
            outcome: Outcome::Good,
            ..Settled::UNFINISHED
        };
        assert!(
            recorder.seal(5 * SECOND_US, 5 * SECOND_US).is_none(),
            "an answer is missing"
        );
        recorder.settle(first, good);
        assert!(
            recorder.seal(SECOND_US, SECOND_US).is_none(),
            "an edge may still come"
        );
        assert!(recorder.cut(400_000));
        assert!(
            recorder.seal(5 * SECOND_US, 399_999).is_none(),
            "an arrival may still be entered"
        );
        recorder.stood_still(5 * SECOND_US);
        assert!(
            recorder.seal(5 * SECOND_US, SECOND_US).is_none(),
            "an edge from before the stall may still come"
        );
        let before = recorder.seal(6 * SECOND_US, SECOND_US).unwrap();
        let after = recorder.seal(6 * SECOND_US, SECOND_US).unwrap();
        assert!(!recorder.cut(SECOND_US - 1), "it is sealed");
        assert!(recorder.cut(SECOND_US), "it is an edge already");
        assert_eq!((before.start_us, before.end_us), (0, 400_000));
        assert_eq!((after.start_us, after.end_us), (400_000, SECOND_US));
        assert_eq!(before.routes[0].counts.good, 1);
    }

    /// Due 50 ms before a fault and sent under it, by a generator that stood still for
    /// 250 ms: the fault is none of the second before it.
    #[test]
    fn who_is_sent_late_under_a_fault_is_no_failure_of_the_time_before_it() {
        const EDGE_US: i64 = 10 * SECOND_US + 200_000;
        let mut recorder = Recorder::new(vec!["a".into()]);
        let bad = |lag_us, kind| Settled {
            outcome: Outcome::Bad(kind),
            lag_us,
            response_us: lag_us + 5_000,
            ..Settled::UNFINISHED
        };
        let slow = Settled {
            outcome: Outcome::Good,
            ..bad(250_000, BadKind::Status)
        };
        let by_lag = Settled {
            late_by_lag: true,
            ..bad(250_000, BadKind::Late)
        };
        for (at_us, settled) in [
            // A second before it, where only its lag reaches the edge.
            (9 * SECOND_US + 990_000, bad(250_000, BadKind::Status)),
            (10 * SECOND_US + 100_000, bad(0, BadKind::Status)),
            (EDGE_US - 50_000, bad(49_999, BadKind::Timeout)),
            (EDGE_US - 50_000, bad(50_000, BadKind::Timeout)),
            (EDGE_US - 50_000, by_lag),
            (EDGE_US - 50_000, slow),
            (EDGE_US, bad(250_000, BadKind::Status)),
        ] {
            let ticket = recorder.schedule(at_us, 0);
            recorder.settle(ticket, settled);
        }
        assert!(recorder.cut(EDGE_US));
        let sealed = recorder.finish(11 * SECOND_US);
        let seen = |interval: &Interval| {
            let route = &interval.routes[0];
            let unlagged = route.unlagged.as_ref().map_or(0, Times::max_us);
            let counts = route.counts;
            (counts.bad(), counts.displaced, counts.excused(), unlagged)
        };
        let seen: Vec<_> = sealed[9..].iter().map(seen).collect();
        // Of the second before the edge three failures stay, one of them late by lag alone.
        assert_eq!(seen, [(1, 1, 1, 0), (4, 1, 2, 1), (1, 0, 0, 0)]);
    }

    #[test]
    fn what_is_only_counted_lies_in_its_interval_and_is_never_split() {
        let mut recorder = Recorder::new(vec!["a".into(), "b".into()]);
        recorder.drop_late(100_000, 0, Some(7), DropCause::Lag);
        recorder.drop_late(300_000, 1, Some(7), DropCause::Lag);
        assert!(!recorder.cut(200_000), "it is between them");
        assert!(!recorder.cut(300_000), "one of them is right behind it");
        assert!(recorder.cut(100_000) && recorder.cut(300_001));
        recorder.drop_late(600_000, 0, None, DropCause::Lag);
        assert_eq!(recorder.scheduled(), 3);
        let intervals = recorder.finish(700_000);
        let seen = |interval: &Interval| {
            let dropped = |route: usize| interval.routes[route].counts.drops.lag;
            (interval.start_us, interval.end_us, dropped(0), dropped(1))
        };
        let seen: Vec<_> = intervals.iter().map(seen).collect();
        let expected = [
            (0, 100_000, 0, 0),
            (100_000, 300_001, 1, 1),
            (300_001, 700_000, 1, 0),
        ];
        assert_eq!(seen, expected);
        let users = intervals[1].users.as_ref().unwrap();
        assert_eq!(users.hurt.iter().collect::<Vec<_>>(), [7]);
    }
}
