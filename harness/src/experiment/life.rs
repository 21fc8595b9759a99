//! The life of a run, from the first file to the last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_record::{Phase, RunEvent, Shard};
use squall_scenario::Scenario;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::live_run::LiveRun;
use super::starting::{NotReady, start_system};
use super::{ATTACH_SOCKET, Control, OnStart, RunContext, RunEnd, RunError, RunRequest, RunView};
use crate::clock::{RunClock, now};
use crate::world::real::RealWorld;
use crate::world::seam::{Undo, World};
use squall_load::Gauges;

/// For the disk to take the undo journal.
const UNDO_OPENS_WITHIN: Duration = Duration::from_secs(30);

/// Runs a scenario to its end and puts everything back. Everything worth
/// knowing is in the record; its writer comes back for the verdict.
///
/// # Errors
/// Nothing was run. Failures of the system, of faults or of undo are events of
/// the record instead.
pub async fn run(
    request: RunRequest,
    control: mpsc::Receiver<Control>,
    on_start: OnStart<'_>,
) -> Result<RunEnd, RunError> {
    let scenario = Arc::new(request.scenario);
    let course = Course {
        scenario: Arc::clone(&scenario),
        seed: request.seed,
        shard: request.shard,
        withhold_faults: request.withhold_faults,
        zero_at: request.zero_at,
    };
    let world = RealWorld {
        scenario,
        seed: request.seed,
        shard: request.shard,
        cwd: request.cwd,
        squall_exe: request.squall_exe,
        run_dir: request.run_dir,
        socket: ATTACH_SOCKET,
        journal_dir: request.journal_dir,
        manifest: request.manifest,
        secrets: request.secrets,
        allowed_hosts: request.allowed_hosts,
        allowed_processes: request.allowed_processes,
    };
    run_in(&world, course, control, on_start).await
}

/// What is to be done, wherever it is done.
pub(super) struct Course {
    pub(super) scenario: Arc<Scenario>,
    pub(super) seed: u64,
    pub(super) shard: Option<Shard>,
    pub(super) withhold_faults: bool,
    pub(super) zero_at: Option<Instant>,
}

/// Runs a scenario to its end in `world`.
pub(super) async fn run_in<W: World>(
    world: &W,
    course: Course,
    mut control: mpsc::Receiver<Control>,
    on_start: OnStart<'_>,
) -> Result<RunEnd, RunError> {
    let clock = RunClock::start(preparation_max(&course));
    let hub = world.open_record(clock)?;
    let (gauges_sender, gauges) = watch::channel(Gauges::default());
    on_start(RunView {
        hub: hub.clone(),
        gauges,
    });
    let opened = timeout(UNDO_OPENS_WITHIN, world.open_undo()).await;
    let undo = opened.map_err(|_elapsed| RunError::Silent {
        within: UNDO_OPENS_WITHIN,
    })??;
    let context = RunContext {
        scenario: course.scenario,
        seed: course.seed,
        shard: course.shard,
        withhold_faults: course.withhold_faults,
        zero_at: course.zero_at,
        hub: hub.clone(),
    };
    hub.emit(RunEvent::Phase(Phase::Starting)).await;
    let failures = match start_system(world, &undo, &context, &mut control).await {
        Ok(Some(system)) => {
            let mut live = LiveRun::new(&context, system).await;
            live.load(&mut control, gauges_sender).await;
            live.stop(&mut control).await
        }
        Ok(None) => Vec::new(),
        Err(NotReady { detail, left }) => {
            hub.emit(RunEvent::NotReady { detail }).await;
            left
        }
    };
    let undo_failures = finish(&context, &undo, failures).await;
    Ok(RunEnd {
        record: hub.close().await,
        undo_failures,
    })
}

/// The longest a run may take before its time zero.
fn preparation_max(course: &Course) -> Duration {
    let scenario = &course.scenario;
    let steady = scenario
        .steady_state
        .as_ref()
        .map_or(Duration::ZERO, |s| s.duration);
    let ready: Duration = scenario
        .system
        .processes
        .iter()
        .map(|process| process.ready.within() + Duration::from_secs(5))
        .sum();
    let agreed = course
        .zero_at
        .map_or(Duration::ZERO, |zero| zero.saturating_duration_since(now()));
    ready + scenario.load.warm_up + steady * 4 + Duration::from_secs(60) + agreed
}

/// Says what could not be undone, or that everything was; the former.
async fn finish(context: &RunContext, undo: &impl Undo, mut failures: Vec<String>) -> Vec<String> {
    match undo.close() {
        Ok(0) => {}
        Ok(pending) => failures.push(format!("{pending} undos are pending in the journal")),
        Err(error) => failures.push(error.to_string()),
    }
    let event = if failures.is_empty() {
        RunEvent::UndoVerified {
            detail: "every fault removed, every process ended".to_owned(),
        }
    } else {
        let detail = format!("{}; run `squall recover` to try again", failures.join("; "));
        RunEvent::UndoFailed { detail }
    };
    context.hub.emit(event).await;
    context.hub.emit(RunEvent::Phase(Phase::Finished)).await;
    failures
}
