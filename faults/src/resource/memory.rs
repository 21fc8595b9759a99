//! The limit of memory in a cgroup, and what the kernel counts of it.

use squall_scenario::Measured;

use super::cgroup::{Version, number};
use super::inverse::Pen;
use crate::{FaultError, ProcessIdentity};

/// What begins the lines of `/proc/PID/smaps_rollup` that no file stands behind;
/// what processes share is in parts.
const OWN: [&str; 2] = ["Pss_Anon:", "Pss_Shmem:"];

/// Memory as a cgroup deals it out.
pub(super) struct Room;

/// What processes took so far, and how often they came to the limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    before: u64,
    taken: u64,
    reached: u64,
    killed: u64,
}

impl Room {
    /// The files of which one must be there, by version.
    pub(super) const FILES: &[&str] = &["memory.limit_in_bytes", "memory.max"];

    /// What is left of `most` for processes that had `before` in another cgroup,
    /// which is not counted in the new one. In whole pages, as the kernel has it.
    pub(super) fn left(most: u64, before: u64) -> u64 {
        let page = procfs::page_size();
        most.saturating_sub(before) / page * page
    }

    /// Leaves so many bytes.
    pub(super) fn set(pen: &Pen, bytes: u64) -> Result<(), FaultError> {
        let file = match pen.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        pen.set(file, &bytes.to_string())
    }

    /// What is left now; `None` where that is not limited.
    pub(super) fn stands(pen: &Pen) -> Result<Option<u64>, FaultError> {
        let text = match pen.version {
            Version::V1 => pen.get("memory.limit_in_bytes")?,
            Version::V2 => pen.get("memory.max")?,
        };
        Ok(text.trim().parse().ok())
    }

    /// Bytes of those inside that the kernel cannot give up for others.
    pub(super) fn needed(pen: &Pen) -> Result<u64, FaultError> {
        let text = pen.get("memory.stat")?;
        let names = match pen.version {
            Version::V1 => ["rss", "shmem"],
            Version::V2 => ["anon", "shmem"],
        };
        Ok(names.iter().filter_map(|name| number(&text, name)).sum())
    }

    /// What the kernel has counted.
    pub(super) fn used(pen: &Pen, before: u64) -> Result<Use, FaultError> {
        let plain = |file| -> Result<u64, FaultError> {
            Ok(pen.get(file)?.trim().parse().unwrap_or_default())
        };
        let (taken, reached, killed) = match pen.version {
            Version::V1 => {
                let ended = pen.get("memory.oom_control")?;
                let ended = number(&ended, "oom_kill").unwrap_or_default();
                let most = plain("memory.max_usage_in_bytes")?;
                (most, plain("memory.failcnt")?, ended)
            }
            Version::V2 => {
                let events = pen.get("memory.events")?;
                let count = |name| number(&events, name).unwrap_or_default();
                // Before Linux 5.19 only what there is now is known.
                let most = plain("memory.peak").or_else(|_| plain("memory.current"))?;
                (most, count("max"), count("oom_kill"))
            }
        };
        Ok(Use {
            before,
            taken,
            reached,
            killed,
        })
    }

    /// Bytes of memory that processes have, without what they have of files. One
    /// that has ended has none.
    ///
    /// # Errors
    /// It cannot be read of one that lives.
    pub(super) fn held_by<'w>(
        all: impl Iterator<Item = &'w ProcessIdentity>,
    ) -> Result<u64, FaultError> {
        let mut held = 0_u64;
        for who in all {
            let file = format!("/proc/{}/smaps_rollup", who.pid);
            match std::fs::read_to_string(&file) {
                Ok(text) => held = held.saturating_add(own_bytes(&text)),
                Err(_) if !who.is_alive() => {}
                Err(error) => return Err(FaultError::io(format!("reading {file}"), error)),
            }
        }
        Ok(held)
    }
}

/// What a process has of its own, of the text of `/proc/PID/smaps_rollup`.
fn own_bytes(text: &str) -> u64 {
    let words = text.lines().map(|line| line.split_whitespace());
    let kibibytes = words.filter_map(|mut words| {
        let name = words.next()?;
        let size: u64 = words.next()?.parse().ok()?;
        OWN.contains(&name).then_some(size)
    });
    kibibytes.sum::<u64>() * 1024
}

impl Use {
    /// What became of it since an earlier look.
    pub(super) fn since(self, begun: Self) -> Measured {
        Measured::Memory {
            before: self.before,
            taken: self.taken,
            reached: self.reached.saturating_sub(begun.reached),
            killed: self.killed.saturating_sub(begun.killed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_in_pages_and_never_less_than_nothing() {
        let page = procfs::page_size();
        assert_eq!(Room::left(10 * page + 1, 3 * page), 7 * page);
        assert_eq!(Room::left(page, 2 * page), 0);
    }

    #[test]
    fn what_a_process_has_of_files_is_not_its_own() {
        let text = "00400000-7ffc rw-p 00000000 00:00 0 [rollup]\n\
                    Rss:  900 kB\nPss_Anon:  152 kB\nPss_File:  311 kB\nPss_Shmem:  8 kB\n";
        assert_eq!(own_bytes(text), 160 * 1024);
    }
}
