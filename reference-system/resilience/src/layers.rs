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
mod timeout;
mod work;

#[cfg(test)]
mod contract_test;

use tower::Layer;

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
pub use self::timeout::{Timeout, TimeoutFuture, TimeoutLayer};
pub use self::work::Work;
use crate::Command;

/// All patterns of a command around a service, outermost first: fallback, recorder, circuit
/// breaker, bulkhead, timeout, retry, hedge.
///
/// - The fallback is outermost, so that refusals, timeouts and failures all reach it.
/// - The breaker is outside the bulkhead, so that rejections count as errors.
/// - The retry is inside the timeout and the breaker: one call is one call, however many attempts.
/// - The hedge is inside the retry: what fails as a whole, the attempt and the one beside it, is
///   tried again.
#[derive(Debug, Clone)]
pub struct CommandLayer<F> {
    command: Command,
    fallback: F,
}

impl<F> CommandLayer<F> {
    /// The layers of `command`, with `fallback`; [`NoFallback`] for none.
    pub fn new(command: Command, fallback: F) -> Self {
        Self { command, fallback }
    }
}

/// A service with all patterns of a command around it.
pub type CommandService<S, F> = WithFallback<
    Recorder<CircuitBreaker<BulkheadService<Timeout<Retry<Hedge<Classified<S>>>>>>>,
    F,
>;

impl<S, F: Clone> Layer<S> for CommandLayer<F> {
    type Service = CommandService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        let command = || self.command.clone();
        let hedged = HedgeLayer::new(command()).layer(ClassifyLayer.layer(inner));
        let tried = RetryLayer::new(command()).layer(hedged);
        let bounded =
            BulkheadLayer::new(command()).layer(TimeoutLayer::new(command()).layer(tried));
        let broken = CircuitBreakerLayer::new(command()).layer(bounded);
        let recorded = RecorderLayer::new(command()).layer(broken);
        FallbackLayer::new(command(), self.fallback.clone()).layer(recorded)
    }
}
