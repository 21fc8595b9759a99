//! Calls of a command whose answers are remembered for one request.

use std::future::Future;

use crate::layers::{Entered, Fallback, FallbackOnce, NoFallback, enter};
use crate::{Attempt, CallOptions, Classify, Command, CommandError, RequestContext};

/// A command as one request asks it one question; made by [`Command::cached`].
#[derive(Debug, Clone, Copy)]
pub struct Cached<'a> {
    command: &'a Command,
    context: &'a RequestContext,
    key: &'a str,
}

impl Command {
    /// Calls that are run once per `context` and `key`, and answer everybody who asks alike: see
    /// [`RequestCacheLayer`](crate::layers::RequestCacheLayer). Use [`RequestContext::clear`] after
    /// a change. With `request_cache_enabled` off, every call runs.
    pub fn cached<'a>(&'a self, context: &'a RequestContext, key: &'a str) -> Cached<'a> {
        Cached {
            command: self,
            context,
            key,
        }
    }
}

impl Cached<'_> {
    /// As [`Command::execute`]. The work may outlive this call, in the hands of another that asks
    /// the same.
    ///
    /// # Errors
    /// As [`Command::execute`]; errors are remembered too. A caller whose deadline is sooner than
    /// that of the first may time out alone.
    pub async fn execute<T, E, W, Fut>(
        self,
        options: impl Into<CallOptions>,
        work: W,
    ) -> Result<T, CommandError<E>>
    where
        W: Fn(Attempt) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Clone + Send + 'static,
        E: Classify + Clone + Send + 'static,
    {
        self.run(options.into(), work, NoFallback::default()).await
    }

    /// As [`Command::execute_or`]: an answer of the fallback is remembered like any other.
    ///
    /// # Errors
    /// As [`Command::execute_or`]; errors are remembered too.
    pub async fn execute_or<T, E, W, Fut, F, FallbackFut>(
        self,
        options: impl Into<CallOptions>,
        work: W,
        fallback: F,
    ) -> Result<T, CommandError<E>>
    where
        W: Fn(Attempt) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        F: FnOnce(&CommandError<E>) -> FallbackFut + Send + 'static,
        FallbackFut: Future<Output = Result<T, E>> + Send + 'static,
        T: Clone + Send + 'static,
        E: Classify + Clone + Send + 'static,
    {
        self.run(options.into(), work, FallbackOnce::new(fallback))
            .await
    }

    async fn run<T, E, W, Fut, F>(
        self,
        options: CallOptions,
        work: W,
        fallback: F,
    ) -> Result<T, CommandError<E>>
    where
        W: Fn(Attempt) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        F: Fallback<(), E, Response = T> + Clone + Send + 'static,
        F::Future: Send,
        T: Clone + Send + 'static,
        E: Classify + Clone + Send + 'static,
    {
        let answer = match enter(self.command, self.context, self.key, options) {
            Entered::Alone => return self.command.run(options, &work, fallback).await,
            Entered::Other(answer) => answer,
            Entered::First(beginning) => {
                let command = self.command.clone();
                beginning.begin(Box::pin(async move {
                    command.run(options, &work, fallback).await
                }))
            }
        };
        answer.await
    }
}
