//! A process of squall's beside a target while it works, and what that proves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use squall_scenario::{
    Evidence, EvidenceLevel, Measured, OnResource, ProcessSeen, ResourceSeen, Sighting,
};

use super::rival::Rival;
use crate::process::{ProcessHandle, off_runtime};
use crate::{FaultError, ProcessTarget};

/// Work of squall's that a target has to share something with.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) target: ProcessTarget,
    fault: OnResource,
    handle: ProcessHandle,
    pub(super) rival: Arc<Rival>,
    known: Mutex<Known>,
}

/// What is known of it so far.
#[derive(Debug, Default)]
struct Known {
    level: Option<EvidenceLevel>,
    /// What was said when it was removed.
    removed: Option<Evidence>,
}

impl Beside {
    pub(super) fn new(
        target: &ProcessTarget,
        fault: OnResource,
        handle: ProcessHandle,
        rival: Rival,
    ) -> Self {
        Self {
            target: target.clone(),
            fault,
            handle,
            rival: Arc::new(rival),
            known: Mutex::default(),
        }
    }

    /// Whether both are there.
    ///
    /// # Errors
    /// One is not; `why` squall's own may have ended.
    pub(super) fn is_there(&self, why: &str) -> Result<(), FaultError> {
        let pid = self.target.identity.pid;
        if self.target_ended() {
            return Err(FaultError::ProcessGone { pid });
        }
        if self.rival.has_ended() {
            let why = why.to_owned();
            return Err(FaultError::Rival { pid, why });
        }
        Ok(())
    }

    /// Whether it was seen in force before.
    pub(super) fn was_seen(&self) -> bool {
        self.known().level.is_some()
    }

    /// That it is in force.
    pub(super) fn in_force(&self, processes: usize, measured: Measured) -> Evidence {
        let level = self.known().reach(EvidenceLevel::Acted, Some(measured));
        let seen = vec![Sighting::Short(self.seen(processes, Some(measured)))];
        Evidence { level, seen }
    }

    /// What was said when it was removed, if it was.
    pub(super) fn removed(&self) -> Option<Evidence> {
        self.known().removed.clone()
    }

    /// Ends the process, and sees that it has ended.
    pub(super) async fn end(
        &self,
        processes: usize,
        measured: Option<Measured>,
    ) -> Result<Evidence, FaultError> {
        let rival = Arc::clone(&self.rival);
        off_runtime(move || rival.end()).await?;
        let mut known = self.known();
        let evidence = Evidence {
            level: known.reach(EvidenceLevel::Requested, measured),
            seen: vec![Sighting::PutBack(self.seen(processes, measured))],
        };
        known.removed = Some(evidence.clone());
        Ok(evidence)
    }

    pub(super) fn target_ended(&self) -> bool {
        self.handle.ended_within(Duration::ZERO)
    }

    fn seen(&self, processes: usize, measured: Option<Measured>) -> ResourceSeen {
        ResourceSeen {
            process: ProcessSeen {
                name: self.target.name.clone(),
                pid: self.target.identity.pid,
                processes: processes as u64,
            },
            fault: self.fault.clone(),
            measured,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Once it was felt it stays so: what others do since is theirs.
    fn reach(&mut self, level: EvidenceLevel, measured: Option<Measured>) -> EvidenceLevel {
        let level = match measured.is_some_and(|measured| measured.was_met()) {
            true => EvidenceLevel::Felt,
            false => level,
        };
        let best = self.level.map_or(level, |before| before.max(level));
        self.level = Some(best);
        best
    }
}
