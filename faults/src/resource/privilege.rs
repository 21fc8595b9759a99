//! Whom the kernel does not count.

use procfs::process::Process;

use crate::{FaultError, ProcessIdentity};

/// CAP_SYS_ADMIN and CAP_SYS_RESOURCE, see capabilities(7).
const UNCOUNTED: u64 = (1 << 21) | (1 << 24);

/// Refuses processes that may all start as many as they like, whatever their
/// limit says: those of root and of whoever has a capability for it (fork(2)).
pub(super) fn counted_by_the_kernel(
    all: impl Iterator<Item = ProcessIdentity>,
) -> Result<(), FaultError> {
    let mut free = None;
    for who in all {
        let pid = i32::try_from(who.pid).unwrap_or_default();
        let status = Process::new(pid).and_then(|process| process.status());
        match status {
            Ok(status) if status.ruid != 0 && status.capeff & UNCOUNTED == 0 => return Ok(()),
            // One that has ended meanwhile is counted no more either.
            Ok(_) | Err(_) => free = free.or(Some(who.pid)),
        }
    }
    free.map_or(Ok(()), |pid| Err(FaultError::NotCounted { pid }))
}
