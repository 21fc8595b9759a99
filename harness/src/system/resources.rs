//! CPU, memory and descriptors of squall and of the processes under test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procfs::process::Process;
use squall_reports::{RESOURCES_EVERY_US, ResourceUse, RunEvent};
use tokio_util::sync::CancellationToken;

use super::RunningSystem;
use crate::hub::EventHub;

/// Between two readings.
const EVERY: Duration = Duration::from_micros(RESOURCES_EVERY_US);

/// Emits a reading every second until `stop`.
pub async fn watch_resources(system: Arc<RunningSystem>, hub: EventHub, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let mut pids: Vec<(String, u32)> = vec![("squall".to_owned(), std::process::id())];
        pids.extend(system.instances().iter().filter_map(|instance| {
            instance
                .identity()
                .map(|identity| (instance.name.clone(), identity.pid))
        }));
        // The slope of CPU time is only as good as the time it is read at.
        let at = Instant::now();
        // Hundreds of files; the load does not wait for them.
        let reading = tokio::task::spawn_blocking(move || read_all(pids));
        let Ok(usage) = reading.await else {
            return;
        };
        hub.emit_at(at, RunEvent::Resources { usage }).await;
    }
}

/// What squall itself and each process group have used. Every instance leads a
/// group of its own, in which its children stay unless they leave it.
fn read_all(leaders: Vec<(String, u32)>) -> BTreeMap<String, ResourceUse> {
    let mut groups: BTreeMap<i32, ResourceUse> = BTreeMap::new();
    for process in procfs::process::all_processes().into_iter().flatten() {
        // One that ended in between uses nothing.
        let Some((group, used)) = process.ok().and_then(|process| read(&process)) else {
            continue;
        };
        groups
            .entry(group)
            .and_modify(|sum| add(sum, used))
            .or_insert(used);
    }
    let own = Process::myself().ok().and_then(|own| read(&own));
    let of = |(name, pid): (String, u32)| {
        let used = if pid == std::process::id() {
            own.map(|(_, used)| used)
        } else {
            groups.get(&i32::try_from(pid).ok()?).copied()
        };
        Some((name, used?))
    };
    leaders.into_iter().filter_map(of).collect()
}

fn add(sum: &mut ResourceUse, more: ResourceUse) {
    sum.cpu_ms = sum.cpu_ms.saturating_add(more.cpu_ms);
    sum.rss_bytes = sum.rss_bytes.saturating_add(more.rss_bytes);
    sum.fds = sum.fds.zip(more.fds).map(|(sum, more)| sum + more);
}

/// The group of a process and what it has used, with the CPU time of children
/// that ended and that it waited for; `None` when it is gone.
fn read(process: &Process) -> Option<(i32, ResourceUse)> {
    let stat = process.stat().ok()?;
    // A process that changed its user does not show its descriptors.
    let fds = process.fd_count().ok().map(|count| count as u64);
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    let waited_for = u64::try_from(stat.cutime.saturating_add(stat.cstime)).unwrap_or(0);
    let cpu_ms = (stat.utime + stat.stime + waited_for) * 1000 / ticks_per_second;
    let rss_bytes = stat.rss * rustix::param::page_size() as u64;
    let used = ResourceUse {
        cpu_ms,
        rss_bytes,
        fds,
    };
    Some((stat.pgrp, used))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;

    use super::*;

    fn used(pid: u32) -> Option<ResourceUse> {
        read_all(vec![("it".to_owned(), pid)]).remove("it")
    }

    #[test]
    fn a_live_process_uses_memory_and_a_dead_one_nothing() {
        let own = used(std::process::id()).unwrap();
        assert!(own.rss_bytes > 0);
        assert!(own.fds.unwrap() >= 3, "{own:?}");
        assert_eq!(used(u32::MAX), None);
    }

    #[test]
    fn children_count_with_the_leader_of_their_group() {
        // The shell says so when both of its children run.
        let mut shell = std::process::Command::new("sh")
            .args(["-c", "sleep 600 & sleep 600 & echo; wait"])
            .process_group(0)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0];
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut line).unwrap();
        let pid = i32::try_from(shell.id()).unwrap();
        // First the leader: what it takes after this counts for the group.
        let (_, alone) = read(&Process::new(pid).unwrap()).unwrap();
        let group = used(shell.id()).unwrap();
        let group_id = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process_group(group_id, rustix::process::Signal::KILL).unwrap();
        shell.wait().unwrap();
        assert!(group.fds > alone.fds, "{group:?} {alone:?}");
        assert!(group.rss_bytes > alone.rss_bytes, "{group:?} {alone:?}");
    }
}
