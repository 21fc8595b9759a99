//! Load balancing as a layer: each attempt goes to an instance that the balancer picks.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower::{Layer, Service, ServiceExt};

use crate::balance::{Balancer, NoInstance, Pick};
use crate::{Call, Classification, Classify};

/// A request and where it is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T, R> {
    /// The target of the instance that was picked.
    pub target: T,
    /// What it is asked.
    pub request: R,
}

/// Picks an instance for each attempt, and tells the balancer how it went. The innermost layer of
/// all: below the retry, which it gives another instance each time.
///
/// The inner service is a client that takes the target with the request; it is made ready inside
/// the attempt. Where each instance has a service of its own, see [`Balance::over`].
#[derive(Debug)]
pub struct BalanceLayer<T>(Balancer<T>);

impl<T> BalanceLayer<T> {
    /// A layer on this balancer.
    pub fn new(balancer: Balancer<T>) -> Self {
        Self(balancer)
    }
}

impl<T> Clone for BalanceLayer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, S> Layer<S> for BalanceLayer<T> {
    type Service = Balance<T, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Balance {
            balancer: self.0.clone(),
            inner,
        }
    }
}

/// A client whose attempts are spread over instances.
#[derive(Debug)]
pub struct Balance<T, S> {
    balancer: Balancer<T>,
    inner: S,
}

impl<T> Balance<T, Dispatch> {
    /// Over instances whose targets are services themselves.
    pub fn over(balancer: Balancer<T>) -> Self {
        BalanceLayer::new(balancer).layer(Dispatch)
    }
}

impl<T, S: Clone> Clone for Balance<T, S> {
    fn clone(&self) -> Self {
        Self {
            balancer: self.balancer.clone(),
            inner: self.inner.clone(),
        }
    }
}

/// Why an attempt gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BalanceError<E> {
    /// There was no instance to send it to.
    #[error(transparent)]
    NoInstance(NoInstance),
    /// The instance failed.
    #[error(transparent)]
    Instance(E),
}

impl<E: Classify> Classify for BalanceError<E> {
    fn classify(&self) -> Classification {
        match self {
            Self::NoInstance(none) => none.classify(),
            Self::Instance(error) => error.classify(),
        }
    }
}

impl<T, S, R> Service<Call<R>> for Balance<T, S>
where
    T: Clone,
    S: Service<Call<Placed<T, R>>> + Clone,
    S::Error: Classify,
{
    type Response = S::Response;
    type Error = BalanceError<S::Error>;
    type Future = BalanceFuture<T, S, R>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<R>) -> Self::Future {
        let now = self.balancer.clock().now();
        let stage = match self.balancer.pick(&call.attempt(), now) {
            Err(none) => Stage::Nobody { none },
            Ok(pick) => {
                let target = pick.target().clone();
                let placed = call.map(|request| Placed { target, request });
                Stage::Picked {
                    future: self.inner.clone().oneshot(placed),
                    pick: Some(pick),
                }
            }
        };
        BalanceFuture {
            balancer: self.balancer.clone(),
            stage,
        }
    }
}

pin_project! {
    /// The answer of a [`Balance`]. Dropping it ends the attempt.
    pub struct BalanceFuture<T, S, R>
    where
        S: Service<Call<Placed<T, R>>>,
    {
        balancer: Balancer<T>,
        #[pin]
        stage: Stage<T, S, R>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<T, S, R>
    where
        S: Service<Call<Placed<T, R>>>,
    {
        // The work goes before the pick: nothing runs there any more when it is counted out.
        Picked {
            #[pin]
            future: Oneshot<S, Call<Placed<T, R>>>,
            pick: Option<Pick<T>>,
        },
        Nobody {
            none: NoInstance,
        },
    }
}

impl<T, S, R> Future for BalanceFuture<T, S, R>
where
    S: Service<Call<Placed<T, R>>>,
    S::Error: Classify,
{
    type Output = Result<S::Response, BalanceError<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.stage.project() {
            StageProjection::Nobody { none } => {
                Poll::Ready(Err(BalanceError::NoInstance(none.clone())))
            }
            StageProjection::Picked { future, pick } => {
                let result = ready!(future.poll(cx));
                if let Some(pick) = pick.take() {
                    pick.ended(this.balancer.clock().now(), &result);
                }
                Poll::Ready(result.map_err(BalanceError::Instance))
            }
        }
    }
}

/// The client of instances that are services: it calls the target.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dispatch;

impl<T, R> Service<Call<Placed<T, R>>> for Dispatch
where
    T: Service<Call<R>>,
{
    type Response = T::Response;
    type Error = T::Error;
    type Future = Oneshot<T, Call<R>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Placed<T, R>>) -> Self::Future {
        let (call, Placed { target, request }) = call.split();
        target.oneshot(call.map(|()| request))
    }
}
