//! Accepting connections, so many at once; more wait in the kernel's queue.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// How long nothing is accepted where it failed: out of descriptors, most likely,
/// and a run matters more.
const REST: Duration = Duration::from_millis(100);

/// Serves every connection on a task of its own while there are places; never
/// ends unless `places` are closed. Who waits for all places waits for all that
/// is served.
pub async fn accept_all<Served>(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    serve: impl Fn(TcpStream) -> Served,
) where
    Served: Future<Output = ()> + Send + 'static,
{
    while let Ok(place) = Arc::clone(places).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(REST).await;
            continue;
        };
        let served = serve(stream);
        tokio::spawn(async move {
            served.await;
            drop(place);
        });
    }
}
