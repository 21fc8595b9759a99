//! Before the load: guardian and system.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use squall_faults::guardian::GuardianClient;
use squall_reports::RunEvent;
use tokio::sync::mpsc;

use super::{Control, RunContext, RunRequest, stop_reason};
use crate::system::{RunningSystem, StartSystem, raise_descriptor_limit};

/// The system is not there, and what of it could not be ended.
pub(super) struct NotReady {
    pub(super) detail: String,
    pub(super) left: Vec<String>,
}

/// Starts guardian and system; `None` when the run was stopped meanwhile.
pub(super) async fn start_system(
    context: &RunContext,
    request: &RunRequest,
    control: &mut mpsc::Receiver<Control>,
) -> Result<Option<Arc<RunningSystem>>, NotReady> {
    let not_ready = |detail: String| NotReady {
        detail,
        left: Vec::new(),
    };
    let args = [OsString::from("guardian")];
    let guardian = GuardianClient::start(&request.squall_exe, &args, &context.journal)
        .await
        .map_err(|error| not_ready(error.to_string()))?;
    if let Err(error) = guardian.keep_secrets(&request.secrets).await {
        let left = end_guardian(&guardian).await.err().into_iter().collect();
        let detail = error.to_string();
        return Err(NotReady { detail, left });
    }
    // Not before the guardian was started: the system under test keeps the limit
    // that it would have without squall.
    raise_descriptor_limit();
    let start = StartSystem {
        system: request.scenario.system.clone(),
        cwd: request.cwd.clone(),
        squall_exe: request.squall_exe.clone(),
        seed: request.seed,
        data_dir: request.run_dir.join("data"),
        log_dir: request.run_dir.join("logs"),
        in_flight_max: request.scenario.load.in_flight_max,
        allowed_hosts: request.allowed_hosts.clone(),
    };
    let starting = RunningSystem::start(&start, guardian.clone(), context.hub.clone());
    let outcome = tokio::select! {
        outcome = starting => outcome.map_err(|error| error.to_string()),
        reason = stop_reason(&context.hub, control) => {
            context.hub.emit(RunEvent::Interrupted { reason }).await;
            end_guardian(&guardian).await.map_err(|left| NotReady {
                detail: "stopped while the system was starting".to_owned(),
                left: vec![left],
            })?;
            return Ok(None);
        }
    };
    match outcome {
        Ok(system) => Ok(Some(Arc::new(system))),
        Err(detail) => {
            let left = end_guardian(&guardian).await.err().into_iter().collect();
            Err(NotReady { detail, left })
        }
    }
}

async fn end_guardian(guardian: &GuardianClient) -> Result<(), String> {
    match guardian.shutdown(Duration::from_secs(1)).await {
        Ok(report) if report.left.is_empty() => Ok(()),
        Ok(report) => Err(format!("these processes are left: {:?}", report.left)),
        Err(error) => Err(error.to_string()),
    }
}
