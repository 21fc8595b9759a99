//! What a fault on a process reaches: the process alone, or everything that
//! the instance is made of.
//!
//! A service behind a start script is a child of the process squall started,
//! or has gone into a session of its own; a signal to that process alone, or to
//! its group, would leave the service serving.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::Instant;

use super::handle::LOOK_EVERY;
use super::members::{Member, Origin, members};
use super::{ProcessHandle, ProcessIdentity, ProcessTarget, is_stopped, stat};
use crate::guardian::{GroupSignal, GuardianClient, GuardianError};
use crate::{FaultContext, FaultError};

/// The longest pause between two looks at an instance; a look reads all of
/// `/proc`.
const LOOK_EVERY_MAX: Duration = Duration::from_millis(32);
/// How often an instance is looked at for what was started while it was
/// signalled.
const ROUNDS_MAX: usize = 16;

/// A process in hand, and whether its instance goes with it.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) handle: ProcessHandle,
    origin: Option<Origin>,
    guardian: Option<GuardianClient>,
}

impl Reach {
    /// Opens the process. Everything of its instance goes with it if squall
    /// started it.
    pub(super) fn open(target: &ProcessTarget, context: &FaultContext) -> Result<Self, FaultError> {
        let handle = ProcessHandle::open(target.identity)?;
        let origin = target.mark.as_ref().map(|mark| Origin {
            root: target.identity,
            mark: mark.clone(),
        });
        Ok(Self {
            handle,
            origin,
            guardian: context.guardian.clone(),
        })
    }

    /// The instance, unless it is the process alone.
    pub(super) const fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Signals everything in reach; who was signalled, or lives after they were
    /// continued. An instance is its guardian's to signal, who needs nothing
    /// that is short here; squall does it itself once the guardian is gone.
    pub(super) async fn signal(&self, signal: GroupSignal) -> Result<Vec<Member>, FaultError> {
        let Some(origin) = self.origin.clone() else {
            let members = alone(self.handle.identity).into_iter().collect();
            self.handle.signal(signal.into())?;
            return Ok(members);
        };
        if let Some(guarded) = self.guarded(&origin, Some(signal)).await {
            return guarded;
        }
        match signal {
            GroupSignal::Cont => {
                off_runtime(move || {
                    resume_members(&origin)?;
                    members(&origin)
                })
                .await
            }
            _ => off_runtime(move || signal_members(&origin, signal.into())).await,
        }
    }

    /// What lives within reach.
    pub(super) async fn living(&self) -> Result<Vec<Member>, FaultError> {
        let Some(origin) = self.origin.clone() else {
            return Ok(alone(self.handle.identity).into_iter().collect());
        };
        match self.guarded(&origin, None).await {
            Some(guarded) => guarded,
            None => off_runtime(move || members(&origin)).await,
        }
    }

    /// What the guardian says; `None` without one.
    async fn guarded(
        &self,
        origin: &Origin,
        signal: Option<GroupSignal>,
    ) -> Option<Result<Vec<Member>, FaultError>> {
        let reached = self.guardian.as_ref()?.reach(origin.root, signal).await;
        match reached {
            Err(GuardianError::Gone | GuardianError::Silent { .. }) => None,
            Ok(members) if members.is_empty() && signal.is_some() => {
                let pid = origin.root.pid;
                Some(Err(FaultError::ProcessGone { pid }))
            }
            reached => Some(reached.map_err(FaultError::Guardian)),
        }
    }

    /// Continues everything in reach on the spot, as well as squall can by
    /// itself.
    pub(super) fn resume_at_once(&self) -> Result<(), FaultError> {
        match self.handle.signal(Signal::CONT) {
            Ok(()) | Err(FaultError::ProcessGone { .. }) => {}
            Err(error) => return Err(error),
        }
        match &self.origin {
            Some(origin) => resume_members(origin).map(drop),
            None => Ok(()),
        }
    }

    /// Looks at what lives within reach until that pleases `wanted`, at most
    /// for `within`; the last look.
    pub(super) async fn settle(
        &self,
        wanted: impl Fn(&[Member]) -> bool,
        within: Duration,
    ) -> Result<Vec<Member>, FaultError> {
        let deadline = Instant::now() + within;
        let mut pause = LOOK_EVERY;
        loop {
            let members = self.living().await?;
            if wanted(&members) || Instant::now() >= deadline {
                return Ok(members);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_EVERY_MAX);
        }
    }
}

/// The process itself, if it lives.
fn alone(identity: ProcessIdentity) -> Option<Member> {
    let state = identity.state();
    let state = state.filter(|state| !matches!(state, 'Z' | 'X'))?;
    Some(Member { identity, state })
}

/// Runs what reads `/proc` on a thread that may block.
pub(super) async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FaultError> + Send + 'static,
) -> Result<T, FaultError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| FaultError::io("looking at an instance", io::Error::other(error)))?
}

/// Signals everything of an instance and returns whom. The group of the root
/// is signalled in one call, so that nobody in it can fork past it; the others
/// one by one, and again whoever appeared meanwhile if `signal` is one that
/// nobody may escape.
///
/// # Errors
/// Nobody was there, or somebody could not be signalled.
pub(crate) fn signal_members(origin: &Origin, signal: Signal) -> Result<Vec<Member>, FaultError> {
    // Looked at first: whoever ends on the signal counts as signalled.
    let mut found = members(origin)?;
    let group_hit = signal_group(origin.root, signal)?;
    let rounds = match signal {
        Signal::STOP | Signal::KILL => ROUNDS_MAX,
        _ => 1,
    };
    let mut signalled: HashMap<ProcessIdentity, Member> = HashMap::new();
    for round in 0..rounds {
        let mut news = false;
        for member in found {
            let new = signalled.insert(member.identity, member).is_none();
            news |= new;
            let hit = group_hit && round == 0 && in_group(member, origin);
            if !hit && (new || signal == Signal::STOP && !is_stopped(member.state)) {
                signal_one(member, signal)?;
            }
        }
        if !news || rounds == 1 {
            break;
        }
        found = members(origin)?;
    }
    if signalled.is_empty() && !group_hit {
        return Err(FaultError::ProcessGone {
            pid: origin.root.pid,
        });
    }
    Ok(signalled.into_values().collect())
}

fn in_group(member: Member, origin: &Origin) -> bool {
    stat(member.identity.pid).is_ok_and(|stat| stat.pgrp.cast_unsigned() == origin.root.pid)
}

/// One that is gone needs no signal.
fn signal_one(member: Member, signal: Signal) -> Result<(), FaultError> {
    let sent = ProcessHandle::open(member.identity).and_then(|handle| handle.signal(signal));
    match sent {
        Err(FaultError::ProcessGone { .. }) => Ok(()),
        sent => sent,
    }
}

/// Signals the group that a root leads, if it still has its number; whether
/// there was one. Between the look and the call the whole group would have to
/// end, be reaped and have its number used again to be mistaken.
fn signal_group(root: ProcessIdentity, signal: Signal) -> Result<bool, FaultError> {
    let pid = i32::try_from(root.pid).ok().and_then(Pid::from_raw);
    let leads = |pid: &Pid| {
        let stat = ProcessIdentity::of(root.pid).ok().zip(stat(root.pid).ok());
        // Not by `getpgrp`: in a PID namespace whose group leader stayed
        // outside, the own group has number 0, which rustix holds impossible.
        let own_group = stat_group(std::process::id());
        stat.is_some_and(|(identity, stat)| {
            identity == root && stat.pgrp == pid.as_raw_nonzero().get() && stat.pgrp != own_group
        })
    };
    let Some(pid) = pid.filter(leads) else {
        return Ok(false);
    };
    match kill_process_group(pid, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(FaultError::io("kill of a process group", error)),
    }
}

fn stat_group(pid: u32) -> i32 {
    stat(pid).map_or(0, |stat| stat.pgrp)
}

/// Continues everything of an instance and returns it.
pub(crate) fn resume_members(origin: &Origin) -> Result<Vec<ProcessHandle>, FaultError> {
    let handles: Vec<_> = members(origin)?
        .into_iter()
        .filter_map(|member| ProcessHandle::open(member.identity).ok())
        .collect();
    signal_group(origin.root, Signal::CONT)?;
    for handle in &handles {
        match handle.signal(Signal::CONT) {
            Ok(()) | Err(FaultError::ProcessGone { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(handles)
}
