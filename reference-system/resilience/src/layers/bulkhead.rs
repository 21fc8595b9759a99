//! The bulkhead as a layer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower::{Layer, Service};

use crate::bulkhead::{Acquire, Permit};
use crate::{Call, Command, CommandError, Priority};

/// Lets a call wait, as `execution_queue_size` allows, while the command's bulkhead is full, and
/// refuses it at once beyond that. The timeout runs from here, so that it bounds the wait too.
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
    S: Service<Call<R>, Error = CommandError<E>> + Clone,
{
    type Response = S::Response;
    type Error = CommandError<E>;
    type Future = BulkheadFuture<S, R, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Call<R>) -> Self::Future {
        let patience = self.command.fix_deadline(&mut call.options);
        let (bulkhead, priority) = (self.command.bulkhead(), call.options.priority);
        let acquired = match self.command.properties().percentage_for(priority) {
            100 => bulkhead.acquire().map(Acquire::now),
            percentage => match bulkhead.try_acquire_of(percentage) {
                Ok(permit) => Ok(Ok(permit)),
                // What is worth less does not wait for what is worth more.
                Err(_) => {
                    let stage = Stage::Shed { priority };
                    return BulkheadFuture { stage };
                }
            },
        };
        let stage = match acquired {
            Ok(Ok(permit)) => Stage::Admitted {
                permit: Some(permit),
                adapts: Adapts::of(&self.command),
                future: self.inner.call(call),
            },
            Ok(Err(acquire)) => {
                // The service that is ready goes with the call, not a clone that is not.
                let next = self.inner.clone();
                Stage::Waiting {
                    queued: Some((acquire, std::mem::replace(&mut self.inner, next), call)),
                    command: self.command.clone(),
                    sleep: tokio::time::sleep(patience),
                    after: patience,
                }
            }
            Err(full) => Stage::Refused { limit: full.limit },
        };
        BulkheadFuture { stage }
    }
}

/// An execution whose time tells how many the dependency can bear.
#[derive(Debug)]
struct Adapts {
    command: Command,
    began: Instant,
}

impl Adapts {
    /// None where the limit is fixed.
    fn of(command: &Command) -> Option<Self> {
        command.adapts().then(|| Self {
            began: command.now(),
            command: command.clone(),
        })
    }

    /// Failures say nothing of queues.
    fn ended<T, E>(self, result: &Result<T, CommandError<E>>) {
        if matches!(result, Ok(_) | Err(CommandError::Timeout { .. })) {
            self.command.adapt(self.began);
        }
    }
}

pin_project! {
    /// The answer of a [`BulkheadService`]. The permit lives in here: it comes back when the work
    /// ends or is dropped, and never before. Dropping a call that waits leaves the queue.
    #[derive(Debug)]
    pub struct BulkheadFuture<S, R, F> {
        #[pin]
        stage: Stage<S, R, F>,
    }
}

pin_project! {
    #[project = StageProjection]
    #[derive(Debug)]
    enum Stage<S, R, F> {
        Waiting {
            queued: Option<(Acquire, S, Call<R>)>,
            command: Command,
            #[pin]
            sleep: Sleep,
            after: Duration,
        },
        Admitted {
            permit: Option<Permit>,
            adapts: Option<Adapts>,
            #[pin]
            future: F,
        },
        Shed {
            priority: Priority,
        },
        Refused {
            limit: usize,
        },
    }
}

impl<S, R, T, E> Future for BulkheadFuture<S, R, S::Future>
where
    S: Service<Call<R>, Response = T, Error = CommandError<E>>,
{
    type Output = Result<T, CommandError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let stage = self.as_mut().project().stage;
            let (permit, adapts, mut service, call) = match stage.project() {
                StageProjection::Shed { priority } => {
                    let priority = *priority;
                    return Poll::Ready(Err(CommandError::Shed { priority }));
                }
                StageProjection::Refused { limit } => {
                    return Poll::Ready(Err(CommandError::SemaphoreRejected { limit: *limit }));
                }
                StageProjection::Admitted {
                    permit,
                    adapts,
                    future,
                } => {
                    let result = ready!(future.poll(cx));
                    if let Some(adapts) = adapts.take() {
                        adapts.ended(&result);
                    }
                    permit.take();
                    return Poll::Ready(result);
                }
                StageProjection::Waiting {
                    queued,
                    command,
                    sleep,
                    after,
                } => {
                    let acquire = queued
                        .as_mut()
                        .map(|(acquire, ..)| Pin::new(acquire).poll(cx));
                    let Some(Poll::Ready(permit)) = acquire else {
                        ready!(sleep.poll(cx));
                        queued.take();
                        return Poll::Ready(Err(CommandError::Timeout { after: *after }));
                    };
                    let Some((_, service, call)) = queued.take() else {
                        return Poll::Pending;
                    };
                    (permit, Adapts::of(command), service, call)
                }
            };
            let future = service.call(call);
            self.as_mut().project().stage.set(Stage::Admitted {
                permit: Some(permit),
                adapts,
                future,
            });
        }
    }
}
