//! The timeout as a layer: the command's own or what the caller's deadline leaves, whichever is
//! shorter.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower::{Layer, Service};

use crate::{Call, Command, CommandError};

/// Drops the work of a call that takes too long. Inner calls see the tightened deadline.
#[derive(Debug, Clone)]
pub struct TimeoutLayer(Command);

impl TimeoutLayer {
    /// A layer on the timeout of `command`.
    pub fn new(command: Command) -> Self {
        Self(command)
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout {
            command: self.0.clone(),
            inner,
        }
    }
}

/// A service with a timeout.
#[derive(Debug, Clone)]
pub struct Timeout<S> {
    command: Command,
    inner: S,
}

impl<S, R, E> Service<Call<R>> for Timeout<S>
where
    S: Service<Call<R>, Error = CommandError<E>>,
{
    type Response = S::Response;
    type Error = CommandError<E>;
    type Future = TimeoutFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Call<R>) -> Self::Future {
        let limit = self.command.properties().timeout().map(|timeout| {
            let now = self.command.now();
            call.options.deadline = call.options.deadline.tightened(now, timeout);
            call.options.deadline.remaining(now)
        });
        let future = self.inner.call(call);
        let stage = match limit {
            None => Stage::Unlimited { future },
            Some(after) => Stage::Limited {
                future,
                sleep: tokio::time::sleep(after),
                after,
            },
        };
        TimeoutFuture { stage }
    }
}

pin_project! {
    /// The answer of a [`Timeout`].
    #[derive(Debug)]
    pub struct TimeoutFuture<F> {
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[project = StageProjection]
    #[derive(Debug)]
    enum Stage<F> {
        Unlimited {
            #[pin]
            future: F,
        },
        Limited {
            #[pin]
            future: F,
            #[pin]
            sleep: Sleep,
            after: Duration,
        },
        Elapsed,
    }
}

impl<F, T, E> Future for TimeoutFuture<F>
where
    F: Future<Output = Result<T, CommandError<E>>>,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let after = match self.as_mut().project().stage.project() {
            StageProjection::Unlimited { future } => return future.poll(cx),
            StageProjection::Limited {
                future,
                sleep,
                after,
            } => {
                if let Poll::Ready(result) = future.poll(cx) {
                    return Poll::Ready(result);
                }
                ready!(sleep.poll(cx));
                *after
            }
            StageProjection::Elapsed => return Poll::Pending,
        };
        // Dropping the work here, not with the whole stack, ends it before the fallback begins.
        self.project().stage.set(Stage::Elapsed);
        Poll::Ready(Err(CommandError::Timeout { after }))
    }
}
