//! Hedging as a layer: a second attempt beside a slow one, for idempotent calls, within a budget.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower::util::Oneshot;
use tower::{Layer, Service, ServiceExt};

use crate::bulkhead::Permit;
use crate::event::CommandEvent;
use crate::{BreakerState, Call, Command, CommandError};

/// Sends the first attempt of an idempotent call once more where it takes longer than the command's
/// hedge delay (`hedge_after_ms`, `hedge_percentile`). The first good answer counts, and the other
/// attempt is dropped; a failure counts only when both have failed, and it is that of the first.
///
/// There is one hedge per call at most, and none where it would hurt: while the breaker is not
/// closed, when the hedge budget is empty, or when the bulkhead has no permit left, of which a
/// hedge takes one of its own.
///
/// It sits below the retry, so that a call whose attempt and hedge have both failed is retried, and
/// above the load balancing, which sends the hedge to another instance.
#[derive(Debug, Clone)]
pub struct HedgeLayer(Command);

impl HedgeLayer {
    /// A layer on the hedge settings of `command`.
    pub fn new(command: Command) -> Self {
        Self(command)
    }
}

impl<S> Layer<S> for HedgeLayer {
    type Service = Hedge<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Hedge {
            command: self.0.clone(),
            inner,
        }
    }
}

/// A service whose slow calls are sent once more.
#[derive(Debug, Clone)]
pub struct Hedge<S> {
    command: Command,
    inner: S,
}

impl<S, R, E> Service<Call<R>> for Hedge<S>
where
    S: Service<Call<R>, Error = CommandError<E>> + Clone,
    R: Clone,
{
    type Response = S::Response;
    type Error = CommandError<E>;
    type Future = HedgeFuture<S, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Call<R>) -> Self::Future {
        let command = &self.command;
        let now = command.now();
        let mut delay = None;
        if call.attempt == 0 {
            command.hedge_budget().deposit(now);
            if call.options.idempotent {
                delay = command.hedge_delay(now);
            }
        }
        let wait = delay.map(|delay| {
            call.tried.record();
            let hedge = Call {
                attempt: call.attempt + 1,
                is_hedge: true,
                ..call.clone()
            };
            Wait {
                sleep: tokio::time::sleep(delay),
                service: self.inner.clone(),
                call: Some(hedge),
                command: command.clone(),
            }
        });
        HedgeFuture {
            first: Some(self.inner.call(call)),
            wait,
            second: None,
            failed: None,
        }
    }
}

pin_project! {
    /// The answer of a [`Hedge`]. Dropping it drops both attempts.
    pub struct HedgeFuture<S, R>
    where
        S: Service<Call<R>>,
    {
        #[pin]
        first: Option<S::Future>,
        #[pin]
        wait: Option<Wait<S, R>>,
        #[pin]
        second: Option<Second<S, R>>,
        failed: Option<S::Error>,
    }
}

pin_project! {
    /// A hedge that is not sent yet.
    struct Wait<S, R> {
        #[pin]
        sleep: Sleep,
        service: S,
        call: Option<Call<R>>,
        command: Command,
    }
}

pin_project! {
    /// A hedge on its way.
    struct Second<S, R>
    where
        S: Service<Call<R>>,
    {
        #[pin]
        attempt: Oneshot<S, Call<R>>,
        // Comes back when the attempt is gone.
        permit: Permit,
        command: Command,
    }
}

impl<S, R> Wait<S, R>
where
    S: Service<Call<R>> + Clone,
{
    /// The hedge, once its time has come; none if it may not be sent.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Second<S, R>>> {
        let this = self.project();
        ready!(this.sleep.poll(cx));
        let command = &*this.command;
        let second = this.call.take().and_then(|call| {
            let permit = may_hedge(command, &call)?;
            command.record(CommandEvent::Hedge);
            Some(Second {
                attempt: this.service.clone().oneshot(call),
                permit,
                command: command.clone(),
            })
        });
        Poll::Ready(second)
    }
}

impl<S, R, T, E> Second<S, R>
where
    S: Service<Call<R>, Response = T, Error = CommandError<E>>,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, CommandError<E>>> {
        let this = self.project();
        let result = ready!(this.attempt.poll(cx));
        if result.is_ok() {
            this.command.record(CommandEvent::HedgeSuccess);
        }
        Poll::Ready(result)
    }
}

fn may_hedge<R>(command: &Command, call: &Call<R>) -> Option<Permit> {
    let now = command.now();
    let share = command.properties().percentage_for(call.options.priority);
    let is_worth_it = !call.options.deadline.is_expired(now)
        && command.breaker().state(now) == BreakerState::Closed;
    if !is_worth_it {
        return None;
    }
    // The budget comes last: what is taken out of it is spent.
    let permit = command.bulkhead().try_acquire_of(share).ok()?;
    command.hedge_budget().try_withdraw(now).then_some(permit)
}

/// Whether another instance might do better.
fn fails<T, E>(result: &Result<T, CommandError<E>>) -> bool {
    !matches!(result, Ok(_) | Err(CommandError::BadRequest(_)))
}

impl<S, R, T, E> Future for HedgeFuture<S, R>
where
    S: Service<Call<R>, Response = T, Error = CommandError<E>> + Clone,
{
    type Output = Result<T, CommandError<E>>;

    /// An attempt is dropped as soon as it does not matter any more.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(first) = this.first.as_mut().as_pin_mut()
            && let Poll::Ready(result) = first.poll(cx)
        {
            this.first.set(None);
            this.wait.set(None);
            if this.second.is_none() || !fails(&result) {
                this.second.set(None);
                return Poll::Ready(result);
            }
            *this.failed = result.err();
        }
        if let Some(wait) = this.wait.as_mut().as_pin_mut()
            && let Poll::Ready(second) = wait.poll(cx)
        {
            this.wait.set(None);
            this.second.set(second);
        }
        if let Some(second) = this.second.as_mut().as_pin_mut()
            && let Poll::Ready(result) = second.poll(cx)
        {
            this.second.set(None);
            if !fails(&result) {
                this.first.set(None);
                return Poll::Ready(result);
            }
            if let Some(error) = this.failed.take() {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Pending
    }
}
