//! Where processes stand in control groups, of either version.

use std::path::{Path, PathBuf};

/// The group by which a controller deals with a process.
pub(crate) fn of(pid: u32, controller: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = |line: &str| line.rsplit(':').next().map(str::to_owned);
    let v1 = text.lines().find(|line| {
        let controllers = line.split(':').nth(1).unwrap_or_default();
        controllers.split(',').any(|one| one == controller)
    });
    let v2 = text.lines().find(|line| line.starts_with("0::"));
    v1.or(v2).and_then(path).unwrap()
}

/// Where that is in the file system.
pub(crate) fn folder(pid: u32, controller: &str) -> PathBuf {
    let group = of(pid, controller);
    let members = "cgroup.procs";
    let bases = [controller, "cpu,cpuacct", "cpuacct,cpu", ""];
    let mut folders = bases.into_iter().map(|base| {
        let base = Path::new("/sys/fs/cgroup").join(base);
        base.join(group.trim_start_matches('/'))
    });
    folders
        .find(|folder| folder.join(members).is_file())
        .unwrap()
}

/// What a setting of that group says, by its name in the first version or in the
/// second.
pub(crate) fn setting(pid: u32, controller: &str, names: [&str; 2]) -> String {
    let folder = folder(pid, controller);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    names.into_iter().find_map(read).unwrap()
}
