//! Breakers as tower layers, around a service that has its answer at once.

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use squall_resilience::layers::{CircuitBreakerLayer, ClassifyLayer, NoFallback, RecorderLayer};
use squall_resilience::{Call, Command, CommandLayer, Deadline, Properties};
use tower::{Service, ServiceBuilder, service_fn};
use tower_resilience_circuitbreaker::CircuitBreakerLayer as Peer;

use crate::{Breaker, Candidate, NEVER};

pub(crate) const CANDIDATES: [Candidate; 4] = [
    ("squall, breaker", breaker),
    ("squall, and latencies", with_latencies),
    ("squall, all layers", all_layers),
    ("tower-resilience, breaker", tower_resilience),
];

fn breaker(open: bool) -> Breaker {
    let command = command();
    let layers = ServiceBuilder::new()
        .layer(CircuitBreakerLayer::new(command.clone()))
        .layer(ClassifyLayer);
    of_squall(open, command, layers.service(service_fn(answer)))
}

fn with_latencies(open: bool) -> Breaker {
    let command = command();
    let layers = ServiceBuilder::new()
        .layer(RecorderLayer::new(command.clone()))
        .layer(CircuitBreakerLayer::new(command.clone()))
        .layer(ClassifyLayer);
    of_squall(open, command, layers.service(service_fn(answer)))
}

fn all_layers(open: bool) -> Breaker {
    let command = command();
    let layers =
        ServiceBuilder::new().layer(CommandLayer::new(command.clone(), NoFallback::default()));
    of_squall(open, command, layers.service(service_fn(answer)))
}

async fn answer(call: Call<bool>) -> Result<(), String> {
    outcome(call.request)
}

fn outcome(fails: bool) -> Result<(), String> {
    match fails {
        true => Err(String::new()),
        false => Ok(()),
    }
}

fn command() -> Command {
    let properties = Properties::builder()
        .circuit_breaker_sleep_window_ms(u64::try_from(NEVER.as_millis()).expect("an hour"))
        .circuit_breaker_request_volume_threshold(1)
        .metrics_health_snapshot_interval_ms(100)
        .build()
        .expect("the properties are in their ranges");
    Command::new("dependency", "peers", properties).expect("the name is free")
}

fn of_squall<S>(open: bool, command: Command, service: S) -> Breaker
where
    S: Service<Call<bool>> + Clone + Send + Sync + 'static,
{
    let deadline = Deadline::after(command.now(), NEVER);
    if open {
        let mut service = service.clone();
        let waker = waker();
        served(&mut service, &waker, Call::new(true, deadline));
        // It reads the window when a bucket of it is complete.
        std::thread::sleep(Duration::from_millis(300));
        served(&mut service, &waker, Call::new(false, deadline));
        let text = command.explain_breaker().to_string();
        assert!(text.starts_with("open"), "{text}");
    }
    of_service(service, move || Call::new(false, deadline))
}

/// By count: over a time, it keeps every call and counts them all at the end of each.
fn tower_resilience(open: bool) -> Breaker {
    let layer = Peer::builder()
        .sliding_window_size(100)
        .wait_duration_in_open(NEVER)
        .build()
        .expect("the settings are in their ranges");
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(async |fails: bool| outcome(fails)));
    if open {
        let waker = waker();
        for _ in 0..100 {
            served(&mut service, &waker, true);
        }
        assert!(service.is_open());
    }
    of_service(service, || false)
}

fn of_service<S, R>(service: S, request: impl Fn() -> R + Copy + Send + Sync + 'static) -> Breaker
where
    S: Service<R> + Clone + Send + Sync + 'static,
    R: 'static,
{
    Box::new(move || {
        let mut service = service.clone();
        let waker = waker();
        Box::new(move || served(&mut service, &waker, request()))
    })
}

/// Calls and waits for the answer.
fn served<S: Service<R>, R>(service: &mut S, waker: &Waker, request: R) {
    let mut context = Context::from_waker(waker);
    while service.poll_ready(&mut context).is_pending() {
        std::thread::park();
    }
    let mut future = pin!(service.call(request));
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut context) {
            let _ = black_box(answer.is_ok());
            return;
        }
        std::thread::park();
    }
}

fn waker() -> Waker {
    Waker::from(Arc::new(Unpark(std::thread::current())))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
