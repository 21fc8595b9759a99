//! The request cache as the outermost layer: one answer to one question within one request.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower::{Layer, Service};

use crate::event::CommandEvent;
use crate::request_context::{Joined, Waiter};
use crate::shared::Run;
use crate::{Call, CallOptions, Command, CommandError, RequestContext};

/// What a call asks, within which request: calls of one command, context and key are answered
/// alike.
#[derive(Debug, Clone)]
pub struct CacheKey {
    /// The request.
    pub context: RequestContext,
    /// The question. It must tell apart whatever has different answers.
    pub key: String,
}

/// Gives calls that ask the same within one [`RequestContext`] the same answer, errors and all, as
/// Hystrix's request cache does. The first runs; those that come while it runs wait for it, and
/// those that come later have its answer at once.
///
/// Nothing runs that nobody waits for: whoever of them is polled moves the execution on, and it is
/// dropped with the last of them. The first one may therefore go without the others noticing. Its
/// timeout, deadline and fallback are those of the execution; who gives up sooner does so on its
/// own.
///
/// It belongs outside all other layers of the command, so that an answer that is known costs no
/// permit and does not count in the breaker.
#[derive(Debug, Clone)]
pub struct RequestCacheLayer<K> {
    command: Command,
    key: K,
}

impl<K> RequestCacheLayer<K> {
    /// A layer that asks `key`, a `Fn(&Call<R>) -> Option<CacheKey>`, what a call asks; a call
    /// without a key is not remembered, nor shared.
    pub fn new(command: Command, key: K) -> Self {
        Self { command, key }
    }
}

impl<S, K: Clone> Layer<S> for RequestCacheLayer<K> {
    type Service = RequestCache<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestCache {
            command: self.command.clone(),
            key: self.key.clone(),
            inner,
        }
    }
}

/// A service whose answers are remembered for one request.
#[derive(Debug, Clone)]
pub struct RequestCache<S, K> {
    command: Command,
    key: K,
    inner: S,
}

impl<S, K, R, T, E> Service<Call<R>> for RequestCache<S, K>
where
    S: Service<Call<R>, Response = T, Error = CommandError<E>>,
    S::Future: Send + 'static,
    K: Fn(&Call<R>) -> Option<CacheKey>,
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    type Response = T;
    type Error = CommandError<E>;
    type Future = RequestCacheFuture<S::Future, T, E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<R>) -> Self::Future {
        let options = call.options;
        let entered = (self.key)(&call).map_or(Entered::Alone, |at| {
            enter(&self.command, &at.context, &at.key, options)
        });
        let stage = match entered {
            Entered::Alone => Stage::Alone {
                future: self.inner.call(call),
            },
            Entered::First(beginning) => Stage::Shared {
                answer: beginning.begin(Box::pin(self.inner.call(call))),
            },
            Entered::Other(answer) => Stage::Shared { answer },
        };
        RequestCacheFuture { stage }
    }
}

/// How a call takes part.
pub(crate) enum Entered<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    /// It runs by itself.
    Alone,
    /// It begins an execution that others may join.
    First(Beginning<T, E>),
    /// It waits for another's.
    Other(SharedAnswer<T, E>),
}

/// Finds the execution of `command` for `key`, and counts a call that does not run its own.
pub(crate) fn enter<T, E>(
    command: &Command,
    context: &RequestContext,
    key: &str,
    options: CallOptions,
) -> Entered<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    let properties = command.properties();
    if !properties.request_cache_enabled {
        return Entered::Alone;
    }
    match context.join(command, key, options.deadline) {
        Joined::Alone => Entered::Alone,
        Joined::First(waiter) => Entered::First(Beginning(waiter)),
        Joined::Other(waiter) => {
            command.record(CommandEvent::ResponseFromCache);
            let after = options.deadline.remaining(command.now());
            let sooner =
                properties.execution_timeout_enabled && options.deadline < waiter.deadline();
            Entered::Other(SharedAnswer {
                waiter,
                limit: sooner.then(|| (Box::pin(tokio::time::sleep(after)), after)),
            })
        }
    }
}

/// An execution that others may wait for already, and that is to begin.
pub(crate) struct Beginning<T, E>(Waiter<Result<T, CommandError<E>>>)
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static;

impl<T, E> Beginning<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    pub(crate) fn begin(self, run: Run<Result<T, CommandError<E>>>) -> SharedAnswer<T, E> {
        SharedAnswer {
            waiter: self.0.begin(run),
            limit: None,
        }
    }
}

/// The answer of an execution that several calls wait for.
pub(crate) struct SharedAnswer<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    waiter: Waiter<Result<T, CommandError<E>>>,
    /// For one who gives up before the execution does.
    limit: Option<(Pin<Box<Sleep>>, Duration)>,
}

impl<T, E> Future for SharedAnswer<T, E>
where
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    type Output = Result<T, CommandError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(answer) = Pin::new(&mut self.waiter).poll(cx) {
            return Poll::Ready(answer);
        }
        let Some((sleep, after)) = &mut self.limit else {
            return Poll::Pending;
        };
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(CommandError::Timeout { after: *after }))
    }
}

pin_project! {
    /// The answer of a [`RequestCache`].
    pub struct RequestCacheFuture<F, T, E>
    where
        T: Clone,
        T: Send,
        T: 'static,
        E: Clone,
        E: Send,
        E: 'static,
    {
        #[pin]
        stage: Stage<F, T, E>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F, T, E>
    where
        T: Clone,
        T: Send,
        T: 'static,
        E: Clone,
        E: Send,
        E: 'static,
    {
        Alone {
            #[pin]
            future: F,
        },
        Shared {
            #[pin]
            answer: SharedAnswer<T, E>,
        },
    }
}

impl<F, T, E> Future for RequestCacheFuture<F, T, E>
where
    F: Future<Output = Result<T, CommandError<E>>>,
    T: Clone + Send + 'static,
    E: Clone + Send + 'static,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().stage.project() {
            StageProjection::Alone { future } => future.poll(cx),
            StageProjection::Shared { answer } => answer.poll(cx),
        }
    }
}
