//! CPU, memory and descriptors of squall and of the processes under test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use procfs::process::Process;
use squall_faults::{Origin, Processes};
use squall_record::{RESOURCES_EVERY_US, ResourceUse, RunEvent};
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
        let origins: Vec<(String, Origin)> = system
            .instances()
            .iter()
            .filter_map(|instance| Some((instance.name.clone(), instance.origin()?)))
            .collect();
        // The slope of CPU time is only as good as the time it is read at.
        let at = Instant::now();
        // Hundreds of files; the load does not wait for them.
        let reading = tokio::task::spawn_blocking(move || read_all(&origins));
        let Ok(usage) = reading.await else {
            return;
        };
        hub.emit_at(at, RunEvent::Resources { usage }).await;
    }
}

/// What squall itself and each instance have used: all that an instance is made
/// of, wherever its processes went.
fn read_all(origins: &[(String, Origin)]) -> BTreeMap<String, ResourceUse> {
    let own = Process::myself().ok().and_then(|own| read(&own));
    let mut all: BTreeMap<String, ResourceUse> = own
        .map(|used| ("squall".to_owned(), used))
        .into_iter()
        .collect();
    let Ok(processes) = Processes::look() else {
        return all;
    };
    for (name, origin) in origins {
        let members = processes.members(origin).into_iter();
        // One that ended in between uses nothing.
        let used = members.filter_map(|member| {
            let pid = i32::try_from(member.identity.pid).ok()?;
            Process::new(pid).ok().and_then(|process| read(&process))
        });
        if let Some(used) = used.reduce(add) {
            all.insert(name.clone(), used);
        }
    }
    all
}

fn add(sum: ResourceUse, more: ResourceUse) -> ResourceUse {
    ResourceUse {
        cpu_ms: sum.cpu_ms.saturating_add(more.cpu_ms),
        rss_bytes: sum.rss_bytes.saturating_add(more.rss_bytes),
        fds: sum.fds.zip(more.fds).map(|(sum, more)| sum + more),
    }
}

/// What a process has used, with the CPU time of children that ended and that
/// it waited for; `None` when it is gone.
fn read(process: &Process) -> Option<ResourceUse> {
    let stat = process.stat().ok()?;
    // A process that changed its user does not show its descriptors.
    let fds = process.fd_count().ok().map(|count| count as u64);
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    let waited_for = u64::try_from(stat.cutime.saturating_add(stat.cstime)).unwrap_or(0);
    let cpu_ms = (stat.utime + stat.stime + waited_for) * 1000 / ticks_per_second;
    let rss_bytes = stat.rss * rustix::param::page_size() as u64;
    Some(ResourceUse {
        cpu_ms,
        rss_bytes,
        fds,
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use squall_faults::INSTANCE_MARK;
    use squall_faults::ProcessIdentity;

    use super::*;

    fn used(pid: u32, mark: &str) -> Option<ResourceUse> {
        let root = ProcessIdentity::of(pid).ok()?;
        let mark = mark.to_owned();
        read_all(&[("it".to_owned(), Origin { root, mark })]).remove("it")
    }

    #[test]
    fn a_live_process_uses_memory_and_a_dead_one_nothing() {
        let own = read_all(&[]).remove("squall").unwrap();
        assert!(own.rss_bytes > 0);
        assert!(own.fds.unwrap() >= 3, "{own:?}");
        assert_eq!(used(u32::MAX, ""), None);
    }

    #[test]
    fn children_count_wherever_they_went() {
        // The shell says so when all of its children run.
        let orphan = "(setsid sleep 600 </dev/null >/dev/null 2>&1 &)";
        let mut shell = Command::new("sh")
            .args(["-c", &format!("sleep 600 & {orphan}; echo; wait")])
            .env(INSTANCE_MARK, "a-start")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0];
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut line).unwrap();
        let pid = shell.id();
        // First the leader: what it takes after this counts for all.
        let alone = read(&Process::new(pid.cast_signed()).unwrap()).unwrap();
        let (child, all) = (used(pid, "").unwrap(), used(pid, "a-start").unwrap());
        let root = ProcessIdentity::of(pid).unwrap();
        let mark = "a-start".to_owned();
        for member in squall_faults::members(&Origin { root, mark }).unwrap() {
            let pid = rustix::process::Pid::from_raw(member.identity.pid.cast_signed());
            rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::KILL).unwrap();
        }
        shell.wait().unwrap();
        assert!(child.fds > alone.fds, "{child:?} {alone:?}");
        assert!(all.fds > child.fds, "{all:?} {child:?}");
        assert!(all.rss_bytes > child.rss_bytes, "{all:?} {child:?}");
    }
}
