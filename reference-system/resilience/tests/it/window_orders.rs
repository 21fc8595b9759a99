//! The breaker's window under every order of two threads.

use loom::sync::Arc;
use loom::thread;

use crate::sync::{AtomicU64, Ordering};
use crate::window::{Health, HealthWindow, Outcome};

const BUCKET_NS: u64 = 1_000_000;
const ERROR: Outcome = Outcome {
    ok: false,
    slow: true,
};

fn window() -> HealthWindow {
    HealthWindow::new(BUCKET_NS, 2, 1)
}

/// Whatever becomes of the bucket meanwhile.
#[test]
fn a_call_is_counted_once() {
    loom::model(|| {
        let window = Arc::new(window());
        let counting = {
            let window = window.clone();
            thread::spawn(move || window.record(0, ERROR, || true))
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
        let (none, one) = (
            Health::default(),
            Health {
                total: 1,
                errors: 1,
                slow: 1,
            },
        );
        // The other began before the bucket was complete, or counts in the next.
        assert!(
            [(one, one, none), (none, one, one)].contains(&(late, next, after)),
            "{late:?}, {next:?}, {after:?}"
        );
    });
}

/// A breaker that was opened and closed again forgets what was counted before, also by those who
/// looked at its state before it opened and count after it closed.
#[test]
fn a_call_of_an_earlier_state_is_forgotten() {
    loom::model(|| {
        let window = Arc::new(window());
        let epoch = Arc::new(AtomicU64::new(0));
        let counting = {
            let (window, epoch) = (window.clone(), epoch.clone());
            thread::spawn(move || {
                window.record(0, ERROR, || epoch.load(Ordering::Acquire) == 0);
            })
        };
        epoch.store(1, Ordering::Release);
        window.reset();
        epoch.store(2, Ordering::Release);
        counting.join().expect("it counts");
        assert_eq!(window.health(BUCKET_NS).0, Health::default());
    });
}
