//! Ready probes.

use std::net::SocketAddr;
use std::time::Duration;

use squall_faults::Origin;
use squall_scenario::Ready;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::answer::root_cause;
use super::port_holder::{Listens, look};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(15);
/// One try.
const TRY_MAX: Duration = Duration::from_secs(1);

/// Tries until the probe succeeds and it is the instance that answered. What
/// cannot be seen of that is returned in words.
///
/// # Errors
/// The deadline passed; what the last try saw.
pub async fn wait_ready(
    ready: &Ready,
    address: SocketAddr,
    origin: &Origin,
    client: &reqwest::Client,
) -> Result<Option<String>, String> {
    let deadline = Instant::now() + ready.within();
    loop {
        let seen = match timeout(TRY_MAX, try_once(ready, address, client)).await {
            Ok(Ok(())) => match look(address, origin).await {
                Listens::Own(_) => return Ok(None),
                Listens::Unseen(why) => return Ok(Some(why)),
                Listens::Stranger(who) => format!("{who} and is not one of its processes"),
                Listens::Nobody => format!("it answered, and nobody listens on {address}"),
            },
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
