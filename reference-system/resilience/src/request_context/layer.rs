//! Gives every HTTP request that a service answers its context.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower::{Layer, Service};

use super::{CURRENT, MAX_ENTRIES, RequestContext};

/// Begins a [`RequestContext`] for every HTTP request and ends it with the answer's head: handlers
/// find it in the request's extensions and as [`RequestContext::current`]. A request that brings
/// one keeps it.
#[derive(Debug, Clone, Copy)]
pub struct RequestContextLayer {
    max_entries: usize,
}

impl RequestContextLayer {
    /// Contexts that remember up to [`MAX_ENTRIES`] answers each.
    pub fn new() -> Self {
        Self::with_max_entries(MAX_ENTRIES)
    }

    /// Contexts that remember up to `max_entries` answers each.
    pub fn with_max_entries(max_entries: usize) -> Self {
        Self { max_entries }
    }
}

impl Default for RequestContextLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RequestContextLayer {
    type Service = RequestContextService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestContextService {
            max_entries: self.max_entries,
            inner,
        }
    }
}

/// A service whose requests have a context each.
#[derive(Debug, Clone)]
pub struct RequestContextService<S> {
    max_entries: usize,
    inner: S,
}

impl<S, B> Service<Request<B>> for RequestContextService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RequestContextFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let max_entries = self.max_entries;
        let context = request
            .extensions_mut()
            .get_or_insert_with(|| RequestContext::with_max_entries(max_entries))
            .clone();
        let future = CURRENT.sync_scope(context.clone(), || self.inner.call(request));
        RequestContextFuture {
            future: CURRENT.scope(context, future),
        }
    }
}

pin_project! {
    /// The answer of a [`RequestContextService`].
    pub struct RequestContextFuture<F> {
        #[pin]
        future: TaskLocalFuture<RequestContext, F>,
    }
}

impl<F: Future> Future for RequestContextFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}
