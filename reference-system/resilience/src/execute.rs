//! Calls through a command's layers.

use std::future::Future;

use tower::{Layer, ServiceExt};

use crate::layers::{
    CircuitBreakerLayer, CommandLayer, Fallback, FallbackLayer, FallbackOnce, NoFallback,
    OnThreads, RecorderLayer, Work,
};
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

    /// Runs `work` that blocks as this command, on a thread of the command's own (Hystrix's THREAD
    /// isolation; the settings `thread_pool_*`). There is no second attempt. When the time is up
    /// the caller goes on, but the work does not end: it keeps its thread until it does, so that a
    /// dependency that hangs costs no more threads than these.
    ///
    /// # Errors
    /// The work failed, took too long, or was not run: see [`CommandError`].
    ///
    /// # Panics
    /// If the work does.
    pub async fn execute_blocking<T, E, W>(
        &self,
        options: impl Into<CallOptions>,
        work: W,
    ) -> Result<T, CommandError<E>>
    where
        W: FnOnce(Attempt) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Classify + Send + 'static,
    {
        self.run_blocking(options.into(), work, NoFallback::default())
            .await
    }

    /// As [`execute_blocking`](Self::execute_blocking), with `fallback` to answer in place of the
    /// work whenever it fails, takes too long or is refused.
    ///
    /// # Errors
    /// The request was bad, or the fallback failed or was refused as well.
    ///
    /// # Panics
    /// If the work does.
    pub async fn execute_blocking_or<T, E, W, F, FallbackFut>(
        &self,
        options: impl Into<CallOptions>,
        work: W,
        fallback: F,
    ) -> Result<T, CommandError<E>>
    where
        W: FnOnce(Attempt) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Classify + Send + 'static,
        F: FnOnce(&CommandError<E>) -> FallbackFut,
        FallbackFut: Future<Output = Result<T, E>>,
    {
        self.run_blocking(options.into(), work, FallbackOnce::new(fallback))
            .await
    }

    async fn run_blocking<T, E, W, F>(
        &self,
        options: CallOptions,
        work: W,
        fallback: F,
    ) -> Result<T, CommandError<E>>
    where
        W: FnOnce(Attempt) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Classify + Send + 'static,
        F: Fallback<(), E, Response = T> + Clone,
    {
        let broken =
            CircuitBreakerLayer::new(self.clone()).layer(OnThreads::new(self.clone(), work));
        let recorded = RecorderLayer::new(self.clone()).layer(broken);
        FallbackLayer::new(self.clone(), fallback)
            .layer(recorded)
            .oneshot(Call::new((), options))
            .await
    }

    pub(crate) async fn run<T, E, W, Fut, F>(
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
