//! Processes that a test starts, found by what people know them by.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::TcpSocket;

use super::pid_file::started;
use super::units::processes_of;
use super::*;
use crate::marks::RUN_MARK;
use crate::process::{Owner, refuse};
use crate::{FaultError, Refusal};

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
        std::io::Read::read_exact(&mut said, &mut [0]).unwrap();
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
fn what_works_for_squall_is_never_meant_and_never_hit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.pid");
    let script = |marks: &str| format!("exec env {marks} sleep 1000");
    let started = |marks: &str| {
        let other = Other::start(&script(marks));
        let pid = other.pid();
        let environ = || std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        let give_up = Instant::now() + HANG;
        while !environ().contains(RUN_MARK) {
            assert!(Instant::now() < give_up, "it is not there in time");
        }
        std::fs::write(&path, format!("{pid}\n")).unwrap();
        other
    };
    let find_it = || find(&Find::PidFile(path.display().to_string()));
    let of_a_run = format!("{RUN_MARK}=run.4000000.1");
    let rival = started(&of_a_run);
    assert!(matches!(find_it(), Err(NotFound::Stale { .. })));
    let refused = refuse(rival.pid(), Owner::Allowed, None);
    assert!(
        matches!(&refused, Err(FaultError::Refused { refusal, .. })
            if *refusal == Refusal::WorksForSquall),
        "{refused:?}"
    );
    // That is how it is ended.
    refuse(rival.pid(), Owner::Squall, None).unwrap();
    let instance = started(&format!("{of_a_run} {INSTANCE_MARK}=run.4000000.1/web/0"));
    assert_eq!(pids(find_it()), [instance.pid()]);
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
    assert_eq!(processes_of("web.service", &[&root]).unwrap(), [12, 13, 14]);
    // One whose group is empty does not run.
    let none = processes_of("webx.service", &[&root]);
    assert!(matches!(none, Err(NotFound::NoUnit(_))));
    // One of the same name that is empty is no other.
    let inner = dir.path().join("machine.slice/box.scope/web.service");
    std::fs::create_dir_all(&inner).unwrap();
    let group = inner.join("cgroup.procs");
    std::fs::write(&group, "0\n").unwrap();
    assert_eq!(processes_of("web.service", &[&root]).unwrap(), [12, 13, 14]);
    // The same processes in an older hierarchy.
    std::fs::write(&group, "14\n13\n12\n").unwrap();
    let mut found = processes_of("web.service", &[&root]).unwrap();
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
    let several = processes_of("web.service", &[&root]).unwrap_err();
    let said = several.to_string();
    let [one, other] = paths.map(|path| path.display().to_string());
    assert_eq!(
        said,
        format!("several control groups are called web.service: {one}, {other}")
    );
}
