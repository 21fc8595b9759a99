//! The routes for operators: `/health`, `/metrics`, `/hystrix.stream` and the streams beside it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use http::{StatusCode, header};
use squall_resilience::hystrix_stream::{
    CONTENT_TYPE, INTERVAL, KEEP_ALIVE, config, interval, sse_event, utilization,
};
use squall_resilience::{Registry, prometheus};

use super::Host;

/// The routes every service has.
pub(crate) fn routes(host: &Arc<Host>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/hystrix.stream", get(hystrix_stream))
        .route("/hystrix/config.stream", get(config_stream))
        .route("/hystrix/utilization.stream", get(utilization_stream))
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

async fn hystrix_stream(State(host): State<Arc<Host>>, RawQuery(query): RawQuery) -> Response {
    let every = interval(query.as_deref(), INTERVAL);
    events(host, every, Registry::hystrix_messages)
}

async fn config_stream(State(host): State<Arc<Host>>, RawQuery(query): RawQuery) -> Response {
    let every = interval(query.as_deref(), config::INTERVAL);
    events(host, every, |commands| {
        let collapsers = commands.collapser_snapshots();
        vec![config::message(&commands.snapshots(), &collapsers)]
    })
}

async fn utilization_stream(State(host): State<Arc<Host>>, RawQuery(query): RawQuery) -> Response {
    let every = interval(query.as_deref(), INTERVAL);
    events(host, every, |commands| {
        vec![utilization::message(&commands.snapshots())]
    })
}

/// One round of events at once and one every so often, until the client or the instance leaves.
fn events(host: Arc<Host>, every: Duration, messages: fn(&Registry) -> Vec<String>) -> Response {
    let Ok(slot) = Arc::clone(&host.event_streams).try_acquire_owned() else {
        let full = "MaxConcurrentConnections reached: 5\n";
        return (StatusCode::SERVICE_UNAVAILABLE, full).into_response();
    };
    let mut timer = tokio::time::interval(every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let state = (host, timer, slot);
    let rounds = stream::unfold(state, move |(host, mut timer, slot)| async move {
        tokio::select! {
            () = host.stop.cancelled() => None,
            _ = timer.tick() => {
                let messages = messages(&host.commands);
                let mut round: String = messages.iter().map(|json| sse_event(json)).collect();
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
