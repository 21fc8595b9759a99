//! `kill`: a process is ended by a signal, with everything it started if squall
//! started it or was allowed to hit it.

use std::time::{Duration, Instant};

use squall_scenario::inject::{Kill, Signal};
use squall_scenario::{Evidence, EvidenceLevel, ProcessSeen, Sighting};

use super::reach::Reach;
use super::{Member, ProcessHandle, ProcessTarget};
use crate::guardian::GroupSignal;
use crate::{FaultContext, FaultError};

/// A kill that was sent. Nothing can undo it; who starts the process again is
/// decided elsewhere.
#[derive(Debug)]
pub(crate) struct ActiveKill {
    name: String,
    reach: Reach,
    /// Who was signalled, as far as they had not ended at once.
    signalled: Vec<ProcessHandle>,
    /// How many were signalled.
    processes: usize,
    sent: Instant,
    signal: Signal,
}

impl ActiveKill {
    pub(crate) async fn inject(
        target: &ProcessTarget,
        kill: Kill,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        let reach = Reach::open(target, context)?;
        let raw = match kill.signal {
            Signal::Kill => GroupSignal::Kill,
            Signal::Term => GroupSignal::Term,
            Signal::Int => GroupSignal::Int,
        };
        let sent = Instant::now();
        let hit = reach.signal(raw).await?;
        let open = |member: &Member| ProcessHandle::open(member.identity).ok();
        Ok(Self {
            name: target.name.clone(),
            signalled: hit.iter().filter_map(open).collect(),
            processes: hit.len(),
            reach,
            sent,
            signal: kill.signal,
        })
    }

    /// Waits for the end of the process and of everyone who was signalled, on
    /// their pidfds: one that is about to end may not be found any more. Then
    /// nobody else may be left.
    pub(crate) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        let asked = Instant::now();
        // When this takes too long, the look below says who is left.
        let all_ended = async {
            self.reach.handle.ended().await;
            for handle in &self.signalled {
                handle.ended().await;
            }
        };
        let _ = tokio::time::timeout(within, all_ended).await;
        let rest = within.saturating_sub(asked.elapsed());
        let left = self.reach.settle(<[_]>::is_empty, rest).await?;
        if let Some(member) = left.first() {
            return Err(FaultError::NotEffective {
                pid: member.identity.pid,
                expected: "its end",
                within_ms: within.as_millis() as u64,
                state: member.state,
            });
        }
        Ok(Evidence {
            level: EvidenceLevel::Felt,
            seen: vec![Sighting::Ended {
                process: self.process(),
                signal: self.signal,
                after_us: micros(self.sent),
            }],
        })
    }

    pub(crate) fn target_ended(&self) -> bool {
        self.reach.handle.ended_within(Duration::ZERO)
    }

    pub(crate) fn remove(&self) -> Evidence {
        Evidence {
            level: EvidenceLevel::Acted,
            seen: vec![Sighting::Signalled {
                process: self.process(),
                signal: self.signal,
            }],
        }
    }

    fn process(&self) -> ProcessSeen {
        ProcessSeen {
            name: self.name.clone(),
            pid: self.reach.handle.identity.pid,
            processes: self.processes as u64,
        }
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
