//! Calls through a command's layers.

use std::future::Future;

use tower::{Layer, ServiceExt};

use crate::layers::{CommandLayer, Fallback, FallbackOnce, NoFallback, Work};
use crate::{Attempt, Call, CallOptions, Classify, Command, CommandError};

impl Command {
    /// Runs `work` as this command. The work receives its deadline and the number of the attempt.
    ///
    /// # Errors
    /// The work failed, took too long, or was not run: see [`CommandError`].
    pub async fn execute<T, E, W, Fut>(
        &self,
        options: impl Into<CallOptions>,
        work: W,
    ) -> Result<T, CommandError<E>>
    where
        W: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Classify,
    {
        self.run(options.into(), &work, NoFallback::default()).await
    }

    /// As [`execute`](Self::execute), with `fallback` to answer in place of the work whenever it
    /// fails, times out or is refused (but not when the request was bad).
    ///
    /// # Errors
    /// The request was bad, or the fallback failed or was refused as well.
    pub async fn execute_or<T, E, W, Fut, F, FallbackFut>(
        &self,
        options: impl Into<CallOptions>,
        work: W,
        fallback: F,
    ) -> Result<T, CommandError<E>>
    where
        W: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        F: FnOnce(&CommandError<E>) -> FallbackFut,
        FallbackFut: Future<Output = Result<T, E>>,
        E: Classify,
    {
        self.run(options.into(), &work, FallbackOnce::new(fallback))
            .await
    }

    async fn run<T, E, W, Fut, F>(
        &self,
        options: CallOptions,
        work: &W,
        fallback: F,
    ) -> Result<T, CommandError<E>>
    where
        W: Fn(Attempt) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        F: Fallback<(), E, Response = T> + Clone,
        E: Classify,
    {
        self.layer(fallback)
            .layer(Work(work))
            .oneshot(Call::new((), options))
            .await
    }

    /// All patterns of this command as one tower layer.
    pub fn layer<F>(&self, fallback: F) -> CommandLayer<F> {
        CommandLayer::new(self.clone(), fallback)
    }
}
