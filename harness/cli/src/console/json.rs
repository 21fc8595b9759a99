//! `--ui json`: every event as a line of JSON on standard output.

use std::sync::Arc;

use squall_record::{Phase, RunEvent, Stamped};
use tokio::sync::broadcast;

use crate::output;

/// Prints events until the run is finished.
pub async fn follow(mut events: broadcast::Receiver<Arc<Stamped>>) {
    loop {
        match events.recv().await {
            Ok(stamped) => {
                // One who reads slowly misses events, and is told so.
                output::room().await;
                output::result_json(&*stamped);
                if matches!(stamped.event, RunEvent::Phase(Phase::Finished)) {
                    return;
                }
            }
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                output::result_json(&serde_json::json!({ "missed_events": missed }));
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}
