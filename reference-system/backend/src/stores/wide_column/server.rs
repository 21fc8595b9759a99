//! The store over HTTP: batched reads and writes of rows.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde::Serialize;
use squall_resilience::Deadline;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use super::protocol::{
    READ_PARTITIONS_MAX, READ_ROWS_MAX, ReadRequest, ScanRequest, WRITE_ROWS_MAX, WriteRequest,
};
use super::table::KEY_BYTES_MAX;
use super::tree::{WideError, WideStore};
use crate::dataset::file::load_or_build;
use crate::platform::host::Host;
use crate::service::ServeError;

/// Disk operations at a time; each occupies a thread.
const OPERATIONS_MAX: usize = 8;
/// Requests that may wait for their turn at the disk.
const WAITING_MAX: usize = 512;

/// The store as the HTTP handlers share it.
pub(crate) struct Server {
    store: Arc<WideStore>,
    operations: Arc<Semaphore>,
    places: Arc<Semaphore>,
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
        Ok(Arc::new(Self::over(store)))
    }

    fn over(store: Arc<WideStore>) -> Self {
        Self {
            store,
            operations: Arc::new(Semaphore::new(OPERATIONS_MAX)),
            places: Arc::new(Semaphore::new(OPERATIONS_MAX + WAITING_MAX)),
        }
    }

    /// The routes of the store.
    pub(crate) fn routes(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/read", post(read))
            .route("/scan", post(scan))
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

    /// Runs one operation on a thread that may wait for the disk, if its turn comes before the
    /// deadline. A caller that leaves does not end it: it keeps its thread and its place as long as
    /// the disk takes.
    async fn operate<T: Serialize + Send + 'static>(
        &self,
        deadline: Deadline,
        operation: impl FnOnce(&WideStore) -> Result<T, WideError> + Send + 'static,
    ) -> Response {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests wait for the disk",
            );
        };
        let turn = Arc::clone(&self.operations).acquire_owned();
        let turn = match timeout_at(deadline.instant().into(), turn).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_closed)) => {
                return refuse(StatusCode::SERVICE_UNAVAILABLE, "the store is closing");
            }
            Err(_elapsed) => {
                return refuse(StatusCode::SERVICE_UNAVAILABLE, "the disk had no time");
            }
        };
        let store = Arc::clone(&self.store);
        let operated = spawn_blocking(move || {
            let _held = (place, turn);
            operation(&store)
        });
        match operated.await {
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

async fn read(
    State(server): State<Arc<Server>>,
    Extension(deadline): Extension<Deadline>,
    Json(request): Json<ReadRequest>,
) -> Response {
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
    server
        .operate(deadline, move |store| store.read(&request))
        .await
}

async fn scan(
    State(server): State<Arc<Server>>,
    Extension(deadline): Extension<Deadline>,
    Json(request): Json<ScanRequest>,
) -> Response {
    let after = request.after.as_deref().unwrap_or_default();
    if request.limit > READ_ROWS_MAX || after.len() > KEY_BYTES_MAX {
        return refuse(StatusCode::BAD_REQUEST, "scan at most 1000 rows at once");
    }
    server
        .operate(deadline, move |store| store.scan(&request))
        .await
}

async fn write(
    State(server): State<Arc<Server>>,
    Extension(deadline): Extension<Deadline>,
    Json(request): Json<WriteRequest>,
) -> Response {
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
        .operate(deadline, move |store| store.write(&request.rows))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::{Duration, Instant};

    /// No step takes longer unless something hangs.
    const HANG: Duration = Duration::from_secs(60);

    fn server(directory: &tempfile::TempDir) -> Server {
        Server::over(Arc::new(WideStore::open(directory.path()).unwrap()))
    }

    fn later() -> Deadline {
        Deadline::after(Instant::now(), HANG)
    }

    /// An operation that takes as long as the sender lives.
    fn stuck() -> (
        Sender<()>,
        impl FnOnce(&WideStore) -> Result<(), WideError> + Send,
    ) {
        let (release, released): (_, Receiver<()>) = channel();
        (release, move |_: &WideStore| {
            let _ = released.recv();
            Ok(())
        })
    }

    #[tokio::test]
    async fn callers_that_leave_do_not_let_more_operations_at_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let server = server(&directory);
        let mut releases = Vec::new();
        for _ in 0..OPERATIONS_MAX {
            let (release, operation) = stuck();
            // Begun, then given up.
            assert!(server.operate(later(), operation).now_or_never().is_none());
            releases.push(release);
        }
        assert_eq!(server.operations.available_permits(), 0);
        let (_, operation) = stuck();
        let now = Deadline::at(Instant::now());
        let refused = server.operate(now, operation).await;
        assert_eq!(refused.status(), 503, "nobody waits past the deadline");
        assert_eq!(server.places.available_permits(), WAITING_MAX);
        drop(releases);
        let served = server.operate(later(), |_| Ok(()));
        let served = tokio::time::timeout(HANG, served).await.unwrap();
        assert_eq!(served.status(), 200, "the disk is there again");
    }
}
