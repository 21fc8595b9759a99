//! Permits and places by example, by threads and against a model.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::bulkhead::{Acquire, Bulkhead, BulkheadFull, Permit};

/// Polls without anybody to wake.
fn poll(acquire: &mut Acquire) -> Option<Permit> {
    match Pin::new(acquire).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(permit) => Some(permit),
        Poll::Pending => None,
    }
}

#[test]
fn a_dropped_permit_can_be_taken_again() {
    let bulkhead = Bulkhead::new(2, 0);
    let first = bulkhead.try_acquire().unwrap();
    let _second = bulkhead.try_acquire().unwrap();
    let full = BulkheadFull {
        limit: 2,
        waiting: 0,
    };
    assert_eq!(bulkhead.try_acquire().unwrap_err(), full);
    assert_eq!(bulkhead.acquire().unwrap_err(), full);
    drop(first);
    assert!(bulkhead.try_acquire().is_ok());
    assert_eq!(bulkhead.active(), 1);
    assert_eq!(bulkhead.take_peak(), 2);
    assert_eq!(bulkhead.take_peak(), 1);
}

#[test]
fn a_share_of_few_permits_is_rounded_up() {
    let bulkhead = Bulkhead::new(3, 0);
    assert!(bulkhead.try_acquire_of(0).is_err());
    let _first = bulkhead.try_acquire_of(1).unwrap();
    assert!(bulkhead.try_acquire_of(33).is_err());
    let _second = bulkhead.try_acquire_of(34).unwrap();
    assert!(bulkhead.try_acquire_of(66).is_err());
    assert!(bulkhead.try_acquire_of(u8::MAX).is_ok());
}

#[test]
fn a_smaller_limit_waits_for_the_calls_that_run() {
    let bulkhead = Bulkhead::new(2, 0);
    let first = bulkhead.try_acquire().unwrap();
    let _second = bulkhead.try_acquire().unwrap();
    bulkhead.set_limit(1);
    drop(first);
    assert!(bulkhead.try_acquire().is_err());
}

#[test]
fn nobody_overtakes_who_waits() {
    let bulkhead = Bulkhead::new(1, 2);
    let running = bulkhead.acquire().unwrap().now().unwrap();
    let mut first = bulkhead.acquire().unwrap();
    let mut second = bulkhead.acquire().unwrap();
    let full = BulkheadFull {
        limit: 1,
        waiting: 2,
    };
    assert_eq!(bulkhead.acquire().unwrap_err(), full);
    drop(running);
    assert!(bulkhead.try_acquire().is_err(), "it is promised");
    assert!(poll(&mut second).is_none());
    let permit = poll(&mut first).unwrap();
    drop(permit);
    assert!(poll(&mut second).is_some());
    assert_eq!((bulkhead.active(), bulkhead.waiting()), (0, 0));
}

#[test]
fn a_permit_for_somebody_who_left_goes_to_the_next() {
    let bulkhead = Bulkhead::new(1, 3);
    let running = bulkhead.try_acquire().unwrap();
    let (gone, granted) = (bulkhead.acquire().unwrap(), bulkhead.acquire().unwrap());
    let mut next = bulkhead.acquire().unwrap();
    drop(gone);
    drop(running);
    // It has the permit by now, and never asks for it.
    drop(granted);
    assert!(poll(&mut next).is_some());
}

#[test]
fn more_permits_are_for_those_who_wait() {
    let bulkhead = Bulkhead::new(1, 2);
    let _running = bulkhead.try_acquire().unwrap();
    let mut waiting = [bulkhead.acquire().unwrap(), bulkhead.acquire().unwrap()];
    bulkhead.set_limit(3);
    let permits: Vec<_> = waiting.iter_mut().filter_map(poll).collect();
    assert_eq!((permits.len(), bulkhead.active()), (2, 3));
}

#[test]
fn who_waits_is_woken() {
    struct Woken(std::sync::atomic::AtomicUsize);
    impl Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let bulkhead = Bulkhead::new(1, 1);
    let running = bulkhead.try_acquire().unwrap();
    let woken = std::sync::Arc::new(Woken(0.into()));
    let waker = Waker::from(woken.clone());
    let mut acquire = pin!(bulkhead.acquire().unwrap());
    let mut cx = Context::from_waker(&waker);
    assert!(acquire.as_mut().poll(&mut cx).is_pending());
    drop(running);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert!(acquire.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn threads_never_hold_more_than_the_limit() {
    let bulkhead = Bulkhead::new(3, 2);
    let held = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (bulkhead, held) = (&bulkhead, &held);
            scope.spawn(move || {
                for nth in 0..2_000 {
                    let Ok(mut acquire) = bulkhead.acquire() else {
                        continue;
                    };
                    // Some wait long, some leave.
                    let patience = if (nth + thread) % 3 == 0 { 0 } else { 100 };
                    let permit = (0..=patience).find_map(|_| {
                        std::thread::yield_now();
                        poll(&mut acquire)
                    });
                    if let Some(_permit) = permit {
                        assert!(held.fetch_add(1, Ordering::SeqCst) < 3);
                        held.fetch_sub(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!((bulkhead.active(), bulkhead.waiting()), (0, 0));
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Acquire,
    Release(usize),
    Leave(usize),
    Limit(usize),
    Room(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => Just(Op::Acquire),
        5 => any::<usize>().prop_map(Op::Release),
        3 => any::<usize>().prop_map(Op::Leave),
        1 => (0..5usize).prop_map(Op::Limit),
        1 => (0..5usize).prop_map(Op::Room),
    ]
}

/// What the bulkhead should do: numbers of callers that run and that wait.
#[derive(Default)]
struct Model {
    limit: usize,
    room: usize,
    running: Vec<u32>,
    waiting: Vec<u32>,
}

impl Model {
    fn acquire(&mut self, caller: u32) -> bool {
        if self.waiting.is_empty() && self.running.len() < self.limit {
            self.running.push(caller);
        } else if self.waiting.len() < self.room {
            self.waiting.push(caller);
        } else {
            return false;
        }
        true
    }

    fn grant(&mut self) {
        while self.running.len() < self.limit && !self.waiting.is_empty() {
            let next = self.waiting.remove(0);
            self.running.push(next);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(24),
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_does_what_the_model_does(ops in vec(op(), 1..120)) {
        let bulkhead = Bulkhead::new(2, 2);
        let mut model = Model { limit: 2, room: 2, ..Model::default() };
        let mut permits: Vec<(u32, Permit)> = Vec::new();
        let mut places: Vec<(u32, Acquire)> = Vec::new();
        for (caller, op) in (0..).zip(ops) {
            match op {
                Op::Acquire => {
                    let found = bulkhead.acquire();
                    prop_assert_eq!(found.is_ok(), model.acquire(caller));
                    places.extend(found.ok().map(|acquire| (caller, acquire)));
                }
                Op::Release(which) if !permits.is_empty() => {
                    let (caller, permit) = permits.swap_remove(which % permits.len());
                    drop(permit);
                    model.running.retain(|other| *other != caller);
                    model.grant();
                }
                Op::Leave(which) if !places.is_empty() => {
                    let (caller, place) = places.swap_remove(which % places.len());
                    drop(place);
                    model.waiting.retain(|other| *other != caller);
                }
                Op::Limit(limit) => {
                    bulkhead.set_limit(limit);
                    model.limit = limit;
                    model.grant();
                }
                Op::Room(room) => {
                    bulkhead.set_room(room);
                    model.room = room;
                }
                Op::Release(_) | Op::Leave(_) => {}
            }
            let mut still = Vec::new();
            for (caller, mut place) in places {
                match poll(&mut place) {
                    Some(permit) => permits.push((caller, permit)),
                    None => still.push((caller, place)),
                }
            }
            places = still;
            let mut running: Vec<u32> = permits.iter().map(|(caller, _)| *caller).collect();
            running.sort_unstable();
            model.running.sort_unstable();
            prop_assert_eq!(&running, &model.running, "after {:?}", op);
            prop_assert_eq!(bulkhead.active(), running.len());
            prop_assert_eq!(bulkhead.waiting(), model.waiting.len());
        }
    }
}
