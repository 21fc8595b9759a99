//! How much memory is in use where a process has its own, and how much more may be: of
//! its cgroup, of those above it, and of the machine.

use std::io;
use std::path::{Path, PathBuf};

use super::cgroup::{Controller, Hierarchy, Version, number};

/// What the machine is left in any case, in bytes.
const MACHINE_FLOOR: u64 = 256 * 1024 * 1024;

/// What is wanted of the memory of a process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wanted {
    /// How much of it is to be in use, from 0 to 1.
    pub(super) up_to: f64,
    /// Bytes that are left at the least.
    pub(super) leave: u64,
}

/// Memory that is limited, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) limit: u64,
    /// Without cached files that the kernel can give up.
    pub(crate) used: u64,
    /// What is left at the least, whatever is wanted.
    floor: u64,
}

impl Level {
    /// How much is to be in use, in bytes.
    pub(super) fn wanted(&self, wanted: Wanted) -> u64 {
        (self.limit as f64 * wanted.up_to) as u64
    }

    /// How much may be in use so that as much is left as has to be, in bytes.
    fn most(&self, wanted: Wanted) -> u64 {
        self.limit.saturating_sub(self.floor.max(wanted.leave))
    }
}

/// How much more may be taken, so that on no level more is in use than is wanted, or
/// less is left than has to be.
pub(super) fn room(levels: &[Level], wanted: Wanted) -> u64 {
    let room = |level: &Level| {
        let most = level.wanted(wanted).min(level.most(wanted));
        most.saturating_sub(level.used)
    };
    levels.iter().map(room).min().unwrap_or_default()
}

/// How much has to be given back, so that on every level as much is left as has to be.
pub(super) fn excess(levels: &[Level], wanted: Wanted) -> u64 {
    let excess = |level: &Level| level.used.saturating_sub(level.most(wanted));
    levels.iter().map(excess).max().unwrap_or_default()
}

/// The level that what is asked for is asked of: the least limit.
pub(crate) fn narrowest(levels: &[Level]) -> Option<Level> {
    levels.iter().min_by_key(|level| level.limit).copied()
}

/// Where a process has its memory: the cgroups with a limit, and the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    version: Version,
    cgroups: Vec<PathBuf>,
}

impl Places {
    /// Those of a process. Where no cgroups are seen there is only the machine.
    pub(crate) fn of(pid: u32) -> Self {
        let found = Hierarchy::of(Controller::Memory).and_then(|hierarchy| {
            let place = hierarchy.place_of(pid)?;
            let above = place.ancestors();
            let above = above.take_while(|above| above.starts_with(&hierarchy.mounted));
            let all = above.map(Path::to_owned).collect();
            let (version, cgroups) = (hierarchy.version, all);
            Ok(Self { version, cgroups })
        });
        found.unwrap_or(Self {
            version: Version::V2,
            cgroups: Vec::new(),
        })
    }

    /// What there is on each level now, the machine at the end.
    ///
    /// # Errors
    /// The memory of the machine cannot be read.
    pub(crate) fn look(&self) -> io::Result<Vec<Level>> {
        let machine = machine()?;
        let limited = |place: &PathBuf| {
            let level = cgroup(place, self.version)?;
            (level.limit < machine.limit).then_some(level)
        };
        let cgroups = self.cgroups.iter().filter_map(limited);
        Ok(cgroups.chain([machine]).collect())
    }

    /// The first cgroup with a limit that is none of another process's.
    pub(super) fn not_shared_with(&self, other: &Self) -> Option<&Path> {
        let limit = machine().map_or(u64::MAX, |machine| machine.limit);
        let mut own = self.cgroups.iter();
        let found = own.find(|place| {
            let limited = cgroup(place, self.version).is_some_and(|level| level.limit < limit);
            limited && !other.cgroups.contains(place)
        });
        found.map(PathBuf::as_path)
    }
}

/// A cgroup that has a limit; `None` also where there is no such cgroup any more.
fn cgroup(place: &Path, version: Version) -> Option<Level> {
    let (limit, used, cached) = match version {
        Version::V1 => (
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
        Version::V2 => ("memory.max", "memory.current", "inactive_file"),
    };
    let read = |file: &str| std::fs::read_to_string(place.join(file)).ok();
    let limit = read(limit)?.trim().parse().ok()?;
    let used: u64 = read(used)?.trim().parse().ok()?;
    let cached = number(&read("memory.stat")?, cached).unwrap_or_default();
    Some(Level {
        limit,
        used: used.saturating_sub(cached),
        floor: 0,
    })
}

fn machine() -> io::Result<Level> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    of_meminfo(&text).ok_or_else(|| io::Error::other("/proc/meminfo lacks MemAvailable"))
}

fn of_meminfo(text: &str) -> Option<Level> {
    let kibibytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let (all, free) = (kibibytes("MemTotal:")?, kibibytes("MemAvailable:")?);
    Some(Level {
        limit: all * 1024,
        used: all.saturating_sub(free) * 1024,
        floor: MACHINE_FLOOR,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn level(limit: u64, used: u64, floor: u64) -> Level {
        Level { limit, used, floor }
    }

    #[test]
    fn the_machine_is_what_can_be_had_without_swapping() {
        let text = "MemTotal:  2048 kB\nMemFree:  100 kB\nMemAvailable:  512 kB\n";
        let machine = of_meminfo(text).unwrap();
        assert_eq!((machine.limit, machine.used), (2 << 20, 3 << 19));
        assert_eq!(of_meminfo("MemTotal:  2048 kB\n"), None);
    }

    #[test]
    fn the_least_room_counts_and_the_floor_of_the_machine_is_never_crossed() {
        let wanted = Wanted {
            up_to: 0.8,
            leave: 16 * MIB,
        };
        let small = level(100 * MIB, 50 * MIB, 0);
        let machine = level(4096 * MIB, 1024 * MIB, MACHINE_FLOOR);
        let both = |levels: &[Level], wanted| [room(levels, wanted), excess(levels, wanted)];
        assert_eq!(both(&[small, machine], wanted), [30 * MIB, 0]);
        let all = Wanted {
            up_to: 1.0,
            ..wanted
        };
        let full = level(4096 * MIB, 3830 * MIB, MACHINE_FLOOR);
        assert_eq!(both(&[small, full], all), [10 * MIB, 0]);
        let fuller = level(4096 * MIB, 3850 * MIB, MACHINE_FLOOR);
        assert_eq!(both(&[small, fuller], all), [0, 10 * MIB]);
        // More than was wanted is no excess, as long as enough is left.
        let busy = level(100 * MIB, 83 * MIB, 0);
        assert_eq!(both(&[busy, machine], wanted), [0, 0]);
        let busier = level(100 * MIB, 90 * MIB, 0);
        assert_eq!(both(&[busier, machine], wanted), [0, 6 * MIB]);
        assert_eq!(narrowest(&[small, machine]), Some(small));
    }

    proptest! {
        #[test]
        fn what_may_be_taken_leaves_what_is_to_be_left(
            limits in prop::collection::vec((1..1_u64 << 40, 0..1_u64 << 40, 0..1_u64 << 30), 1..4),
            up_to in 0.0..=1.0_f64,
            leave in 0..1_u64 << 30,
        ) {
            let levels: Vec<Level> = limits.into_iter().map(|(a, b, c)| level(a, b, c)).collect();
            let wanted = Wanted { up_to, leave };
            let (room, excess) = (room(&levels, wanted), excess(&levels, wanted));
            prop_assert!(room == 0 || excess == 0);
            for one in levels {
                let most = one.limit.saturating_sub(one.floor.max(leave));
                if room > 0 {
                    prop_assert!(one.used + room <= most.min(one.wanted(wanted)));
                }
                prop_assert!(one.used.saturating_sub(excess) <= most);
            }
        }
    }
}
