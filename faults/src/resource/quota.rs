//! `cpu` and `memory`: a running process, with everything that it started if squall started it
//! or was allowed to hit it, is put into a cgroup that leaves it less, and back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use squall_scenario::{Evidence, EvidenceLevel, Measured, ProcessSeen, ResourceSeen, Sighting};

use super::inverse::Pen;
use super::lowered::hittable;
use super::pens::{Hold, Made};
use super::ration::{Ration, Use, has_ended_somebody, held_before};
use crate::process::{ProcessHandle, off_runtime};
use crate::{FaultContext, FaultError, Inverse, Journal, ProcessIdentity, ProcessTarget};

/// Processes that were put into a cgroup.
#[derive(Debug)]
pub(crate) struct ActiveQuota {
    name: String,
    ration: Ration,
    handle: ProcessHandle,
    hold: Hold,
    journal: Arc<Journal>,
    known: Mutex<Known>,
}

/// What is known of it so far.
#[derive(Debug, Default)]
struct Known {
    /// Everybody who was in.
    settled: Vec<ProcessIdentity>,
    /// What the target had used when this began to be the least that is left to it.
    begun: Option<Use>,
    /// What was seen of it so far.
    level: Option<EvidenceLevel>,
    /// What was said when it was removed.
    removed: Option<Evidence>,
}

/// One that is being injected. Some may have been put in before that fails, or before
/// whoever waits for it gives up.
struct Begun<'a>(Option<&'a ActiveQuota>);

impl Begun<'_> {
    fn succeeded(mut self) {
        self.0 = None;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(active) = self.0 {
            active.signal_removal();
        }
    }
}

impl ActiveQuota {
    /// Journal first, then the cgroup, then its limit, then the processes.
    pub(crate) async fn inject(
        target: &ProcessTarget,
        ration: Ration,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        let identity = target.identity;
        let active = Self {
            name: target.name.clone(),
            handle: ProcessHandle::open(identity)?,
            hold: context.limits.pens().hold(ration.controller, identity),
            ration,
            journal: Arc::clone(&context.journal),
            known: Mutex::default(),
        };
        let _alone = context.limits.begin().await;
        let _turn = active.hold.turn().await;
        let made = match active.hold.made() {
            Some(made) => made,
            None => active.make(target).await?,
        };
        let begun = Begun(Some(&active));
        active.apply(made).await?;
        begun.succeeded();
        Ok(active)
    }

    /// Makes the cgroup, with nobody in it.
    async fn make(&self, target: &ProcessTarget) -> Result<Made, FaultError> {
        let (identity, mark) = (target.identity, target.mark.clone());
        let controller = self.ration.controller;
        let plan = move || {
            let pen = Pen::plan(controller, identity, mark)?;
            let held = held_before(controller, pen.before.iter().map(|(who, _)| who))?;
            Ok((pen, held))
        };
        let (pen, held) = off_runtime(plan).await?;
        let intent = format!("put {} into a cgroup of {}", self.name, pen.controller);
        let inverse = Inverse::OpenPen(pen.clone());
        let entry = Journal::record_off_runtime(&self.journal, intent, inverse).await?;
        if let Err(error) = pen.make() {
            self.journal.done(entry);
            return Err(error);
        }
        let made = Made { entry, pen, held };
        self.hold.set_made(Some(made.clone()));
        Ok(made)
    }

    async fn apply(&self, made: Made) -> Result<(), FaultError> {
        let most = self.ration.most;
        let asked = made.clone();
        off_runtime(move || asked.refuse_less(most)).await?;
        self.hold.ask(most);
        let least = self.hold.least();
        let apply = move || {
            least.map_or(Ok(()), |least| made.leave(least))?;
            made.begin()
        };
        let (inside, used) = off_runtime(apply).await?;
        let mut known = self.known();
        let inside = inside.iter().map(|member| member.identity);
        known.settled.extend(inside);
        known.begun = Some(used);
        Ok(())
    }

    /// Looks whether the quota stands and everybody is under it, and puts in who
    /// was started outside meanwhile.
    pub(crate) async fn verify(&self) -> Result<Evidence, FaultError> {
        let _turn = self.hold.turn().await;
        let pid = self.handle.identity.pid;
        let Some(made) = self.hold.made() else {
            return Err(FaultError::ProcessGone { pid });
        };
        if self.target_ended() {
            return self.ended(made).await;
        }
        let wanted = self.hold.least();
        let settled = self.known().settled.clone();
        let standing = made.clone();
        let look = move || {
            wanted.map_or(Ok(()), |wanted| made.look_for(wanted))?;
            let inside = made.pen.fill(&settled)?;
            let used = made.used(&inside)?;
            Ok((inside, used))
        };
        let (inside, used) = match off_runtime(look).await {
            Err(FaultError::ProcessGone { .. }) => return self.ended(standing).await,
            seen => seen?,
        };
        let measured = {
            let mut known = self.known();
            let inside = inside.iter().map(|member| member.identity);
            let new: Vec<_> = inside.filter(|who| !known.settled.contains(who)).collect();
            known.settled.extend(new);
            self.own(&mut known, used)
        };
        let level = self.known().reach(EvidenceLevel::Acted, measured);
        let seen = self.seen(inside.len(), measured);
        Ok(match self.hold.is_outdone() {
            true => Evidence {
                level: EvidenceLevel::Acted,
                seen: vec![Sighting::Outdone(seen)],
            },
            false => Evidence {
                level,
                seen: vec![Sighting::Short(seen)],
            },
        })
    }

    /// A target that the kernel ended for what it was left shows the fault; any
    /// other is gone.
    async fn ended(&self, made: Made) -> Result<Evidence, FaultError> {
        let used = off_runtime(move || made.used(&[])).await?;
        let mut known = self.known();
        let measured = known.measured(used);
        if !measured.as_ref().is_some_and(has_ended_somebody) {
            let pid = self.handle.identity.pid;
            return Err(FaultError::ProcessGone { pid });
        }
        Ok(Evidence {
            level: match self.hold.is_outdone() {
                true => EvidenceLevel::Acted,
                false => known.reach(EvidenceLevel::Acted, measured),
            },
            seen: vec![Sighting::PutBack(self.seen(0, measured))],
        })
    }

    /// What was counted while this was the least: what another quota did proves
    /// nothing of this one.
    fn own(&self, known: &mut Known, used: Use) -> Option<Measured> {
        if self.hold.was_outdone() {
            known.begun = Some(used);
            return None;
        }
        known.measured(used)
    }

    /// Lets everybody go back, unless another fault wants them there.
    pub(crate) async fn remove(&self) -> Result<Evidence, FaultError> {
        let _turn = self.hold.turn().await;
        if let Some(said) = self.known().removed.clone() {
            return Ok(said);
        }
        let Some(made) = self.hold.made() else {
            let pid = self.handle.identity.pid;
            return Err(FaultError::ProcessGone { pid });
        };
        let others = self.hold.least_of_others();
        let lifted = made.clone();
        let lift = move || {
            let pen = &lifted.pen;
            let inside = hittable(pen.leader, pen.mark.as_deref())?;
            // Figures of a cgroup that somebody took away are lost.
            let used = lifted.used(&inside).ok();
            match others {
                Some(least) => lifted.leave_to_others(least)?,
                None => drop(pen.open_up().map_err(FaultError::NotLifted)?),
            }
            Ok((inside.len(), used))
        };
        let (processes, used) = off_runtime(lift).await?;
        let mut known = self.known();
        let measured = used.and_then(|used| self.own(&mut known, used));
        self.let_go(&made, others.is_some());
        let seen = self.seen(processes, measured);
        let level = known.reach(EvidenceLevel::Requested, measured);
        let seen = vec![match others {
            Some(_) => Sighting::StaysShort(seen),
            None => Sighting::PutBack(seen),
        }];
        let evidence = Evidence { level, seen };
        known.removed = Some(evidence.clone());
        Ok(evidence)
    }

    /// For a dropped guard: undone on the spot. What could not be stays in the
    /// journal.
    pub(crate) fn signal_removal(&self) {
        let Some(made) = self.hold.made() else {
            return;
        };
        let others = self.hold.least_of_others();
        let lifted = match others {
            Some(least) => made
                .leave_to_others(least)
                .map_err(|error| error.to_string()),
            None => made.pen.open_up().map(drop),
        };
        match lifted {
            Ok(()) => self.let_go(&made, others.is_some()),
            Err(why) => {
                tracing::error!(%why, "processes were left in a cgroup");
                self.hold.let_go();
            }
        }
    }

    fn let_go(&self, made: &Made, is_shared: bool) {
        self.hold.let_go();
        if !is_shared {
            self.hold.set_made(None);
            self.journal.done(made.entry);
        }
    }

    fn seen(&self, processes: usize, measured: Option<Measured>) -> ResourceSeen {
        ResourceSeen {
            process: ProcessSeen {
                name: self.name.clone(),
                pid: self.handle.identity.pid,
                processes: processes as u64,
            },
            fault: self.ration.fault.clone(),
            measured,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn target_ended(&self) -> bool {
        self.handle.ended_within(Duration::ZERO)
    }
}

impl Known {
    fn measured(&self, now: Use) -> Option<Measured> {
        self.begun.and_then(|begun| now.since(begun))
    }

    /// A quota is felt by whoever was held back by it, at whatever time.
    fn reach(&mut self, level: EvidenceLevel, measured: Option<Measured>) -> EvidenceLevel {
        let felt = measured.is_some_and(|measured| measured.was_met());
        let level = if felt { EvidenceLevel::Felt } else { level };
        let best = self.level.map_or(level, |before| before.max(level));
        self.level = Some(best);
        best
    }
}
