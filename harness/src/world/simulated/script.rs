//! What a simulated world answers, and what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// What the engine may ask of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Call {
    OpenUndo,
    StartGuardian,
    StartSystem,
    EndGuardian,
    Hurry,
    StartLoad,
    JoinLoad,
    Inject,
    Verify,
    LookWhoServes,
    Remove,
    /// A killed process, where its removal waits for it.
    ServeAgain,
    LastReadings,
    StopSystem,
    CloseUndo,
}

/// How it answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// Well, after so many milliseconds.
    After(u64),
    /// With an error, after so many milliseconds.
    Fails(u64, &'static str),
    Never,
}

/// What the world does when it is asked, and a book of what it was asked.
#[derive(Debug)]
pub(crate) struct Script {
    start: Instant,
    answers: Mutex<BTreeMap<Call, VecDeque<Answer>>>,
    book: Mutex<Vec<(Duration, Call)>>,
    begun: watch::Sender<BTreeMap<Call, u32>>,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            answers: Mutex::default(),
            book: Mutex::default(),
            begun: watch::Sender::default(),
        }
    }

    /// Answers a call by these from now on, one after the other; the last one
    /// again and again.
    pub(crate) fn on(&self, call: Call, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.answers).insert(call, answers.into_iter().collect());
    }

    /// Answers a call, after it was entered in the book.
    pub(super) async fn answer(&self, call: Call) -> Result<(), String> {
        match self.enter(call) {
            Answer::After(millis) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                Ok(())
            }
            Answer::Fails(millis, why) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                Err(why.to_owned())
            }
            Answer::Never => std::future::pending().await,
        }
    }

    /// Enters a call in the book; how it is to be answered.
    pub(super) fn enter(&self, call: Call) -> Answer {
        lock(&self.book).push((self.start.elapsed(), call));
        self.begun
            .send_modify(|begun| *begun.entry(call).or_default() += 1);
        let mut answers = lock(&self.answers);
        let Some(queue) = answers.get_mut(&call) else {
            return usual(call);
        };
        let first = queue.front().copied().unwrap_or_else(|| usual(call));
        if queue.len() > 1 {
            queue.pop_front();
        }
        first
    }

    /// Returns once a call has been made.
    pub(crate) async fn begun(&self, call: Call) {
        let mut begun = self.begun.subscribe();
        let _ = begun.wait_for(|begun| begun.contains_key(&call)).await;
    }

    /// How often a call was made.
    pub(crate) fn count(&self, call: Call) -> usize {
        lock(&self.book).iter().filter(|(_, c)| *c == call).count()
    }

    /// All calls in their order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.book).iter().map(|(_, call)| *call).collect()
    }
}

/// Long enough for something to happen meanwhile, each of its own length.
const fn usual(call: Call) -> Answer {
    Answer::After(match call {
        Call::OpenUndo | Call::CloseUndo | Call::Hurry | Call::JoinLoad => 0,
        Call::StartGuardian => 50,
        Call::StartSystem => 530,
        Call::StartLoad => 210,
        Call::LookWhoServes => 110,
        Call::Inject => 310,
        Call::Verify => 230,
        Call::Remove => 410,
        Call::ServeAgain => 1_100,
        Call::LastReadings => 10,
        Call::StopSystem | Call::EndGuardian => 270,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
