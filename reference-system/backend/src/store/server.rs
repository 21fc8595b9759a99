//! The store over HTTP: batched reads and writes of rows.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::protocol::{
    READ_PARTITIONS_MAX, READ_ROWS_MAX, ReadRequest, WRITE_ROWS_MAX, WriteRequest,
};
use super::table::KEY_BYTES_MAX;
use super::wide::{WideError, WideStore};
use crate::dataset::file::load_or_build;
use crate::host::Host;
use crate::service::ServeError;

/// Disk operations at a time; each occupies a thread.
const OPERATIONS_MAX: usize = 8;
/// Requests that may wait for their turn at the disk.
const WAITING_MAX: usize = 512;

/// The store as the HTTP handlers share it.
pub(crate) struct Server {
    store: Arc<WideStore>,
    operations: Semaphore,
    places: Semaphore,
}

impl Server {
    /// Opens the tables and brings the dataset in if they are empty.
    ///
    /// # Errors
    /// The directory or the dataset cannot be used.
    pub(crate) async fn open(host: &Arc<Host>) -> Result<Arc<Self>, ServeError> {
        let path = host.config.data_dir.clone();
        let (cache_dir, seed) = (host.config.cache_dir.clone(), host.config.seed);
        let opened = {
            let path = path.clone();
            spawn_blocking(move || open_with_dataset(path, cache_dir, seed)).await
        };
        let store = match opened {
            Ok(Ok(store)) => Arc::new(store),
            Ok(Err(reason)) => return Err(ServeError::Data { path, reason }),
            Err(panic) => {
                return Err(ServeError::Data {
                    path,
                    reason: panic.to_string(),
                });
            }
        };
        let (disk, backlog) = (Arc::clone(&store), Arc::clone(&store));
        host.metrics
            .gauge("store_disk_bytes", move || disk.disk_bytes());
        host.metrics.gauge("store_compaction_backlog", move || {
            backlog.compaction_backlog() as u64
        });
        Ok(Arc::new(Self {
            store,
            operations: Semaphore::new(OPERATIONS_MAX),
            places: Semaphore::new(OPERATIONS_MAX + WAITING_MAX),
        }))
    }

    /// The routes of the store.
    pub(crate) fn routes(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/read", post(read))
            .route("/write", post(write))
            .with_state(Arc::clone(self))
    }

    /// Puts everything on the disk itself.
    pub(crate) async fn close(&self) {
        let store = Arc::clone(&self.store);
        match spawn_blocking(move || store.sync()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "could not sync the store"),
            Err(error) => tracing::error!(%error, "could not sync the store"),
        }
    }

    /// Runs one operation on a thread that may wait for the disk.
    async fn operate<T: Serialize + Send + 'static>(
        &self,
        operation: impl FnOnce(&WideStore) -> Result<T, WideError> + Send + 'static,
    ) -> Response {
        let Ok(_place) = self.places.try_acquire() else {
            return refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests wait for the disk",
            );
        };
        let Ok(_turn) = self.operations.acquire().await else {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "the store is closing");
        };
        let store = Arc::clone(&self.store);
        match spawn_blocking(move || operation(&store)).await {
            Ok(Ok(reply)) => Json(reply).into_response(),
            Ok(Err(error)) => {
                tracing::error!(%error, "store operation failed");
                refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
            }
            Err(panic) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &panic.to_string()),
        }
    }
}

fn open_with_dataset(path: PathBuf, cache_dir: PathBuf, seed: u64) -> Result<WideStore, String> {
    std::fs::create_dir_all(&path).map_err(|error| error.to_string())?;
    let store = WideStore::open(&path).map_err(|error| error.to_string())?;
    if !store.has_dataset(seed).map_err(|error| error.to_string())? {
        let rows = load_or_build(&cache_dir, seed).map_err(|error| error.to_string())?;
        store
            .load_dataset(seed, &rows)
            .map_err(|error| error.to_string())?;
        tracing::info!(rows = rows.len(), seed, "dataset loaded");
    }
    Ok(store)
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    (status, format!("{reason}\n")).into_response()
}

async fn read(State(server): State<Arc<Server>>, Json(request): Json<ReadRequest>) -> Response {
    if request.partitions.len() > READ_PARTITIONS_MAX || request.limit > READ_ROWS_MAX {
        return refuse(
            StatusCode::BAD_REQUEST,
            "ask for at most 256 partitions and 1000 rows",
        );
    }
    if request
        .partitions
        .iter()
        .any(|key| key.len() > KEY_BYTES_MAX)
    {
        return refuse(
            StatusCode::BAD_REQUEST,
            "a partition key has at most 128 bytes",
        );
    }
    server.operate(move |store| store.read(&request)).await
}

async fn write(State(server): State<Arc<Server>>, Json(request): Json<WriteRequest>) -> Response {
    if request.rows.len() > WRITE_ROWS_MAX {
        return refuse(StatusCode::BAD_REQUEST, "write at most 256 rows at once");
    }
    let too_long = |key: &str| key.len() > KEY_BYTES_MAX;
    if request
        .rows
        .iter()
        .any(|row| too_long(&row.partition) || too_long(&row.clustering))
    {
        return refuse(StatusCode::BAD_REQUEST, "a key has at most 128 bytes");
    }
    server
        .operate(move |store| store.write(&request.rows))
        .await
}
