//! Signals to everything that an instance is made of, as squall and its guardian
//! both send them.

use std::collections::HashMap;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

use super::members::{Member, Origin, members};
use super::{ProcessHandle, ProcessIdentity, is_stopped, may_be_hit, stat};
use crate::FaultError;

/// How often an instance is looked at for what was started while it was
/// signalled.
const ROUNDS_MAX: usize = 16;

/// Signals everything of an instance and returns whom. The group of the root
/// is signalled in one call, so that nobody in it can fork past it; the others
/// one by one, and again whoever appeared meanwhile if `signal` is one that
/// nobody may escape. Spares who may not be hit, if squall did not start the
/// root.
///
/// # Errors
/// Nobody was there, or somebody could not be signalled.
pub(crate) fn signal_members(origin: &Origin, signal: Signal) -> Result<Vec<Member>, FaultError> {
    // Looked at first: whoever ends on the signal counts as signalled.
    let mut found = hittable(origin)?;
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
        found = hittable(origin)?;
    }
    if signalled.is_empty() && !group_hit {
        return Err(FaultError::ProcessGone {
            pid: origin.root.pid,
        });
    }
    Ok(signalled.into_values().collect())
}

fn hittable(origin: &Origin) -> Result<Vec<Member>, FaultError> {
    let mut found = members(origin)?;
    found.retain(|member| may_be_hit(member, &origin.mark));
    Ok(found)
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
