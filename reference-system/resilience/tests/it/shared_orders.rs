//! An execution that callers share, under every order of those who poll it, leave it and wake it:
//! whoever waits has its answer, though the others are never polled again.

#![expect(
    clippy::expect_used,
    reason = "helpers of tests fail the test they help"
)]

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::{Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use crate::shared::Shared;

/// What the execution waits for.
#[derive(Default)]
struct Door(Mutex<(bool, Option<Waker>)>);

impl Door {
    fn open(&self) {
        let waker = {
            let mut door = self.0.lock().expect("nobody panics");
            door.0 = true;
            door.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<u32> {
        let mut door = self.0.lock().expect("nobody panics");
        door.1 = Some(cx.waker().clone());
        if door.0 {
            Poll::Ready(7)
        } else {
            Poll::Pending
        }
    }
}

/// Sleeps until it is woken; loom says so where nobody does.
#[derive(Default)]
struct Sleeper {
    woken: Mutex<bool>,
    bell: Condvar,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().expect("nobody panics") = true;
        self.bell.notify_one();
    }
}

fn wait_for(shared: &Shared<u32>) -> u32 {
    let sleeper = Arc::new(Sleeper::default());
    let waker = Waker::from(sleeper.clone());
    let ticket = shared.ticket();
    loop {
        if let Poll::Ready(answer) = shared.poll(ticket, &Context::from_waker(&waker)) {
            return answer;
        }
        let mut woken = sleeper.woken.lock().expect("nobody panics");
        while !*woken {
            woken = sleeper.bell.wait(woken).expect("nobody panics");
        }
        *woken = false;
    }
}

fn poll_once(shared: &Shared<u32>, ticket: u64) {
    let _ = shared.poll(ticket, &Context::from_waker(Waker::noop()));
}

/// An execution that has begun, and one who opens its door at some time.
fn begun() -> (Arc<Shared<u32>>, JoinHandle<()>) {
    let door = Arc::new(Door::default());
    let shared = Arc::new(Shared::new());
    let waiting = door.clone();
    shared.begin(Box::pin(poll_fn(move |cx| waiting.poll(cx))));
    (shared, thread::spawn(move || door.open()))
}

fn every_order(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

#[test]
fn one_who_is_polled_once_and_never_again_holds_nobody_up() {
    every_order(|| {
        let (shared, opening) = begun();
        let other = shared.clone();
        let polling = thread::spawn(move || poll_once(&other, other.ticket()));
        assert_eq!(wait_for(&shared), 7);
        polling.join().expect("it polls");
        opening.join().expect("it opens");
    });
}

#[test]
fn one_who_leaves_takes_no_wake_along() {
    every_order(|| {
        let (shared, opening) = begun();
        let other = shared.clone();
        let leaving = thread::spawn(move || {
            let ticket = other.ticket();
            poll_once(&other, ticket);
            other.give_up(ticket);
        });
        assert_eq!(wait_for(&shared), 7);
        leaving.join().expect("it leaves");
        opening.join().expect("it opens");
    });
}

#[test]
fn who_comes_before_it_begins_is_told_when_it_does() {
    every_order(|| {
        let shared = Arc::new(Shared::new());
        let other = shared.clone();
        let beginning = thread::spawn(move || other.begin(Box::pin(std::future::ready(7))));
        assert_eq!(wait_for(&shared), 7);
        assert!(!shared.is_broken());
        beginning.join().expect("it begins");
    });
}
