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
        let usage: BTreeMap<_, _> = pids
            .into_iter()
            .filter_map(|(name, pid)| Some((name, read(pid)?)))
            .collect();
        hub.emit_at(at, RunEvent::Resources { usage }).await;
    }
}

/// What a process has used; `None` when it is gone.
fn read(pid: u32) -> Option<ResourceUse> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    let stat = process.stat().ok()?;
    // A process that changed its user does not show its descriptors.
    let fds = process.fd_count().ok().map(|count| count as u64);
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    let cpu_ms = (stat.utime + stat.stime) * 1000 / ticks_per_second;
    let rss_bytes = stat.rss * rustix::param::page_size() as u64;
    Some(ResourceUse {
        cpu_ms,
        rss_bytes,
        fds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_process_uses_memory_and_a_dead_one_nothing() {
        let own = read(std::process::id()).unwrap();
        assert!(own.rss_bytes > 0);
        assert!(own.fds.unwrap() >= 3, "{own:?}");
        assert_eq!(read(u32::MAX), None);
    }
}
