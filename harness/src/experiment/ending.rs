//! Ending the system: nobody waits for it for ever, and a request to stop takes
//! away the time that processes have to end by themselves.

use std::time::Duration;

use squall_record::RunEvent;
use squall_scenario::{System, format_duration};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{Control, stop_reason};
use crate::hub::EventHub;
use crate::world::seam::Guardian;

/// What ending may take beyond the time that processes have for it: a guardian
/// that is silent or gone is replaced, twice.
const BEYOND_GRACE: Duration = Duration::from_secs(60);
/// For a guardian to take in that there is no time.
const HURRY_WITHIN: Duration = Duration::from_secs(1);

/// The longest that the end of a system may take.
pub(super) fn longest(system: &System) -> Duration {
    let graces = system.processes.iter().map(|process| process.stop.grace);
    graces.max().unwrap_or_default() * 4 + BEYOND_GRACE
}

/// Waits until `ending` is done.
///
/// # Errors
/// What is left, in words.
pub(super) async fn ended(
    hub: &EventHub,
    guardian: &impl Guardian,
    control: &mut mpsc::Receiver<Control>,
    within: Duration,
    ending: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    let deadline = sleep(within);
    tokio::pin!(ending, deadline);
    loop {
        tokio::select! {
            biased;
            ended = &mut ending => return ended,
            // The load is over and its verdict stands.
            _ = stop_reason(hub, control) => {
                let text = "asked to stop while stopping: processes have no more time to end";
                hub.emit(RunEvent::Note { text: text.to_owned() }).await;
                hurry(guardian).await;
            }
            () = &mut deadline => return Err(format!(
                "the system was not ended within {}",
                format_duration(within)
            )),
        }
    }
}

/// Takes away the time that processes have to end by themselves.
pub(super) async fn hurry(guardian: &impl Guardian) {
    // One that does not take it in is not waited for either.
    let _ = timeout(HURRY_WITHIN, guardian.hurry()).await;
}
