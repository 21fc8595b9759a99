//! `limit`: limits of a running process are lowered and given back, with those of
//! everything that it started if squall started it or was allowed to hit it.
//!
//! What squall did not start bears no mark. A process that is born during the
//! fault and leaves its parents before squall has looked once keeps the low limit;
//! so does one that only squall has seen, if squall dies.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use squall_scenario::inject::Limit;
use squall_scenario::{
    Evidence, EvidenceLevel, Measured, OnResource, ProcessSeen, ResourceSeen, Sighting,
};

use super::inverse::{LimitKind, LoweredLimit};
use super::limits::{Hold, Limits};
use super::lowered::{ROUNDS_MAX, hittable, reached};
use super::privilege;
use super::soft_limit;
use crate::process::{ProcessHandle, off_runtime};
use crate::{EntryId, FaultContext, FaultError, Inverse, Journal, ProcessIdentity, ProcessTarget};

/// Limits that were lowered.
#[derive(Debug)]
pub(crate) struct ActiveLimit {
    name: String,
    fault: Limit,
    handle: ProcessHandle,
    scope: Scope,
    hold: Hold,
    lowered: Vec<(EntryId, LoweredLimit)>,
    journal: Arc<Journal>,
    /// Whether the effect has been seen.
    seen: AtomicBool,
    /// Everybody who was within reach at some look.
    met: Mutex<HashSet<ProcessIdentity>>,
}

/// Whose limits.
#[derive(Debug, Clone)]
struct Scope {
    leader: ProcessIdentity,
    mark: Option<String>,
}

/// A process with one of its limits.
#[derive(Debug, Clone, Copy)]
struct Known {
    who: ProcessIdentity,
    soft: Option<u64>,
}

impl ActiveLimit {
    /// Journal first, then the limits.
    pub(crate) async fn inject(
        target: &ProcessTarget,
        fault: Limit,
        context: &FaultContext,
    ) -> Result<Self, FaultError> {
        let mut active = Self {
            name: target.name.clone(),
            fault,
            handle: ProcessHandle::open(target.identity)?,
            scope: Scope {
                leader: target.identity,
                mark: target.mark.clone(),
            },
            hold: context.limits.hold(target.identity, target.mark.as_deref()),
            lowered: Vec::new(),
            journal: Arc::clone(&context.journal),
            seen: AtomicBool::new(false),
            met: Mutex::default(),
        };
        let _alone = context.limits.begin().await;
        active.refuse_overlap(&context.limits).await?;
        let _turn = active.hold.turn().await;
        let planned = active.plan().await?;
        for lowered in planned {
            let intent = format!("lower the {} of {}", lowered.kind, active.name);
            let inverse = Inverse::LiftLimit(lowered.clone());
            let entry = Journal::record_off_runtime(&active.journal, intent, inverse).await;
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    active.signal_removal();
                    return Err(error.into());
                }
            };
            active.hold.ask(lowered.kind, lowered.to);
            active.lowered.push((entry, lowered));
        }
        if let Err(error) = active.apply().await {
            // Some may have been lowered before it failed.
            active.signal_removal();
            return Err(error);
        }
        Ok(active)
    }

    /// Limits of one target are kept in one book. One whose tree overlaps with
    /// that of another would be given back what the other has lowered.
    async fn refuse_overlap(&self, limits: &Limits) -> Result<(), FaultError> {
        let others = limits.others(self.scope.leader);
        if others.is_empty() {
            return Ok(());
        }
        let scope = self.scope.clone();
        let look = move || {
            let own = reached(scope.leader, scope.mark.as_deref())?;
            for other in others {
                let mut held = other.members;
                let found = reached(other.leader, other.mark.as_deref())?;
                held.extend(found.iter().map(|member| member.identity));
                if let Some(both) = own.iter().find(|own| held.contains(&own.identity)) {
                    return Err(FaultError::LimitsOverlap {
                        pid: both.identity.pid,
                        by: other.leader.pid,
                    });
                }
            }
            Ok(())
        };
        off_runtime(look).await
    }

    /// What would be lowered, and from what.
    async fn plan(&self) -> Result<Vec<LoweredLimit>, FaultError> {
        let mut planned = Vec::new();
        for (kind, to) in asked(&self.fault) {
            let known = self.known(kind).await?;
            if let LimitKind::Processes = kind {
                privilege::counted_by_the_kernel(known.iter().map(|known| known.who))?;
            }
            let leader = known.iter().find(|known| known.who == self.scope.leader);
            let Some(leader) = leader else {
                let pid = self.scope.leader.pid;
                return Err(FaultError::ProcessGone { pid });
            };
            let others = self.hold.before(leader.who, kind, leader.soft, leader.soft);
            let before = |known: &Known| {
                let before = self.hold.before(known.who, kind, known.soft, others);
                (known.who, before)
            };
            let before: Vec<_> = known.iter().map(before).collect();
            let higher = |(_, before): &(_, Option<u64>)| soft_limit::is_lower(Some(to), *before);
            if !before.iter().any(higher) {
                return Err(FaultError::NothingToLower {
                    pid: self.scope.leader.pid,
                    what: kind.to_string(),
                    is: soft_limit::in_words(others),
                    to,
                });
            }
            planned.push(LoweredLimit {
                kind,
                leader: self.scope.leader,
                mark: self.scope.mark.clone(),
                to,
                before,
                others,
            });
        }
        Ok(planned)
    }

    /// Lowers everybody within reach who has more than the lowest that is asked
    /// for, and again whoever was started meanwhile.
    async fn apply(&self) -> Result<(), FaultError> {
        for _ in 0..ROUNDS_MAX {
            let higher = self.higher().await?;
            if higher.is_empty() {
                return Ok(());
            }
            let set = move || {
                for Higher { who, kind, to, .. } in higher {
                    match soft_limit::write(who, kind, Some(to)) {
                        Ok(()) | Err(FaultError::ProcessGone { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            };
            off_runtime(set).await?;
        }
        Ok(())
    }

    /// Who has more than the lowest that is asked for.
    async fn higher(&self) -> Result<Vec<Higher>, FaultError> {
        let mut higher = Vec::new();
        for (_, lowered) in &self.lowered {
            let kind = lowered.kind;
            let to = self.hold.lowest(kind).unwrap_or(lowered.to);
            let known = self.known(kind).await?.into_iter();
            let more = known.filter(|known| soft_limit::is_lower(Some(to), known.soft));
            higher.extend(more.map(|Known { who, soft: is }| Higher { who, kind, is, to }));
        }
        Ok(higher)
    }

    /// Reads the limits of everybody within reach.
    pub(crate) async fn verify(&self) -> Result<Evidence, FaultError> {
        // Another limit of the target may be on its way up or down.
        let _turn = self.hold.turn().await;
        let pid = self.scope.leader.pid;
        if self.target_ended() {
            return Err(FaultError::ProcessGone { pid });
        }
        if let Some(Higher { who, kind, is, to }) = self.higher().await?.first() {
            return Err(FaultError::LimitChanged {
                pid: who.pid,
                what: kind.to_string(),
                is: soft_limit::in_words(*is),
                wanted: *to,
            });
        }
        self.seen.store(true, Ordering::SeqCst);
        let seen = vec![Sighting::Short(self.look().await?)];
        let level = EvidenceLevel::Felt;
        Ok(Evidence { level, seen })
    }

    /// Gives back what nobody else wants low, and reads that it is so.
    pub(crate) async fn remove(&self) -> Result<Evidence, FaultError> {
        let _turn = self.hold.turn().await;
        let mut shared = false;
        let mut lifted = Ok(());
        for (_, lowered) in &self.lowered {
            let cap = self.hold.lowest_of_others(lowered.kind);
            shared |= cap.is_some();
            if self.is_covered(lowered) {
                continue;
            }
            let lowered = self.with_strays(lowered);
            let lift = move || lowered.lift(cap).map(drop).map_err(FaultError::NotLifted);
            lifted = lifted.and(off_runtime(lift).await);
        }
        lifted?;
        let seen = self.look().await?;
        self.let_go();
        let level = match self.seen.load(Ordering::SeqCst) {
            true => EvidenceLevel::Felt,
            false => EvidenceLevel::Requested,
        };
        let seen = vec![match shared {
            true => Sighting::StaysShort(seen),
            false => Sighting::PutBack(seen),
        }];
        Ok(Evidence { level, seen })
    }

    /// Whether another fault keeps the limit as low or lower.
    fn is_covered(&self, lowered: &LoweredLimit) -> bool {
        let others = self.hold.lowest_of_others(lowered.kind);
        others.is_some_and(|lowest| lowest <= lowered.to)
    }

    async fn look(&self) -> Result<ResourceSeen, FaultError> {
        let scope = self.scope.clone();
        let counts_files = self.fault.files.is_some();
        let look = move || {
            let members = reached(scope.leader, scope.mark.as_deref())?;
            let of = members
                .iter()
                .filter_map(|member| soft_limit::descriptors(member.identity));
            let open = of.max().filter(|_| counts_files);
            Ok((members.len() as u64, open))
        };
        let (processes, open) = off_runtime(look).await?;
        Ok(ResourceSeen {
            process: ProcessSeen {
                name: self.name.clone(),
                pid: self.scope.leader.pid,
                processes,
            },
            fault: OnResource::Limit(self.fault),
            measured: open.map(|open| Measured::Descriptors { open }),
        })
    }

    /// For a dropped guard: given back on the spot. What could not be stays in
    /// the journal.
    pub(crate) fn signal_removal(&self) {
        let mut all = true;
        for (_, lowered) in &self.lowered {
            let cap = self.hold.lowest_of_others(lowered.kind);
            if self.is_covered(lowered) {
                continue;
            }
            if let Err(why) = self.with_strays(lowered).lift(cap) {
                tracing::error!(%why, "a limit was not given back");
                all = false;
            }
        }
        match all {
            true => self.let_go(),
            false => self.hold.let_go(),
        }
    }

    /// With everybody named who was ever seen in reach: what bears no mark is not
    /// found once it has left the tree, and had of its parent what others have.
    fn with_strays(&self, lowered: &LoweredLimit) -> LoweredLimit {
        let mut lowered = lowered.clone();
        let named = lowered.before.iter().map(|(who, _)| *who);
        let named: HashSet<_> = named.collect();
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let strays = met.iter().filter(|who| !named.contains(who));
        let others = lowered.others;
        lowered.before.extend(strays.map(|who| (*who, others)));
        lowered
    }

    /// Everybody within reach, with a limit of each.
    async fn known(&self, kind: LimitKind) -> Result<Vec<Known>, FaultError> {
        let known = self.scope.known(kind).await?;
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.extend(known.iter().map(|known| known.who));
        drop(met);
        Ok(known)
    }

    fn let_go(&self) {
        for (entry, _) in &self.lowered {
            self.journal.done(*entry);
        }
        self.hold.let_go();
    }

    pub(crate) fn target_ended(&self) -> bool {
        self.handle.ended_within(Duration::ZERO)
    }
}

/// A limit that is not as low as it should be.
struct Higher {
    who: ProcessIdentity,
    kind: LimitKind,
    is: Option<u64>,
    to: u64,
}

impl Scope {
    /// Everybody within reach, with a limit of each.
    async fn known(&self, kind: LimitKind) -> Result<Vec<Known>, FaultError> {
        let scope = self.clone();
        let look = move || {
            let mut known = Vec::new();
            for member in hittable(scope.leader, scope.mark.as_deref())? {
                let who = member.identity;
                match soft_limit::read(who, kind) {
                    Ok(standing) => known.push(Known {
                        who,
                        soft: standing.soft,
                    }),
                    Err(FaultError::ProcessGone { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(known)
        };
        off_runtime(look).await
    }
}

/// Each limit that a fault lowers, and to what.
fn asked(limit: &Limit) -> Vec<(LimitKind, u64)> {
    let files = limit.files.map(|to| (LimitKind::Files, u64::from(to)));
    let size = limit.file_size.map(|to| (LimitKind::FileSize, to.0));
    let processes = limit
        .processes
        .map(|to| (LimitKind::Processes, u64::from(to)));
    [files, size, processes].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::Pauses;

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_not_judged_while_another_is_on_its_way() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("sleep");
        let mut child = child.arg("1000").spawn().unwrap();
        let identity = ProcessIdentity::of(child.id()).unwrap();
        let context = FaultContext {
            fault: "short".to_owned(),
            injection: 0,
            journal: Arc::new(Journal::create(dir.path(), "short").unwrap()),
            guardian: None,
            pauses: Pauses::default(),
            limits: Limits::default(),
            deadline: Duration::from_secs(30),
        };
        let target = ProcessTarget {
            name: "web".to_owned(),
            identity,
            mark: None,
        };
        let fault = Limit {
            files: Some(64),
            ..Limit::default()
        };
        let active = ActiveLimit::inject(&target, fault, &context).await.unwrap();
        let other = context.limits.hold(identity, None);
        let turn = other.turn().await;
        let set = |to| soft_limit::write(identity, LimitKind::Files, Some(to)).unwrap();
        set(100);
        let early = timeout(Duration::from_secs(1), active.verify()).await;
        assert!(early.is_err(), "{early:?}");
        set(64);
        drop(turn);
        active.verify().await.unwrap();
        active.remove().await.unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
