//! Discovery over HTTP: register, renew, cancel, list.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::{Path, Query, State};
use axum::routing::{get, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::directory::{Instance, Listing};
use super::lease::{Leases, SWEEP_EVERY};

/// Longest name of a service or an instance, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The registry as the HTTP handlers share it.
#[derive(Default)]
pub(crate) struct Registry {
    leases: Mutex<Leases>,
}

impl Registry {
    fn leases(&self) -> MutexGuard<'_, Leases> {
        // Every change leaves the leases whole, so a panic elsewhere cannot have broken them.
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The routes of the registry.
    pub(crate) fn routes(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/apps", get(list))
            .route("/apps/{service}", get(list_service))
            .route("/apps/{service}/{instance}", put(register).delete(cancel))
            .route("/apps/{service}/{instance}/renew", put(renew))
            .with_state(Arc::clone(self))
    }

    /// Sweeps expired leases out until `stop`.
    pub(crate) async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        let mut timer = tokio::time::interval(SWEEP_EVERY);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = timer.tick() => {}
            }
            for instance in self.leases().sweep(Instant::now()) {
                tracing::info!(%instance, "lease expired; evicted");
            }
        }
    }
}

/// The body of a renewal's query.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Renewal {
    /// Requests the instance is working on.
    pub(crate) load: u32,
}

/// The answer to `GET /apps`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Apps {
    /// Whether evictions are suspended because too few renewals arrive.
    pub(crate) self_preservation: bool,
    /// Everyone registered.
    #[serde(flatten)]
    pub(crate) listing: Listing,
}

async fn list(State(registry): State<Arc<Registry>>) -> Json<Apps> {
    let leases = registry.leases();
    Json(Apps {
        self_preservation: leases.is_preserving(Instant::now()),
        listing: leases.listing(),
    })
}

async fn list_service(
    State(registry): State<Arc<Registry>>,
    Path(service): Path<String>,
) -> Json<Vec<Instance>> {
    let mut listing = registry.leases().listing();
    Json(listing.services.remove(&service).unwrap_or_default())
}

async fn register(
    State(registry): State<Arc<Registry>>,
    Path((service, name)): Path<(String, String)>,
    Json(instance): Json<Instance>,
) -> (StatusCode, &'static str) {
    if service.len() > NAME_BYTES_MAX || name.len() > NAME_BYTES_MAX || name != instance.name {
        return (
            StatusCode::BAD_REQUEST,
            "name the instance in the path as in the body, with at most 64 bytes\n",
        );
    }
    tracing::info!(%service, instance = %name, address = %instance.address, "registered");
    if registry
        .leases()
        .register(&service, instance, Instant::now())
    {
        (StatusCode::NO_CONTENT, "")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the registry is full\n")
    }
}

async fn renew(
    State(registry): State<Arc<Registry>>,
    Path((service, name)): Path<(String, String)>,
    Query(renewal): Query<Renewal>,
) -> StatusCode {
    if registry
        .leases()
        .renew(&service, &name, renewal.load, Instant::now())
    {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn cancel(
    State(registry): State<Arc<Registry>>,
    Path((service, name)): Path<(String, String)>,
) -> StatusCode {
    if registry.leases().cancel(&service, &name) {
        tracing::info!(%service, instance = %name, "cancelled");
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}
