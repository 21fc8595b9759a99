//! Before the load: guardian and system.

use std::sync::Arc;

use squall_record::RunEvent;
use tokio::sync::mpsc;

use super::{Control, RunContext, stop_reason};
use crate::world::seam::{Guardian, World};

/// The system is not there, and what of it could not be ended.
pub(super) struct NotReady {
    pub(super) detail: String,
    pub(super) left: Vec<String>,
}

/// Starts guardian and system; `None` when the run was stopped meanwhile.
pub(super) async fn start_system<W: World>(
    world: &W,
    undo: &W::Undo,
    context: &RunContext,
    control: &mut mpsc::Receiver<Control>,
) -> Result<Option<Arc<W::System>>, NotReady> {
    let started = world.start_guardian(undo).await;
    let guardian = started.map_err(|detail| NotReady {
        detail,
        left: Vec::new(),
    })?;
    let starting = world.start_system(undo, &guardian, &context.hub);
    let outcome = tokio::select! {
        outcome = starting => outcome,
        reason = stop_reason(&context.hub, control) => {
            context.hub.emit(RunEvent::Interrupted { reason }).await;
            guardian.end().await.map_err(|left| NotReady {
                detail: "stopped while the system was starting".to_owned(),
                left: vec![left],
            })?;
            return Ok(None);
        }
    };
    match outcome {
        Ok(system) => Ok(Some(Arc::new(system))),
        Err(detail) => {
            let left = guardian.end().await.err().into_iter().collect();
            Err(NotReady { detail, left })
        }
    }
}
