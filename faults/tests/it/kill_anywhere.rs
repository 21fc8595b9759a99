//! Squall is killed with SIGKILL at every step of a run, with and without its
//! guardian; nothing may be left, broken or running.
#![allow(
    clippy::disallowed_macros,
    reason = "what a test or an example prints is read by a person"
)]
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::support::{can, rivals, until};
use squall_faults::recover::{self, Standing};
use tempfile::TempDir;

const FIXTURE: &str = env!("CARGO_BIN_EXE_squall-faults-fixture");

/// Every step the fixture can die at, in order.
const STEPS: [&str; 10] = [
    "journal created",
    "guardian started",
    "process started",
    "undo journaled",
    "injected",
    "verified",
    "removal begins",
    "removal verified",
    "guardian shut down",
    "journal closed",
];

/// Every living process that was told of `dir`: by its arguments (squall, its
/// guardian) or by its environment (the system under test).
fn left(dir: &TempDir) -> Vec<String> {
    let dir = dir.path().to_str().unwrap().to_owned();
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.parse::<u32>().ok()
    });
    pids.filter_map(|pid| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let told = format!("CUED_DIR={dir}").into_bytes();
        let ours = command.contains(&dir) || environ.split(|byte| *byte == 0).any(|v| v == told);
        ours.then(|| format!("{pid} {command}"))
    })
    .collect()
}

/// Every fault that outlives squall where nobody undoes it, if it can be had here.
fn faults() -> Vec<&'static str> {
    let mut faults = vec![
        "pause",
        "limit",
        "cpu",
        "cpu_burn",
        "freeze",
        "memory",
        "memory_pressure",
    ];
    faults.retain(|fault| can(fault));
    faults
}

/// A process that is none of squall's, to be broken.
struct Victim(Child);

impl Victim {
    fn start() -> Self {
        let child = Command::new("sleep").arg("1000").spawn();
        Self(child.unwrap())
    }

    /// Whether it is stopped, has the limit that the fixture gives it, is in a
    /// cgroup of squall's, or something of squall's works against it.
    fn is_broken(&self) -> bool {
        let read = |file| std::fs::read_to_string(format!("/proc/{}/{file}", self.0.id())).unwrap();
        let limits = read("limits");
        let mut files = limits
            .lines()
            .filter(|line| line.starts_with("Max open files"));
        let limited = files.any(|line| line.split_whitespace().nth(3) == Some("64"));
        read("stat").rsplit(") ").next().unwrap().starts_with('T')
            || limited
            || read("cgroup").contains("/squall-")
            || !rivals(self.0.id()).is_empty()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn die_at(dir: &TempDir, step: &str, company: &str, fault: &str, victim: &Victim) {
    let status = Command::new(FIXTURE)
        .arg("squall")
        .arg(dir.path())
        .args([step, company, fault, &victim.0.id().to_string()])
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(9), "did not die at `{step}`");
}

/// Those at which a fault makes a difference; before and behind them all are the same.
fn steps(fault: &str) -> &'static [&'static str] {
    match fault {
        "pause" | "cpu" => &STEPS,
        _ => &STEPS[3..8],
    }
}

#[tokio::test]
async fn the_guardian_cleans_up_after_squall() {
    for fault in faults() {
        for step in steps(fault) {
            guardian_cleans_up(fault, step).await;
        }
    }
}

async fn guardian_cleans_up(fault: &str, step: &str) {
    let what = format!("{fault}, killed at `{step}`");
    let dir = TempDir::new().unwrap();
    let victim = Victim::start();
    die_at(&dir, step, "alone", fault, &victim);
    let dead = Instant::now();
    until(&what, || left(&dir).is_empty()).await;
    assert!(!victim.is_broken(), "{what}: the victim was left broken");
    println!("{what}: nothing left after {:?}", dead.elapsed());
    let report = recover::run(dir.path()).unwrap();
    assert!(report.is_clean(), "{what}: {report:?}");
    assert!(recover::list(dir.path()).unwrap().is_empty(), "{what}");
}

/// Their keeper is killed with them.
#[tokio::test]
async fn recover_cleans_up_after_squall_and_its_guardian() {
    for fault in faults() {
        for step in &STEPS[1..8] {
            if steps(fault).contains(step) {
                recover_cleans_up(fault, step).await;
            }
        }
    }
}

async fn recover_cleans_up(fault: &str, step: &str) {
    let what = format!("{fault}, killed at `{step}`");
    let dir = TempDir::new().unwrap();
    let victim = Victim::start();
    die_at(&dir, step, "together", fault, &victim);
    let found = recover::list(dir.path()).unwrap();
    assert_eq!(found.len(), 1, "{what}");
    let standing = || recover::list(dir.path()).unwrap().remove(0).standing;
    // A process that was sent SIGKILL takes its time to die.
    until(&what, || standing() == Standing::Dead).await;
    if step != STEPS[1] {
        assert!(
            !left(&dir).is_empty(),
            "{what}: nothing was left to recover"
        );
    }
    // From the moment it was injected until its removal begins; work of squall's own
    // ends with squall, whoever else is there.
    let by_rival = matches!(fault, "cpu_burn" | "memory_pressure");
    let broken = STEPS[4..7].contains(&step) && !by_rival;
    until(&what, || victim.is_broken() == broken).await;
    let report = recover::run(dir.path()).unwrap();
    assert!(report.is_clean(), "{what}: {report:?}");
    assert!(!victim.is_broken(), "{what}: the victim was left broken");
    assert_eq!(left(&dir), Vec::<String>::new(), "{what}");
    assert!(recover::list(dir.path()).unwrap().is_empty(), "{what}");
    let again = recover::run(dir.path()).unwrap();
    assert!(again.is_clean() && again.undone.is_empty(), "{what}");
}
