//! The bulkhead as a layer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::bulkhead::{BulkheadFull, Permit};
use crate::{Call, Command, CommandError};

/// Refuses a call at once when the command's bulkhead is full; it never queues.
#[derive(Debug, Clone)]
pub struct BulkheadLayer(Command);

impl BulkheadLayer {
    /// A layer on the bulkhead of `command`.
    pub fn new(command: Command) -> Self {
        Self(command)
    }
}

impl<S> Layer<S> for BulkheadLayer {
    type Service = BulkheadService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BulkheadService {
            command: self.0.clone(),
            inner,
        }
    }
}

/// A service behind a bulkhead.
#[derive(Debug, Clone)]
pub struct BulkheadService<S> {
    command: Command,
    inner: S,
}

impl<S, R, E> Service<Call<R>> for BulkheadService<S>
where
    S: Service<Call<R>, Error = CommandError<E>>,
{
    type Response = S::Response;
    type Error = CommandError<E>;
    type Future = BulkheadFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<R>) -> Self::Future {
        let stage = match self.command.bulkhead().try_acquire() {
            Ok(permit) => Stage::Admitted {
                permit: Some(permit),
                future: self.inner.call(call),
            },
            Err(refusal) => Stage::Refused { refusal },
        };
        BulkheadFuture { stage }
    }
}

pin_project! {
    /// The answer of a [`BulkheadService`]. The permit lives in here: it comes back when the work
    /// ends or is dropped, and never before.
    #[derive(Debug)]
    pub struct BulkheadFuture<F> {
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[project = StageProjection]
    #[derive(Debug)]
    enum Stage<F> {
        Admitted {
            permit: Option<Permit>,
            #[pin]
            future: F,
        },
        Refused {
            refusal: BulkheadFull,
        },
    }
}

impl<F, T, E> Future for BulkheadFuture<F>
where
    F: Future<Output = Result<T, CommandError<E>>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().stage.project() {
            StageProjection::Refused { refusal } => {
                Poll::Ready(Err(CommandError::SemaphoreRejected {
                    limit: refusal.limit,
                }))
            }
            StageProjection::Admitted { permit, future } => {
                let result = ready!(future.poll(cx));
                permit.take();
                Poll::Ready(result)
            }
        }
    }
}
