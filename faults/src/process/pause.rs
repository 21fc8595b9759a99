//! `pause`: a process is stopped and continued, with everything it started if squall
//! started it or was allowed to hit it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use squall_scenario::{Evidence, EvidenceLevel, ProcessSeen, Sighting};

use super::pauses::Hold;
use super::reach::Reach;
use super::{Member, Owner, ProcessTarget, is_stopped};
use crate::guardian::GroupSignal;
use crate::{EntryId, FaultContext, FaultError, Inverse, Journal};

/// A process that was stopped.
#[derive(Debug)]
pub(crate) struct ActivePause {
    name: String,
    reach: Reach,
    journal: Arc<Journal>,
    /// What undoes it, as it stands in the journal.
    entries: Vec<EntryId>,
    hold: Hold,
    /// Whether the effect has been seen; from then on it must hold.
    seen: AtomicBool,
}

impl ActivePause {
    /// Journal first, then SIGSTOP.
    pub(crate) async fn inject(
        target: &ProcessTarget,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        let reach = Reach::open(target, context)?;
        let hold = context.pauses.hold(target.identity);
        let _turn = hold.turn().await;
        let journal = Arc::clone(&context.journal);
        let intent = format!("pause {}", target.name);
        let mut entries = Vec::new();
        for inverse in inverses(target, &reach).await? {
            let entry = Journal::record_off_runtime(&journal, intent.clone(), inverse).await?;
            entries.push(entry);
        }
        let active = Self {
            name: target.name.clone(),
            reach,
            journal,
            entries,
            hold,
            seen: AtomicBool::new(false),
        };
        if let Err(error) = active.reach.signal(GroupSignal::Stop).await {
            // Some may have been stopped before it failed.
            active.signal_removal();
            return Err(error);
        }
        Ok(active)
    }

    /// Waits until everyone is in state T. Once that was seen it must hold: a
    /// later call takes one look and waits for nothing.
    pub(crate) async fn verify(&self, within: Duration) -> Result<Evidence, FaultError> {
        let leader = self.reach.handle.identity;
        let pid = leader.pid;
        let seen = self.seen.load(Ordering::SeqCst);
        let patience = if seen { Duration::ZERO } else { within };
        let all_stopped = |members: &[Member]| !members.iter().any(runs);
        let members = self.reach.settle(all_stopped, patience).await?;
        if !members.iter().any(|member| member.identity == leader) {
            return Err(FaultError::ProcessGone { pid });
        }
        if let Some(member) = members.iter().find(|member| runs(member)) {
            let (pid, state, expected) = (member.identity.pid, member.state, "state T");
            return Err(if seen {
                FaultError::NoLongerEffective {
                    pid,
                    expected,
                    state,
                }
            } else {
                not_effective(member, expected, within)
            });
        }
        self.seen.store(true, Ordering::SeqCst);
        Ok(Evidence {
            level: EvidenceLevel::Felt,
            seen: vec![Sighting::Stopped(self.process(members.len()))],
        })
    }

    /// SIGCONT, then waits until nobody is stopped any more. Where another pause
    /// is in force, that one will do so.
    pub(crate) async fn remove(&self, within: Duration) -> Result<Evidence, FaultError> {
        let _turn = self.hold.turn().await;
        if self.hold.is_shared() {
            self.let_go();
            return Ok(self.removed(Sighting::StaysStopped(self.process(0))));
        }
        match self.reach.signal(GroupSignal::Cont).await {
            Ok(_) | Err(FaultError::ProcessGone { .. }) => {}
            Err(error) => return Err(error),
        }
        let none_stopped = |members: &[Member]| members.iter().all(runs);
        let members = self.reach.settle(none_stopped, within).await?;
        if let Some(member) = members.iter().find(|member| !runs(member)) {
            return Err(not_effective(member, "a running state", within));
        }
        self.let_go();
        let process = self.process(members.len());
        Ok(self.removed(match members.is_empty() {
            true => Sighting::EndedWhileStopped(process),
            false => Sighting::Continued(process),
        }))
    }

    /// That it was stopped is seen before it is removed, or the injection fails.
    fn removed(&self, sighting: Sighting) -> Evidence {
        let level = match self.seen.load(Ordering::SeqCst) {
            true => EvidenceLevel::Felt,
            false => EvidenceLevel::Requested,
        };
        let seen = vec![sighting];
        Evidence { level, seen }
    }

    fn process(&self, processes: usize) -> ProcessSeen {
        ProcessSeen {
            name: self.name.clone(),
            pid: self.reach.handle.identity.pid,
            processes: processes as u64,
        }
    }

    /// For a dropped guard: the signal is sent, the proof is left out.
    pub(crate) fn signal_removal(&self) {
        if self.hold.is_shared() {
            return self.let_go();
        }
        match self.reach.resume_at_once() {
            Ok(()) => self.let_go(),
            Err(error) => tracing::error!(%error, "a paused process was not continued"),
        }
    }

    fn let_go(&self) {
        for entry in &self.entries {
            self.journal.done(*entry);
        }
        self.hold.let_go();
    }

    pub(crate) fn target_ended(&self) -> bool {
        self.reach.handle.ended_within(Duration::ZERO)
    }
}

/// What continues everybody. What squall did not start carries no mark, so each
/// of it is named: it must be found when the process above it is gone.
async fn inverses(target: &ProcessTarget, reach: &Reach) -> Result<Vec<Inverse>, FaultError> {
    let Some(origin) = reach.origin() else {
        return Ok(vec![Inverse::Continue(target.identity)]);
    };
    let mut inverses = vec![Inverse::ContinueGroup {
        leader: origin.root,
        mark: origin.mark.clone(),
    }];
    if target.owner() == Owner::Allowed {
        let below = reach.living().await?.into_iter();
        let below = below.filter(|member| member.identity != origin.root);
        inverses.extend(below.map(|member| Inverse::Continue(member.identity)));
    }
    Ok(inverses)
}

fn runs(member: &Member) -> bool {
    !is_stopped(member.state)
}

fn not_effective(member: &Member, expected: &'static str, within: Duration) -> FaultError {
    FaultError::NotEffective {
        pid: member.identity.pid,
        expected,
        within_ms: within.as_millis() as u64,
        state: member.state,
    }
}
