//! The asynchronous side: squall's handle on its guardian.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::broadcast;

use super::protocol::{Exited, GroupSignal, ShutdownReport, SpawnRequest, Spawned};
use crate::{Journal, JournalError, ProcessIdentity};

/// The guardian could not be started or did not do as asked.
#[derive(Debug, Error)]
pub enum GuardianError {
    /// The executable could not be started.
    #[error("the guardian could not be started: {0}")]
    Start(#[source] io::Error),
    /// The journal refused.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The guardian is gone.
    #[error("the guardian is gone; processes it started may be left, `squall recover` ends them")]
    Gone,
    /// The guardian did not answer in time.
    #[error("the guardian did not answer within {within_ms} ms")]
    Silent {
        /// How long was waited.
        within_ms: u64,
    },
    /// The guardian could not do it; for instance the program was not found.
    #[error("{0}")]
    Refused(String),
}

/// A handle on a running guardian; cheap to clone. When the last handle and
/// its connection are gone the guardian ends everything it started.
#[derive(Debug, Clone)]
pub struct GuardianClient {}

impl GuardianClient {
    /// Starts `exe args… --journal PATH` in a session of its own and waits
    /// until it answers.
    ///
    /// # Errors
    /// See [`GuardianError`].
    pub async fn start(
        exe: &Path,
        args: &[OsString],
        journal: &Arc<Journal>,
    ) -> Result<Self, GuardianError> {
        let _ = (exe, args, journal);
        Err(GuardianError::Gone)
    }

    /// Who the guardian is.
    #[must_use]
    pub fn identity(&self) -> ProcessIdentity {
        ProcessIdentity {
            pid: 0,
            start_time: 0,
        }
    }

    /// Starts a process in its own process group, marked with the run's id.
    ///
    /// # Errors
    /// [`GuardianError::Refused`] when it cannot be started or the key is taken.
    pub async fn spawn(&self, request: SpawnRequest) -> Result<Spawned, GuardianError> {
        let _ = request;
        Err(GuardianError::Gone)
    }

    /// Signals the process group of `key`.
    ///
    /// # Errors
    /// [`GuardianError::Refused`] when there is no such process.
    pub async fn signal(&self, key: &str, signal: GroupSignal) -> Result<(), GuardianError> {
        let _ = (key, signal);
        Err(GuardianError::Gone)
    }

    /// SIGTERM, `grace`, then SIGKILL to the process group of `key`; returns
    /// when it has ended. A process that has ended already is fine.
    ///
    /// # Errors
    /// See [`GuardianError`].
    pub async fn terminate(&self, key: &str, grace: Duration) -> Result<(), GuardianError> {
        let _ = (key, grace);
        Err(GuardianError::Gone)
    }

    /// Every end of a started process from now on.
    #[must_use]
    pub fn exits(&self) -> broadcast::Receiver<Exited> {
        broadcast::channel(1).1
    }

    /// Ends everything (SIGCONT, SIGTERM, `grace`, SIGKILL), descendants that
    /// went astray included, then the guardian itself.
    ///
    /// # Errors
    /// See [`GuardianError`].
    pub async fn shutdown(&self, grace: Duration) -> Result<ShutdownReport, GuardianError> {
        let _ = grace;
        Err(GuardianError::Gone)
    }
}
