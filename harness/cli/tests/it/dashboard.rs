//! The dashboard on a real terminal: a game day from end to end, a signal in
//! its middle, a screen elsewhere, and a terminal that nobody reads.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use squall_judge::RunOutcome;
use squall_record::{HandAction, HandSide, Record, RunEvent};

use crate::support::tmux::Tmux;
use crate::support::{Sandbox, one_server, verdict};

/// A fault of a minute in a load of two.
fn long_fault(rate: u32, load: &str) -> String {
    one_server(&format!(
        "load:
  shape: [ {{ hold: {{ rate: {rate}/s, for: {load} }} }} ]
  requests: [ GET /health ]
  timeout: 2s
  warm_up: 500ms
faults:
  - {{ name: slow api, at: 1s, inject: {{ delay: {{ by: 50ms }} }}, into: api, for: 1m }}
slo:
  - during: slow api
    expect: [ success >= 50% ]
"
    ))
}

/// A run of `long_fault` on a terminal, its fault in force.
fn run_into_the_fault(sandbox: &Sandbox) -> Option<Tmux> {
    let tmux = Tmux::start(sandbox)?;
    sandbox.write("long.yaml", long_fault(50, "2m"));
    tmux.enter("$SQUALL run long.yaml; echo exit=$?");
    tmux.wait_for("in force (");
    Some(tmux)
}

/// What was done by hand, and at which screen.
fn by_hand(sandbox: &Sandbox) -> Vec<(HandAction, HandSide)> {
    let record = Record::read(&sandbox.run()).unwrap();
    let events = record.events.into_iter();
    events
        .filter_map(|stamped| match stamped.event {
            RunEvent::ByHand { action, from } => Some((action, from)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_game_day_from_end_to_end() {
    let sandbox = Sandbox::new();
    let Some(tmux) = run_into_the_fault(&sandbox) else {
        return;
    };
    for (key, words) in [
        ("2", "scenario order"),
        ("3", "asked for, and seen"),
        ("4", "the system tells of no breakers"),
        ("5", "against"),
        ("6", "newest below"),
        ("1", "arrivals"),
    ] {
        tmux.press(&[key]);
        tmux.wait_for(words);
    }
    tmux.resize(70, 20);
    tmux.wait_until("a screen without frames", |screen| !screen.contains('╭'));
    tmux.resize(120, 34);
    tmux.wait_for("╭─ timeline");
    tmux.press(&["Space"]);
    tmux.wait_for("FROZEN");
    tmux.press(&["Space"]);
    tmux.wait_until("a screen that goes on", |screen| !screen.contains("FROZEN"));
    tmux.press(&["a"]);
    tmux.wait_for("mark");
    tmux.press(&["-l", "here we go"]);
    tmux.press(&["Enter"]);
    tmux.wait_for("marked: here we go");
    tmux.press(&["x"]);
    tmux.wait_for("Stop the fault slow api");
    tmux.press(&["Enter"]);
    tmux.wait_until("no question", |screen| !screen.contains("y/N"));
    tmux.press(&["x", "y"]);
    tmux.wait_for("slow api: removed");
    tmux.press(&["q"]);
    tmux.wait_for("Finish now");
    tmux.press(&["y"]);
    after_the_end(&sandbox, &tmux);
    tmux.press(&["q"]);
    let left = tmux.wait_for("exit=3");
    for words in ["INCONCLUSIVE", "finished early by hand", "report.html"] {
        assert!(left.contains(words), "no {words:?} in\n{left}");
    }
    assert!(
        !left.contains('╭'),
        "nothing of the dashboard is left\n{left}"
    );
    tmux.assert_sane();
    sandbox.assert_empty();
    let text = "here we go".to_owned();
    let fault = "slow api".to_owned();
    let expected = [
        HandAction::Mark { text },
        HandAction::StopFault { fault },
        HandAction::Finish,
    ];
    assert_eq!(
        by_hand(&sandbox),
        expected.map(|action| (action, HandSide::Own))
    );
    let page = std::fs::read_to_string(sandbox.run().join("report.html")).unwrap();
    assert!(page.contains("marked: here we go"), "the page tells of it");
}

/// The screen stays with the verdict; nothing but squall itself is left, the
/// reports are there, and keys go on working.
fn after_the_end(sandbox: &Sandbox, tmux: &Tmux) {
    tmux.wait_for("run finished: INCONCLUSIVE");
    let left = sandbox.processes();
    let alone = left
        .iter()
        .all(|process| process.pid == the_run(sandbox).as_raw_nonzero().get());
    assert!(alone, "only squall waits: {left:#?}");
    assert!(sandbox.run().join("report.html").exists());
    tmux.press(&["5"]);
    tmux.wait_for("the fault `slow api` was stopped by hand");
    tmux.press(&["x"]);
    tmux.wait_for("nothing left to steer");
    tmux.press(&["r"]);
    tmux.wait_for("opened with");
    let shown = sandbox.work().join("shown");
    crate::support::wait_until("the report in the browser", || shown.exists());
    let page = std::fs::read_to_string(shown).unwrap();
    assert_eq!(
        page.trim(),
        sandbox.run().join("report.html").to_str().unwrap()
    );
    tmux.press(&["1"]);
    tmux.wait_for("run finished: INCONCLUSIVE");
}

#[test]
fn a_signal_after_the_end_leaves_with_the_code_of_the_run() {
    let sandbox = Sandbox::new();
    let Some(tmux) = Tmux::start(&sandbox) else {
        return;
    };
    let short = long_fault(50, "3s").replace("for: 1m", "for: 1s");
    sandbox.write("long.yaml", short);
    tmux.enter("$SQUALL run long.yaml; echo exit=$?");
    tmux.wait_for("run finished: PASS");
    kill_process(the_run(&sandbox), Signal::TERM).unwrap();
    let left = tmux.wait_for("exit=0");
    assert!(left.contains("PASS"), "the verdict stays:\n{left}");
    tmux.assert_sane();
    sandbox.assert_empty();
}

/// An address that stays taken, and refuses connections, as long as the socket
/// is there.
fn nobody_listens() -> (std::os::fd::OwnedFd, std::net::SocketAddr) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
    let bound = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    bind(&bound, &any).unwrap();
    let address = getsockname(&bound).unwrap().try_into().unwrap();
    (bound, address)
}

#[test]
fn several_scenarios_and_those_who_want_it_so_wait_for_nobody() {
    let sandbox = Sandbox::new();
    let Some(tmux) = Tmux::start(&sandbox) else {
        return;
    };
    let short = long_fault(50, "2s").replace("for: 1m", "for: 500ms");
    sandbox.write("one.yaml", short);
    tmux.enter("$SQUALL run one.yaml one.yaml; echo exit=$?");
    tmux.wait_for("exit=0");
    sandbox.write("config.yaml", "stay: false\n");
    tmux.enter("clear; SQUALL_CONFIG=config.yaml $SQUALL run one.yaml; echo left=$?");
    tmux.wait_for("left=0");
    tmux.enter("clear; CI=1 $SQUALL run one.yaml --ui tui; echo ended=$?");
    tmux.wait_for("ended=0");
    // Nothing listens there: a run that never began has nothing to show.
    let (_bound, address) = nobody_listens();
    tmux.enter(&format!(
        "clear; $SQUALL load http://{address}/; echo never=$?"
    ));
    tmux.wait_for("never=5");
    assert_eq!(sandbox.runs().len(), 5);
}

#[test]
fn a_signal_in_the_middle_leaves_a_sane_terminal() {
    let sandbox = Sandbox::new();
    let Some(tmux) = run_into_the_fault(&sandbox) else {
        return;
    };
    kill_process(the_run(&sandbox), Signal::TERM).unwrap();
    let left = tmux.wait_for("exit=143");
    assert!(left.contains("TERMINATED"), "{left}");
    tmux.assert_sane();
    sandbox.assert_empty();
}

#[test]
fn a_terminal_that_is_closed_ends_the_run_and_the_screens() {
    let sandbox = Sandbox::new();
    let Some(tmux) = run_into_the_fault(&sandbox) else {
        return;
    };
    tmux.window();
    tmux.enter("$SQUALL attach");
    tmux.wait_for("in force (");
    drop(tmux);
    // Far more than the moments it takes: ending the run and its system.
    sandbox.wait_until_empty(&[], Duration::from_secs(60));
    assert_eq!(verdict(&sandbox.run()).outcome, RunOutcome::Terminated);
}

/// squall itself, not its guardian nor the system.
fn the_run(sandbox: &Sandbox) -> Pid {
    let processes = sandbox.processes();
    let run = processes
        .iter()
        .find(|process| process.command.contains("run long.yaml"));
    let run = run.unwrap_or_else(|| panic!("no run among {processes:#?}"));
    Pid::from_raw(run.pid).unwrap()
}

#[test]
fn another_terminal_watches_and_only_acts_when_it_may() {
    let sandbox = Sandbox::new();
    let Some(tmux) = run_into_the_fault(&sandbox) else {
        return;
    };
    let socket = sandbox.run().join("attach.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "for its user alone");
    tmux.window();
    tmux.enter("$SQUALL attach; echo left=$?");
    // What happened before it came is there too.
    tmux.wait_for("in force (");
    tmux.press(&["x"]);
    tmux.wait_for("this screen only watches");
    tmux.press(&["q"]);
    tmux.wait_for("left=0");
    tmux.assert_sane();
    tmux.enter("clear; $SQUALL attach --control; echo left=$?");
    tmux.wait_for("in force (");
    tmux.press(&["!"]);
    tmux.wait_for("y/N");
    tmux.press(&["y"]);
    tmux.wait_for("stopped every fault");
    tmux.show(0);
    tmux.wait_for("stopped every fault, from another terminal");
    tmux.show(1);
    tmux.press(&["Q"]);
    tmux.wait_for("Finish now");
    tmux.press(&["n"]);
    tmux.wait_until("no question", |screen| !screen.contains("y/N"));
    tmux.press(&["Q", "y"]);
    // Both stay with the verdict, each until it is left.
    tmux.wait_for("run finished: INCONCLUSIVE");
    assert!(!socket.exists(), "nothing is left to watch");
    tmux.press(&["q"]);
    tmux.wait_for("the run is over: INCONCLUSIVE");
    tmux.assert_sane();
    tmux.show(0);
    tmux.wait_for("run finished: INCONCLUSIVE");
    tmux.press(&["q"]);
    let left = tmux.wait_for("exit=3");
    let words = "finished early by hand from another terminal";
    let unfolded = left.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unfolded.contains(words), "{left}");
    let actions = [HandAction::StopAllFaults, HandAction::Finish];
    assert_eq!(
        by_hand(&sandbox),
        actions.map(|action| (action, HandSide::Attached))
    );
}

#[test]
fn a_terminal_that_nobody_reads_delays_no_arrival() {
    use rustix::pty;
    let sandbox = Sandbox::new();
    let file = sandbox.write(
        "short.yaml",
        long_fault(200, "6s").replace("for: 1m", "for: 3s"),
    );
    // Nobody is there to leave the screen either.
    sandbox.write("config.yaml", "stay: false\n");
    let flags = pty::OpenptFlags::RDWR | pty::OpenptFlags::NOCTTY;
    let master = pty::openpt(flags).unwrap();
    pty::grantpt(&master).unwrap();
    pty::unlockpt(&master).unwrap();
    let size = rustix::termios::Winsize {
        ws_col: 200,
        ws_row: 60,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&master, size).unwrap();
    let name = pty::ptsname(&master, Vec::new()).unwrap();
    let open = || {
        let path = name.to_str().unwrap();
        std::fs::File::options()
            .read(true)
            .write(true)
            .open(path)
            .unwrap()
    };
    // A terminal has to be the controlling one to be drawn on.
    let caller = ["setsid", "--ctty", "--wait"].map(std::ffi::OsStr::new);
    let mut command = sandbox.command_by(&caller, &["run", &file, "--ui", "tui"]);
    command
        .env("TERM", "xterm-256color")
        .env("SQUALL_CONFIG", sandbox.work().join("config.yaml"))
        .env_remove("CI")
        .stdin(open())
        .stderr(open());
    let ended = crate::support::Running::start(command).end();
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(
        rustix::io::ioctl_fionread(&master).unwrap() > 1024,
        "the dashboard was drawn on it"
    );
    let record = Record::read(&sandbox.run()).unwrap();
    let lag_max_us = record
        .events
        .iter()
        .find_map(|stamped| match stamped.event {
            RunEvent::LoadFinished { lag_max_us, .. } => Some(lag_max_us),
            _ => None,
        });
    // Stalled for all of 6 s: a load that waited for the screen would be late
    // by seconds.
    assert!(lag_max_us.unwrap() < 2_000_000, "{lag_max_us:?} us late");
    let verdict = verdict(&sandbox.run());
    assert_eq!(verdict.outcome, RunOutcome::Pass);
    assert_eq!(verdict.conservation.scheduled, 1200);
    assert_eq!(verdict.conservation.dropped, 0);
}
