//! The routes for operators: `/health`, `/metrics` and `/hystrix.stream`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use http::{StatusCode, header};
use squall_resilience::hystrix_stream::{CONTENT_TYPE, INTERVAL, KEEP_ALIVE, sse_event};
use squall_resilience::prometheus;

use super::Host;

/// The routes every service has.
pub(crate) fn routes(host: &Arc<Host>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/hystrix.stream", get(hystrix_stream))
        .with_state(Arc::clone(host))
}

async fn health(State(host): State<Arc<Host>>) -> (StatusCode, String) {
    if host.is_ready() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let missing = host.waiting_for().join(", ");
    let body = format!("not ready: waiting for {missing}\n");
    (StatusCode::SERVICE_UNAVAILABLE, body)
}

async fn metrics(State(host): State<Arc<Host>>) -> impl IntoResponse {
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register_collector(Box::new(Arc::clone(&host.metrics)));
    registry.register_collector(Box::new(host.commands.clone()));
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    ([(header::CONTENT_TYPE, prometheus::CONTENT_TYPE)], text)
}

/// One round of events at once and one every half second, until the client or the instance leaves.
async fn hystrix_stream(State(host): State<Arc<Host>>) -> Response {
    let Ok(slot) = Arc::clone(&host.event_streams).try_acquire_owned() else {
        let full = "MaxConcurrentConnections reached: 5\n";
        return (StatusCode::SERVICE_UNAVAILABLE, full).into_response();
    };
    let mut timer = tokio::time::interval(INTERVAL);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let rounds = stream::unfold((host, timer, slot), |(host, mut timer, slot)| async move {
        tokio::select! {
            () = host.stop.cancelled() => None,
            _ = timer.tick() => {
                let mut round: String =
                    host.commands.hystrix_messages().iter().map(|json| sse_event(json)).collect();
                round.push_str(KEEP_ALIVE);
                Some((Ok::<_, Infallible>(round), (host, timer, slot)))
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (
            header::CACHE_CONTROL,
            "no-cache, no-store, max-age=0, must-revalidate",
        ),
        (header::PRAGMA, "no-cache"),
    ];
    (headers, Body::from_stream(rounds)).into_response()
}
