//! The real world: a record on the disk, an undo journal, a guardian, processes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use squall_faults::guardian::GuardianClient;
use squall_faults::{Decisions, EntryId, Inverse, Journal, JournalError, Limits, Pauses, recover};
use squall_record::store::DECISIONS_FILE;
use squall_record::store::files::create_new;
use squall_record::{Manifest, RecordError, RunEvent, Shard};
use squall_scenario::{Scenario, Secrets};
use tokio::sync::mpsc;

use super::means::Means;
use super::monkeys::Monkeys;
use super::real_system::RealSystem;
use super::seam::{Undo, World};
use crate::clock::RunClock;
use crate::hub::EventHub;
use crate::system::{RunningSystem, StartSystem, raise_descriptor_limit};

/// This machine, and what a run may do on it.
#[derive(Debug)]
pub(crate) struct RealWorld {
    pub(crate) scenario: Arc<Scenario>,
    /// Seed of everything random.
    pub(crate) seed: u64,
    /// The share of the load that is sent; `None` for all of it.
    pub(crate) shard: Option<Shard>,
    /// Where processes run.
    pub(crate) cwd: Option<PathBuf>,
    /// squall's own executable.
    pub(crate) squall_exe: PathBuf,
    /// The run directory.
    pub(crate) run_dir: PathBuf,
    /// Name of the socket in it on which the run is watched.
    pub(crate) socket: &'static str,
    /// Where undo journals are kept.
    pub(crate) journal_dir: PathBuf,
    /// What stands in `run.json`.
    pub(crate) manifest: Manifest,
    /// Values of the environment that must not be recorded.
    pub(crate) secrets: Secrets,
    /// Hosts that may be loaded although they are not on this machine.
    pub(crate) allowed_hosts: Vec<String>,
    /// Processes that squall did not start and may hit, by name.
    pub(crate) allowed_processes: Vec<String>,
}

/// The undo journal of a run.
#[derive(Debug)]
pub(crate) struct RunJournal {
    journal: Arc<Journal>,
    socket: EntryId,
}

impl World for RealWorld {
    type Undo = RunJournal;
    type Guardian = GuardianClient;
    type System = RealSystem;

    fn open_record(&self, clock: RunClock) -> Result<EventHub, RecordError> {
        EventHub::open(
            self.run_dir.clone(),
            &self.manifest,
            clock,
            self.secrets.clone(),
        )
    }

    async fn open_undo(&self) -> Result<RunJournal, JournalError> {
        let dir = self.journal_dir.clone();
        let id = journal_id(&self.run_dir);
        let socket = self.run_dir.join(self.socket);
        let run_dir = self.run_dir.clone();
        let open = move || open_journal(&dir, &id, run_dir, socket);
        let opening = tokio::task::spawn_blocking(open);
        opening.await.unwrap_or_else(|panicked| {
            Err(JournalError::Io {
                path: self.journal_dir.clone(),
                source: std::io::Error::other(panicked),
            })
        })
    }

    async fn start_guardian(&self, undo: &RunJournal) -> Result<GuardianClient, String> {
        let args = [OsString::from("guardian")];
        let guardian = GuardianClient::start(&self.squall_exe, &args, &undo.journal).await;
        let guardian = guardian.map_err(|error| error.to_string())?;
        tracing::info!(pid = guardian.identity().pid, "the guardian started");
        Ok(guardian)
    }

    async fn start_system(
        &self,
        undo: &RunJournal,
        guardian: &GuardianClient,
        hub: &EventHub,
    ) -> Result<RealSystem, String> {
        let complaints = guardian.complaints();
        let heard = complaints.map(|all| tokio::spawn(tell_complaints(all, hub.clone())));
        let kept = guardian.keep_secrets(&self.secrets).await;
        kept.map_err(|error| error.to_string())?;
        // Not before the guardian was started: the system under test keeps the
        // limit that it would have without squall.
        raise_descriptor_limit();
        let start = StartSystem {
            system: self.scenario.system.clone(),
            cwd: self.cwd.clone(),
            squall_exe: self.squall_exe.clone(),
            seed: self.seed,
            data_dir: self.run_dir.join("data"),
            log_dir: self.run_dir.join("logs"),
            in_flight_max: self.scenario.load.in_flight_of_all(),
            allowed_hosts: self.allowed_hosts.clone(),
            calls_into: {
                let faults = self.scenario.faults.iter();
                let on_calls = faults.filter(|fault| fault.inject.is_on_calls());
                on_calls.map(|fault| fault.into.value.clone()).collect()
            },
        };
        let running = RunningSystem::start(&start, guardian.clone(), hub.clone())
            .await
            .map_err(|error| error.to_string())?;
        if !self.scenario.faults.is_empty() {
            let decisions = create_new(&self.run_dir.join(DECISIONS_FILE));
            match decisions.and_then(Decisions::start) {
                Ok(decisions) => running
                    .proxies()
                    .for_each(|link| link.log_decisions(&decisions)),
                Err(error) => tracing::warn!(%error, "decisions are not written"),
            }
        }
        Ok(RealSystem {
            running: Arc::new(running),
            scenario: Arc::clone(&self.scenario),
            seed: self.seed,
            shard: self.shard,
            cwd: self.cwd.clone(),
            log_dir: start.log_dir,
            allowed_hosts: self.allowed_hosts.clone(),
            means: Means {
                allowed_processes: self.allowed_processes.clone(),
                journal: Arc::clone(&undo.journal),
                pauses: Pauses::default(),
                monkeys: Monkeys::default(),
                limits: Limits::default(),
                seed: self.seed,
            },
            heard: Mutex::new(heard),
        })
    }
}

impl Undo for RunJournal {
    fn close(&self) -> Result<usize, JournalError> {
        // Its server takes it away; only one that died does not.
        self.journal.done(self.socket);
        // On the spot: it takes no time, and there may be no thread for it.
        self.journal.close()
    }
}

/// A guardian that complains is no guardian to rely on, and the run says so.
/// Ends with the guardian.
async fn tell_complaints(mut complaints: mpsc::Receiver<String>, hub: EventHub) {
    while let Some(complaint) = complaints.recv().await {
        let detail = format!("its guardian complained: {complaint}");
        hub.emit(RunEvent::Internal { detail }).await;
    }
}

/// Forgets dead runs, of which nobody may hear otherwise, and opens the journal
/// of this one. Its first entry is the socket that a dead squall leaves.
fn open_journal(
    dir: &Path,
    run_id: &str,
    run_dir: PathBuf,
    socket: PathBuf,
) -> Result<RunJournal, JournalError> {
    recover::sweep(dir)?;
    let journal = Journal::create(dir, run_id)?.for_run_in(run_dir);
    let socket = journal.record("listen for `squall attach`", Inverse::RemoveSocket(socket))?;
    Ok(RunJournal {
        journal: Arc::new(journal),
        socket,
    })
}

/// Journals of different runs must not share a name, whatever the folder is.
fn journal_id(run_dir: &Path) -> String {
    let run = run_dir.file_name().map_or_else(
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_the_guardian_complains_about_is_an_event_of_the_run() {
        let hub = EventHub::without_record(RunClock::start(Duration::from_secs(1)));
        let mut events = hub.subscribe();
        let (guardian, complaints) = mpsc::channel(1);
        guardian.send("out of luck".to_owned()).await.unwrap();
        drop(guardian);
        tell_complaints(complaints, hub).await;
        let RunEvent::Internal { detail } = events.recv().await.unwrap().event.clone() else {
            panic!("another event");
        };
        assert_eq!(detail, "its guardian complained: out of luck");
    }
}
