//! `pause`: a process is stopped and continued.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal as Raw;
use tokio::time::Instant;

use super::handle::LOOK_EVERY;
use super::{ProcessHandle, ProcessTarget, is_stopped};
use crate::{
    EntryId, Evidence, EvidenceLevel, FaultContext, FaultError, FaultEvent, Inverse, Journal,
    Removal,
};

/// A process that was stopped.
#[derive(Debug)]
pub(crate) struct ActivePause {
    name: String,
    handle: ProcessHandle,
    journal: Arc<Journal>,
    entry: EntryId,
}

impl ActivePause {
    /// Journal first, then SIGSTOP.
    pub(crate) async fn inject(
        target: &ProcessTarget,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        let handle = ProcessHandle::open(target.identity)?;
        let journal = Arc::clone(&context.journal);
        let intent = format!("pause {}", target.name);
        let inverse = Inverse::Continue(target.identity);
        let entry = Journal::record_off_runtime(&journal, intent, inverse).await?;
        context.events.emit(FaultEvent::Journaled {
            fault: context.fault.clone(),
            injection: context.injection,
        });
        let active = Self {
            name: target.name.clone(),
            handle,
            journal,
            entry,
        };
        if let Err(error) = active.handle.signal(Raw::STOP) {
            active.mark_done();
            return Err(error);
        }
        Ok(active)
    }

    /// Waits for state T.
    pub(crate) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        let pid = self.handle.identity.pid;
        let state = self.settle(is_stopped, within).await;
        match state {
            Some(state) if is_stopped(state) => Ok(Evidence {
                level: EvidenceLevel::Effective,
                text: format!("{} (pid {pid}) is stopped, state {state}", self.name),
                counters: vec![("processes_stopped".to_owned(), 1)],
            }),
            None => Err(FaultError::ProcessGone { pid }),
            Some(state) => Err(FaultError::NotEffective {
                pid,
                expected: "state T",
                within_ms: within.as_millis() as u64,
                state,
            }),
        }
    }

    /// SIGCONT, then waits until the process is not stopped any more.
    pub(crate) async fn remove(&self, within: Duration) -> Result<Removal, FaultError> {
        let pid = self.handle.identity.pid;
        match self.handle.signal(Raw::CONT) {
            Ok(()) | Err(FaultError::ProcessGone { .. }) => {}
            Err(error) => return Err(error),
        }
        let text = match self.settle(|state| !is_stopped(state), within).await {
            None => format!("{} (pid {pid}) ended while it was paused", self.name),
            Some(state) if !is_stopped(state) => {
                format!("{} (pid {pid}) runs again, state {state}", self.name)
            }
            Some(state) => {
                return Err(FaultError::NotEffective {
                    pid,
                    expected: "a running state",
                    within_ms: within.as_millis() as u64,
                    state,
                });
            }
        };
        self.mark_done();
        Ok(Removal {
            text,
            counters: vec![("processes_continued".to_owned(), 1)],
        })
    }

    /// For a dropped guard: the signal is sent, the proof is left out.
    pub(crate) fn signal_removal(&self) {
        match self.handle.signal(Raw::CONT) {
            Ok(()) | Err(FaultError::ProcessGone { .. }) => self.mark_done(),
            Err(error) => tracing::error!(%error, "a paused process was not continued"),
        }
    }

    /// The state once it pleases `wanted`, or after `within`; `None` when the
    /// process has ended.
    async fn settle(&self, wanted: fn(char) -> bool, within: Duration) -> Option<char> {
        let deadline = Instant::now() + within;
        loop {
            let state = self.handle.identity.state();
            let state = state.filter(|state| !matches!(state, 'Z' | 'X'))?;
            if wanted(state) || Instant::now() >= deadline {
                return Some(state);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn mark_done(&self) {
        if let Err(error) = self.journal.done(self.entry) {
            // Harmless: continuing a running process changes nothing.
            tracing::warn!(%error, "a finished undo stays in the journal");
        }
    }
}
