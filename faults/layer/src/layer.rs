//! A point around a tower service.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::call::{Blind, Call, Reads};
use crate::faults::{CALL, Faults, Strike};
use crate::injected::Injected;

/// Makes a service a point where faults strike.
///
/// `answer` says what a call ends with that a fault lets fail: an error of the
/// service, or an answer such as a 503.
#[derive(Debug, Clone)]
pub struct FaultLayer<A, R = Blind> {
    faults: Faults,
    point: Arc<str>,
    answer: A,
    reads: R,
}

impl<A> FaultLayer<A> {
    /// A layer at `point`.
    pub fn new<Answer>(faults: &Faults, point: &str, answer: A) -> Self
    where
        A: Fn(Injected) -> Answer,
    {
        Self {
            faults: faults.clone(),
            point: point.into(),
            answer,
            reads: Blind,
        }
    }
}

impl<A, R> FaultLayer<A, R> {
    /// Reads off requests who asks for faults, and what they belong to. Points
    /// in the code of the service know it too, and layers further in that read
    /// nothing themselves, as far as they run in the task that called it.
    #[must_use]
    pub fn reading<Other>(self, reads: Other) -> FaultLayer<A, Other> {
        FaultLayer {
            faults: self.faults,
            point: self.point,
            answer: self.answer,
            reads,
        }
    }
}

impl<S, A: Clone, R: Clone> Layer<S> for FaultLayer<A, R> {
    type Service = FaultService<S, A, R>;

    fn layer(&self, inner: S) -> Self::Service {
        FaultService {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service with a point around it.
#[derive(Debug, Clone)]
pub struct FaultService<S, A, R = Blind> {
    inner: S,
    layer: FaultLayer<A, R>,
}

impl<S, Request, A, R> Service<Request> for FaultService<S, A, R>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Future: Send,
    Request: Send + 'static,
    A: Fn(Injected) -> Result<S::Response, S::Error> + Clone + Send + 'static,
    R: Reads<Request>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = FaultFuture<S::Future, S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let layer = &self.layer;
        if layer.faults.is_idle() {
            return FaultFuture::untouched(self.inner.call(request));
        }
        let read = layer.reads.read(&request);
        let says_nothing = read == Call::default();
        let call = match says_nothing {
            // What a layer further out read holds here too.
            true => CALL.try_with(Clone::clone).unwrap_or_default(),
            false => read,
        };
        let strike = layer.faults.strike(&layer.point, &call);
        if strike.is_none() && says_nothing {
            return FaultFuture::untouched(self.inner.call(request));
        }
        // The one that was asked whether it is ready.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let answer = self.layer.answer.clone();
        let struck = CALL.scope(call, meet(strike, ready, request, answer));
        FaultFuture::struck(Box::pin(struck))
    }
}

/// A call with what a fault makes of it.
async fn meet<S, Request, A>(
    strike: Option<Strike>,
    mut service: S,
    request: Request,
    answer: A,
) -> Result<S::Response, S::Error>
where
    S: Service<Request>,
    A: Fn(Injected) -> Result<S::Response, S::Error>,
{
    let Some(strike) = strike else {
        return service.call(request).await;
    };
    strike.wait().await;
    if let Some(error) = strike.error() {
        return answer(error);
    }
    let answered = service.call(request).await;
    strike.loss().map_or(answered, answer)
}

type Struck<Response, Error> = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

pin_project! {
    #[project = Parts]
    enum Inner<F, Response, Error> {
        Untouched { #[pin] future: F },
        Struck { future: Struck<Response, Error> },
    }
}

pin_project! {
    /// The answer of a [`FaultService`]. Costs no allocation where no fault
    /// strikes.
    pub struct FaultFuture<F, Response, Error> {
        #[pin]
        inner: Inner<F, Response, Error>,
    }
}

impl<F, Response, Error> FaultFuture<F, Response, Error> {
    const fn untouched(future: F) -> Self {
        Self {
            inner: Inner::Untouched { future },
        }
    }

    const fn struck(future: Struck<Response, Error>) -> Self {
        Self {
            inner: Inner::Struck { future },
        }
    }
}

impl<F, Response, Error> Future for FaultFuture<F, Response, Error>
where
    F: Future<Output = Result<Response, Error>>,
{
    type Output = Result<Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().inner.project() {
            Parts::Untouched { future } => future.poll(cx),
            Parts::Struck { future } => future.as_mut().poll(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use tokio::time::{Instant, timeout};
    use tower::ServiceExt;

    use super::*;
    use crate::call::Headers;
    use crate::plan::Plan;

    /// Counts its calls, and wants to be asked first.
    #[derive(Default)]
    struct Counting {
        calls: Arc<AtomicU64>,
        ready: bool,
    }

    impl Clone for Counting {
        fn clone(&self) -> Self {
            Self {
                calls: Arc::clone(&self.calls),
                ready: false,
            }
        }
    }

    impl<Request> Service<Request> for Counting {
        type Response = u64;
        type Error = Injected;
        type Future = std::future::Ready<Result<u64, Injected>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Injected>> {
            self.ready = true;
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request) -> Self::Future {
            assert!(
                std::mem::take(&mut self.ready),
                "called before it was ready"
            );
            std::future::ready(Ok(self.calls.fetch_add(1, Ordering::Relaxed)))
        }
    }

    /// A service with a point called `here`, and how often it was called.
    fn service(
        faults: &Faults,
    ) -> (
        impl Service<u64, Response = u64, Error = Injected>,
        Arc<AtomicU64>,
    ) {
        let counting = Counting::default();
        let calls = Arc::clone(&counting.calls);
        let layer = FaultLayer::new(faults, "here", Err::<u64, Injected>);
        (layer.layer(counting), calls)
    }

    #[tokio::test(start_paused = true)]
    async fn each_action_does_what_it_says_to_the_call() {
        let faults = Faults::new(1);
        let (mut service, calls) = service(&faults);
        let mut answered = async |plan: Option<Plan>| {
            if let Some(plan) = plan {
                faults.set("here", plan);
            }
            let (begun, before) = (Instant::now(), calls.load(Ordering::Relaxed));
            let call = async { service.ready().await?.call(1).await };
            let answer = timeout(Duration::from_secs(60), call).await;
            let answer = answer.map(|answer| answer.map_err(|error| error.to_string()));
            let called = calls.load(Ordering::Relaxed) - before;
            (answer.ok(), called, begun.elapsed().as_secs())
        };
        assert_eq!(answered(None).await, (Some(Ok(0)), 1, 0));
        let late = Plan::delay(Duration::from_secs(5));
        assert_eq!(answered(Some(late)).await, (Some(Ok(1)), 1, 5));
        let error = "fault injected at here: full".to_owned();
        assert_eq!(
            answered(Some(Plan::error("full"))).await,
            (Some(Err(error)), 0, 0)
        );
        let lost = "fault injected at here: the answer is lost".to_owned();
        assert_eq!(answered(Some(Plan::drop())).await, (Some(Err(lost)), 1, 0));
        assert_eq!(answered(Some(Plan::hang())).await, (None, 0, 60));
        let nobody = Plan::hang().only_asked();
        assert_eq!(answered(Some(nobody)).await, (Some(Ok(3)), 1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hung_is_made_when_the_fault_is_taken_away() {
        let faults = Faults::new(1);
        let (mut service, calls) = service(&faults);
        faults.set("here", Plan::hang());
        let mut call = Box::pin(service.ready().await.unwrap().call(1));
        assert!(timeout(Duration::from_secs(60), &mut call).await.is_err());
        assert_eq!(calls.load(Ordering::Relaxed), 0);
        faults.clear_all();
        let answer = timeout(Duration::from_secs(60), call).await;
        assert_eq!(answer.unwrap().unwrap(), 0);
    }

    #[tokio::test]
    async fn who_asks_is_known_to_the_points_behind_the_layer() {
        let faults = Faults::new(1);
        faults.set("store", Plan::error("full").only_asked());
        let inner = {
            let faults = faults.clone();
            tower::service_fn(move |_: http::Request<()>| {
                let faults = faults.clone();
                async move { faults.at("store").await }
            })
        };
        let layer = FaultLayer::new(&faults, "here", Err::<(), Injected>).reading(Headers);
        let mut service = layer.layer(inner);
        let mut send = async |asked: &str| {
            let request = http::Request::builder().header("x-squall-fault", asked);
            let request = request.body(()).unwrap();
            service.ready().await.unwrap().call(request).await
        };
        assert!(send("here, store").await.is_err());
        send("here").await.unwrap();
        // It asked for itself alone.
        faults.at("store").await.unwrap();
    }

    #[tokio::test]
    async fn a_layer_that_reads_nothing_goes_by_what_one_further_out_has_read() {
        let faults = Faults::new(1);
        // Another fault that strikes there leaves it known behind as well.
        let late = Plan::delay(Duration::ZERO);
        for (asked, point, first) in [
            ("here", "here", None),
            ("store", "store", None),
            ("store", "store", Some(late)),
        ] {
            faults.clear_all();
            faults.set(point, Plan::error("full").only_asked());
            if let Some(first) = first {
                faults.set("here", first);
            }
            let inner = {
                let faults = faults.clone();
                tower::service_fn(move |_: http::Request<()>| {
                    let faults = faults.clone();
                    async move { faults.at("store").await }
                })
            };
            let answer = Err::<(), Injected>;
            let inner = FaultLayer::new(&faults, "here", answer).layer(inner);
            let outer = FaultLayer::new(&faults, "outer", answer).reading(Headers);
            let mut service = outer.layer(inner);
            for (asked, fails) in [(asked, true), ("elsewhere", false)] {
                let request = http::Request::builder().header("x-squall-fault", asked);
                let request = request.body(()).unwrap();
                let answer = service.ready().await.unwrap().call(request).await;
                assert_eq!(answer.is_err(), fails, "{asked} at {point}");
            }
        }
    }
}
