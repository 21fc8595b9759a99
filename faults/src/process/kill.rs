//! `kill`: a process is ended by a signal.

use std::time::{Duration, Instant};

use rustix::process::Signal as Raw;
use squall_scenario::{Kill, Signal};

use super::{ProcessHandle, ProcessTarget};
use crate::{Evidence, EvidenceLevel, FaultError, Removal};

/// A kill that was sent. Nothing can undo it; who starts the process again is
/// decided elsewhere.
#[derive(Debug)]
pub(crate) struct ActiveKill {
    name: String,
    handle: ProcessHandle,
    sent: Instant,
    signal: &'static str,
}

impl ActiveKill {
    pub(crate) fn inject(target: &ProcessTarget, kill: Kill) -> Result<Self, FaultError> {
        let handle = ProcessHandle::open(target.identity)?;
        let (raw, signal) = match kill.signal {
            Signal::Kill => (Raw::KILL, "SIGKILL"),
            Signal::Term => (Raw::TERM, "SIGTERM"),
            Signal::Int => (Raw::INT, "SIGINT"),
        };
        let sent = Instant::now();
        handle.signal(raw)?;
        Ok(Self {
            name: target.name.clone(),
            handle,
            sent,
            signal,
        })
    }

    /// Waits for the end of the process on its pidfd.
    pub(crate) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        let pid = self.handle.identity.pid;
        match tokio::time::timeout(within, self.handle.ended()).await {
            Ok(()) => Ok(Evidence {
                level: EvidenceLevel::Effective,
                text: format!("{} (pid {pid}) ended on {}", self.name, self.signal),
                counters: vec![
                    ("processes_ended".to_owned(), 1),
                    ("seen_after_us".to_owned(), micros(self.sent)),
                ],
            }),
            Err(_) => Err(FaultError::NotEffective {
                pid,
                expected: "its end",
                within_ms: within.as_millis() as u64,
                state: self.handle.identity.state().unwrap_or('X'),
            }),
        }
    }

    pub(crate) fn remove(&self) -> Removal {
        Removal {
            text: format!(
                "nothing to undo: {} was sent to {} (pid {}); starting it again is up to its restart policy",
                self.signal, self.name, self.handle.identity.pid
            ),
            counters: vec![("processes_signalled".to_owned(), 1)],
        }
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
