//! The innermost layer: turns the errors of a service into those of a command.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::{Call, Classification, Classify, CommandError};

/// Sorts the errors of a service into the caller's mistakes and failures, by [`Classify`].
#[derive(Debug, Clone, Copy, Default)]
pub struct ClassifyLayer;

impl<S> Layer<S> for ClassifyLayer {
    type Service = Classified<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Classified { inner }
    }
}

/// A service whose errors are sorted.
#[derive(Debug, Clone)]
pub struct Classified<S> {
    inner: S,
}

impl<S, R> Service<Call<R>> for Classified<S>
where
    S: Service<Call<R>>,
    S::Error: Classify,
{
    type Response = S::Response;
    type Error = CommandError<S::Error>;
    type Future = ClassifiedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(sort)
    }

    fn call(&mut self, call: Call<R>) -> Self::Future {
        ClassifiedFuture {
            future: self.inner.call(call),
        }
    }
}

pin_project! {
    /// The answer of a [`Classified`].
    #[derive(Debug)]
    pub struct ClassifiedFuture<F> {
        #[pin]
        future: F,
    }
}

impl<F, T, E> Future for ClassifiedFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Classify,
{
    type Output = Result<T, CommandError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx).map_err(sort)
    }
}

fn sort<E: Classify>(error: E) -> CommandError<E> {
    match error.classify() {
        Classification::BadRequest => CommandError::BadRequest(error),
        Classification::Failure | Classification::Retryable => CommandError::Failure(error),
    }
}
