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
    /// The least limit when that was asked for, see [`bound`]. A larger one is another:
    /// nothing of that is wanted.
    pub(super) bound: u64,
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

/// How many bytes are to be held of what is, so that as much of the least limit is in
/// use as is wanted, and on every level as much is left as has to be. Never more than is
/// wanted in all, for what was swapped out is in use no more.
pub(super) fn to_hold(levels: &[Level], wanted: Wanted, held: u64) -> u64 {
    let narrow = narrowest(levels).filter(|level| level.limit <= wanted.bound);
    let Some(narrow) = narrow else {
        return 0;
    };
    match excess(levels, wanted) {
        0 => {
            let lacks = narrow.wanted(wanted).saturating_sub(narrow.used.max(held));
            held + lacks.min(room(levels, wanted))
        }
        excess => held.saturating_sub(excess),
    }
}

/// How much more may be taken, so that on every level as much is left as has to be.
fn room(levels: &[Level], wanted: Wanted) -> u64 {
    let room = |level: &Level| level.most(wanted).saturating_sub(level.used);
    levels.iter().map(room).min().unwrap_or_default()
}

/// How much has to be given back, so that on every level as much is left as has to be.
fn excess(levels: &[Level], wanted: Wanted) -> u64 {
    let excess = |level: &Level| level.used.saturating_sub(level.most(wanted));
    levels.iter().map(excess).max().unwrap_or_default()
}

/// The level that what is asked for is asked of: the least limit.
pub(crate) fn narrowest(levels: &[Level]) -> Option<Level> {
    levels.iter().min_by_key(|level| level.limit).copied()
}

/// The least limit of a cgroup; that of the machine bounds nothing, for it cannot end.
pub(super) fn bound(levels: &[Level]) -> u64 {
    let cgroups = levels.iter().filter(|level| level.floor == 0);
    cgroups.map(|level| level.limit).min().unwrap_or(u64::MAX)
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
            ["total_inactive_file", "total_active_file"],
        ),
        Version::V2 => (
            "memory.max",
            "memory.current",
            ["inactive_file", "active_file"],
        ),
    };
    let read = |file: &str| std::fs::read_to_string(place.join(file)).ok();
    let limit = read(limit)?.trim().parse().ok()?;
    let used: u64 = read(used)?.trim().parse().ok()?;
    let counted = read("memory.stat")?;
    let cached = cached.iter().filter_map(|name| number(&counted, name));
    let cached = cached.sum();
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
    fn cached_files_are_not_in_use_however_often_they_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).unwrap();
        let found = Some(level(1000, 150, 0));
        write("memory.max", "1000\n");
        write("memory.current", "900\n");
        // Files in memory are among `file`, but cannot be given up.
        write(
            "memory.stat",
            "anon 100\nfile 790\nshmem 40\ninactive_file 50\nactive_file 700\n",
        );
        assert_eq!(cgroup(dir.path(), Version::V2), found);
        write("memory.limit_in_bytes", "1000\n");
        write("memory.usage_in_bytes", "900\n");
        // Those below it are counted behind `total`.
        write(
            "memory.stat",
            "inactive_file 1\nactive_file 2\ntotal_inactive_file 50\ntotal_active_file 700\n",
        );
        assert_eq!(cgroup(dir.path(), Version::V1), found);
    }

    const MACHINE: u64 = 4096 * MIB;

    fn wanted(up_to: f64) -> Wanted {
        Wanted {
            up_to,
            leave: 16 * MIB,
            bound: u64::MAX,
        }
    }

    #[test]
    fn the_least_room_counts_and_the_floor_of_the_machine_is_never_crossed() {
        let small = level(100 * MIB, 50 * MIB, 0);
        let machine = level(MACHINE, 1024 * MIB, MACHINE_FLOOR);
        let held = |levels: &[Level], up_to| to_hold(levels, wanted(up_to), 20 * MIB);
        assert_eq!(held(&[small, machine], 0.8), 50 * MIB);
        let full = level(MACHINE, 3830 * MIB, MACHINE_FLOOR);
        assert_eq!(held(&[small, full], 1.0), 30 * MIB);
        let fuller = level(MACHINE, 3850 * MIB, MACHINE_FLOOR);
        assert_eq!(held(&[small, fuller], 1.0), 10 * MIB);
        // More than was wanted is no excess, as long as enough is left.
        let busy = level(100 * MIB, 83 * MIB, 0);
        assert_eq!(held(&[busy, machine], 0.8), 20 * MIB);
        let busier = level(100 * MIB, 90 * MIB, 0);
        assert_eq!(held(&[busier, machine], 0.8), 14 * MIB);
        assert_eq!(narrowest(&[small, machine]), Some(small));
    }

    #[test]
    fn what_is_asked_for_is_asked_of_the_least_limit_alone() {
        let small = level(100 * MIB, 10 * MIB, 0);
        let busy = level(MACHINE, 3000 * MIB, MACHINE_FLOOR);
        assert_eq!(to_hold(&[small, busy], wanted(0.5), 0), 40 * MIB);
    }

    #[test]
    fn of_a_limit_that_is_gone_or_larger_now_nothing_is_held() {
        let small = level(100 * MIB, 50 * MIB, 0);
        let machine = level(MACHINE, 1024 * MIB, MACHINE_FLOOR);
        assert_eq!(bound(&[small, machine]), 100 * MIB);
        let wanted = Wanted {
            bound: bound(&[small, machine]),
            ..wanted(0.8)
        };
        let larger = level(101 * MIB, 50 * MIB, 0);
        for levels in [[larger, machine].as_slice(), &[machine], &[]] {
            assert_eq!(to_hold(levels, wanted, 20 * MIB), 0, "{levels:?}");
        }
        let less = level(90 * MIB, 50 * MIB, 0);
        assert_eq!(to_hold(&[less, machine], wanted, 20 * MIB), 42 * MIB);
        // The machine has what it has, whatever it counts as its own.
        assert_eq!(bound(&[machine]), u64::MAX);
    }

    #[test]
    fn what_was_swapped_out_is_not_taken_again() {
        let swapped = level(100 * MIB, 5 * MIB, 0);
        let held = |held| to_hold(&[swapped], wanted(0.8), held);
        assert_eq!([held(70 * MIB), held(80 * MIB)], [80 * MIB; 2]);
    }

    proptest! {
        #[test]
        fn what_is_held_leaves_what_is_to_be_left(
            limits in prop::collection::vec((1..1_u64 << 40, 0..1_u64 << 40, 0..1_u64 << 30), 1..4),
            up_to in 0.0..=1.0_f64,
            leave in 0..1_u64 << 30,
            held in 0..1_u64 << 40,
        ) {
            let levels: Vec<Level> = limits.into_iter().map(|(a, b, c)| level(a, b, c)).collect();
            let wanted = Wanted { up_to, leave, bound: u64::MAX };
            let to_hold = to_hold(&levels, wanted, held);
            for one in &levels {
                let most = one.limit.saturating_sub(one.floor.max(leave));
                let used = (one.used + to_hold).saturating_sub(held);
                prop_assert!(used <= most || to_hold == 0);
            }
            let narrow = narrowest(&levels).unwrap();
            if to_hold > held {
                prop_assert!(narrow.used + (to_hold - held) <= narrow.wanted(wanted));
                prop_assert!(to_hold <= narrow.wanted(wanted));
            }
        }
    }
}
