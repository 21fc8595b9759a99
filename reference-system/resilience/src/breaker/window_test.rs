//! The window by example, and against a list of all calls.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::numbered::thread_number;
use super::window::{Health, HealthWindow, Outcome};

const ERROR: Outcome = Outcome {
    ok: false,
    slow: false,
};
/// The numbers of a thread with a stripe of its own, and of one without.
const ALONE: usize = 0;
const SHARED: usize = 99;
const MS: u64 = 1_000_000;
const BUCKET_MS: u64 = 500;
const BUCKETS: u64 = 20;

fn window() -> HealthWindow {
    HealthWindow::new(BUCKET_MS * MS, BUCKETS, 4)
}

fn record(window: &HealthWindow, at_ms: u64, ok: bool) {
    count(window, at_ms, ok, thread_number());
}

fn count(window: &HealthWindow, at_ms: u64, ok: bool, thread_number: usize) {
    let turn = window.turn_at(at_ms * MS);
    window.count(turn, thread_number, Outcome { ok, slow: false });
}

fn health(window: &HealthWindow, at_ms: u64) -> Health {
    window.health(at_ms * MS).0
}

#[test]
fn a_bucket_counts_only_once_it_is_complete() {
    let window = window();
    record(&window, 0, false);
    record(&window, 499, true);
    assert_eq!(health(&window, 499), Health::default());
    let both = Health {
        total: 2,
        errors: 1,
        ..Health::default()
    };
    assert_eq!(window.health(500 * MS), (both, 1000 * MS));
}

#[test]
fn a_call_leaves_after_twenty_completed_buckets() {
    let window = window();
    record(&window, 100, false);
    assert_eq!(health(&window, 10_499).total, 1);
    assert_eq!(health(&window, 10_500).total, 0);
}

#[test]
fn a_long_silence_empties_the_window() {
    let window = window();
    record(&window, 0, false);
    assert_eq!(health(&window, 3_600_000), Health::default());
    record(&window, 0, true);
    assert_eq!(health(&window, 3_600_500).total, 1);
}

#[test]
fn a_call_that_was_being_counted_is_forgotten_too() {
    let window = window();
    for (nth, thread_number) in [ALONE, SHARED].into_iter().enumerate() {
        let turn = window.turn_at(0);
        window.reset();
        window.count(turn, thread_number, ERROR);
        count(&window, 1, true, thread_number);
        let one = Health {
            total: 1,
            errors: 0,
            ..Health::default()
        };
        let next = BUCKET_MS * (nth as u64 + 1);
        assert_eq!(health(&window, next), one);
    }
}

/// Here too, where a slot is in use for the second time.
#[test]
fn a_call_counted_a_whole_window_late_by_a_thread_of_its_own_stripe_is_none() {
    let window = window();
    let turn = window.turn_at(0);
    count(&window, 40_000, true, ALONE + 1);
    window.count(turn, ALONE, ERROR);
    assert_eq!(health(&window, 40_500).errors, 0);
    assert_eq!(health(&window, 40_500).total, 1);
}

/// Who judges the window has nothing to do until a call fails or is slow.
#[test]
fn a_window_without_errors_says_nothing_new() {
    let window = window();
    record(&window, 0, true);
    assert_eq!(window.health(0).1, u64::MAX);
    assert_eq!(window.health(500 * MS).1, u64::MAX);
    record(&window, 600, false);
    assert_eq!(
        window.health(600 * MS).1,
        1000 * MS,
        "in the bucket being filled"
    );
    assert_eq!(
        window.health(10_999 * MS).1,
        11_000 * MS,
        "in the last bucket"
    );
    assert_eq!(window.health(11_000 * MS).1, u64::MAX);
    let (turn, slow) = (
        window.turn_at(11_000 * MS),
        Outcome {
            ok: true,
            slow: true,
        },
    );
    window.count(turn, ALONE, slow);
    assert_eq!(window.health(11_000 * MS).1, 11_500 * MS);
}

#[test]
fn every_thread_is_counted() {
    const EACH: u64 = 10_000;
    let window = window();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let window = &window;
            scope.spawn(move || (0..EACH).for_each(|at| record(window, at, thread % 2 == 0)));
        }
    });
    // Counts of a thread that is late are in a later bucket, never lost.
    let all = Health {
        total: 8 * EACH,
        errors: 4 * EACH,
        ..Health::default()
    };
    assert_eq!(health(&window, EACH), all);
}

#[test]
fn percentages_are_cut_off() {
    let of = |errors, total| {
        Health {
            total,
            errors,
            slow: 0,
        }
        .error_percentage()
    };
    assert_eq!(
        [of(99, 200), of(0, 0), of(3, 3), of(u64::MAX, u64::MAX)],
        [49, 0, 100, 100]
    );
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Record(bool, usize),
    Wait(u64),
    Reset,
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(22),
        ..ProptestConfig::default()
    })]

    /// Against a list of all calls.
    #[test]
    fn it_counts_what_a_list_counts(
        buckets in 1..40u64,
        steps in vec(prop_oneof![
            8 => (any::<bool>(), 0..6usize).prop_map(|(ok, thread)| Step::Record(ok, thread)),
            6 => prop_oneof![0..1500u64, Just(100_000)].prop_map(Step::Wait),
            1 => Just(Step::Reset),
        ], 1..200),
    ) {
        let window = HealthWindow::new(BUCKET_MS * MS, buckets, 2);
        let (mut now_ms, mut calls) = (0, Vec::new());
        for step in steps {
            match step {
                Step::Record(ok, thread) => {
                    count(&window, now_ms, ok, thread);
                    calls.push((now_ms / BUCKET_MS, ok));
                }
                Step::Wait(ms) => now_ms += ms,
                Step::Reset => {
                    window.reset();
                    calls.clear();
                }
            }
            let current = now_ms / BUCKET_MS;
            let seen = calls.iter().filter(|(bucket, _)| {
                *bucket < current && bucket + buckets >= current
            });
            let expected = seen.fold(Health::default(), |sum, (_, ok)| Health {
                total: sum.total + 1,
                errors: sum.errors + u64::from(!ok),
                ..Health::default()
            });
            prop_assert_eq!(health(&window, now_ms), expected, "at {} ms", now_ms);
        }
    }
}
