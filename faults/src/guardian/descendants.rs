//! Who descends from the guardian, wherever in the tree.

use std::collections::{HashMap, HashSet};

use crate::ProcessIdentity;
use crate::guard::undo::Found;

/// Every living descendant of this process. Complete because this process is
/// a subreaper, or has one that is: an orphan is never re-parented past it.
/// Those of squall's own, `but`, do not count.
pub(super) fn descendants(but: &[u32]) -> Found {
    let processes = procfs::process::all_processes().map_err(|error| error.to_string())?;
    let mut children: HashMap<i32, Vec<(i32, u64, char)>> = HashMap::new();
    for stat in processes.filter_map(|process| process.ok()?.stat().ok()) {
        let child = (stat.pid, stat.starttime, stat.state);
        children.entry(stat.ppid).or_default().push(child);
    }
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut parents = vec![rustix::process::getpid().as_raw_nonzero().get()];
    while let Some(parent) = parents.pop() {
        for (pid, start_time, state) in children.remove(&parent).unwrap_or_default() {
            // The snapshot is not atomic; a number seen twice must not loop.
            if !seen.insert(pid) {
                continue;
            }
            parents.push(pid);
            let lives = !matches!(state, 'Z' | 'X');
            let pid = u32::try_from(pid)
                .ok()
                .filter(|pid| lives && !but.contains(pid));
            found.extend(pid.map(|pid| ProcessIdentity { pid, start_time }));
        }
    }
    Ok(found)
}

/// The process group that a process is in, by the number of its leader.
pub(super) fn group_of(who: &ProcessIdentity) -> Option<u32> {
    let process = procfs::process::Process::new(i32::try_from(who.pid).ok()?).ok()?;
    u32::try_from(process.stat().ok()?.pgrp).ok()
}
