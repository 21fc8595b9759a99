//! The life of a run, from the first file to the last.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_faults::{EntryId, Inverse, Journal, JournalError, Pauses, recover};
use squall_load::Gauges;
use squall_reports::{Phase, RunEvent};
use tokio::sync::{mpsc, watch};

use super::live_run::LiveRun;
use super::starting::{NotReady, start_system};
use super::{ATTACH_SOCKET, Control, OnStart, RunContext, RunEnd, RunError, RunRequest, RunView};
use crate::clock::RunClock;
use crate::hub::EventHub;

/// Runs a scenario to its end and puts everything back. Everything worth
/// knowing is in the record; its writer comes back for the verdict.
///
/// # Errors
/// Nothing was run. Failures of the system, of faults or of undo are events of
/// the record instead.
pub async fn run(
    request: RunRequest,
    mut control: mpsc::Receiver<Control>,
    on_start: OnStart<'_>,
) -> Result<RunEnd, RunError> {
    let clock = RunClock::start(preparation_max(&request));
    let hub = EventHub::open(
        request.run_dir.clone(),
        &request.manifest,
        clock,
        request.secrets.clone(),
    )?;
    let (gauges_sender, gauges) = watch::channel(Gauges::default());
    on_start(RunView {
        hub: hub.clone(),
        gauges,
    });
    let journal_dir = request.journal_dir.clone();
    let journal_id = journal_id(&request);
    let socket = request.run_dir.join(ATTACH_SOCKET);
    let opened =
        tokio::task::spawn_blocking(move || open_journal(&journal_dir, &journal_id, socket));
    let (journal, socket) = opened.await.map_err(|_| crate::hub::HubError::Closed)??;
    let context = RunContext {
        scenario: Arc::new(request.scenario.clone()),
        seed: request.seed,
        withhold_faults: request.withhold_faults,
        hub: hub.clone(),
        journal: Arc::new(journal),
        pauses: Pauses::default(),
    };
    hub.emit(RunEvent::Phase(Phase::Starting)).await;
    let failures = match start_system(&context, &request, &mut control).await {
        Ok(Some(system)) => {
            let mut live = LiveRun::new(&context, &request, system).await;
            live.load(&request, &mut control, gauges_sender).await;
            live.stop(&mut control).await
        }
        Ok(None) => Vec::new(),
        Err(NotReady { detail, left }) => {
            hub.emit(RunEvent::NotReady { detail }).await;
            left
        }
    };
    // Its server takes it away; only one that died does not.
    context.journal.done(socket);
    let undo_failures = finish(&context, failures).await;
    Ok(RunEnd {
        record: hub.close().await,
        undo_failures,
    })
}

/// Forgets dead runs, of which nobody may hear otherwise, and opens the journal
/// of this one. Its first entry is the socket that a dead squall leaves.
fn open_journal(
    dir: &Path,
    run_id: &str,
    socket: PathBuf,
) -> Result<(Journal, EntryId), JournalError> {
    recover::sweep(dir)?;
    let journal = Journal::create(dir, run_id)?;
    let entry = journal.record("listen for `squall attach`", Inverse::RemoveSocket(socket))?;
    Ok((journal, entry))
}

/// The longest a run may take before its time zero.
fn preparation_max(request: &RunRequest) -> Duration {
    let scenario = &request.scenario;
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
    let agreed = request.zero_at.map_or(Duration::ZERO, |zero| {
        zero.saturating_duration_since(Instant::now())
    });
    ready + scenario.load.warm_up + steady * 4 + Duration::from_secs(60) + agreed
}

/// Journals of different runs must not share a name, whatever the folder is.
fn journal_id(request: &RunRequest) -> String {
    let run = request.run_dir.file_name().map_or_else(
        || "run".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    let clean: String = run
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    format!("{clean}-{}", std::process::id())
}

/// Says what could not be undone, or that everything was; the former.
async fn finish(context: &RunContext, mut failures: Vec<String>) -> Vec<String> {
    // On the spot: it takes no time, and there may be no thread for it.
    match context.journal.close() {
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
