//! The circuit breaker as a layer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::breaker::{CallGuard, CircuitOpen, ReadBy};
use crate::{Call, Command, CommandError};

/// Refuses calls while the command's breaker is open, and tells it how the others ended.
#[derive(Debug, Clone)]
pub struct CircuitBreakerLayer(Command);

impl CircuitBreakerLayer {
    /// A layer on the breaker of `command`.
    pub fn new(command: Command) -> Self {
        Self(command)
    }
}

impl<S> Layer<S> for CircuitBreakerLayer {
    type Service = CircuitBreaker<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreaker {
            command: self.0.clone(),
            inner,
        }
    }
}

/// A service behind a circuit breaker.
#[derive(Debug, Clone)]
pub struct CircuitBreaker<S> {
    command: Command,
    inner: S,
}

impl<S, R, E> Service<Call<R>> for CircuitBreaker<S>
where
    S: Service<Call<R>, Error = CommandError<E>>,
{
    type Response = S::Response;
    type Error = CommandError<E>;
    type Future = CircuitBreakerFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<R>) -> Self::Future {
        let stage = match CallGuard::admit(&self.command, ReadBy(|| self.command.now())) {
            Ok(guard) => Stage::Admitted {
                guard: Some(guard),
                future: self.inner.call(call),
            },
            Err(refusal) => Stage::Refused { refusal },
        };
        CircuitBreakerFuture { stage }
    }
}

pin_project! {
    /// The answer of a [`CircuitBreaker`]. Dropping it gives up the call, and the probe with it.
    #[derive(Debug)]
    pub struct CircuitBreakerFuture<F> {
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[project = StageProjection]
    #[derive(Debug)]
    enum Stage<F> {
        Admitted {
            guard: Option<CallGuard<Command>>,
            #[pin]
            future: F,
        },
        Refused {
            refusal: CircuitOpen,
        },
    }
}

impl<F, T, E> Future for CircuitBreakerFuture<F>
where
    F: Future<Output = Result<T, CommandError<E>>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().stage.project() {
            StageProjection::Refused { refusal } => {
                Poll::Ready(Err(CommandError::ShortCircuited {
                    retry_after: refusal.retry_after,
                }))
            }
            StageProjection::Admitted { guard, future } => {
                let result = ready!(future.poll(cx));
                if let Some(guard) = guard.take() {
                    report(guard, &result);
                }
                Poll::Ready(result)
            }
        }
    }
}

/// The caller's own mistakes say nothing about the dependency, so they give the guard back unused.
/// So does what was never sent for reasons of our own; and then the next call may be the probe.
fn report<T, E>(guard: CallGuard<Command>, result: &Result<T, CommandError<E>>) {
    let command = guard.holder();
    let (now, adapts) = (command.now(), command.adapts());
    match result {
        Ok(_) => guard.success(now),
        Err(CommandError::BadRequest(_) | CommandError::DeadlineExpired) => drop(guard),
        Err(CommandError::Shed { .. }) => guard.release(),
        // A limit that follows the dependency refuses calls when nothing is wrong, as it measures.
        Err(CommandError::SemaphoreRejected { .. }) if adapts => guard.release(),
        Err(_) => guard.failure(now),
    }
}
