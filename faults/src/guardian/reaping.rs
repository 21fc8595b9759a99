//! What squall reaps: its guardian, and what comes to it when that one dies.
//!
//! Looks again and again instead of waiting: a thread that could wait may not be
//! had.

use std::collections::HashSet;
use std::io;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};
use tokio::time::sleep;

/// How often it is looked whether something has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a guardian that dies leaves comes to squall, and not to whoever is init
/// on this machine and reaps when it likes.
pub(super) fn adopt_orphans() {
    if let Err(error) = set_child_subreaper(Some(getpid())) {
        tracing::debug!(%error, "orphans go elsewhere");
    }
}

/// Returns when the process has ended.
pub(super) async fn reap(mut process: Child) -> io::Result<()> {
    while process.try_wait()?.is_none() {
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Returns when all of these have ended that came to squall. The kernel keeps
/// the first process of a namespace until all others were reaped.
pub(super) async fn reap_all(pids: HashSet<u32>) {
    let pids = pids.iter().map(|pid| pid.cast_signed());
    let mut left: Vec<Pid> = pids.filter_map(Pid::from_raw).collect();
    loop {
        // One that is no child of squall's is somebody else's to reap.
        left.retain(|pid| matches!(waitpid(Some(*pid), WaitOptions::NOHANG), Ok(None)));
        if left.is_empty() {
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}
