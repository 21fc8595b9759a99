//! How long processes wait for a processor that they could run on, as the kernel counts
//! it of every thread.

use std::collections::HashMap;
use std::time::Duration;

use crate::Member;

/// What threads have waited for since they were first looked at, those included that have
/// ended since they were last looked at, but for what they waited for in between. What
/// they had waited for until then is not in it.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Nanoseconds by thread, as they were last seen.
    seen: HashMap<u32, u64>,
    waited: Duration,
}

impl Waiting {
    /// Looks at all threads for the first time.
    pub(super) fn begin(members: &[Member]) -> Self {
        Self::seen(readings(members))
    }

    fn seen(seen: HashMap<u32, u64>) -> Self {
        Self {
            seen,
            waited: Duration::ZERO,
        }
    }

    /// Looks at all threads; how long they have waited since the first look, together.
    pub(super) fn look(&mut self, members: &[Member]) -> Duration {
        self.add(readings(members))
    }

    fn add(&mut self, now: HashMap<u32, u64>) -> Duration {
        self.waited += since(&self.seen, &now);
        self.seen = now;
        self.waited
    }
}

fn readings(members: &[Member]) -> HashMap<u32, u64> {
    members.iter().flat_map(threads).collect()
}

/// Of no time it is nothing.
pub(super) fn share_of(part: Duration, whole: Duration) -> f64 {
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

    /// What share of these 400 ms those waited that had waited so many milliseconds as
    /// they began, and so many as they ended.
    fn share(begun: [u64; 2], ended: [u64; 2]) -> f64 {
        let readings =
            |[one, two]: [u64; 2]| HashMap::from([(1, one * 1_000_000), (2, two * 1_000_000)]);
        let mut waiting = Waiting::seen(readings(begun));
        share_of(waiting.add(readings(ended)), Duration::from_millis(400))
    }

    #[test]
    fn what_was_waited_for_before_the_window_is_not_in_it() {
        // Minutes, while it started.
        assert!(share([240_000, 60_000], [240_000, 60_000]) <= 0.0);
        let little = share([240_000, 60_000], [240_001, 60_003]);
        assert!((little - 0.01).abs() < 1e-9, "{little}");
    }

    #[test]
    fn what_was_waited_for_in_the_window_is_all_in_it() {
        // Nothing in the hours before.
        let much = share([0, 1], [200, 101]);
        assert!((much - 0.75).abs() < 1e-9, "{much}");
        assert!(share_of(Duration::ZERO, Duration::ZERO) <= 0.0);
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
