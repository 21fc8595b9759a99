//! Processes nothing of squall may ever hit.

use super::{Member, Origin, Owner, ProcessIdentity, is_squalls_own, members, stat};
use crate::{FaultError, Refusal};

/// Says no to pid 1, squall itself, its ancestors, its guardian and what else works
/// for a squall, whoever leads squall's session, and session leaders that squall did
/// not start: all of them where nobody allowed it, and those at a terminal always.
pub(crate) fn refuse(
    pid: u32,
    owner: Owner,
    guardian: Option<ProcessIdentity>,
) -> Result<(), FaultError> {
    let refusal = if pid <= 1 {
        Some(Refusal::Init)
    } else if pid == std::process::id() {
        Some(Refusal::Itself)
    } else if guardian.is_some_and(|guardian| guardian.pid == pid) {
        Some(Refusal::Guardian)
    } else if ancestors().any(|ancestor| ancestor == pid) {
        Some(Refusal::Ancestor)
    } else if owner != Owner::Squall && is_squalls_own(pid) {
        Some(Refusal::WorksForSquall)
    } else {
        match (owner, leads_session(pid)) {
            (Owner::Squall, _) | (_, None) => None,
            (Owner::Unknown, Some(_)) => Some(Refusal::ForeignSessionLeader),
            (Owner::Allowed, Some(_)) if leads_own_session(pid) => Some(Refusal::OwnSessionLeader),
            (Owner::Allowed, Some(Terminal(true))) => Some(Refusal::AtATerminal),
            (Owner::Allowed, Some(Terminal(false))) => None,
        }
    };
    refusal.map_or(Ok(()), |refusal| Err(FaultError::Refused { pid, refusal }))
}

/// Says no to an allowed process if a fault on it reaches somebody whom nothing
/// may hit: squall itself may be in its process group. Blocks: it reads `/proc`.
pub(crate) fn refuse_below(
    root: ProcessIdentity,
    guardian: Option<ProcessIdentity>,
) -> Result<(), FaultError> {
    let mark = String::new();
    for member in members(&Origin { root, mark })? {
        match refuse(member.identity.pid, Owner::Allowed, guardian) {
            Err(FaultError::Refused { pid, refusal }) if pid != root.pid => {
                let root = root.pid;
                return Err(FaultError::RefusedBelow { root, pid, refusal });
            }
            refused => refused?,
        }
    }
    Ok(())
}

/// Whether a member of an instance may be hit. What squall did not start is
/// refused where it holds somebody who may not; this is for those who come later.
pub(crate) fn may_be_hit(member: &Member, mark: &str) -> bool {
    !mark.is_empty() || refuse(member.identity.pid, Owner::Allowed, None).is_ok()
}

/// Whether a session has a terminal.
struct Terminal(bool);

/// Parent, grandparent… of this process.
fn ancestors() -> impl Iterator<Item = u32> {
    std::iter::successors(parent(std::process::id()), |pid| parent(*pid))
}

fn parent(pid: u32) -> Option<u32> {
    let parent = u32::try_from(stat(pid).ok()?.ppid).ok()?;
    (parent > 0).then_some(parent)
}

/// Whether it leads a session. Read from `/proc`, as for `getsid`: the session
/// of a process whose leader stayed outside the PID namespace has number 0, which
/// rustix cannot return.
fn leads_session(pid: u32) -> Option<Terminal> {
    let stat = stat(pid).ok()?;
    (stat.session == stat.pid).then_some(Terminal(stat.tty_nr != 0))
}

fn leads_own_session(pid: u32) -> bool {
    stat(std::process::id()).is_ok_and(|own| own.session.cast_unsigned() == pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(pid: u32, guardian: Option<ProcessIdentity>) -> Option<Refusal> {
        match refuse(pid, Owner::Unknown, guardian) {
            Err(FaultError::Refused { refusal, .. }) => Some(refusal),
            _ => None,
        }
    }

    #[test]
    fn those_who_must_live_are_refused() {
        assert_eq!(refusal(0, None), Some(Refusal::Init));
        assert_eq!(refusal(1, None), Some(Refusal::Init));
        let own = std::process::id();
        assert_eq!(refusal(own, None), Some(Refusal::Itself));
        let parent = parent(own).filter(|pid| *pid > 1);
        if let Some(parent) = parent {
            assert_eq!(refusal(parent, None), Some(Refusal::Ancestor));
        }
        let guardian = ProcessIdentity {
            pid: 4_000_000,
            start_time: 1,
        };
        assert_eq!(
            refusal(guardian.pid, Some(guardian)),
            Some(Refusal::Guardian)
        );
    }
}
