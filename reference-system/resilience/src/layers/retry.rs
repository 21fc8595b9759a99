//! Retry on the next instance, as a layer: few attempts, idempotent calls only, within a budget.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower::util::Oneshot;
use tower::{Layer, Service, ServiceExt};

use crate::event::CommandEvent;
use crate::{Call, Classification, Classify, Command, CommandError};

/// Tries a call again where all of this holds: it is idempotent, its error is
/// [`Retryable`](Classification::Retryable), attempts are left, its deadline has not passed and the
/// command's budget has room. `Call::attempt` grows, and the inner service picks another instance
/// by it, at once.
///
/// Only where the dependency says how long it wants to be left alone ([`Classify::retry_after`])
/// does it wait that long, and up to a quarter longer, so that not all come back together. It never
/// waits longer than `retry_after_max_ms`, nor until the deadline: then the error is the answer, at
/// once, and [`RetryAfterTooLong`](CommandEvent::RetryAfterTooLong) is recorded. The wait holds the
/// call's permit; the retry is taken out of the budget when it is sent.
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
            stage: Stage::Trying {
                attempt: self.inner.clone().oneshot(call.clone()),
            },
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
        stage: Stage<S, R>,
        service: S,
        command: Command,
        call: Call<R>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S: Service<Call<R>>, R> {
        Trying {
            #[pin]
            attempt: Oneshot<S, Call<R>>,
        },
        // The attempt that failed is gone.
        Waiting {
            #[pin]
            sleep: Sleep,
            error: Option<S::Error>,
        },
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
            match this.stage.as_mut().project() {
                StageProjection::Trying { attempt } => {
                    let error = match ready!(attempt.poll(cx)) {
                        Err(error) => error,
                        answer => return Poll::Ready(answer),
                    };
                    match pause(this.command, this.call, &error) {
                        None => return Poll::Ready(Err(error)),
                        Some(Duration::ZERO) if may_send(this.command, this.call) => {}
                        Some(Duration::ZERO) => return Poll::Ready(Err(error)),
                        Some(pause) => {
                            this.stage.set(Stage::Waiting {
                                sleep: tokio::time::sleep(pause),
                                error: Some(error),
                            });
                            continue;
                        }
                    }
                }
                StageProjection::Waiting { sleep, error } => {
                    ready!(sleep.poll(cx));
                    if !may_send(this.command, this.call) {
                        return match error.take() {
                            Some(error) => Poll::Ready(Err(error)),
                            None => Poll::Pending,
                        };
                    }
                }
            }
            this.command.record(CommandEvent::Retry);
            this.call.attempt += 1;
            let attempt = this.service.clone().oneshot(this.call.clone());
            this.stage.set(Stage::Trying { attempt });
        }
    }
}

/// How long a retry has to wait, which may be no time; none if there is to be none.
fn pause<R, E: Classify>(
    command: &Command,
    call: &Call<R>,
    error: &CommandError<E>,
) -> Option<Duration> {
    let CommandError::Failure(error) = error else {
        return None;
    };
    if error.classify() != Classification::Retryable || !may_try(command, call) {
        return None;
    }
    let told = error.retry_after().unwrap_or_default();
    if told.is_zero() {
        return Some(told);
    }
    let now = command.now();
    let pause = command.retry_pause(told, call.options.deadline.remaining(now));
    if pause.is_none() {
        command.record(CommandEvent::RetryAfterTooLong);
    }
    // A retry is paid for when it is sent, but nobody waits for one that cannot be paid for.
    pause.filter(|_| command.retry_budget().has_room(now))
}

fn may_try<R>(command: &Command, call: &Call<R>) -> bool {
    call.options.idempotent && call.attempt + 1 < command.properties().retry_max_attempts
}

/// Whether a retry may be sent now; it is paid for.
fn may_send<R>(command: &Command, call: &Call<R>) -> bool {
    let now = command.now();
    may_try(command, call)
        && !call.options.deadline.is_expired(now)
        && command.retry_budget().try_withdraw(now)
}
