//! The patterns as tower layers, and the one order they are stacked in.

mod balance;
mod breaker;
mod bulkhead;
mod classify;
mod fallback;
mod hedge;
mod on_threads;
mod recorder;
mod request_cache;
mod retry;
mod single_flight;
mod stale_cache;
mod timeout;
mod work;

#[cfg(test)]
mod contract_test;

use tower::Layer;
use tower::layer::util::Identity;

pub use self::balance::{Balance, BalanceError, BalanceFuture, BalanceLayer, Dispatch, Placed};
pub use self::breaker::{CircuitBreaker, CircuitBreakerFuture, CircuitBreakerLayer};
pub use self::bulkhead::{BulkheadFuture, BulkheadLayer, BulkheadService};
pub use self::classify::{Classified, ClassifiedFuture, ClassifyLayer};
pub use self::fallback::{
    Fallback, FallbackFn, FallbackFuture, FallbackLayer, FallbackOnce, NoFallback, WithFallback,
};
pub use self::hedge::{Hedge, HedgeFuture, HedgeLayer};
pub(crate) use self::on_threads::OnThreads;
pub use self::recorder::{Recorder, RecorderFuture, RecorderLayer};
pub use self::request_cache::{CacheKey, RequestCache, RequestCacheFuture, RequestCacheLayer};
pub(crate) use self::request_cache::{Entered, enter};
pub use self::retry::{Retry, RetryFuture, RetryLayer};
pub use self::single_flight::{Coalesced, SingleFlightLayer};
pub use self::stale_cache::{StaleCacheLayer, StaleCached};
pub use self::timeout::{Timeout, TimeoutFuture, TimeoutLayer};
pub use self::work::Work;
use crate::Command;
use crate::single_flight::SingleFlight;
use crate::stale_cache::StaleCache;

/// All patterns of a command around a service, outermost first: fallback, single flight or stale
/// cache if asked for, recorder, circuit breaker, bulkhead, timeout, retry, hedge.
///
/// - The fallback is outermost, so that refusals, timeouts and failures all reach it.
/// - An answer that is kept or shared stands before a fallback, and costs no execution.
/// - The breaker is outside the bulkhead, so that rejections count as errors.
/// - The retry is inside the timeout and the breaker: one call is one call, however many attempts.
/// - The hedge is inside the retry: what fails as a whole, the attempt and the one beside it, is
///   tried again.
#[derive(Debug, Clone)]
pub struct CommandLayer<F, M = Identity> {
    command: Command,
    fallback: F,
    /// What is between the fallback and the recorder.
    middle: M,
}

impl<F> CommandLayer<F> {
    /// The layers of `command`, with `fallback`; [`NoFallback`] for none.
    pub fn new(command: Command, fallback: F) -> Self {
        Self {
            command,
            fallback,
            middle: Identity::new(),
        }
    }

    /// Calls of one key share an execution; `key` is a `Fn(&Call<R>) -> Option<K>`, and a call
    /// without a key shares none.
    pub fn single_flight<K, T, E, Q>(
        self,
        flights: SingleFlight<K, T, E>,
        key: Q,
    ) -> CommandLayer<F, SingleFlightLayer<K, T, E, Q>> {
        self.with_middle(SingleFlightLayer::new(flights, key))
    }

    /// Answers are kept by `key`, a `Fn(&Call<R>) -> Option<K>`; a call without a key shares and
    /// keeps nothing. The service answers [`Served`](crate::stale_cache::Served), and so does its
    /// fallback.
    pub fn stale_cache<K, T, E, Q>(
        self,
        cache: StaleCache<K, T, E>,
        key: Q,
    ) -> CommandLayer<F, StaleCacheLayer<K, T, E, Q>> {
        self.with_middle(StaleCacheLayer::new(cache, key))
    }

    fn with_middle<M>(self, middle: M) -> CommandLayer<F, M> {
        CommandLayer {
            command: self.command,
            fallback: self.fallback,
            middle,
        }
    }
}

/// A service with what a command has around each execution, from the recorder inwards.
pub type ExecutedService<S> =
    Recorder<CircuitBreaker<BulkheadService<Timeout<Retry<Hedge<Classified<S>>>>>>>;

/// A service with all patterns of a command around it.
pub type CommandService<S, F> = WithFallback<ExecutedService<S>, F>;

impl<S, F: Clone, M: Layer<ExecutedService<S>>> Layer<S> for CommandLayer<F, M> {
    type Service = WithFallback<M::Service, F>;

    fn layer(&self, inner: S) -> Self::Service {
        let command = || self.command.clone();
        let hedged = HedgeLayer::new(command()).layer(ClassifyLayer.layer(inner));
        let tried = RetryLayer::new(command()).layer(hedged);
        let bounded =
            BulkheadLayer::new(command()).layer(TimeoutLayer::new(command()).layer(tried));
        let broken = CircuitBreakerLayer::new(command()).layer(bounded);
        let recorded = RecorderLayer::new(command()).layer(broken);
        let answered = self.middle.layer(recorded);
        FallbackLayer::new(command(), self.fallback.clone()).layer(answered)
    }
}
