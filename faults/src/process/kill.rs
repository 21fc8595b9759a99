//! `kill`: a process, with everything it started if squall started it, is ended
//! by a signal.

use std::time::{Duration, Instant};

use squall_scenario::inject::{Kill, Signal};

use super::reach::Reach;
use super::{Member, ProcessHandle, ProcessTarget, count};
use crate::guardian::GroupSignal;
use crate::{Evidence, EvidenceLevel, FaultContext, FaultError, Removal};

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
    signal: &'static str,
}

impl ActiveKill {
    pub(crate) async fn inject(
        target: &ProcessTarget,
        kill: Kill,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        let reach = Reach::open(target, context)?;
        let signal = match kill.signal {
            Signal::Kill => GroupSignal::Kill,
            Signal::Term => GroupSignal::Term,
            Signal::Int => GroupSignal::Int,
        };
        let sent = Instant::now();
        let hit = reach.signal(signal).await?;
        let open = |member: &Member| ProcessHandle::open(member.identity).ok();
        Ok(Self {
            name: target.name.clone(),
            signalled: hit.iter().filter_map(open).collect(),
            processes: hit.len(),
            reach,
            sent,
            signal: kill.signal.name(),
        })
    }

    /// Waits for the end of the process and of everyone who was signalled, on
    /// their pidfds: one that is about to end may not be found any more. Then
    /// nobody else may be left.
    pub(crate) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        let pid = self.reach.handle.identity.pid;
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
        let (name, signal) = (&self.name, self.signal);
        Ok(Evidence {
            level: EvidenceLevel::Effective,
            text: format!(
                "{name} (pid {pid}, {}) ended on {signal}",
                count(self.processes)
            ),
            counters: vec![
                ("processes_ended".to_owned(), self.processes as u64),
                ("seen_after_us".to_owned(), micros(self.sent)),
            ],
        })
    }

    pub(crate) fn target_ended(&self) -> bool {
        self.reach.handle.ended_within(Duration::ZERO)
    }

    pub(crate) fn remove(&self) -> Removal {
        Removal {
            text: format!(
                "nothing to undo: {} was sent to {} (pid {}, {}); starting it again is up to its restart policy",
                self.signal,
                self.name,
                self.reach.handle.identity.pid,
                count(self.processes)
            ),
            counters: vec![("processes_signalled".to_owned(), self.processes as u64)],
        }
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
