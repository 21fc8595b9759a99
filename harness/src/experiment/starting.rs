//! Before the load: guardian and system.

use std::sync::Arc;
use std::time::Duration;

use squall_scenario::{Scenario, format_duration};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::called_off::CalledOff;
use super::ending::{ended, longest};
use super::{Control, RunContext, stop_reason};
use crate::world::seam::{Guardian, World};

/// What starting may take beyond the time that processes have to get ready.
const BEYOND_READY: Duration = Duration::from_secs(60);

/// The system is not there, and what of it could not be ended.
pub(super) struct NotReady {
    pub(super) detail: String,
    pub(super) left: Vec<String>,
}

/// How long a system may take to start.
pub(super) fn ready_max(scenario: &Scenario) -> Duration {
    let processes = scenario.system.processes.iter();
    let ready = processes.map(|process| process.ready.within() + Duration::from_secs(5));
    ready.sum::<Duration>() + BEYOND_READY
}

/// Starts guardian and system; `None` when the run was called off meanwhile.
pub(super) async fn start_system<W: World>(
    world: &W,
    undo: &W::Undo,
    context: &RunContext,
    control: &mut mpsc::Receiver<Control>,
) -> Result<Option<Arc<W::System>>, NotReady> {
    let late = |what: &str, within| format!("{what} was not up within {}", format_duration(within));
    let not_ready = |detail| NotReady {
        detail,
        left: Vec::new(),
    };
    // Not given up for a request to stop: only who is up can be ended for sure.
    let guardian = timeout(BEYOND_READY, world.start_guardian(undo))
        .await
        .unwrap_or_else(|_elapsed| Err(late("the guardian", BEYOND_READY)))
        .map_err(not_ready)?;
    let within = ready_max(&context.scenario);
    let starting = timeout(within, world.start_system(undo, &guardian, &context.hub));
    // Without its guardian a system does not get ready, and says so.
    let outcome = tokio::select! {
        biased;
        reason = stop_reason(&context.hub, control) => Err(CalledOff::Asked(reason)),
        () = context.hub.record_lost() => Err(CalledOff::RecordLost),
        started = starting => {
            Ok(started.unwrap_or_else(|_elapsed| Err(late("the system", within))))
        }
    };
    let detail = match outcome {
        Ok(Ok(system)) => return Ok(Some(Arc::new(system))),
        Ok(Err(detail)) => Some(detail),
        Err(why) => {
            context.hub.emit(why.event()).await;
            None
        }
    };
    let within = longest(&context.scenario.system);
    let ending = ended(&context.hub, &guardian, control, within, guardian.end()).await;
    match (detail, ending) {
        (None, Ok(())) => Ok(None),
        (detail, ending) => Err(NotReady {
            detail: detail.unwrap_or_else(|| "stopped while the system was starting".to_owned()),
            left: ending.err().into_iter().collect(),
        }),
    }
}
