//! Small numbers for the threads of a process.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of a thread that has not asked yet.
const UNKNOWN: usize = usize::MAX;
/// Of a thread that is ending, whose number may be another's already.
const NONE: usize = usize::MAX - 1;

thread_local! {
    // Of a type that needs no end, so that it can be read without a look at whether it had one.
    static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
    static HELD: Held = Held::take();
}

/// The number of this thread: the least that no other living thread has, from 0. Of a thread that is
/// ending it is one beyond all others.
#[inline]
pub(super) fn thread_number() -> usize {
    match NUMBER.get() {
        UNKNOWN => first_asked(),
        number => number,
    }
}

#[cold]
fn first_asked() -> usize {
    let number = HELD.try_with(|held| held.0).unwrap_or(NONE);
    NUMBER.set(number);
    number
}

struct Numbers {
    next: usize,
    given_back: BTreeSet<usize>,
}

static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers {
    next: 0,
    given_back: BTreeSet::new(),
});

/// A number until the thread ends. Its next thread sees all that this one did: both took the lock.
struct Held(usize);

impl Held {
    fn take() -> Self {
        let mut numbers = lock();
        Self(numbers.given_back.pop_first().unwrap_or_else(|| {
            numbers.next += 1;
            numbers.next - 1
        }))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        NUMBER.set(NONE);
        lock().given_back.insert(self.0);
    }
}

fn lock() -> MutexGuard<'static, Numbers> {
    NUMBERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn threads_that_live_at_once_have_numbers_of_their_own() {
        let all_asked = Barrier::new(8);
        let numbers: Vec<usize> = std::thread::scope(|scope| {
            let ask = || {
                let number = thread_number();
                all_asked.wait();
                assert_eq!(number, thread_number());
                number
            };
            let asked: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            asked
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 8);
    }

    /// Asks once more when the number has been given back.
    struct AsksAtItsEnd(std::sync::mpsc::Sender<usize>);

    impl Drop for AsksAtItsEnd {
        fn drop(&mut self) {
            self.0.send(thread_number()).unwrap();
        }
    }

    #[test]
    fn a_thread_that_ends_has_no_number_of_its_own_any_more() {
        thread_local! {
            static ASKS: Cell<Option<AsksAtItsEnd>> = const { Cell::new(None) };
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            // Ends after what is begun later.
            ASKS.set(Some(AsksAtItsEnd(sender)));
            thread_number()
        });
        assert!(thread.join().unwrap() < NONE);
        let at_its_end = receiver.recv().unwrap();
        assert!(
            at_its_end == NONE || cfg!(not(target_os = "linux")),
            "{at_its_end}"
        );
    }
}
