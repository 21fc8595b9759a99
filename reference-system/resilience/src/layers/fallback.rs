//! The fallback as the outermost layer: a second-best value for every failure but the caller's own.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::bulkhead::Permit;
use crate::event::CommandEvent;
use crate::{Call, Command, CommandError};

/// Where a second-best value comes from. It should not call another network service, unless that
/// call is a command of its own.
pub trait Fallback<R, E> {
    /// The value.
    type Response;
    /// The value to come.
    type Future: Future<Output = Result<Self::Response, E>>;

    /// Whether there is a fallback at all. Where there is none, none is counted as running.
    fn is_defined(&self) -> bool {
        true
    }

    /// Begins to make a value for `call`, which failed with `error`; `None` if there is no
    /// fallback.
    fn recover(&self, call: Call<R>, error: &CommandError<E>) -> Option<Self::Future>;
}

/// A function of the failed call and its error, usable any number of times.
#[derive(Debug, Clone, Copy)]
pub struct FallbackFn<F>(pub F);

impl<F, Fut, R, T, E> Fallback<R, E> for FallbackFn<F>
where
    F: Fn(Call<R>, &CommandError<E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Response = T;
    type Future = Fut;

    fn recover(&self, call: Call<R>, error: &CommandError<E>) -> Option<Fut> {
        Some((self.0)(call, error))
    }
}

/// A function of the error, usable once: what `Command::execute_or` takes.
#[derive(Debug)]
pub struct FallbackOnce<F>(Arc<Mutex<Option<F>>>);

impl<F> FallbackOnce<F> {
    /// A fallback for one call.
    pub fn new(recover: F) -> Self {
        Self(Arc::new(Mutex::new(Some(recover))))
    }
}

impl<F> Clone for FallbackOnce<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F, Fut, R, T, E> Fallback<R, E> for FallbackOnce<F>
where
    F: FnOnce(&CommandError<E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Response = T;
    type Future = Fut;

    fn recover(&self, _call: Call<R>, error: &CommandError<E>) -> Option<Fut> {
        let recover = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        recover.map(|recover| recover(error))
    }
}

/// No fallback for a service that answers `T`.
#[derive(Debug)]
pub struct NoFallback<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Default for NoFallback<T> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T> Clone for NoFallback<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<R, T, E> Fallback<R, E> for NoFallback<T> {
    type Response = T;
    type Future = std::future::Ready<Result<T, E>>;

    fn is_defined(&self) -> bool {
        false
    }

    fn recover(&self, _call: Call<R>, _error: &CommandError<E>) -> Option<Self::Future> {
        None
    }
}

/// Answers a failed call from a [`Fallback`]. At most `fallback_semaphore_max_concurrent` run at
/// once; the rest of the failed calls fail at once.
#[derive(Debug, Clone)]
pub struct FallbackLayer<F> {
    command: Command,
    fallback: F,
}

impl<F> FallbackLayer<F> {
    /// A layer that answers the failed calls of `command` from `fallback`.
    pub fn new(command: Command, fallback: F) -> Self {
        Self { command, fallback }
    }
}

impl<S, F: Clone> Layer<S> for FallbackLayer<F> {
    type Service = WithFallback<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        WithFallback {
            command: self.command.clone(),
            fallback: self.fallback.clone(),
            inner,
        }
    }
}

/// A service with a fallback.
#[derive(Debug, Clone)]
pub struct WithFallback<S, F> {
    command: Command,
    fallback: F,
    inner: S,
}

impl<S, F, R, E> Service<Call<R>> for WithFallback<S, F>
where
    S: Service<Call<R>, Error = CommandError<E>>,
    F: Fallback<R, E, Response = S::Response> + Clone,
    R: Clone,
{
    type Response = S::Response;
    type Error = CommandError<E>;
    type Future = FallbackFuture<S::Future, F, R, E>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<R>) -> Self::Future {
        FallbackFuture {
            started: self.command.now(),
            command: self.command.clone(),
            fallback: self.fallback.clone(),
            call: call.clone(),
            stage: Stage::Work {
                future: self.inner.call(call),
            },
        }
    }
}

pin_project! {
    /// The answer of a [`WithFallback`]. The work and all it held is dropped before the fallback
    /// begins.
    pub struct FallbackFuture<W, F: Fallback<R, E>, R, E> {
        started: Instant,
        command: Command,
        fallback: F,
        call: Call<R>,
        #[pin]
        stage: Stage<W, F::Future, E>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<W, Fut, E> {
        Work {
            #[pin]
            future: W,
        },
        Recovering {
            cause: Option<CommandError<E>>,
            permit: Permit,
            #[pin]
            future: Fut,
        },
        Done,
    }
}

impl<W, F, R, T, E> Future for FallbackFuture<W, F, R, E>
where
    W: Future<Output = Result<T, CommandError<E>>>,
    F: Fallback<R, E, Response = T>,
    R: Clone,
{
    type Output = Result<T, CommandError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let result = match this.stage.as_mut().project() {
                StageProjection::Work { future } => match ready!(future.poll(cx)) {
                    Err(error) if error.allows_fallback() => {
                        this.stage.set(Stage::Done);
                        match begin(this.command, this.fallback, this.call, error) {
                            Ok(stage) => {
                                this.stage.set(stage);
                                continue;
                            }
                            Err(error) => Err(error),
                        }
                    }
                    result => result,
                },
                StageProjection::Recovering { cause, future, .. } => {
                    finish(this.command, cause.take(), ready!(future.poll(cx)))
                }
                StageProjection::Done => return Poll::Pending,
            };
            this.stage.set(Stage::Done);
            this.command.record_total(*this.started, result.is_err());
            return Poll::Ready(result);
        }
    }
}

/// Starts the fallback for `error`, or gives the error the caller gets instead.
fn begin<W, F, R, E>(
    command: &Command,
    fallback: &F,
    call: &Call<R>,
    error: CommandError<E>,
) -> Result<Stage<W, F::Future, E>, CommandError<E>>
where
    F: Fallback<R, E>,
    R: Clone,
{
    if !command.properties().fallback_enabled {
        command.record(CommandEvent::FallbackDisabled);
        return Err(error);
    }
    if !fallback.is_defined() {
        command.record(CommandEvent::FallbackMissing);
        return Err(error);
    }
    let Ok(permit) = command.fallback_bulkhead().try_acquire() else {
        command.record(CommandEvent::FallbackRejection);
        return Err(CommandError::FallbackRejected {
            cause: Box::new(error),
        });
    };
    match fallback.recover(call.clone(), &error) {
        Some(future) => Ok(Stage::Recovering {
            cause: Some(error),
            permit,
            future,
        }),
        None => {
            command.record(CommandEvent::FallbackMissing);
            Err(error)
        }
    }
}

fn finish<T, E>(
    command: &Command,
    cause: Option<CommandError<E>>,
    result: Result<T, E>,
) -> Result<T, CommandError<E>> {
    match (result, cause) {
        (Ok(value), _) => {
            command.record(CommandEvent::FallbackSuccess);
            Ok(value)
        }
        (Err(fallback), cause) => {
            command.record(CommandEvent::FallbackFailure);
            Err(match cause {
                Some(cause) => CommandError::FallbackFailed {
                    cause: Box::new(cause),
                    fallback,
                },
                None => CommandError::Failure(fallback),
            })
        }
    }
}
