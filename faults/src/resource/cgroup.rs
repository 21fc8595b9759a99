//! Cgroups as this machine has them, version 1 or 2: where a controller is, and
//! which cgroup a process is in.

use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};

use procfs::process::Process;
use serde::{Deserialize, Serialize};

/// What begins the name of every cgroup that squall makes.
pub(super) const PREFIX: &str = "squall-";
/// The file that lists the processes of a cgroup, and takes new ones.
pub(super) const PROCESSES: &str = "cgroup.procs";

/// What limits the processes of a cgroup in version 2, where it is set.
const LIMITS: &[&str] = &[
    "cpu.max",
    "cpuset.cpus",
    "memory.max",
    "memory.high",
    "memory.swap.max",
    "io.max",
];
/// Processes and threads of a cgroup, also in version 2. Every unit of systemd has
/// such a limit.
pub(super) const TASKS: &str = "pids.max";

/// What a cgroup is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Controller {
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// Standing still. In version 2 every cgroup can do that.
    Freezer,
}

impl Controller {
    /// As the kernel calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Freezer => "freezer",
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The two interfaces of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// A hierarchy for each controller.
    V1,
    /// One for all.
    V2,
}

/// Where a controller is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) controller: Controller,
    pub(super) version: Version,
    pub(super) mounted: PathBuf,
    /// The cgroup that is seen there.
    root: String,
}

impl fmt::Display for Hierarchy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match self.version {
            Version::V1 => 1,
            Version::V2 => 2,
        };
        write!(f, "cgroup v{version} at {}", self.mounted.display())
    }
}

impl Hierarchy {
    /// Looks for a controller among the mounts.
    ///
    /// # Errors
    /// It is in none of them, or they cannot be read.
    pub(super) fn of(controller: Controller) -> io::Result<Self> {
        let mounts = Process::myself().and_then(|own| own.mountinfo());
        let mounts = mounts.map_err(io::Error::other)?;
        let name = controller.name();
        let mut of_every_cgroup = None;
        for mount in mounts {
            let version = match mount.fs_type.as_str() {
                "cgroup" if mount.super_options.contains_key(name) => Version::V1,
                "cgroup2" => Version::V2,
                _ => continue,
            };
            let found = Self {
                controller,
                version,
                mounted: mount.mount_point,
                root: mount.root,
            };
            let listed = || lists(&found.mounted.join("cgroup.controllers"), name);
            match version {
                Version::V1 => return Ok(found),
                Version::V2 if controller == Controller::Freezer => of_every_cgroup = Some(found),
                Version::V2 if listed() => return Ok(found),
                Version::V2 => {}
            }
        }
        if let Some(found) = of_every_cgroup {
            return Ok(found);
        }
        let why = format!("no cgroup hierarchy with the controller `{name}` is mounted");
        Err(io::Error::new(io::ErrorKind::NotFound, why))
    }

    /// The cgroup of a process.
    pub(super) fn place_of(&self, pid: u32) -> io::Result<PathBuf> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        let name = self.controller.name();
        let path = path_in(&text, self.version, name).ok_or_else(|| {
            io::Error::other(format!("process {pid} is in no cgroup of `{name}`"))
        })?;
        let below = path.strip_prefix(self.root.trim_end_matches('/'));
        let below = Path::new(below.unwrap_or(path).trim_start_matches('/'));
        if below.components().any(|part| part == Component::ParentDir) {
            let why = format!("process {pid} is in a cgroup that is not seen from here");
            return Err(io::Error::other(why));
        }
        // Joining an empty path would leave a slash at the end.
        Ok(match below.as_os_str().is_empty() {
            true => self.mounted.clone(),
            false => self.mounted.join(below),
        })
    }

    /// Where a cgroup for processes of `place` can be made. In version 1 below
    /// it, so that what holds for it still holds. In version 2 a cgroup that has
    /// processes hands no controller on to those below, so it is the nearest one
    /// above that does; standing still needs no controller.
    pub(super) fn parent_for(&self, place: &Path) -> io::Result<PathBuf> {
        if self.version == Version::V1 || self.controller == Controller::Freezer {
            return Ok(place.to_owned());
        }
        let name = self.controller.name();
        let hands_on = |above: &&Path| lists(&above.join("cgroup.subtree_control"), name);
        let above = place.ancestors();
        let mut above = above.take_while(|above| above.starts_with(&self.mounted));
        above.find(hands_on).map(Path::to_owned).ok_or_else(|| {
            let place = place.display();
            io::Error::other(format!("no cgroup above {place} hands `{name}` on"))
        })
    }
}

/// The limits in version 2 that a process of `place` would lose below `parent`.
fn lost(place: &Path, parent: &Path) -> impl Iterator<Item = PathBuf> {
    let left = place.ancestors().take_while(move |above| *above != parent);
    left.map(Path::to_owned)
}

/// Says which limit a process of `place` would be free of below `parent`, in version
/// 2; not that of tasks, which can be had there as well.
pub(super) fn lost_limit(place: &Path, parent: &Path) -> Option<String> {
    lost(place, parent).find_map(|above| {
        let mut files = LIMITS.iter().map(|file| above.join(file));
        files.find_map(|file| {
            let text = std::fs::read_to_string(&file).ok()?;
            let set = text.trim();
            let is_set = !set.is_empty() && set.split(' ').next() != Some("max");
            is_set.then(|| format!("{} ({})", file.display(), set.replace('\n', ", ")))
        })
    })
}

/// The least number of tasks that such a process may be among.
pub(super) fn lost_tasks(place: &Path, parent: &Path) -> Option<u64> {
    let text = |above: PathBuf| std::fs::read_to_string(above.join(TASKS)).ok();
    let limits = lost(place, parent).filter_map(text);
    limits.filter_map(|text| text.trim().parse().ok()).min()
}

/// Whether a file holds a word.
fn lists(file: &Path, word: &str) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().any(|one| one == word)
}

/// The path of a process in the hierarchy of a controller, of the text of
/// `/proc/PID/cgroup`.
fn path_in<'t>(text: &'t str, version: Version, controller: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let found = match version {
            Version::V1 => controllers.split(',').any(|one| one == controller),
            Version::V2 => controllers.is_empty(),
        };
        found.then_some(path)
    })
}

/// Whether squall made a cgroup.
pub(super) fn is_ours(place: &Path) -> bool {
    let name = place.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(PREFIX))
}

/// Whether squall made it for one thing.
pub(super) fn is_ours_for(place: &Path, controller: Controller) -> bool {
    let name = place.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(&format!("{PREFIX}{controller}-")))
}

/// The numbers in a file of a cgroup: one to a line, or one behind its name.
pub(super) fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: &str = "9:name=systemd:/\n4:memory:/api/7\n2:cpu,cpuacct:/web:8\n0::/user.slice\n";

    #[test]
    fn the_cgroup_of_a_process_is_that_of_the_controller() {
        let path = |version, controller| path_in(MIXED, version, controller);
        assert_eq!(path(Version::V1, "memory"), Some("/api/7"));
        assert_eq!(path(Version::V1, "cpu"), Some("/web:8"));
        assert_eq!(path(Version::V2, "cpu"), Some("/user.slice"));
        assert_eq!(path(Version::V1, "pids"), None);
    }

    #[test]
    fn in_version_2_it_is_made_where_the_controller_is_handed_on() {
        let dir = tempfile::tempdir().unwrap();
        let mounted = dir.path().to_owned();
        let slice = mounted.join("system.slice");
        let place = slice.join("web.service");
        std::fs::create_dir_all(&place).unwrap();
        let hierarchy = |version| Hierarchy {
            controller: Controller::Cpu,
            version,
            mounted: mounted.clone(),
            root: "/".to_owned(),
        };
        let hands_on = |place: &Path, words: &str| {
            std::fs::write(place.join("cgroup.subtree_control"), words).unwrap();
        };
        let v2 = hierarchy(Version::V2);
        assert!(v2.parent_for(&place).is_err(), "nobody hands it on");
        hands_on(&mounted, "cpuset cpu io\n");
        assert_eq!(v2.parent_for(&place).unwrap(), mounted);
        hands_on(&slice, "cpu\n");
        hands_on(&place, "memory\n");
        assert_eq!(v2.parent_for(&place).unwrap(), slice);
        assert_eq!(hierarchy(Version::V1).parent_for(&place).unwrap(), place);
    }

    #[test]
    fn in_version_2_the_limits_below_that_place_would_be_lost() {
        let dir = tempfile::tempdir().unwrap();
        let slice = dir.path().join("system.slice");
        let unit = slice.join("web.service");
        let place = unit.join("workers");
        std::fs::create_dir_all(&place).unwrap();
        let write = |place: &Path, file: &str, text: &str| {
            std::fs::write(place.join(file), text).unwrap();
        };
        // The parent's own still hold, and these are none.
        write(&slice, "memory.max", "1048576\n");
        write(&slice, "pids.max", "7\n");
        write(&unit, "cpu.max", "max 100000\n");
        write(&unit, "memory.max", "max\n");
        write(&unit, "io.max", "\n");
        write(&unit, "pids.max", "4915\n");
        assert_eq!(lost_limit(&place, &slice), None);
        assert_eq!(lost_tasks(&place, &slice), Some(4915));
        for (above, file, text) in [
            (&unit, "cpu.max", "20000 100000\n"),
            (&place, "memory.high", "1048576\n"),
            (&unit, "io.max", "8:0 rbps=1 wbps=max\n"),
            (&unit, "cpuset.cpus", "0-1\n"),
        ] {
            let file = above.join(file);
            let before = std::fs::read_to_string(&file).unwrap_or_default();
            std::fs::write(&file, text).unwrap();
            let said = format!("{} ({})", file.display(), text.trim());
            assert_eq!(lost_limit(&place, &slice), Some(said));
            std::fs::write(&file, before).unwrap();
        }
        assert_eq!(lost_limit(&unit, &unit), None);
        assert_eq!(lost_tasks(&slice, &slice), None);
    }

    #[test]
    fn figures_are_read_by_their_names() {
        let text = "nr_periods 20\nnr_throttled 7\nthrottled_time 9\n";
        assert_eq!(number(text, "nr_throttled"), Some(7));
        assert_eq!(number(text, "throttled"), None);
    }
}
