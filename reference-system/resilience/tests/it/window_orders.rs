//! The breaker's window under every order of two threads, for threads with a stripe of their own and
//! for those that share one.

use loom::sync::Arc;
use loom::thread;

use crate::due::Due;
use crate::sync::{AtomicU64, Ordering};
use crate::window::{Health, HealthWindow, Outcome};

const BUCKET_NS: u64 = 1_000_000;
const ERROR: Outcome = Outcome {
    ok: false,
    slow: true,
};
const OF_ONE_ERROR: Health = Health {
    total: 1,
    errors: 1,
    slow: 1,
};
/// The numbers of a thread with a stripe of its own, and of one without.
const BOTH: [usize; 2] = [0, 99];

fn window() -> HealthWindow {
    HealthWindow::new(BUCKET_NS, 2, 1)
}

fn record(window: &HealthWindow, now_ns: u64, thread_number: usize) {
    window.count(window.turn_at(now_ns), thread_number, ERROR);
}

/// Whatever becomes of the bucket meanwhile.
#[test]
fn a_call_is_counted_once() {
    for number in BOTH {
        loom::model(move || {
            let window = Arc::new(window());
            let counting = {
                let window = window.clone();
                thread::spawn(move || record(&window, 0, number))
            };
            // The bucket is complete while the other counts.
            let (seen, _) = window.health(BUCKET_NS);
            let percentages = [seen.error_percentage(), seen.slow_percentage()];
            assert!(
                percentages
                    .iter()
                    .all(|percentage| [0, 100].contains(percentage))
                    && seen.total <= 1
            );
            counting.join().expect("it counts");
            let late = window.health(BUCKET_NS).0;
            let next = window.health(2 * BUCKET_NS).0;
            let after = window.health(3 * BUCKET_NS).0;
            let (none, one) = (Health::default(), OF_ONE_ERROR);
            // The other began before the bucket was complete, or counts in the next.
            assert!(
                [(one, one, none), (none, one, one)].contains(&(late, next, after)),
                "{late:?}, {next:?}, {after:?}"
            );
        });
    }
}

/// A slot that is used again has nothing of the bucket it had before, for who reads it and for who
/// counts in it; and the calls of threads that share a stripe are all there.
#[test]
fn a_slot_has_only_what_its_turn_counts() {
    let mut loom = loom::model::Builder::new();
    // A thread is interrupted at most three times where it could go on: all orders take a minute.
    loom.preemption_bound = Some(3);
    for numbers in [[0, 1], [0, 99], [98, 99]] {
        loom.check(move || {
            let window = Arc::new(window());
            for number in numbers {
                record(&window, 0, number);
            }
            // The turn that has the first slot again.
            let again = 4 * BUCKET_NS;
            let counting = {
                let window = window.clone();
                thread::spawn(move || record(&window, again, numbers[0]))
            };
            record(&window, again, numbers[1]);
            let seen = window.health(again + BUCKET_NS).0;
            assert!((1..=2).contains(&seen.total), "{seen:?}");
            counting.join().expect("it counts");
            let all = window.health(again + 2 * BUCKET_NS).0;
            assert_eq!((all.total, all.errors, all.slow), (2, 2, 2));
        });
    }
}

/// A breaker that was opened and closed again forgets what was counted before, also by those who
/// looked at its state before it opened and count after it closed.
#[test]
fn a_call_of_an_earlier_state_is_forgotten() {
    for number in BOTH {
        loom::model(move || {
            let window = Arc::new(window());
            let epoch = Arc::new(AtomicU64::new(0));
            let counting = {
                let (window, epoch) = (window.clone(), epoch.clone());
                thread::spawn(move || {
                    let turn = window.turn_at(0);
                    if epoch.load(Ordering::Acquire) == 0 {
                        window.count(turn, number, ERROR);
                    }
                })
            };
            epoch.store(1, Ordering::Release);
            window.reset();
            epoch.store(2, Ordering::Release);
            counting.join().expect("it counts");
            assert_eq!(window.health(BUCKET_NS).0, Health::default());
        });
    }
}

/// Who judges a window without errors goes to rest; a call that fails meanwhile was seen by it, or
/// wakes the next.
#[test]
fn an_error_is_never_left_unjudged() {
    for number in BOTH {
        loom::model(move || {
            let (window, due) = (Arc::new(window()), Arc::new(Due::new()));
            let counting = {
                let (window, due) = (window.clone(), due.clone());
                thread::spawn(move || {
                    record(&window, 0, number);
                    due.at_latest(window.ends_ns());
                })
            };
            due.never();
            let (_, next_ns) = window.health(0);
            due.at_latest(next_ns);
            counting.join().expect("it counts");
            assert!(!due.is_never() && !due.is_later_than(BUCKET_NS));
        });
    }
}
