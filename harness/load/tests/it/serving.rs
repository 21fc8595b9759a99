//! A server that does with each connection what a test says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::{TcpListener, TcpStream};

/// Serves each connection by `serve`, which is told its number; counts them.
pub(crate) async fn server<S, F>(serve: S) -> (SocketAddr, Arc<AtomicU64>)
where
    S: Fn(u64, TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let number = counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(number, stream));
        }
    });
    (address, count)
}
