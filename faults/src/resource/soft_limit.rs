//! The limits of one process: read, and lowered or raised from outside.
//!
//! Only ever the soft value. A hard value that was lowered could not be raised
//! again without privilege.

use std::time::Duration;

use procfs::process::{LimitValue, Process};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::inverse::LimitKind;
use crate::process::ProcessHandle;
use crate::{FaultError, ProcessIdentity};

/// How often a limit is written again because its hard value changed meanwhile.
const TRIES_MAX: usize = 3;

const fn resource(kind: LimitKind) -> Resource {
    match kind {
        LimitKind::Files => Resource::Nofile,
        LimitKind::FileSize => Resource::Fsize,
        LimitKind::Processes => Resource::Nproc,
    }
}

/// A limit of a process as it stands; `None` is none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) soft: Option<u64>,
    pub(crate) hard: Option<u64>,
}

/// Reads a limit of a process, if it is still the one that was meant.
pub(crate) fn read(who: ProcessIdentity, kind: LimitKind) -> Result<Standing, FaultError> {
    let gone = || FaultError::ProcessGone { pid: who.pid };
    let pid = i32::try_from(who.pid).map_err(|_| gone())?;
    let limits = Process::new(pid).and_then(|process| process.limits());
    // Asked afterwards, so the answer is about the one that was read.
    if !who.is_alive() {
        return Err(gone());
    }
    let reading = || format!("reading /proc/{pid}/limits");
    let limits = limits.map_err(|error| FaultError::io(reading(), std::io::Error::other(error)))?;
    let limit = match kind {
        LimitKind::Files => limits.max_open_files,
        LimitKind::FileSize => limits.max_file_size,
        LimitKind::Processes => limits.max_processes,
    };
    Ok(Standing {
        soft: value(limit.soft_limit),
        hard: value(limit.hard_limit),
    })
}

const fn value(limit: LimitValue) -> Option<u64> {
    match limit {
        LimitValue::Value(value) => Some(value),
        LimitValue::Unlimited => None,
    }
}

/// Sets the soft value of a limit, at most to its hard one. The number of the
/// process cannot change hands unnoticed: it is held by pidfd, and looked at
/// again afterwards. A stranger that was hit gets back what it had.
pub(crate) fn write(
    who: ProcessIdentity,
    kind: LimitKind,
    soft: Option<u64>,
) -> Result<(), FaultError> {
    let gone = || FaultError::ProcessGone { pid: who.pid };
    let handle = ProcessHandle::open(who)?;
    let pid = i32::try_from(who.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(gone)?;
    for _ in 0..TRIES_MAX {
        let Standing { hard, .. } = read(who, kind)?;
        let current = lower(soft, hard);
        let limit = Rlimit {
            current,
            maximum: hard,
        };
        let old = match prlimit(Some(pid), resource(kind), limit) {
            Ok(old) => old,
            Err(Errno::SRCH) => return Err(gone()),
            Err(error) => {
                let doing = format!("setting the {kind} of process {pid}", pid = who.pid);
                return Err(FaultError::io(doing, error));
            }
        };
        if handle.ended_within(Duration::ZERO) {
            give_back(who, kind, current, old);
            return Err(gone());
        }
        // Whoever lowers its own hard value at this very moment keeps it.
        if old.maximum == hard {
            return Ok(());
        }
    }
    Err(FaultError::Unsettled {
        pid: who.pid,
        what: kind.to_string(),
    })
}

/// Gives a stranger back what it had `old`, if it was given the number of `gone`
/// before `set` was set; best effort, as it may be gone as well.
fn give_back(gone: ProcessIdentity, kind: LimitKind, set: Option<u64>, old: Rlimit) {
    let stranger = ProcessIdentity::of(gone.pid).ok();
    let stranger = stranger.filter(|now| *now != gone);
    let pid = i32::try_from(gone.pid).ok().and_then(Pid::from_raw);
    let (Some(stranger), Some(pid)) = (stranger, pid) else {
        return;
    };
    // One that has something else came after it.
    if read(stranger, kind).is_ok_and(|now| now.soft == set)
        && let Err(error) = prlimit(Some(pid), resource(kind), old)
    {
        let pid = stranger.pid;
        tracing::error!(pid, %error, "a process that is none of squall's keeps a limit");
    }
}

/// The lower of two limits, of which `None` is none.
pub(crate) fn lower(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, None) => one,
        (None, other) => other,
    }
}

/// Whether a limit lets through less than another.
pub(crate) fn is_lower(one: Option<u64>, than: Option<u64>) -> bool {
    one != than && lower(one, than) == one
}

/// As people write it.
pub(crate) fn in_words(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

/// Descriptors that a process has open; `None` where that cannot be seen.
pub(crate) fn descriptors(who: ProcessIdentity) -> Option<u64> {
    let open = std::fs::read_dir(format!("/proc/{}/fd", who.pid)).ok()?;
    let open = open.count() as u64;
    who.is_alive().then_some(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_that_has_the_number_now_gets_back_what_it_had() {
        let mut child = std::process::Command::new("sleep");
        let mut child = child.arg("1000").spawn().unwrap();
        let files = LimitKind::Files;
        let stranger = ProcessIdentity::of(child.id()).unwrap();
        let gone = ProcessIdentity {
            start_time: stranger.start_time - 1,
            ..stranger
        };
        let hard = read(stranger, files).unwrap().hard;
        let old = Rlimit {
            current: Some(200),
            maximum: hard,
        };
        let has = || read(stranger, files).unwrap().soft;
        write(stranger, files, Some(64)).unwrap();
        give_back(stranger, files, Some(64), old);
        assert_eq!(has(), Some(64), "it is the one that was meant");
        give_back(gone, files, Some(32), old);
        assert_eq!(has(), Some(64), "somebody else set it");
        give_back(gone, files, Some(64), old);
        assert_eq!(has(), Some(200));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn none_is_the_highest_limit() {
        assert_eq!(lower(None, None), None);
        assert_eq!(lower(Some(3), None), Some(3));
        assert_eq!(lower(None, Some(3)), Some(3));
        assert_eq!(lower(Some(4), Some(3)), Some(3));
        assert!(is_lower(Some(3), None) && is_lower(Some(3), Some(4)));
        assert!(!is_lower(None, Some(3)) && !is_lower(Some(3), Some(3)) && !is_lower(None, None));
    }
}
