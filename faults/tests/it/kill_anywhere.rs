//! Squall is killed with SIGKILL at every step of a run, with and without its
//! guardian; nothing may be left, stopped or running.
#![allow(
    clippy::disallowed_macros,
    reason = "what a test or an example prints is read by a person"
)]
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::support::until;
use squall_faults::recover::{self, Standing};
use tempfile::TempDir;

const FIXTURE: &str = env!("CARGO_BIN_EXE_squall-faults-fixture");

/// Every step the fixture can die at, in order.
const STEPS: [&str; 10] = [
    "journal created",
    "guardian started",
    "process started",
    "undo journaled",
    "stop sent",
    "stop verified",
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

/// A process that is none of squall's, to be paused.
struct Victim(Child);

impl Victim {
    fn start() -> Self {
        let child = Command::new("sleep").arg("1000").spawn();
        Self(child.unwrap())
    }

    fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        stat.rsplit(") ").next().unwrap().starts_with('T')
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn die_at(dir: &TempDir, step: &str, company: &str, victim: &Victim) {
    let status = Command::new(FIXTURE)
        .arg("squall")
        .arg(dir.path())
        .args([step, company, &victim.0.id().to_string()])
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(9), "did not die at `{step}`");
}

#[tokio::test]
async fn the_guardian_cleans_up_after_squall() {
    for step in STEPS {
        let dir = TempDir::new().unwrap();
        let victim = Victim::start();
        die_at(&dir, step, "alone", &victim);
        let dead = Instant::now();
        until(step, || left(&dir).is_empty()).await;
        assert!(!victim.is_stopped(), "{step}: the victim was left stopped");
        println!(
            "killed at `{step}`: nothing left after {:?}",
            dead.elapsed()
        );
        let report = recover::run(dir.path()).unwrap();
        assert!(report.is_clean(), "{step}: {report:?}");
        assert!(recover::list(dir.path()).unwrap().is_empty(), "{step}");
    }
}

/// Their keeper is killed with them.
#[tokio::test]
async fn recover_cleans_up_after_squall_and_its_guardian() {
    for step in &STEPS[1..8] {
        let dir = TempDir::new().unwrap();
        let victim = Victim::start();
        die_at(&dir, step, "together", &victim);
        let found = recover::list(dir.path()).unwrap();
        assert_eq!(found.len(), 1, "{step}");
        let standing = || recover::list(dir.path()).unwrap().remove(0).standing;
        // A process that was sent SIGKILL takes its time to die.
        until(step, || standing() == Standing::Dead).await;
        if *step != STEPS[1] {
            assert!(
                !left(&dir).is_empty(),
                "{step}: nothing was left to recover"
            );
        }
        // From the moment the stop was sent until its removal begins.
        let stopped = STEPS[4..7].contains(step);
        until(step, || victim.is_stopped() == stopped).await;
        let report = recover::run(dir.path()).unwrap();
        assert!(report.is_clean(), "{step}: {report:?}");
        assert!(!victim.is_stopped(), "{step}: the victim was left stopped");
        assert_eq!(left(&dir), Vec::<String>::new(), "{step}");
        assert!(recover::list(dir.path()).unwrap().is_empty(), "{step}");
        let again = recover::run(dir.path()).unwrap();
        assert!(again.is_clean() && again.undone.is_empty(), "{step}");
    }
}
