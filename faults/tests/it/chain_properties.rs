//! Whatever happens to a chain, no byte is lost, doubled or reordered.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use squall_faults::{Chain, End, Event, Fate, Fates, Output, Toxic};

/// A toxic that holds, splits and wakes up at will but loses nothing.
#[derive(Debug, Clone)]
struct Whimsical {
    hold_ms: u64,
    split_at: usize,
    split_hold_ms: u64,
    timer_ms: u64,
    replaces: bool,
    wakes: Option<Instant>,
}

impl Toxic for Whimsical {
    fn on(&mut self, event: Event<'_>, now: Instant) -> Fates {
        let mut fates = Fates::pass();
        match event {
            Event::Chunk(chunk) => {
                self.wakes = Some(now + Duration::from_millis(self.timer_ms));
                if self.replaces {
                    fates.push(Fate::Replace(chunk.bytes.clone()));
                }
                fates.push(Fate::Split {
                    at: self.split_at,
                    until: chunk.arrived + Duration::from_millis(self.split_hold_ms),
                });
                if self.hold_ms > 0 {
                    let until = chunk.arrived + Duration::from_millis(self.hold_ms);
                    fates.push(Fate::Hold(until));
                }
            }
            Event::Eof { arrived } => {
                fates.push(Fate::Hold(arrived + Duration::from_millis(self.hold_ms)));
            }
            Event::Opened { .. } | Event::Timer => {}
        }
        fates
    }

    fn deadline(&self) -> Option<Instant> {
        self.wakes
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Pass(u64),
    Attach(Whimsical),
    Change(usize, Whimsical),
    Detach(usize),
}

fn whimsical() -> impl Strategy<Value = Whimsical> {
    (0..50_u64, 0..40_usize, 0..60_u64, 0..30_u64, any::<bool>()).prop_map(
        |(hold_ms, split_at, split_hold_ms, timer_ms, replaces)| Whimsical {
            hold_ms,
            split_at,
            split_hold_ms,
            timer_ms,
            replaces,
            wakes: None,
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..200_usize).prop_map(Step::Push),
        3 => (0..40_u64).prop_map(Step::Pass),
        1 => whimsical().prop_map(Step::Attach),
        1 => (0..4_usize, whimsical()).prop_map(|(nth, with)| Step::Change(nth, with)),
        1 => (0..4_usize).prop_map(Step::Detach),
    ];
    proptest::collection::vec(step, 1..80)
}

/// Moves time in the chain's own steps; a chain that never comes to rest
/// fails.
fn pass(chain: &mut Chain, now: &mut Instant, time: Duration, out: &mut Output) {
    let end = *now + time;
    let mut rounds = 0;
    while let Some(due) = chain.deadline().filter(|due| *due <= end) {
        *now = due.max(*now);
        chain.advance(*now, out);
        rounds += 1;
        assert!(rounds < 100_000, "the chain spins");
    }
    *now = end;
}

fn flat(out: &Output) -> Vec<u8> {
    out.bytes.iter().flatten().copied().collect()
}

proptest! {
    #[test]
    fn bytes_are_conserved(steps in steps(), drained in any::<bool>()) {
        let (mut chain, mut out) = (Chain::default(), Output::default());
        let mut now = Instant::now();
        let mut sent: Vec<u8> = Vec::new();
        let mut names = 0..;
        for step in steps {
            match step {
                Step::Push(length) => {
                    let from = sent.len();
                    sent.extend((from..from + length).map(|n| n as u8));
                    chain.push(Bytes::copy_from_slice(&sent[from..]), now, &mut out);
                }
                Step::Pass(ms) => {
                    pass(&mut chain, &mut now, Duration::from_millis(ms), &mut out);
                }
                Step::Attach(toxic) => {
                    let id = names.next().map(|n: u32| n.to_string()).unwrap_or_default();
                    chain.attach(&id, Box::new(toxic), true, now, &mut out);
                }
                Step::Change(nth, toxic) => {
                    let ids: Vec<String> = chain.ids().map(str::to_owned).collect();
                    if let Some(id) = ids.get(nth) {
                        chain.change(id, Box::new(toxic), true, now, &mut out);
                    }
                    prop_assert!(chain.ids().eq(&ids));
                }
                Step::Detach(nth) => {
                    let id = chain.ids().nth(nth).map(str::to_owned);
                    if let Some(id) = id {
                        chain.detach(&id, now, &mut out);
                    }
                }
            }
            prop_assert!(sent.starts_with(&flat(&out)));
        }
        chain.push_eof(now, &mut out);
        if drained {
            pass(&mut chain, &mut now, Duration::from_secs(60), &mut out);
        } else {
            let ids: Vec<String> = chain.ids().map(str::to_owned).collect();
            for id in ids {
                chain.detach(&id, now, &mut out);
            }
        }
        prop_assert_eq!(flat(&out), sent);
        prop_assert!(out.eof && out.end.is_none());
        prop_assert_eq!(chain.held_cost_bytes(), 0);
    }
}

/// Passes one chunk and swallows what follows.
struct CutsAfterOne(usize);

impl Toxic for CutsAfterOne {
    fn on(&mut self, event: Event<'_>, _now: Instant) -> Fates {
        let Event::Chunk(_) = event else {
            return Fates::pass();
        };
        self.0 += 1;
        match self.0 {
            1 => Fates::pass(),
            _ => Fate::DropFromHere.into(),
        }
    }
}

/// Everything goes on at one instant.
struct HoldsUntil(Instant);

impl Toxic for HoldsUntil {
    fn on(&mut self, event: Event<'_>, _now: Instant) -> Fates {
        match event {
            Event::Chunk(_) | Event::Eof { .. } => Fate::Hold(self.0).into(),
            Event::Opened { .. } | Event::Timer => Fates::pass(),
        }
    }
}

#[test]
fn nothing_comes_out_behind_a_hole() {
    let (mut chain, mut out) = (Chain::default(), Output::default());
    let now = Instant::now();
    let later = now + Duration::from_millis(50);
    chain.attach("cut", Box::new(CutsAfterOne(0)), false, now, &mut out);
    chain.attach("delay", Box::new(HoldsUntil(later)), false, now, &mut out);
    chain.push(Bytes::from_static(b"before"), now, &mut out);
    chain.push(Bytes::from_static(b"swallowed"), now, &mut out);
    chain.detach("cut", now, &mut out);
    chain.push(Bytes::from_static(b"behind"), now, &mut out);
    chain.push_eof(now, &mut out);
    chain.advance(later, &mut out);
    assert_eq!(flat(&out), b"before");
    assert_eq!((out.eof, out.end), (false, Some(End::Close)));
}
