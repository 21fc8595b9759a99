//! Answers that are kept and may be told when stale, as a layer between fallback and recorder.

use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::{Layer, Service, ServiceExt};

use crate::stale_cache::{Served, StaleCache};
use crate::{Call, CommandError};

/// Keeps the answers of calls by key: see [`StaleCache`].
///
/// It belongs outside recorder and breaker, so that an answer that is kept costs no permit, is no
/// verdict on the dependency, and stands in while the breaker is open; and inside the fallback,
/// whose answers it must not keep. It is always ready; the inner service is made ready in the
/// execution.
#[derive(Debug, Clone)]
pub struct StaleCacheLayer<K, T, E, Q> {
    cache: StaleCache<K, T, E>,
    key: Q,
}

impl<K, T, E, Q> StaleCacheLayer<K, T, E, Q> {
    /// A layer that asks `key`, a `Fn(&Call<R>) -> Option<K>`, what a call asks; the answer to a
    /// call without a key is not kept.
    pub fn new(cache: StaleCache<K, T, E>, key: Q) -> Self {
        Self { cache, key }
    }
}

impl<S, K, T, E, Q: Clone> Layer<S> for StaleCacheLayer<K, T, E, Q> {
    type Service = StaleCached<S, K, T, E, Q>;

    fn layer(&self, inner: S) -> Self::Service {
        StaleCached {
            cache: self.cache.clone(),
            key: self.key.clone(),
            inner,
        }
    }
}

/// A service whose answers are kept.
#[derive(Debug, Clone)]
pub struct StaleCached<S, K, T, E, Q> {
    cache: StaleCache<K, T, E>,
    key: Q,
    inner: S,
}

impl<S, R, K, T, E, Q> Service<Call<R>> for StaleCached<S, K, T, E, Q>
where
    S: Service<Call<R>, Response = T, Error = CommandError<E>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    Q: Fn(&Call<R>) -> Option<K>,
    R: Send + 'static,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    type Response = Served<T>;
    type Error = CommandError<E>;
    type Future = Pin<Box<dyn Future<Output = Result<Served<T>, CommandError<E>>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<R>) -> Self::Future {
        let (inner, cache) = (self.inner.clone(), self.cache.clone());
        let Some(key) = (self.key)(&call) else {
            return Box::pin(async move { inner.oneshot(call).await.map(Served::executed) });
        };
        Box::pin(async move {
            let fill = |options| inner.oneshot(Call { options, ..call });
            cache.answer(key, call.options, fill).await
        })
    }
}
