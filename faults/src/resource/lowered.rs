//! Giving back limits that were lowered. Synchronous: the guardian and `recover`
//! have no runtime.

use std::collections::{HashMap, HashSet};

use super::inverse::{LimitKind, LoweredLimit};
use super::soft_limit;
use crate::process::{Owner, may_be_hit, members, refuse};
use crate::{FaultError, Member, Origin, ProcessIdentity};

/// How often an instance is looked at for what was started while its limits
/// were being set.
pub(super) const ROUNDS_MAX: usize = 16;

/// How a limit is set.
type Write = fn(ProcessIdentity, LimitKind, Option<u64>) -> Result<(), FaultError>;

impl LoweredLimit {
    /// What it was for a process.
    fn before_of(&self, who: ProcessIdentity) -> Option<u64> {
        let mut before = self.before.iter();
        let known = before.find(|(known, _)| *known == who);
        known.map_or(self.others, |(_, before)| *before)
    }

    /// Gives everybody back what he had, or `cap` where another fault wants no
    /// more; a sentence on that. Doing it twice does no harm.
    ///
    /// # Errors
    /// Somebody still has the low limit; in words.
    pub(crate) fn lift(&self, cap: Option<u64>) -> Result<String, String> {
        self.lift_by(cap, soft_limit::write)
    }

    fn lift_by(&self, cap: Option<u64>, write: Write) -> Result<String, String> {
        let Self { kind, leader, .. } = self;
        let in_words = |error: FaultError| error.to_string();
        refuse(leader.pid, Owner::Squall, None).map_err(in_words)?;
        let mut lifted = HashSet::new();
        let mut failed = HashMap::new();
        for _ in 0..ROUNDS_MAX {
            let mut held = self.held(cap).map_err(in_words)?;
            // One that cannot be raised must not keep the others low.
            held.retain(|who| !failed.contains_key(who));
            if held.is_empty() {
                break;
            }
            for who in held {
                let wanted = soft_limit::lower(self.before_of(who), cap);
                match write(who, *kind, wanted) {
                    Ok(()) => drop(lifted.insert(who)),
                    Err(FaultError::ProcessGone { .. }) => {}
                    Err(error) => drop(failed.insert(who, error.to_string())),
                }
            }
        }
        let pid = leader.pid;
        match self.held(cap).map_err(in_words)?.first() {
            Some(who) => Err(failed.remove(who).unwrap_or_else(|| {
                format!("the {kind} of process {} is still {}", who.pid, self.to)
            })),
            None if lifted.is_empty() => Ok(format!("nobody of {pid} has the low {kind} any more")),
            None => Ok(format!(
                "the {kind} of {pid} was given back to {} processes",
                lifted.len()
            )),
        }
    }

    /// Who has the low limit and would have another one without it.
    fn held(&self, cap: Option<u64>) -> Result<Vec<ProcessIdentity>, FaultError> {
        let found = reached(self.leader, self.mark.as_deref())?;
        let mut all: Vec<_> = found.iter().map(|member| member.identity).collect();
        // What bears no mark is not found once the process above it is gone.
        let named = self.before.iter().map(|(who, _)| *who);
        all.extend(named.filter(|who| !found.iter().any(|member| member.identity == *who)));
        let mut held = Vec::new();
        for who in all {
            let wanted = soft_limit::lower(self.before_of(who), cap);
            let low = match soft_limit::read(who, self.kind) {
                Ok(now) => {
                    now.soft == Some(self.to) && soft_limit::lower(wanted, now.hard) != now.soft
                }
                Err(FaultError::ProcessGone { .. }) => false,
                // Nobody knows; whoever raises it will see the error.
                Err(_) => true,
            };
            if low {
                held.push(who);
            }
        }
        Ok(held)
    }

    /// Whether nothing of it is left to undo.
    pub(crate) fn is_gone(&self) -> bool {
        self.held(None).is_ok_and(|held| held.is_empty())
    }
}

/// The process and what belongs to it, or the process alone.
pub(super) fn reached(
    leader: ProcessIdentity,
    mark: Option<&str>,
) -> Result<Vec<Member>, FaultError> {
    let Some(mark) = mark else {
        let state = leader.state().filter(|state| !matches!(state, 'Z' | 'X'));
        let alone = state.map(|state| Member {
            identity: leader,
            state,
        });
        return Ok(alone.into_iter().collect());
    };
    members(&Origin {
        root: leader,
        mark: mark.to_owned(),
    })
}

/// Whoever belongs to a target and may be hit.
pub(super) fn hittable(
    leader: ProcessIdentity,
    mark: Option<&str>,
) -> Result<Vec<Member>, FaultError> {
    let mut found = reached(leader, mark)?;
    // The leader alone was looked at before.
    if let Some(mark) = mark {
        found.retain(|member| may_be_hit(member, mark));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// One that sleeps, with a limit of 64 descriptors.
    fn sleeper() -> (Child, ProcessIdentity) {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let identity = ProcessIdentity::of(child.id()).unwrap();
        soft_limit::write(identity, LimitKind::Files, Some(64)).unwrap();
        (child, identity)
    }

    fn files(who: ProcessIdentity) -> Option<u64> {
        soft_limit::read(who, LimitKind::Files).unwrap().soft
    }

    /// Nobody may raise those who had 100.
    fn stubborn(who: ProcessIdentity, kind: LimitKind, to: Option<u64>) -> Result<(), FaultError> {
        match to {
            Some(100) => Err(FaultError::io("raising", rustix::io::Errno::PERM)),
            _ => soft_limit::write(who, kind, to),
        }
    }

    #[test]
    fn one_that_cannot_be_raised_keeps_no_other_low() {
        let (mut first, stuck) = sleeper();
        let (mut second, other) = sleeper();
        let lowered = LoweredLimit {
            kind: LimitKind::Files,
            leader: stuck,
            mark: None,
            to: 64,
            before: vec![(stuck, Some(100)), (other, Some(200))],
            others: Some(200),
        };
        let error = lowered.lift_by(None, stubborn).unwrap_err();
        assert!(error.starts_with("raising: "), "{error}");
        assert_eq!([stuck, other].map(files), [Some(64), Some(200)]);
        lowered.lift(None).unwrap();
        assert_eq!([stuck, other].map(files), [Some(100), Some(200)]);
        for child in [&mut first, &mut second] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
