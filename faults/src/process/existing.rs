//! Finding processes that squall did not start, by what people know them by.
//!
//! What is found may be hit only where somebody allowed it by name, on the
//! command line or in a configuration of their own; this module only looks.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use procfs::process::{Process, all_processes};
use regex_lite::Regex;
use squall_scenario::{Find, visible};

use super::listeners::{listening_sockets, open_sockets};
use super::{ProcessIdentity, Processes};
use crate::marks::INSTANCE_MARK;

/// The unified hierarchy, and where systemd keeps units in the older one.
const UNIT_ROOTS: &[&str] = &[
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/systemd",
    "/sys/fs/cgroup/unified",
];
/// How deep slices may be nested.
const DEPTH_MAX: usize = 8;
/// A pid file holds a number.
const PID_FILE_BYTES_MAX: u64 = 64;
/// Longest command line that is quoted, in characters.
const COMMAND_MAX: usize = 60;

/// How much later than its pid file a process may seem to have started: clocks
/// of the kernel and of file systems are coarse.
const LATER_MAX: Duration = Duration::from_secs(5);

/// A process that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Who it is.
    pub identity: ProcessIdentity,
    /// Its command line, shortened, control characters escaped.
    pub command: String,
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// The pid file cannot be read.
    #[error("{}: {source}", path.display())]
    PidFile {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The pid file says something else.
    #[error("{}: no process number in it", path.display())]
    NoNumber {
        /// The file.
        path: PathBuf,
    },
    /// Its process is gone.
    #[error("{}: process {pid} does not run", path.display())]
    Stale {
        /// The file.
        path: PathBuf,
        /// What it says.
        pid: u32,
    },
    /// Its number was given to another process.
    #[error(
        "{}: process {pid} started after this was written, so it is another one that has the \
         number now",
        path.display()
    )]
    Reused {
        /// The file.
        path: PathBuf,
        /// What it says.
        pid: u32,
    },
    /// No control group has the unit's name.
    #[error("no unit {0} is running (looked for its control group in /sys/fs/cgroup)")]
    NoUnit(String),
    /// Several have it, such as those of a container beside those of the machine.
    #[error("several control groups are called {name}: {}", listed(paths))]
    SeveralUnits {
        /// The name.
        name: String,
        /// Where each is.
        paths: Vec<PathBuf>,
    },
    /// No command line matches.
    #[error("no command line matches {0:?}")]
    NoCommand(String),
    /// The pattern is none.
    #[error("{0:?} is no pattern: {1}")]
    BadPattern(String, regex_lite::Error),
    /// Nobody listens there, or nobody who can be seen.
    #[error("nobody that can be seen listens on port {0}")]
    NoListener(u16),
    /// No squall runs such an instance.
    #[error("no squall runs an instance called {0}")]
    NoInstance(String),
    /// Several do.
    #[error("several runs of squall have an instance called {name}: {}", runs.join(", "))]
    SeveralRuns {
        /// The name.
        name: String,
        /// The runs.
        runs: Vec<String>,
    },
    /// Processes cannot be looked at.
    #[error("looking at processes: {0}")]
    Unseen(String),
}

/// The processes that are meant, oldest first, without those that another of
/// them started: a fault on that one reaches them. Never squall itself. Blocks: it reads `/proc`.
///
/// # Errors
/// See [`NotFound`]; never an empty list.
pub fn find(what: &Find) -> Result<Vec<Found>, NotFound> {
    let mut named = None;
    let pids = match what {
        Find::PidFile(path) => {
            let pid = in_pid_file(Path::new(path))?;
            named = Some(pid);
            vec![pid]
        }
        Find::Unit(name) => of_unit(name, UNIT_ROOTS)?,
        Find::Command(pattern) => by_command(pattern)?,
        Find::Port(port) => on_port(*port)?,
        Find::Instance(name) => of_a_run(name)?,
    };
    let unseen = |error: crate::FaultError| NotFound::Unseen(error.to_string());
    let processes = Processes::look().map_err(unseen)?;
    let mut found: Vec<ProcessIdentity> = pids
        .into_iter()
        // Its own links listen on ports, and its arguments may say a pattern.
        .filter(|pid| *pid != std::process::id())
        .filter_map(|pid| ProcessIdentity::of(pid).ok())
        .filter(ProcessIdentity::is_alive)
        .collect();
    found.sort_by_key(|identity| (identity.start_time, identity.pid));
    let below: Vec<_> = reached(&found, &processes).collect();
    let is_root = |identity: &ProcessIdentity| below.iter().all(|(below, _)| below != identity);
    let roots: Vec<_> = found.iter().copied().filter(is_root).collect();
    match roots.is_empty() {
        false => Ok(roots.into_iter().map(described).collect()),
        true => Err(match what {
            // It ended since, or squall wrote its own number there.
            Find::PidFile(path) => NotFound::Stale {
                path: path.into(),
                pid: named.unwrap_or_default(),
            },
            Find::Unit(name) => NotFound::NoUnit(name.clone()),
            Find::Command(pattern) => NotFound::NoCommand(pattern.clone()),
            Find::Port(port) => NotFound::NoListener(*port),
            Find::Instance(name) => NotFound::NoInstance(name.clone()),
        }),
    }
}

/// Of some processes those that a fault on another of them reaches, each with
/// that other. Blocks: it reads `/proc`.
///
/// # Errors
/// Processes cannot be looked at.
pub fn below(
    identities: &[ProcessIdentity],
) -> Result<Vec<(ProcessIdentity, ProcessIdentity)>, NotFound> {
    let unseen = |error: crate::FaultError| NotFound::Unseen(error.to_string());
    let processes = Processes::look().map_err(unseen)?;
    Ok(reached(identities, &processes).collect())
}

fn reached(
    identities: &[ProcessIdentity],
    processes: &Processes,
) -> impl Iterator<Item = (ProcessIdentity, ProcessIdentity)> {
    identities.iter().flat_map(move |above| {
        let origin = crate::Origin {
            root: *above,
            mark: String::new(),
        };
        let members = processes.members(&origin).into_iter();
        let members = members.map(|member| member.identity);
        let other = |member: &ProcessIdentity| member != above && identities.contains(member);
        let others: Vec<_> = members.filter(other).collect();
        others.into_iter().map(|member| (member, *above))
    })
}

fn described(identity: ProcessIdentity) -> Found {
    let command = super::process(identity.pid).map(|process| command_line(&process));
    let command = command.unwrap_or_default();
    let command = visible(&command, &[]);
    let mut short: String = command.chars().take(COMMAND_MAX).collect();
    if command.chars().count() > COMMAND_MAX {
        short.push('\u{2026}');
    }
    Found {
        identity,
        command: short,
    }
}

/// The arguments with spaces between; the name of a process that shows none.
fn command_line(process: &Process) -> String {
    match process.cmdline() {
        Ok(words) if !words.is_empty() => words.join(" "),
        _ => process.stat().map(|stat| stat.comm).unwrap_or_default(),
    }
}

fn in_pid_file(path: &Path) -> Result<u32, NotFound> {
    let failed = |source| NotFound::PidFile {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let written = file.metadata().and_then(|about| about.modified());
    let written = written.map_err(failed)?;
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, PID_FILE_BYTES_MAX), &mut text)
        .map_err(failed)?;
    // Some write more behind the number, on lines of their own.
    let number = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok());
    let pid = number.ok_or_else(|| NotFound::NoNumber {
        path: path.to_owned(),
    })?;
    let path = path.to_owned();
    let lives = ProcessIdentity::of(pid)
        .ok()
        .filter(ProcessIdentity::is_alive);
    let Some(identity) = lives else {
        return Err(NotFound::Stale { path, pid });
    };
    match started(identity)? > written + LATER_MAX {
        true => Err(NotFound::Reused { path, pid }),
        false => Ok(pid),
    }
}

/// When a process started, as the clock stands now. Where that was put forward
/// since, one may seem to have started after it wrote its file: then nobody is hit.
fn started(who: ProcessIdentity) -> Result<SystemTime, NotFound> {
    let unseen = |error: procfs::ProcError| NotFound::Unseen(error.to_string());
    let booted = procfs::boot_time_secs().map_err(unseen)?;
    let after = who.start_time / procfs::ticks_per_second();
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(booted + after))
}

/// Everything in the control group of a systemd unit, and in those below.
fn of_unit(name: &str, roots: &[&str]) -> Result<Vec<u32>, NotFound> {
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

fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
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

/// Whose command line matches.
fn by_command(pattern: &str) -> Result<Vec<u32>, NotFound> {
    let bad = |error| NotFound::BadPattern(pattern.to_owned(), error);
    let regex = Regex::new(pattern).map_err(bad)?;
    let processes = processes()?;
    let matching = processes.filter(|process| regex.is_match(&command_line(process)));
    Ok(matching
        .map(|process| process.pid.cast_unsigned())
        .collect())
}

fn on_port(port: u16) -> Result<Vec<u32>, NotFound> {
    let sockets = listening_sockets().into_iter();
    let sockets: Vec<u64> = sockets
        .filter(|socket| socket.at.port() == port)
        .map(|socket| socket.inode)
        .collect();
    let has_one = |process: &Process| {
        open_sockets(process).is_some_and(|open| sockets.iter().any(|inode| open.contains(inode)))
    };
    let holders = processes()?.filter(has_one);
    Ok(holders.map(|process| process.pid.cast_unsigned()).collect())
}

/// What the last start of an instance of a run is made of.
fn of_a_run(name: &str) -> Result<Vec<u32>, NotFound> {
    let mut runs = BTreeSet::new();
    let mut starts: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for process in processes()? {
        let environ = process.environ().ok();
        let mark = environ.and_then(|mut all| all.remove(OsStr::new(INSTANCE_MARK)));
        let Some(mark) = mark.and_then(|mark| mark.into_string().ok()) else {
            continue;
        };
        if let Some((run, start)) = start_of(&mark, name) {
            runs.insert(run.to_owned());
            let pids = starts.entry(start).or_default();
            pids.push(process.pid.cast_unsigned());
        }
    }
    if runs.len() > 1 {
        return Err(NotFound::SeveralRuns {
            name: name.to_owned(),
            runs: runs.into_iter().collect(),
        });
    }
    let last = starts.pop_last();
    last.map(|(_, pids)| pids)
        .ok_or_else(|| NotFound::NoInstance(name.to_owned()))
}

/// The run, and which start of it, if a mark is one of the instance of this name.
fn start_of<'m>(mark: &'m str, name: &str) -> Option<(&'m str, u64)> {
    let (run, of_run) = mark.split_once('/')?;
    let (instance, start) = of_run.rsplit_once('/')?;
    (instance == name).then(|| start.parse().ok().map(|start| (run, start)))?
}

fn processes() -> Result<impl Iterator<Item = Process>, NotFound> {
    let all = all_processes().map_err(|error| NotFound::Unseen(error.to_string()))?;
    Ok(all.flatten())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;

    use rustix::process::{Pid, Signal, kill_process_group};
    use tokio::net::TcpSocket;

    use super::*;

    /// However slow a machine is, this is a hang.
    const HANG: Duration = Duration::from_secs(60);

    /// A process of the test, ended with its handle.
    struct Other(Child);

    impl Other {
        fn start(script: &str) -> Self {
            let mut shell = Command::new("sh");
            // It is there under its own name only when it speaks.
            let script = format!("echo; exec >/dev/null; {script}");
            shell.args(["-c", &script]).process_group(0);
            shell
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            let mut shell = shell.spawn().unwrap();
            let mut said = shell.stdout.take().unwrap();
            io::Read::read_exact(&mut said, &mut [0]).unwrap();
            Self(shell)
        }

        fn pid(&self) -> u32 {
            self.0.id()
        }
    }

    impl Drop for Other {
        fn drop(&mut self) {
            let group = Pid::from_child(&self.0);
            kill_process_group(group, Signal::KILL).unwrap();
            self.0.wait().unwrap();
        }
    }

    fn pids(found: Result<Vec<Found>, NotFound>) -> Vec<u32> {
        let found = found.unwrap().into_iter();
        found.map(|found| found.identity.pid).collect()
    }

    #[test]
    fn a_pid_file_names_its_process_while_that_runs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other.pid");
        let find_it = || find(&Find::PidFile(path.display().to_string()));
        assert!(matches!(find_it(), Err(NotFound::PidFile { .. })));
        let other = Other::start("sleep 1000; :");
        let pid = other.pid();
        std::fs::write(&path, format!(" {pid}\nmore\n")).unwrap();
        let found = find_it().unwrap();
        assert_eq!(found[0].identity, ProcessIdentity::of(pid).unwrap());
        assert_eq!(
            found[0].command,
            "sh -c echo; exec >/dev/null; sleep 1000; :"
        );
        drop(other);
        assert!(matches!(find_it(), Err(NotFound::Stale { pid: gone, .. }) if gone == pid));
        for text in ["", "none", "-1", "4194304000000"] {
            std::fs::write(&path, text).unwrap();
            assert!(
                matches!(find_it(), Err(NotFound::NoNumber { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_pid_file_older_than_its_process_names_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other.pid");
        let other = Other::start("sleep 1000; :");
        let pid = other.pid();
        std::fs::write(&path, format!("{pid}\n")).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let find_it = || find(&Find::PidFile(path.display().to_string()));
        assert_eq!(pids(find_it()), [pid]);
        // As a daemon left it that was killed, and whose number is used again.
        let started = started(ProcessIdentity::of(pid).unwrap()).unwrap();
        file.set_modified(started - Duration::from_secs(60))
            .unwrap();
        let found = find_it();
        assert!(
            matches!(found, Err(NotFound::Reused { pid: reused, .. }) if reused == pid),
            "{found:?}"
        );
        // Clocks are coarse.
        file.set_modified(started - Duration::from_secs(2)).unwrap();
        assert_eq!(pids(find_it()), [pid]);
    }

    #[test]
    fn a_process_below_another_is_no_root_whichever_is_named_first() {
        let above = Other::start("sleep 1000 & wait");
        let origin = crate::Origin {
            root: ProcessIdentity::of(above.pid()).unwrap(),
            mark: String::new(),
        };
        let give_up = Instant::now() + HANG;
        // It speaks before it starts the other.
        let (processes, members) = loop {
            let processes = Processes::look().unwrap();
            let members = processes.members(&origin);
            if members.len() == 2 {
                break (processes, members.into_iter());
            }
            assert!(Instant::now() < give_up, "it started nobody in time");
            std::thread::yield_now();
        };
        let mut both: Vec<_> = members.map(|member| member.identity).collect();
        let below = both[1];
        for _ in 0..2 {
            let found: Vec<_> = reached(&both, &processes).collect();
            assert_eq!(found, [(below, origin.root)]);
            both.reverse();
        }
    }

    #[test]
    fn a_command_matches_whoever_says_it_but_not_what_that_started() {
        let sign = format!("sign-{}-of-a-test", std::process::id());
        // Both the shell and its subshell have the sign.
        let other = Other::start(&format!(": {sign}; (sleep 1000; :) & wait"));
        let found = pids(find(&Find::Command(sign.clone())));
        assert_eq!(found, [other.pid()]);
        drop(other);
        let none = find(&Find::Command(format!("{sign} and no more")));
        assert!(matches!(none, Err(NotFound::NoCommand(_))));
        let bad = find(&Find::Command("(".to_owned()));
        assert!(matches!(bad, Err(NotFound::BadPattern(..))));
    }

    #[test]
    fn an_instance_is_the_last_start_of_it_in_the_only_run_that_has_one() {
        let name = format!("of-a-test-{}", std::process::id());
        let start = |mark: String| {
            let script = format!("export {INSTANCE_MARK}={mark}; exec sleep 1000");
            Other::start(&format!("sh -c '{script}' & wait"))
        };
        let found = || find(&Find::Instance(name.clone()));
        let give_up = Instant::now() + HANG;
        let once_more = || {
            assert!(Instant::now() < give_up, "it was not found in time");
            std::thread::yield_now();
        };
        let soon = |count: usize| loop {
            match found() {
                Ok(found) if found.len() == count => return pids(Ok(found)),
                Ok(_) | Err(NotFound::NoInstance(_)) => once_more(),
                Err(other) => panic!("{other}"),
            }
        };
        assert!(matches!(found(), Err(NotFound::NoInstance(_))));
        let _other_name = start(format!("run.1.2/{name}x/1"));
        let _first = start(format!("run.1.2/{name}/9"));
        let before = soon(1);
        let _again = start(format!("run.1.2/{name}/10"));
        while soon(1) == before {
            once_more();
        }
        let _other_run = start(format!("run.3.4/{name}/0"));
        loop {
            match found() {
                Ok(_) => once_more(),
                Err(NotFound::SeveralRuns { runs, .. }) => {
                    assert_eq!(runs, ["run.1.2", "run.3.4"]);
                    break;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn a_port_belongs_to_who_listens_there() {
        // Bound all the time, so that nobody else is given it.
        let held = TcpSocket::new_v4().unwrap();
        held.set_reuseaddr(true).unwrap();
        held.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = held.local_addr().unwrap();
        let port = address.port();
        let listener = TcpListener::bind(address).unwrap();
        assert_eq!(on_port(port).unwrap(), [std::process::id()]);
        // Squall itself is never meant.
        let own = find(&Find::Port(port));
        assert!(matches!(own, Err(NotFound::NoListener(_))));
        drop(listener);
        assert_eq!(on_port(port).unwrap(), Vec::<u32>::new());
        let none = find(&Find::Port(port));
        assert!(matches!(none, Err(NotFound::NoListener(free)) if free == port));
    }

    #[test]
    fn a_unit_is_its_control_group_and_those_below() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().display().to_string();
        let unit = dir.path().join("system.slice/web.service");
        std::fs::create_dir_all(unit.join("worker")).unwrap();
        std::fs::create_dir_all(dir.path().join("system.slice/webx.service")).unwrap();
        std::fs::write(unit.join("cgroup.procs"), "12\n13\n").unwrap();
        std::fs::write(unit.join("worker/cgroup.procs"), "14\n").unwrap();
        assert_eq!(of_unit("web.service", &[&root]).unwrap(), [12, 13, 14]);
        // One whose group is empty does not run.
        let none = of_unit("webx.service", &[&root]);
        assert!(matches!(none, Err(NotFound::NoUnit(_))));
        // One of the same name that is empty is no other.
        let inner = dir.path().join("machine.slice/box.scope/web.service");
        std::fs::create_dir_all(&inner).unwrap();
        let group = inner.join("cgroup.procs");
        std::fs::write(&group, "0\n").unwrap();
        assert_eq!(of_unit("web.service", &[&root]).unwrap(), [12, 13, 14]);
        // The same processes in an older hierarchy.
        std::fs::write(&group, "14\n13\n12\n").unwrap();
        let mut found = of_unit("web.service", &[&root]).unwrap();
        found.sort_unstable();
        assert_eq!(found, [12, 13, 14]);
    }

    #[test]
    fn units_of_one_name_are_a_mistake_that_names_each() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().display().to_string();
        let paths = ["machine.slice/box.scope/system.slice", "system.slice"];
        let paths = paths.map(|path| dir.path().join(path).join("web.service"));
        for (path, pid) in paths.iter().zip(["21\n", "12\n"]) {
            std::fs::create_dir_all(path).unwrap();
            std::fs::write(path.join("cgroup.procs"), pid).unwrap();
        }
        let several = of_unit("web.service", &[&root]).unwrap_err();
        let said = several.to_string();
        let [one, other] = paths.map(|path| path.display().to_string());
        assert_eq!(
            said,
            format!("several control groups are called web.service: {one}, {other}")
        );
    }
}
