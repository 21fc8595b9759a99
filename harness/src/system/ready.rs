//! Ready probes.

use std::net::SocketAddr;
use std::time::Duration;

use squall_scenario::Ready;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::answer::root_cause;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(15);
/// One try.
const TRY_MAX: Duration = Duration::from_secs(1);

/// Tries until the probe succeeds; `Err` says what the last try saw.
///
/// # Errors
/// The deadline passed.
pub async fn wait_ready(
    ready: &Ready,
    address: SocketAddr,
    client: &reqwest::Client,
) -> Result<(), String> {
    let deadline = Instant::now() + ready.within();
    loop {
        let seen = match timeout(TRY_MAX, try_once(ready, address, client)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(seen)) => seen,
            Err(_elapsed) => format!("no answer within {TRY_MAX:?}"),
        };
        if Instant::now() + PAUSE >= deadline {
            return Err(seen);
        }
        sleep(PAUSE).await;
    }
}

async fn try_once(
    ready: &Ready,
    address: SocketAddr,
    client: &reqwest::Client,
) -> Result<(), String> {
    match ready {
        Ready::Tcp { .. } => TcpStream::connect(address)
            .await
            .map(drop)
            .map_err(|error| error.to_string()),
        Ready::Http { path, status, .. } => {
            let url = format!("http://{address}{path}");
            let response = client
                .get(&url)
                .send()
                .await
                .map_err(|error| root_cause(&error))?;
            let seen = response.status().as_u16();
            if seen == *status {
                Ok(())
            } else {
                Err(format!("GET {path} answered {seen}"))
            }
        }
    }
}
