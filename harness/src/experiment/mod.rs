//! The life of a run: start, steady state, faults on a timeline, recovery,
//! drain, and everything put back.

mod called_off;
mod ending;
mod heard;
mod life;
mod live_run;
mod measured;
mod patience;
mod reading_guards;
mod starting;
mod steady;
#[cfg(test)]
mod tests;
mod timeline;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_load::Gauges;
use squall_record::{
    HandAction, HandSide, Manifest, RecordError, RecordWriter, RunEvent, Shard, StopReason,
};
use squall_scenario::{Scenario, Secrets, format_duration};
use tokio::sync::{mpsc, watch};

pub use life::run;

use crate::hub::{EventHub, HubError};

/// What to run and where.
#[derive(Debug)]
pub struct RunRequest {
    /// The scenario; a variant is applied already.
    pub scenario: Scenario,
    /// Seed of everything random.
    pub seed: u64,
    /// Where processes run: the folder of the file that describes them, or
    /// squall's own folder.
    pub cwd: Option<PathBuf>,
    /// squall's own executable: the guardian, and `$squall`.
    pub squall_exe: PathBuf,
    /// The run directory; must not exist.
    pub run_dir: PathBuf,
    /// Where undo journals are kept.
    pub journal_dir: PathBuf,
    /// What stands in `run.json`.
    pub manifest: Manifest,
    /// Values of the environment that must not be recorded.
    pub secrets: Secrets,
    /// Hosts that may be loaded although they are not on this machine.
    pub allowed_hosts: Vec<String>,
    /// Processes that squall did not start and may hit, by name.
    pub allowed_processes: Vec<String>,
    /// The share of the load that is sent; `None` for all of it. Only the
    /// first shard injects faults.
    pub shard: Option<Shard>,
    /// Whether faults are withheld: their windows are cut where they would have
    /// been, and nothing is injected.
    pub withhold_faults: bool,
    /// Time zero, where it was agreed with others; as soon as the steady state
    /// is reached otherwise.
    pub zero_at: Option<Instant>,
}

/// What a person may ask of a run under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// End the run now: remove every fault, drain, judge what there is. A
    /// second one stops waiting for answers that are under way.
    Stop(StopReason),
    /// Something that a person does at this screen. It is recorded, and refused
    /// with a note while there is nothing it could act on.
    ByHand(HandAction, HandSide),
}

/// A run as its screens see it, handed out before anything happens.
#[derive(Debug, Clone)]
pub struct RunView {
    /// Every event; see [`EventHub::subscribe`].
    pub hub: EventHub,
    /// Rough live figures, all zero until the load runs.
    pub gauges: watch::Receiver<Gauges>,
}

/// What a run left behind.
#[derive(Debug)]
pub struct RunEnd {
    /// The record, for its verdict; or why it is not whole.
    pub record: Result<RecordWriter, HubError>,
    /// What could not be put back, in words; empty when everything was. It
    /// stands in the record too, where there is one.
    pub undo_failures: Vec<String>,
}

/// Why nothing was run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run directory cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The journal could not be opened.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The undo journal cannot be written, so nothing was started.
    #[error(transparent)]
    Journal(#[from] squall_faults::JournalError),
    /// The disk does not answer, so nothing was started.
    #[error("the undo journal was not opened within {}", format_duration(*.within))]
    Silent {
        /// How long was waited.
        within: Duration,
    },
}

/// The channel for [`Control`].
#[must_use]
pub fn control_channel() -> (mpsc::Sender<Control>, mpsc::Receiver<Control>) {
    mpsc::channel(16)
}

/// Name of the socket in a run directory on which a run is watched; it is there
/// while the run is.
pub const ATTACH_SOCKET: &str = "attach.sock";

/// Called once with the view of the run, before anything happens.
pub type OnStart<'c> = &'c mut (dyn FnMut(RunView) + Send);

/// Shared by everything a run does.
#[derive(Debug, Clone)]
struct RunContext {
    scenario: Arc<Scenario>,
    seed: u64,
    /// The share of the load that is sent. Only the first shard injects faults.
    shard: Option<Shard>,
    withhold_faults: bool,
    zero_at: Option<Instant>,
    hub: EventHub,
}

/// The next request; never returns when nobody can ask any more.
async fn next_request(control: &mut mpsc::Receiver<Control>) -> Control {
    match control.recv().await {
        Some(request) => request,
        None => std::future::pending().await,
    }
}

/// The next request to stop, at a time when no fault can be stopped by hand:
/// marks are recorded, anything else is refused.
async fn stop_reason(hub: &EventHub, control: &mut mpsc::Receiver<Control>) -> StopReason {
    loop {
        match next_request(control).await {
            Control::Stop(reason) => return reason,
            Control::ByHand(action @ HandAction::Mark { .. }, from) => {
                hub.emit_at_once(RunEvent::ByHand { action, from });
            }
            Control::ByHand(action @ HandAction::Finish, from) => {
                hub.emit_at_once(RunEvent::ByHand { action, from });
                return StopReason::Finish;
            }
            Control::ByHand(action, _) => {
                hub.emit_at_once(refused(&action, "there is no fault that it could end now"))
            }
        }
    }
}

/// What the record says of a request that could not be met.
fn refused(action: &HandAction, why: &str) -> RunEvent {
    RunEvent::Note {
        text: format!("refused a request by hand ({}): {why}", action.words()),
    }
}
