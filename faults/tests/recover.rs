//! Which journals are replayed and which are left alone.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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
        is_left_alone(&dir, &path);
    }
}

#[test]
fn links_are_refused() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = dead(other.path(), "run");
    let link = dir.path().join("run.ndjson");
    std::os::unix::fs::symlink(path, &link).unwrap();
    assert!(matches!(standing(&dir), Standing::Refused(_)));
    is_left_alone(&dir, &link);
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
    assert!(recover::run(dir.path()).unwrap().is_clean());
    assert!(!path.exists());
}

#[test]
fn a_file_without_a_header_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dead(dir.path(), "run");
    std::fs::write(&path, "garbage\n").unwrap();
    assert!(matches!(standing(&dir), Standing::Refused(_)));
    is_left_alone(&dir, &path);
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
