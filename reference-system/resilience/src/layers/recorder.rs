//! Counts how the executions of a command end, as a layer just outside the breaker.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::event::CommandEvent;
use crate::{Call, Command, CommandError};

/// Records the event and the latency of every execution, dropped ones as
/// [`Cancelled`](CommandEvent::Cancelled). A call whose deadline has passed already ends here: it
/// would cost the dependency work nobody waits for, and is not the dependency's failure.
#[derive(Debug, Clone)]
pub struct RecorderLayer(Command);

impl RecorderLayer {
    /// A layer on the metrics of `command`.
    pub fn new(command: Command) -> Self {
        Self(command)
    }
}

impl<S> Layer<S> for RecorderLayer {
    type Service = Recorder<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Recorder {
            command: self.0.clone(),
            inner,
        }
    }
}

/// A service whose executions are counted.
#[derive(Debug, Clone)]
pub struct Recorder<S> {
    command: Command,
    inner: S,
}

impl<S, R, E> Service<Call<R>> for Recorder<S>
where
    S: Service<Call<R>, Error = CommandError<E>>,
{
    type Response = S::Response;
    type Error = CommandError<E>;
    type Future = RecorderFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<R>) -> Self::Future {
        let now = self.command.now();
        let timeouts = self.command.properties().execution_timeout_enabled;
        let expired = timeouts && call.options.deadline.is_expired(now);
        let future = (!expired).then(|| self.inner.call(call));
        RecorderFuture {
            future,
            open: OpenRecord {
                command: self.command.clone(),
                started: now,
                ended: false,
            },
        }
    }
}

pin_project! {
    /// The answer of a [`Recorder`].
    #[derive(Debug)]
    pub struct RecorderFuture<F> {
        #[pin]
        future: Option<F>,
        open: OpenRecord,
    }
}

impl<F, T, E> Future for RecorderFuture<F>
where
    F: Future<Output = Result<T, CommandError<E>>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.future.as_pin_mut() {
            Some(future) => ready!(future.poll(cx)),
            None => Err(CommandError::DeadlineExpired),
        };
        this.open.end(
            result
                .as_ref()
                .map_or_else(CommandError::event, |_| CommandEvent::Success),
        );
        Poll::Ready(result)
    }
}

/// An execution whose end is not recorded yet.
#[derive(Debug)]
struct OpenRecord {
    command: Command,
    started: Instant,
    ended: bool,
}

impl OpenRecord {
    fn end(&mut self, event: CommandEvent) {
        self.ended = true;
        let now = self.command.now();
        let latency = event
            .did_execute()
            .then(|| now.saturating_duration_since(self.started));
        self.command.record_end(now, event, latency);
    }
}

impl Drop for OpenRecord {
    fn drop(&mut self) {
        if !self.ended {
            self.end(CommandEvent::Cancelled);
        }
    }
}
