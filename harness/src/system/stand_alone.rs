//! A system without a run: started, looked at, ended.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use squall_faults::Journal;
use squall_faults::guardian::GuardianClient;
use squall_scenario::System;

use super::{RunningSystem, StartSystem, SystemError, raise_descriptor_limit};
use crate::clock::RunClock;
use crate::hub::EventHub;

/// A running system that nothing loads or breaks.
#[derive(Debug)]
pub struct StandAlone {
    system: RunningSystem,
    journal: Arc<Journal>,
}

impl StandAlone {
    /// Starts `system` under a guardian of its own; logs and data go below
    /// `dir`.
    ///
    /// # Errors
    /// See [`SystemError`]. What was started is ended.
    pub async fn start(
        system: System,
        seed: u64,
        squall_exe: &Path,
        dir: &Path,
        journal: Arc<Journal>,
    ) -> Result<Self, SystemError> {
        let args = [OsString::from("guardian")];
        let guardian = GuardianClient::start(squall_exe, &args, &journal)
            .await
            .map_err(|error| SystemError::NotReady(error.to_string()))?;
        raise_descriptor_limit();
        let request = StartSystem {
            system,
            cwd: None,
            squall_exe: squall_exe.to_path_buf(),
            seed,
            data_dir: dir.join("data"),
            log_dir: dir.join("logs"),
            in_flight_max: 0,
            allowed_hosts: Vec::new(),
            calls_into: Vec::new(),
        };
        let hub = EventHub::without_record(RunClock::start(Duration::ZERO));
        match RunningSystem::start(&request, guardian.clone(), hub).await {
            Ok(system) => Ok(Self { system, journal }),
            Err(error) => {
                // The guardian ends what was started; its own failure would
                // say less than the reason.
                let _ = guardian.shutdown(Duration::from_secs(1)).await;
                let _ = journal.close();
                Err(error)
            }
        }
    }

    /// The system.
    #[must_use]
    pub const fn system(&self) -> &RunningSystem {
        &self.system
    }

    /// Ends everything.
    ///
    /// # Errors
    /// What is left, in words.
    pub async fn stop(self) -> Result<String, String> {
        let ended = self.system.stop().await?;
        match self.journal.close() {
            Ok(0) => Ok(ended),
            Ok(pending) => Err(format!("{pending} undos are pending; run `squall recover`")),
            Err(error) => Err(error.to_string()),
        }
    }
}
