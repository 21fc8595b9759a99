//! `--ui json`: every event as a line of JSON on standard output.

use std::sync::Arc;

use squall_reports::{Phase, RunEvent, Stamped};
use tokio::sync::broadcast;

/// Prints events until the run is finished.
pub async fn follow(mut events: broadcast::Receiver<Arc<Stamped>>) {
    loop {
        match events.recv().await {
            Ok(stamped) => {
                if let Ok(line) = serde_json::to_string(&*stamped) {
                    anstream::println!("{line}");
                }
                if matches!(stamped.event, RunEvent::Phase(Phase::Finished)) {
                    return;
                }
            }
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                anstream::println!("{}", serde_json::json!({ "missed_events": missed }));
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}
