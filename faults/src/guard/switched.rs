//! Waiting for the live connections of links to take a change over.

use std::time::Duration;

use crate::{FaultError, Proxy};

/// Waits for every live connection of all the links; returns how many there are.
///
/// # Errors
/// [`FaultError::NotSwitched`]
pub(super) async fn all_switched(
    proxies: impl Iterator<Item = &Proxy>,
    within: Duration,
) -> Result<usize, FaultError> {
    let mut live = 0;
    for proxy in proxies {
        let switched = proxy.switched(within).await;
        if switched.waiting > 0 {
            return Err(FaultError::NotSwitched {
                link: proxy.name().to_owned(),
                waiting: switched.waiting,
                live: switched.live,
                within_ms: within.as_millis() as u64,
            });
        }
        live += switched.live;
    }
    Ok(live)
}
