//! Finding processes by their environment, and the ports they listen on.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// A live process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// State as in `/proc/PID/stat`; `T` is stopped.
    pub(crate) state: char,
    pub(crate) command: String,
}

impl Process {
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    pub(crate) fn kill(&self) {
        let pid = rustix::process::Pid::from_raw(self.pid).unwrap();
        // It may have ended meanwhile.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// A listening TCP socket. The inode tells it from a later one on the port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listener {
    pub(crate) port: u16,
    pub(crate) inode: u64,
}

/// Every live process whose environment holds `mark` as an entry.
pub(crate) fn marked(mark: &[u8]) -> Vec<Process> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if !environment
            .split(|byte| *byte == 0)
            .any(|item| item == mark)
        {
            continue;
        }
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let state = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.chars().next())
            .unwrap_or('?');
        if matches!(state, 'Z' | 'X') {
            continue;
        }
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        found.push(Process {
            pid,
            state,
            command,
        });
    }
    found
}

/// What `processes` listen on.
pub(crate) fn listeners(processes: &[Process]) -> Vec<Listener> {
    let mut inodes = BTreeSet::new();
    for process in processes {
        let fds = PathBuf::from(format!("/proc/{}/fd", process.pid));
        for fd in std::fs::read_dir(fds).into_iter().flatten().flatten() {
            let target = std::fs::read_link(fd.path()).unwrap_or_default();
            let target = target.to_string_lossy();
            let inode = target
                .strip_prefix("socket:[")
                .and_then(|rest| rest.strip_suffix(']'))
                .and_then(|inode| inode.parse::<u64>().ok());
            inodes.extend(inode);
        }
    }
    all_listeners()
        .into_iter()
        .filter(|listener| inodes.contains(&listener.inode))
        .collect()
}

/// Those of `listeners` that still listen.
pub(crate) fn still_listening(listeners: &[Listener]) -> Vec<Listener> {
    let all = all_listeners();
    let listening = listeners.iter().filter(|listener| all.contains(listener));
    listening.cloned().collect()
}

/// Every listening TCP socket of the machine, from `/proc/net/tcp`: local
/// address in column 1, state in 3 (`0A` listens), inode in 9.
fn all_listeners() -> Vec<Listener> {
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            if columns.get(3) != Some(&"0A") {
                continue;
            }
            let (_, port) = columns[1].rsplit_once(':').unwrap();
            found.push(Listener {
                port: u16::from_str_radix(port, 16).unwrap(),
                inode: columns[9].parse().unwrap(),
            });
        }
    }
    found
}
