//! Retry on the next instance, as a layer: few attempts, idempotent calls only, within a budget.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower::{Layer, Service, ServiceExt};

use crate::event::CommandEvent;
use crate::{Call, Classification, Classify, Command, CommandError};

/// Tries a call again, at once, where all of this holds: it is idempotent, its error is
/// [`Retryable`](Classification::Retryable), attempts are left, its deadline has not passed and the
/// command's budget has room. There is no pause: `Call::attempt` grows, and the inner service
/// picks another instance by it.
///
/// It sits below the timeout, so that all attempts share the time of one call, and below the
/// breaker, which counts calls and not attempts. The inner service is made ready inside the call;
/// waiting for it is under the timeout too.
#[derive(Debug, Clone)]
pub struct RetryLayer(Command);

impl RetryLayer {
    /// A layer on the retry settings of `command`.
    pub fn new(command: Command) -> Self {
        Self(command)
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry {
            command: self.0.clone(),
            inner,
        }
    }
}

/// A service that is tried again.
#[derive(Debug, Clone)]
pub struct Retry<S> {
    command: Command,
    inner: S,
}

impl<S, R, E> Service<Call<R>> for Retry<S>
where
    S: Service<Call<R>, Error = CommandError<E>> + Clone,
    R: Clone,
    E: Classify,
{
    type Response = S::Response;
    type Error = CommandError<E>;
    type Future = RetryFuture<S, R>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut call: Call<R>) -> Self::Future {
        self.command.retry_budget().deposit(self.command.now());
        if call.options.idempotent && self.command.properties().retry_max_attempts > 1 {
            call.tried.record();
        }
        RetryFuture {
            attempt: self.inner.clone().oneshot(call.clone()),
            service: self.inner.clone(),
            command: self.command.clone(),
            call,
        }
    }
}

pin_project! {
    /// The answer of a [`Retry`].
    pub struct RetryFuture<S: Service<Call<R>>, R> {
        #[pin]
        attempt: Oneshot<S, Call<R>>,
        service: S,
        command: Command,
        call: Call<R>,
    }
}

impl<S, R, E> Future for RetryFuture<S, R>
where
    S: Service<Call<R>, Error = CommandError<E>> + Clone,
    R: Clone,
    E: Classify,
{
    type Output = Result<S::Response, CommandError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match ready!(this.attempt.as_mut().poll(cx)) {
                Err(error) if may_retry(this.command, this.call, &error) => {
                    this.command.record(CommandEvent::Retry);
                    this.call.attempt += 1;
                    this.attempt
                        .set(this.service.clone().oneshot(this.call.clone()));
                }
                result => return Poll::Ready(result),
            }
        }
    }
}

fn may_retry<R, E: Classify>(command: &Command, call: &Call<R>, error: &CommandError<E>) -> bool {
    let now = command.now();
    let worth_it =
        matches!(error, CommandError::Failure(e) if e.classify() == Classification::Retryable);
    worth_it
        && call.options.idempotent
        && call.attempt + 1 < command.properties().retry_max_attempts
        && !call.options.deadline.is_expired(now)
        && command.retry_budget().try_withdraw(now)
}
