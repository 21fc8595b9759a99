//! Which journals are replayed and which are left alone.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use squall_faults::RUN_MARK;
use squall_faults::recover::{self, Standing};
use squall_faults::{Inverse, Journal, JournalError, ProcessIdentity};
use tempfile::TempDir;

fn gone() -> ProcessIdentity {
    ProcessIdentity {
        pid: 4_000_000,
        start_time: 1,
    }
}

/// A journal with one pending undo, as a run that is still alive has it.
fn live(dir: &Path, run_id: &str) -> PathBuf {
    let journal = Journal::create(dir, run_id).unwrap();
    journal
        .record("pause x", Inverse::Continue(gone()))
        .unwrap();
    journal.path().to_owned()
}

/// The same as if its run were dead.
fn dead(dir: &Path, run_id: &str) -> PathBuf {
    let path = live(dir, run_id);
    let own = serde_json::to_string(&ProcessIdentity::own().unwrap()).unwrap();
    let owner = serde_json::to_string(&gone()).unwrap();
    edit(&path, &own, &owner);
    path
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

fn standing(dir: &TempDir) -> Standing {
    recover::list(dir.path()).unwrap().remove(0).standing
}

fn is_left_alone(dir: &TempDir, path: &Path) {
    let report = recover::run(dir.path()).unwrap();
    assert!(report.undone.is_empty() && report.is_clean());
    assert!(path.exists());
}

/// What cannot be read may hide anything: it is kept, and never called clean.
fn is_told(dir: &TempDir, path: &Path) {
    let report = recover::run(dir.path()).unwrap();
    assert!(report.undone.is_empty(), "{report:?}");
    let [why] = report.failed.as_slice() else {
        panic!("{report:?}");
    };
    assert!(why.contains("then delete the file"), "{why}");
    assert!(path.exists());
}

/// A process that carries a mark, in a session of its own.
struct Marked(Child);

impl Marked {
    fn start(mark: &str) -> Self {
        let mut command = Command::new("sleep");
        command.arg("1000").env(RUN_MARK, mark).process_group(0);
        let started = Self(command.spawn().unwrap());
        // A new program has its environment a moment after it was started.
        let environ = format!("/proc/{}/environ", started.0.id());
        while std::fs::read(&environ).unwrap().is_empty() {
            std::thread::yield_now();
        }
        started
    }

    /// Not so long as nobody has waited for it, as it is a child.
    fn ends_soon(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(30) {
            if self.0.try_wait().unwrap().is_some() {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The mark that a run of this process with its journal in `dir` has.
fn mark_in(dir: &Path) -> String {
    let journal = Journal::create(dir, "marks").unwrap();
    let mark = journal.mark().to_owned();
    journal.close().unwrap();
    mark
}

/// The same as if that run were dead.
fn dead_mark_in(dir: &Path) -> String {
    let ProcessIdentity { pid, start_time } = ProcessIdentity::own().unwrap();
    let own = format!(".{pid}.{start_time}@");
    let mark = mark_in(dir);
    assert!(mark.contains(&own), "{mark}");
    mark.replace(&own, ".4000000.1@")
}

#[test]
fn a_dead_run_is_replayed_once_and_forgotten() {
    let dir = TempDir::new().unwrap();
    let path = dead(dir.path(), "run");
    assert_eq!(standing(&dir), Standing::Dead);
    let report = recover::run(dir.path()).unwrap();
    assert_eq!(report.undone.len(), 1, "{report:?}");
    assert!(report.is_clean() && !path.exists());
    assert!(recover::run(dir.path()).unwrap().found.is_empty());
}

#[test]
fn a_live_run_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = live(dir.path(), "run");
    let pid = std::process::id();
    assert_eq!(standing(&dir), Standing::Live { pid });
    is_left_alone(&dir, &path);
}

#[test]
fn files_that_others_can_touch_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = dead(dir.path(), "run");
    for mode in [0o644, 0o660, 0o400] {
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert!(matches!(standing(&dir), Standing::Refused(_)), "{mode:o}");
        is_told(&dir, &path);
    }
}

#[test]
fn links_are_refused() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = dead(other.path(), "run");
    let link = dir.path().join("run.ndjson");
    std::os::unix::fs::symlink(path, &link).unwrap();
    assert!(matches!(standing(&dir), Standing::Refused(_)));
    is_told(&dir, &link);
}

#[test]
fn a_journal_from_before_the_boot_is_only_removed() {
    let dir = TempDir::new().unwrap();
    let path = dead(dir.path(), "run");
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    edit(&path, boot_id.trim(), "another-boot");
    assert_eq!(standing(&dir), Standing::OtherBoot);
    assert!(recover::run(dir.path()).unwrap().is_clean());
    assert!(!path.exists());
}

#[test]
fn a_cut_line_and_an_unknown_inverse_are_skipped_and_said() {
    let dir = TempDir::new().unwrap();
    let path = dead(dir.path(), "run");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"undo\":{\"id\":2,\"intent\":\"x\",\"inverse\":{\"run_command\":\"rm\"}}}\n");
    text.push_str("{\"undo\":{\"id\":3,\"int");
    std::fs::write(&path, text).unwrap();
    let found = recover::list(dir.path()).unwrap().remove(0);
    assert_eq!((found.pending.len(), found.unreadable_lines), (1, 2));
    let report = recover::run(dir.path()).unwrap();
    assert_eq!(report.undone.len(), 1, "{report:?}");
    assert!(
        report.failed[0].contains("1 lines cannot be read"),
        "{report:?}"
    );
    is_told(&dir, &path);
}

/// It was cut as its writer died, before what it announces.
#[test]
fn a_cut_line_alone_hides_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dead(dir.path(), "run");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"undo\":{\"id\":3,\"int");
    std::fs::write(&path, text).unwrap();
    assert!(recover::run(dir.path()).unwrap().is_clean());
    assert!(!path.exists());
}

#[test]
fn what_a_dead_run_left_is_found_by_its_mark_whatever_its_journal_says() {
    for journal in ["", "{\"header\":{\"version\":1,\"ru", "garbage\n"] {
        let dir = TempDir::new().unwrap();
        let path = live(dir.path(), "run");
        std::fs::write(&path, journal).unwrap();
        let mut left = Marked::start(&dead_mark_in(dir.path()));
        assert_eq!(recover::left_of_dead_runs(dir.path()).unwrap().len(), 1);
        let report = recover::run(dir.path()).unwrap();
        assert!(left.ends_soon(), "{report:?}");
        assert_eq!(
            (report.undone.len(), report.failed.len()),
            (1, 1),
            "{report:?}"
        );
        assert!(path.exists());
    }
    let dir = TempDir::new().unwrap();
    let mut left = Marked::start(&dead_mark_in(dir.path()));
    assert!(recover::run(dir.path()).unwrap().is_clean());
    assert!(left.ends_soon(), "without any journal");
}

#[test]
fn marks_of_live_runs_and_of_other_places_are_left_alone() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let dead = dead_mark_in(other.path());
    let (_, place) = dead.split_once('@').unwrap();
    let (namespace, folder) = place.split_once('.').unwrap();
    let elsewhere = dead.replace(namespace, "1");
    let marks = [
        mark_in(dir.path()),
        dead.clone(),
        elsewhere,
        "none".to_owned(),
    ];
    let mut left: Vec<Marked> = marks.iter().map(|mark| Marked::start(mark)).collect();
    let report = recover::run(dir.path()).unwrap();
    assert!(
        report.is_clean() && report.undone.is_empty(),
        "{report:?} {folder}"
    );
    for one in &mut left {
        assert_eq!(one.0.try_wait().unwrap(), None);
    }
}

#[test]
fn a_sweep_forgets_dead_runs_and_nobody_else() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("attach.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let gone_run = dead(dir.path(), "gone");
    let line = serde_json::json!({ "undo": {
        "id": 2, "intent": "listen", "inverse": { "remove_socket": socket } } });
    let text = std::fs::read_to_string(&gone_run).unwrap();
    std::fs::write(&gone_run, format!("{text}{line}\n")).unwrap();
    let mark = dead_mark_in(dir.path());
    let mut lives = Marked::start(&mark);
    let with_rest = dead(dir.path(), "rest");
    let rest = serde_json::json!({ "undo": {
        "id": 2, "intent": "start", "inverse": { "end_marked": { "mark": mark } } } });
    let text = std::fs::read_to_string(&with_rest).unwrap();
    std::fs::write(&with_rest, format!("{text}{rest}\n")).unwrap();
    let live = live(dir.path(), "live");
    recover::sweep(dir.path()).unwrap();
    assert!(!gone_run.exists() && !socket.exists());
    assert!(with_rest.exists() && live.exists());
    assert_eq!(lives.0.try_wait().unwrap(), None);
}

#[test]
fn only_sockets_are_removed_as_sockets() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("attach.sock");
    std::fs::write(&file, "a file of somebody").unwrap();
    let path = dead(dir.path(), "run");
    let line = serde_json::json!({ "undo": {
        "id": 2, "intent": "listen", "inverse": { "remove_socket": file } } });
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}{line}\n")).unwrap();
    assert!(recover::run(dir.path()).unwrap().is_clean());
    assert!(file.exists() && !path.exists());
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let root = TempDir::new().unwrap();
    let dir = root.path().join("undo");
    dead(&dir, "run");
    let link = root.path().join("link");
    std::os::unix::fs::symlink(&dir, &link).unwrap();
    let refused = |dir: &Path, why: &str| {
        let errors = [
            Journal::create(dir, "new").unwrap_err(),
            recover::run(dir).unwrap_err(),
            recover::list(dir).unwrap_err(),
            recover::sweep(dir).unwrap_err(),
        ];
        for error in errors {
            let said = error.to_string();
            assert!(matches!(error, JournalError::Untrusted { .. }), "{said}");
            assert!(said.contains(why) && said.contains("chmod 700"), "{said}");
        }
    };
    refused(&link, "symbolic link");
    set_permissions(&dir, Permissions::from_mode(0o777)).unwrap();
    refused(&dir, "its mode is 0777");
    if rustix::process::geteuid().is_root() {
        set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(&dir, Some(65534), None).unwrap();
        refused(&dir, "belongs to user 65534");
    }
}

#[test]
fn a_file_without_a_header_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dead(dir.path(), "run");
    std::fs::write(&path, "garbage\n").unwrap();
    assert!(matches!(standing(&dir), Standing::Refused(_)));
    is_told(&dir, &path);
}

#[test]
fn an_undo_that_would_hit_squall_itself_fails_and_is_kept() {
    let dir = TempDir::new().unwrap();
    let path = dead(dir.path(), "run");
    let own = ProcessIdentity::own().unwrap();
    let own = serde_json::to_string(&own).unwrap();
    let undo = serde_json::to_string(&gone()).unwrap();
    edit(
        &path,
        &format!("\"continue\":{undo}"),
        &format!("\"continue\":{own}"),
    );
    let report = recover::run(dir.path()).unwrap();
    assert_eq!(report.failed.len(), 1, "{report:?}");
    assert!(path.exists());
}

#[test]
fn files_are_private_and_names_are_checked() {
    let root = TempDir::new().unwrap();
    let dir = root.path().join("state/undo");
    let path = live(&dir, "run-1");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&dir), mode(&path)), (0o700, 0o600));
    assert!(Journal::create(&dir, "run-1").is_err(), "overwritten");
    for bad in ["", "../x", "a/b", ".hidden", "a b"] {
        let result = Journal::create(&dir, bad);
        assert!(matches!(result, Err(JournalError::BadRunId(_))), "{bad}");
    }
    assert!(recover::list(&root.path().join("none")).unwrap().is_empty());
}
