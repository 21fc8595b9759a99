//! The laws every toxic obeys, run over the table of all toxics with virtual
//! time: no socket, no clock.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use squall_faults::{ALL_TOXICS, Chain, End, Output, ToxicInfo, build};

/// A chain with a clock that the test moves, and a log of what came out when.
struct Bench {
    chain: Chain,
    out: Output,
    start: Instant,
    now: Instant,
    /// Whether a toxic may change bytes.
    alters: bool,
    sent: Vec<u8>,
    received: Vec<u8>,
    timeline: Vec<(Duration, usize)>,
}

impl Bench {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            chain: Chain::default(),
            out: Output::default(),
            start,
            now: start,
            alters: false,
            sent: Vec::new(),
            received: Vec::new(),
            timeline: Vec::new(),
        }
    }

    fn attach(&mut self, info: &ToxicInfo, seed: u64) {
        let toxic = build(&(info.example)(), seed).unwrap();
        self.alters |= info.alters;
        let carried = !self.sent.is_empty();
        self.chain
            .attach(info.keyword(), toxic, carried, self.now, &mut self.out);
        self.collect();
    }

    fn detach(&mut self, info: &ToxicInfo) {
        self.chain.detach(info.keyword(), self.now, &mut self.out);
        self.collect();
    }

    fn send(&mut self, length: usize) {
        let from = self.sent.len();
        self.sent
            .extend((from..from + length).map(|n| (n % 251) as u8));
        let bytes = Bytes::copy_from_slice(&self.sent[from..]);
        self.chain.push(bytes, self.now, &mut self.out);
        self.collect();
    }

    fn eof(&mut self) {
        self.chain.push_eof(self.now, &mut self.out);
        self.collect();
    }

    /// Lets time pass, stopping wherever the chain wants to act.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.chain.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.chain.advance(self.now, &mut self.out);
            self.collect();
        }
        self.now = end;
    }

    fn collect(&mut self) {
        while let Some(bytes) = self.out.bytes.pop_front() {
            self.received.extend_from_slice(&bytes);
            self.timeline.push((self.now - self.start, bytes.len()));
        }
    }

    fn is_lossless(&self) -> bool {
        match self.alters {
            true => self.received.len() == self.sent.len(),
            false => self.received == self.sent,
        }
    }

    fn is_prefix(&self) -> bool {
        match self.alters {
            true => self.sent.len() >= self.received.len(),
            false => self.sent.starts_with(&self.received),
        }
    }
}

const LONG: Duration = Duration::from_secs(600);

fn lossless() -> impl Iterator<Item = &'static ToxicInfo> {
    ALL_TOXICS.iter().filter(|info| !info.lossy)
}

fn lossy() -> impl Iterator<Item = &'static ToxicInfo> {
    ALL_TOXICS.iter().filter(|info| info.lossy)
}

/// A conversation with bursts, pauses and every size of chunk.
fn talk(bench: &mut Bench) {
    for length in [1, 2, 1400, 65_536, 17, 65_536, 65_536, 1] {
        bench.send(length);
        bench.pass(Duration::from_millis(length as u64 % 13));
    }
}

#[test]
fn bytes_are_conserved_in_order_and_the_end_comes_last() {
    for info in lossless() {
        let mut bench = Bench::new();
        bench.attach(info, 1);
        talk(&mut bench);
        bench.eof();
        let all = bench.received.len() == bench.sent.len();
        assert!(
            !bench.out.eof || all,
            "{}: the end overtook bytes",
            info.keyword()
        );
        bench.pass(LONG);
        assert!(bench.is_lossless(), "{}", info.keyword());
        assert!(
            bench.out.eof && bench.out.end.is_none(),
            "{}",
            info.keyword()
        );
        assert_eq!(bench.chain.held_cost_bytes(), 0, "{}", info.keyword());
    }
}

#[test]
fn every_toxic_does_something_to_a_conversation() {
    for info in ALL_TOXICS {
        let mut bench = Bench::new();
        bench.attach(info, 1);
        bench.send(65_536);
        bench.eof();
        let passed_at_once = bench.received == bench.sent && bench.out.eof;
        bench.pass(Duration::from_millis(6));
        let ended = bench.out.end.is_some();
        assert!(!passed_at_once || ended, "{} only passes", info.keyword());
    }
}

#[test]
fn removal_flushes_at_once_and_restores_pass_through() {
    for info in lossless() {
        let mut bench = Bench::new();
        bench.attach(info, 1);
        talk(&mut bench);
        bench.detach(info);
        assert!(bench.is_lossless(), "{}: not flushed", info.keyword());
        assert!(bench.chain.is_empty());
        bench.send(100);
        bench.eof();
        assert!(bench.is_lossless() && bench.out.eof, "{}", info.keyword());
    }
}

#[test]
fn removal_flushes_the_end_behind_what_is_held() {
    for info in lossless().filter(|info| !info.alters) {
        let mut bench = Bench::new();
        bench.attach(info, 1);
        talk(&mut bench);
        bench.eof();
        assert!(!bench.out.eof, "{}: nothing is held", info.keyword());
        bench.detach(info);
        assert!(bench.is_lossless() && bench.out.eof, "{}", info.keyword());
        assert_eq!(bench.chain.held_cost_bytes(), 0, "{}", info.keyword());
    }
}

#[test]
fn attaching_to_a_live_connection_spares_what_has_passed() {
    for info in ALL_TOXICS {
        let mut bench = Bench::new();
        bench.send(1000);
        assert!(bench.is_lossless());
        bench.attach(info, 1);
        bench.send(1000);
        bench.pass(LONG);
        assert!(bench.is_prefix(), "{}: bytes reordered", info.keyword());
        assert!(bench.received.len() >= 1000, "{}", info.keyword());
    }
}

#[test]
fn lossy_toxics_never_deliver_past_a_hole() {
    for info in lossy() {
        let mut bench = Bench::new();
        bench.attach(info, 1);
        talk(&mut bench);
        bench.eof();
        bench.pass(LONG);
        assert!(bench.is_prefix(), "{}", info.keyword());
        bench.detach(info);
        assert!(
            bench.is_lossless() || bench.out.end.is_some(),
            "{}: a stream with a hole goes on",
            info.keyword()
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_timeline() {
    let timeline = |info: &ToxicInfo, seed| {
        let mut bench = Bench::new();
        bench.attach(info, seed);
        talk(&mut bench);
        bench.eof();
        bench.pass(LONG);
        (bench.timeline, bench.out.end)
    };
    for info in ALL_TOXICS {
        assert_eq!(timeline(info, 7), timeline(info, 7), "{}", info.keyword());
    }
    let delay = lossless().find(|info| info.keyword() == "delay").unwrap();
    assert_ne!(timeline(delay, 7), timeline(delay, 8));
}

fn find(keyword: &str) -> &'static ToxicInfo {
    let mut all = ALL_TOXICS.iter();
    all.find(|info| info.keyword() == keyword).unwrap()
}

#[test]
fn cut_swallows_the_end_too_and_closes_only_what_it_touched() {
    let cut = find("cut");
    let mut touched = Bench::new();
    touched.attach(cut, 1);
    touched.send(5);
    touched.eof();
    touched.pass(LONG);
    assert!(touched.received.is_empty() && !touched.out.eof && touched.out.end.is_none());
    touched.detach(cut);
    assert_eq!(touched.out.end, Some(End::Close));

    let mut untouched = Bench::new();
    untouched.attach(cut, 1);
    untouched.detach(cut);
    untouched.send(5);
    assert!(untouched.is_lossless() && untouched.out.end.is_none());
}

#[test]
fn reset_hits_live_flows_when_attached_and_fresh_ones_at_their_first_bytes() {
    let reset = find("reset");
    let mut live = Bench::new();
    live.send(1);
    live.attach(reset, 1);
    live.pass(Duration::from_millis(5));
    assert_eq!(live.out.end, Some(End::Reset));

    let mut fresh = Bench::new();
    fresh.attach(reset, 1);
    fresh.pass(LONG);
    assert_eq!(fresh.out.end, None);
    fresh.send(1);
    fresh.pass(Duration::from_millis(5));
    assert_eq!(fresh.out.end, Some(End::Reset));
}

#[test]
fn two_delays_add_and_a_queue_is_not_paid_for_twice() {
    let mut bench = Bench::new();
    let by = Duration::from_millis(500);
    let delay = squall_scenario::OnBytes::Delay(squall_scenario::inject::Delay::of(
        by,
        Duration::ZERO,
        squall_scenario::inject::Direction::Both,
    ));
    for id in ["first", "second"] {
        let toxic = build(&delay, 1).unwrap();
        bench
            .chain
            .attach(id, toxic, false, bench.now, &mut bench.out);
    }
    for _ in 0..100 {
        bench.send(1000);
        bench.pass(Duration::from_millis(1));
    }
    bench.pass(LONG);
    for (n, (at, _)) in bench.timeline.iter().enumerate() {
        assert_eq!(*at, 2 * by + Duration::from_millis(n as u64));
    }
    assert_eq!(bench.timeline.len(), 100);
}

#[test]
fn bandwidth_keeps_its_rate() {
    let mut bench = Bench::new();
    bench.attach(find("bandwidth"), 1);
    for _ in 0..64 {
        bench.send(65_536);
    }
    bench.pass(Duration::from_secs(1));
    // 1 MiB/s in slices of 1/20 s.
    assert_eq!(bench.received.len(), 1 << 20);
    bench.pass(Duration::from_secs(3));
    assert!(bench.is_lossless());
}
