//! Calls through a command's layers whose executions are shared or whose answers are kept.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use tower::{Layer, ServiceExt, service_fn};

use crate::layers::{Fallback, FallbackOnce, NoFallback};
use crate::single_flight::{Outcome, SingleFlight};
use crate::stale_cache::{Served, StaleCache};
use crate::{Attempt, Call, CallOptions, Classify, CommandError};

/// Through all layers of the command, in the order of [`CommandLayer::single_flight`].
///
/// [`CommandLayer::single_flight`]: crate::CommandLayer::single_flight
impl<K, T, E> SingleFlight<K, T, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + 'static,
    E: Classify + Clone + Send + 'static,
{
    /// As [`Command::execute`], once for all calls of `key` at a time.
    ///
    /// # Errors
    /// As [`Command::execute`]; too many calls wait, or the work panicked.
    pub async fn execute<W, Fut>(
        &self,
        key: K,
        options: impl Into<CallOptions>,
        work: W,
    ) -> Outcome<T, E>
    where
        W: Fn(Attempt) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.through(NoFallback::default(), key, options.into(), work)
            .await
    }

    /// As [`Command::execute_or`]. Each call has a fallback of its own.
    ///
    /// # Errors
    /// As [`Command::execute_or`].
    pub async fn execute_or<W, Fut, F, FallbackFut>(
        &self,
        key: K,
        options: impl Into<CallOptions>,
        work: W,
        fallback: F,
    ) -> Outcome<T, E>
    where
        W: Fn(Attempt) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        F: FnOnce(&CommandError<E>) -> FallbackFut,
        FallbackFut: Future<Output = Result<T, E>>,
    {
        self.through(FallbackOnce::new(fallback), key, options.into(), work)
            .await
    }

    async fn through<W, Fut, F>(
        &self,
        fallback: F,
        key: K,
        options: CallOptions,
        work: W,
    ) -> Outcome<T, E>
    where
        W: Fn(Attempt) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        F: Fallback<(), E, Response = T> + Clone,
    {
        let work = Arc::new(work);
        let layers = self.command().layer(fallback);
        layers
            .single_flight(self.clone(), move |_: &Call<()>| Some(key.clone()))
            .layer(service_fn(move |call: Call<()>| work(call.attempt())))
            .oneshot(Call::new((), options))
            .await
    }
}

/// Through all layers of the command, in the order of [`CommandLayer::stale_cache`].
///
/// [`CommandLayer::stale_cache`]: crate::CommandLayer::stale_cache
impl<K, T, E> StaleCache<K, T, E>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + 'static,
    E: Classify + Clone + Send + 'static,
{
    /// As [`Command::execute`], unless the answer to `key` is kept.
    ///
    /// # Errors
    /// As [`Command::execute`], where nothing that is kept may stand in.
    pub async fn execute<W, Fut>(
        &self,
        key: K,
        options: impl Into<CallOptions>,
        work: W,
    ) -> Result<Served<T>, CommandError<E>>
    where
        W: Fn(Attempt) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.through(NoFallback::default(), key, options.into(), work)
            .await
    }

    /// As [`Command::execute_or`], unless the answer to `key` is kept. What the fallback gives is
    /// not.
    ///
    /// # Errors
    /// As [`Command::execute_or`], where nothing that is kept may stand in.
    pub async fn execute_or<W, Fut, F, FallbackFut>(
        &self,
        key: K,
        options: impl Into<CallOptions>,
        work: W,
        fallback: F,
    ) -> Result<Served<T>, CommandError<E>>
    where
        W: Fn(Attempt) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        F: FnOnce(&CommandError<E>) -> FallbackFut,
        FallbackFut: Future<Output = Result<T, E>>,
    {
        let marked = |error: &CommandError<E>| {
            let value = fallback(error);
            async move { value.await.map(Served::by_fallback) }
        };
        self.through(FallbackOnce::new(marked), key, options.into(), work)
            .await
    }

    async fn through<W, Fut, F>(
        &self,
        fallback: F,
        key: K,
        options: CallOptions,
        work: W,
    ) -> Result<Served<T>, CommandError<E>>
    where
        W: Fn(Attempt) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        F: Fallback<(), E, Response = Served<T>> + Clone,
    {
        let work = Arc::new(work);
        let layers = self.command().layer(fallback);
        layers
            .stale_cache(self.clone(), move |_: &Call<()>| Some(key.clone()))
            .layer(service_fn(move |call: Call<()>| work(call.attempt())))
            .oneshot(Call::new((), options))
            .await
    }
}
