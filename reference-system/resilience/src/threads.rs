//! Threads of a command's own, for work that blocks (Hystrix's THREAD isolation).
//!
//! Work that hangs holds its thread, and so a permit, until it ends, whether or not somebody waits
//! for it any more: a dependency that hangs costs its own threads and nobody else's.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use crate::bulkhead::{Bulkhead, Permit};

type Job = Box<dyn FnOnce() + Send>;

/// Threads that are begun when they are first needed, as many as there are permits, and end with
/// the command.
#[derive(Debug)]
pub(crate) struct Threads {
    name: Arc<str>,
    bulkhead: Bulkhead,
    /// Never more jobs than permits, and so no more than threads.
    jobs: Mutex<Jobs>,
}

#[derive(Debug)]
struct Jobs {
    sender: Sender<Job>,
    receiver: Arc<Mutex<Receiver<Job>>>,
    begun: usize,
}

impl Threads {
    pub(crate) fn new(name: Arc<str>, limit: usize, room: usize) -> Self {
        let (sender, receiver) = channel();
        Self {
            name,
            bulkhead: Bulkhead::new(limit, room),
            jobs: Mutex::new(Jobs {
                sender,
                receiver: Arc::new(Mutex::new(receiver)),
                begun: 0,
            }),
        }
    }

    pub(crate) fn bulkhead(&self) -> &Bulkhead {
        &self.bulkhead
    }

    /// How many threads have been begun.
    pub(crate) fn begun(&self) -> usize {
        lock(&self.jobs).begun
    }

    /// Begins work that holds `permit` until it ends. `None` if the machine has no thread for it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        permit: Permit,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<Running<T>> {
        let (answer, running) = oneshot::channel();
        let job = move || {
            let result = catch_unwind(AssertUnwindSafe(work));
            // Before the answer: who has it may call again.
            drop(permit);
            // Who asked may have gone.
            let _ = answer.send(result);
        };
        let mut jobs = lock(&self.jobs);
        if jobs.begun < self.bulkhead.active() {
            let nth = jobs.begun;
            let receiver = jobs.receiver.clone();
            let thread = thread::Builder::new().name(format!("{}-{nth}", self.name));
            jobs.begun += usize::from(thread.spawn(move || work_off(&receiver)).is_ok());
        }
        if jobs.begun == 0 {
            return None;
        }
        jobs.sender.send(Box::new(job)).ok()?;
        Some(Running(running))
    }
}

/// Until the command is gone.
fn work_off(receiver: &Mutex<Receiver<Job>>) {
    loop {
        let job = lock(receiver).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

/// Work on a thread. Dropping this does not end it.
pub(crate) struct Running<T>(oneshot::Receiver<thread::Result<T>>);

impl<T> Running<T> {
    /// What it gives, or its panic, which is the caller's.
    pub(crate) async fn end(self) -> Option<thread::Result<T>> {
        self.0.await.ok()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
