//! Work that blocks, as the innermost service: bulkhead, timeout and threads in one.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

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
        let patience = command.fix_deadline(&mut call.options);
        Box::pin(async move {
            let answer = async {
                let permit = permit.await;
                let attempt = call.attempt();
                let running = command.threads().run(permit, move || work(attempt));
                running?.end().await
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
