//! Pauses that meet on one process: who is the last to let it run again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use super::ProcessIdentity;

/// The pauses of one run. A process that several of them hold is continued by
/// the last: the end of one must not end the others.
#[derive(Debug, Clone, Default)]
pub struct Pauses(Arc<Mutex<HashMap<ProcessIdentity, Weak<Shared>>>>);

/// What the pauses of one process share.
#[derive(Debug, Default)]
struct Shared {
    /// Whoever stops or continues the process, until that is proven.
    turn: Arc<tokio::sync::Mutex<()>>,
    held: AtomicUsize,
}

/// One pause among those of its process, counted until it is let go or dropped.
#[derive(Debug)]
pub(super) struct Hold {
    shared: Arc<Shared>,
    counted: AtomicBool,
}

impl Pauses {
    pub(super) fn hold(&self, process: ProcessIdentity) -> Hold {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, shared| shared.strong_count() > 0);
        let shared = known.get(&process).and_then(Weak::upgrade);
        let shared = shared.unwrap_or_default();
        known.insert(process, Arc::downgrade(&shared));
        shared.held.fetch_add(1, Ordering::SeqCst);
        Hold {
            shared,
            counted: AtomicBool::new(true),
        }
    }
}

impl Hold {
    /// Waits until nobody else stops or continues the process. Whoever has the
    /// turn proves what it did within the deadline of its fault.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.shared.turn).lock_owned().await
    }

    /// Whether another pause holds the process, too.
    pub(super) fn is_shared(&self) -> bool {
        let own = usize::from(self.counted.load(Ordering::SeqCst));
        self.shared.held.load(Ordering::SeqCst) > own
    }

    /// Counts no longer; does nothing the second time.
    pub(super) fn let_go(&self) {
        if self.counted.swap(false, Ordering::SeqCst) {
            self.shared.held.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32) -> ProcessIdentity {
        ProcessIdentity { pid, start_time: 1 }
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_stops_or_continues_a_process() {
        let pauses = Pauses::default();
        let (first, second) = (pauses.hold(process(7)), pauses.hold(process(7)));
        let other = pauses.hold(process(8));
        let turn = first.turn().await;
        let soon = std::time::Duration::from_secs(1);
        assert!(tokio::time::timeout(soon, second.turn()).await.is_err());
        assert!(tokio::time::timeout(soon, other.turn()).await.is_ok());
        drop(turn);
        assert!(tokio::time::timeout(soon, second.turn()).await.is_ok());
    }

    #[test]
    fn a_process_is_shared_until_one_hold_is_left() {
        let pauses = Pauses::default();
        let first = pauses.hold(process(7));
        assert!(!first.is_shared());
        let second = pauses.hold(process(7));
        assert!(first.is_shared() && second.is_shared());
        first.let_go();
        first.let_go();
        assert!(first.is_shared(), "the second still holds it");
        assert!(!second.is_shared());
        drop(second);
        assert!(!first.is_shared());
        assert!(!pauses.hold(process(7)).is_shared());
    }
}
