//! Work that blocks, as the innermost service: bulkhead, timeout and threads in one.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::runtime::Handle;
use tower::Service;

use crate::{Attempt, Call, Classification, Classify, Command, CommandError};

/// A service that runs a function once, on a thread of the command's own.
#[derive(Debug)]
pub(crate) struct OnThreads<W> {
    command: Command,
    work: Option<W>,
}

impl<W> OnThreads<W> {
    pub(crate) fn new(command: Command, work: W) -> Self {
        Self {
            command,
            work: Some(work),
        }
    }
}

impl<W, T, E> Service<Call<()>> for OnThreads<W>
where
    W: FnOnce(Attempt) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Classify + Send + 'static,
{
    type Response = T;
    type Error = CommandError<E>;
    type Future = Pin<Box<dyn Future<Output = Result<T, CommandError<E>>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.work {
            Some(_) => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }

    fn call(&mut self, mut call: Call<()>) -> Self::Future {
        let command = self.command.clone();
        let threads = command.threads().bulkhead();
        let rejected = || CommandError::ThreadPoolRejected {
            threads: threads.limit(),
            waiting: threads.waiting(),
        };
        let (Some(work), Ok(permit)) = (self.work.take(), threads.acquire()) else {
            return Box::pin(std::future::ready(Err(rejected())));
        };
        let rejected = rejected();
        let began = command.now();
        let patience = command.fix_deadline(&mut call.options);
        Box::pin(async move {
            let answer = async {
                let permit = permit.await;
                let attempt = call.attempt();
                let ends = Arc::new(Ends::of(command.clone(), began));
                let of_work = Leaves(Some(ends.clone()));
                let running = command.threads().run(permit, move || {
                    let _of_work = of_work;
                    work(attempt)
                })?;
                let of_caller = Leaves(Some(ends));
                let answer = running.end().await;
                of_caller.has_its_answer();
                answer.map(|result| result.unwrap_or_else(|panic| resume_unwind(panic)))
            };
            match tokio::time::timeout(patience, answer).await {
                Err(_) => Err(CommandError::Timeout { after: patience }),
                Ok(None) => Err(rejected),
                Ok(Some(result)) => result.map_err(|error| match error.classify() {
                    Classification::BadRequest => CommandError::BadRequest(error),
                    Classification::Failure | Classification::Retryable => {
                        CommandError::Failure(error)
                    }
                }),
            }
        })
    }
}

/// The ends of a call on a thread: of the work, and of the wait for it.
struct Ends {
    command: Command,
    began: Instant,
    /// Whether one of them has come.
    one_came: AtomicBool,
    /// Whose time the clock of the command may be.
    runtime: Handle,
}

impl Ends {
    fn of(command: Command, began: Instant) -> Self {
        Self {
            command,
            began,
            one_came: AtomicBool::new(false),
            runtime: Handle::current(),
        }
    }
}

/// Leaves when it is dropped. Where the wait ends without the answer, the later of the two, which
/// is the work but for a moment, tells how long the work took.
struct Leaves(Option<Arc<Ends>>);

impl Leaves {
    /// The work ended in time.
    fn has_its_answer(mut self) {
        self.0 = None;
    }
}

impl Drop for Leaves {
    fn drop(&mut self) {
        if let Some(ends) = &self.0
            && ends.one_came.swap(true, Ordering::AcqRel)
        {
            let _within = ends.runtime.enter();
            ends.command.record_late(ends.began);
        }
    }
}
