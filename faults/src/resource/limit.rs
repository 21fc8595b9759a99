//! `limit`: limits of a running process, with everything it started if squall
//! started it, are lowered and given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use squall_scenario::inject::Limit;
use squall_scenario::{
    Evidence, EvidenceLevel, Measured, OnResource, ProcessSeen, ResourceSeen, Sighting,
};

use super::inverse::{LimitKind, LoweredLimit};
use super::limits::Hold;
use super::lowered::{ROUNDS_MAX, reached};
use super::privilege;
use super::soft_limit;
use crate::process::{ProcessHandle, may_be_hit, off_runtime};
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
            hold: context.limits.hold(target.identity),
            lowered: Vec::new(),
            journal: Arc::clone(&context.journal),
            seen: AtomicBool::new(false),
        };
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

    /// What would be lowered, and from what.
    async fn plan(&self) -> Result<Vec<LoweredLimit>, FaultError> {
        let mut planned = Vec::new();
        for (kind, to) in asked(&self.fault) {
            let known = self.scope.known(kind).await?;
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
            let known = self.scope.known(kind).await?.into_iter();
            let more = known.filter(|known| soft_limit::is_lower(Some(to), known.soft));
            higher.extend(more.map(|Known { who, soft: is }| Higher { who, kind, is, to }));
        }
        Ok(higher)
    }

    /// Reads the limits of everybody within reach.
    pub(crate) async fn verify(&self) -> Result<Evidence, FaultError> {
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
        for (_, lowered) in &self.lowered {
            let cap = self.hold.lowest_of_others(lowered.kind);
            shared |= cap.is_some();
            if self.is_covered(lowered) {
                continue;
            }
            let lowered = lowered.clone();
            let lift = move || lowered.lift(cap).map_err(FaultError::NotLifted);
            off_runtime(lift).await?;
        }
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
        for (_, lowered) in &self.lowered {
            let cap = self.hold.lowest_of_others(lowered.kind);
            if self.is_covered(lowered) {
                continue;
            }
            if let Err(why) = lowered.lift(cap) {
                tracing::error!(%why, "a limit was not given back");
                return self.hold.let_go();
            }
        }
        self.let_go();
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
            let found = reached(scope.leader, scope.mark.as_deref())?.into_iter();
            // The leader alone was looked at before.
            let mark = scope.mark.as_deref().filter(|mark| mark.is_empty());
            for member in found.filter(|member| mark.is_none_or(|mark| may_be_hit(member, mark))) {
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
