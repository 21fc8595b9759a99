//! Systemd units, by their control groups.

use std::path::{Path, PathBuf};

use super::not_found::NotFound;

/// The unified hierarchy, and where systemd keeps units in the older one.
pub(super) const ROOTS: &[&str] = &[
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/systemd",
    "/sys/fs/cgroup/unified",
];
/// How deep slices may be nested.
const DEPTH_MAX: usize = 8;
/// Everything in the control group of a systemd unit, and in those below.
pub(super) fn processes_of(name: &str, roots: &[&str]) -> Result<Vec<u32>, NotFound> {
    for root in roots {
        let mut groups = Vec::new();
        groups_called(Path::new(root), name, DEPTH_MAX, &mut groups);
        let mut units: Vec<(PathBuf, Vec<u32>)> = Vec::new();
        for group in groups {
            let mut pids = Vec::new();
            gather(&group, DEPTH_MAX, &mut pids);
            // The older hierarchies have a group of the same processes each.
            let same = |(_, known): &&mut (PathBuf, Vec<u32>)| {
                known.iter().any(|known| pids.contains(known))
            };
            match units.iter_mut().find(same) {
                Some((_, known)) => {
                    pids.retain(|pid| !known.contains(pid));
                    known.extend(pids);
                }
                None if pids.is_empty() => {}
                None => units.push((group, pids)),
            }
        }
        match units.pop() {
            None => {}
            Some((_, pids)) if units.is_empty() => return Ok(pids),
            Some((last, _)) => {
                let mut paths: Vec<_> = units.into_iter().map(|(path, _)| path).collect();
                paths.push(last);
                let name = name.to_owned();
                return Err(NotFound::SeveralUnits { name, paths });
            }
        }
    }
    Err(NotFound::NoUnit(name.to_owned()))
}

/// The outermost groups of a name.
fn groups_called(under: &Path, name: &str, depth: usize, found: &mut Vec<PathBuf>) {
    for path in directories(under) {
        if path.ends_with(name) {
            found.push(path);
        } else if let Some(deeper) = depth.checked_sub(1) {
            groups_called(&path, name, deeper, found);
        }
    }
}

fn directories(under: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(under).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

fn gather(group: &Path, depth: usize, pids: &mut Vec<u32>) {
    let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let seen = text.lines().filter_map(|line| line.parse::<u32>().ok());
    // Those that are in another PID namespace are all called 0.
    pids.extend(seen.filter(|pid| *pid > 0));
    if let Some(deeper) = depth.checked_sub(1) {
        for below in directories(group) {
            gather(&below, deeper, pids);
        }
    }
}
