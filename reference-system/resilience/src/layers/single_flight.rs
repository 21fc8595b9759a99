//! One execution for all calls of a key at a time, as a layer between fallback and recorder.

use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::{Layer, Service, ServiceExt};

use crate::single_flight::SingleFlight;
use crate::{Call, CommandError};

/// Has calls of one key share an execution: see [`SingleFlight`].
///
/// It belongs outside recorder and breaker, so that an execution counts once, and inside the
/// fallback, which each call has for itself. It is always ready, for a call that shares needs
/// nothing; the inner service is made ready in the execution.
#[derive(Debug, Clone)]
pub struct SingleFlightLayer<K, T, E, Q> {
    flights: SingleFlight<K, T, E>,
    key: Q,
}

impl<K, T, E, Q> SingleFlightLayer<K, T, E, Q> {
    /// A layer that asks `key`, a `Fn(&Call<R>) -> Option<K>`, what a call asks; a call without a
    /// key shares nothing.
    pub fn new(flights: SingleFlight<K, T, E>, key: Q) -> Self {
        Self { flights, key }
    }
}

impl<S, K, T, E, Q: Clone> Layer<S> for SingleFlightLayer<K, T, E, Q> {
    type Service = Coalesced<S, K, T, E, Q>;

    fn layer(&self, inner: S) -> Self::Service {
        Coalesced {
            flights: self.flights.clone(),
            key: self.key.clone(),
            inner,
        }
    }
}

/// A service whose calls share executions.
#[derive(Debug, Clone)]
pub struct Coalesced<S, K, T, E, Q> {
    flights: SingleFlight<K, T, E>,
    key: Q,
    inner: S,
}

impl<S, R, K, T, E, Q> Service<Call<R>> for Coalesced<S, K, T, E, Q>
where
    S: Service<Call<R>, Response = T, Error = CommandError<E>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    Q: Fn(&Call<R>) -> Option<K>,
    R: Send + 'static,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    type Response = T;
    type Error = CommandError<E>;
    type Future = Pin<Box<dyn Future<Output = Result<T, CommandError<E>>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<R>) -> Self::Future {
        let (inner, flights) = (self.inner.clone(), self.flights.clone());
        let Some(key) = (self.key)(&call) else {
            return Box::pin(inner.oneshot(call));
        };
        Box::pin(async move {
            let fill = |options, _| inner.oneshot(Call { options, ..call });
            flights.run(key, call.options, fill).await
        })
    }
}
