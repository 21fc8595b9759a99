//! How long processes wait for a processor that they could run on, as the kernel counts
//! it of every thread.

use std::collections::HashMap;
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::{Member, ProcessIdentity};

/// What threads have waited for since they were first looked at, those included that have
/// ended since they were last looked at, but for what they waited for in between.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Nanoseconds by thread, as they were last seen.
    seen: HashMap<u32, u64>,
    waited: Duration,
    /// Of each second of their lives until they were first looked at, how many they had
    /// waited, together.
    before: f64,
}

impl Waiting {
    /// Looks at all threads for the first time.
    pub(super) fn begin(members: &[Member]) -> Self {
        let now = since_boot();
        let (mut seen, mut before) = (HashMap::new(), 0.0);
        for member in members {
            let threads = threads(member);
            let waited = threads.iter().map(|(_, waited)| waited).sum();
            before += share_of(Duration::from_nanos(waited), age(member.identity, now));
            seen.extend(threads);
        }
        Self {
            seen,
            waited: Duration::ZERO,
            before,
        }
    }

    /// Looks at all threads; how long they have waited since the first look, together.
    pub(super) fn look(&mut self, members: &[Member]) -> Duration {
        let now: HashMap<u32, u64> = members.iter().flat_map(threads).collect();
        self.waited += since(&self.seen, &now);
        self.seen = now;
        self.waited
    }

    /// How long they would have waited in this time, had all gone on as before.
    pub(super) fn as_before(&self, time: Duration) -> Duration {
        time.mul_f64(self.before)
    }
}

/// On the clock that the starts of processes are told on.
fn since_boot() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Boottime);
    let nanos = u32::try_from(tv_nsec).unwrap_or_default();
    Duration::new(tv_sec.unsigned_abs(), nanos)
}

fn age(who: ProcessIdentity, now: Duration) -> Duration {
    let ticks = procfs::ticks_per_second().max(1);
    let nanos = who.start_time % ticks * 1_000_000_000 / ticks;
    now.saturating_sub(Duration::new(who.start_time / ticks, 0) + Duration::from_nanos(nanos))
}

/// Of one that has not lived yet it is nothing.
fn share_of(part: Duration, whole: Duration) -> f64 {
    match whole.is_zero() {
        true => 0.0,
        false => part.as_secs_f64() / whole.as_secs_f64(),
    }
}

/// A number that is less than it was is of another thread.
fn since(before: &HashMap<u32, u64>, now: &HashMap<u32, u64>) -> Duration {
    let more = now.iter().map(|(thread, now)| {
        let before = before.get(thread).filter(|before| *before <= now);
        now - before.copied().unwrap_or_default()
    });
    Duration::from_nanos(more.sum())
}

/// Each thread of a process, and the nanoseconds that it has waited for.
fn threads(member: &Member) -> Vec<(u32, u64)> {
    let pid = member.identity.pid;
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let waited = |name: String| {
        let (_, waited) = ran_and_waited(&format!("/proc/{pid}/task/{name}/schedstat"))?;
        Some((name.parse().ok()?, waited))
    };
    names.filter_map(waited).collect()
}

/// Whether the kernel counts it at all, seen at a thread that has run.
pub(super) fn is_counted(pid: u32) -> bool {
    ran_and_waited(&format!("/proc/{pid}/schedstat")).is_some_and(|(ran, _)| ran > 0)
}

fn ran_and_waited(file: &str) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_new_has_waited_since_he_was_there() {
        let before = HashMap::from([(1, 10), (2, 90), (3, 5)]);
        let now = HashMap::from([(1, 14), (2, 3), (4, 7)]);
        assert_eq!(since(&before, &now), Duration::from_nanos(4 + 3 + 7));
    }

    #[test]
    fn who_goes_on_as_before_waits_for_the_same_part_of_the_time() {
        let waiting = Waiting {
            seen: HashMap::new(),
            waited: Duration::ZERO,
            before: share_of(Duration::from_secs(6), Duration::from_secs(24)),
        };
        let as_before = waiting.as_before(Duration::from_secs(10));
        assert_eq!(as_before, Duration::from_millis(2500));
        assert!(share_of(Duration::ZERO, Duration::ZERO) <= 0.0);
        let own = ProcessIdentity::of(std::process::id()).unwrap();
        let now = since_boot();
        assert!(age(own, now) < now && age(own, Duration::ZERO).is_zero());
    }

    #[test]
    fn what_is_read_is_the_second_number() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("schedstat");
        std::fs::write(&file, "127469 2946036 2\n").unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(ran_and_waited(file), Some((127_469, 2_946_036)));
        assert_eq!(ran_and_waited("/proc/none"), None);
    }
}
