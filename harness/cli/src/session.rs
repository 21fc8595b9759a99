//! One attempt at a scenario: run, judge, write.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use squall_harness::experiment::{RunRequest, RunView, control_channel, run};
use squall_harness::hub::HubError;
use squall_judge::{RunOutcome, Verdict, judge};
use squall_record::{Manifest, RECORD_SCHEMA_VERSION, Record, StopReason};
use squall_reports::format::verdict_block;
use squall_scenario::{ProbeRead, Scenario};

use crate::args::{ConsentArgs, ExecutionArgs, ScenarioArgs, Ui};
use crate::console::{Console, Progress, Watched};
use crate::interrupts::Interrupts;
use crate::locate::Sound;
use crate::metrics::Metrics;
use crate::output;
use crate::own_log::{self, OwnLog};
use crate::panics;
pub use crate::report_files::{ReportRequest, write_reports};
use crate::sharding::Part;
use crate::this_machine;

/// What stays the same over the attempts of one command.
pub struct Session {
    execution: ExecutionArgs,
    squall_exe: PathBuf,
    interrupts: Interrupts,
    progress: Progress,
    metrics: Option<Metrics>,
}

/// What a run without its faults is called where a variant would be.
const WITHHELD: &str = "no faults";

/// What is run once.
pub struct Attempt<'a> {
    /// The scenario.
    pub sound: &'a Sound,
    /// Its variant, if any.
    pub variant: Option<&'a str>,
    /// Seed of everything random.
    pub seed: u64,
    /// How the scenario was read.
    pub reading: &'a ScenarioArgs,
    /// The share of the load; `None` for all of it.
    pub part: Option<&'a Part>,
    /// Whether faults are withheld, to see what happens without them.
    pub withhold_faults: bool,
}

/// An attempt that left a record.
pub struct Finished {
    /// The verdict.
    pub verdict: Verdict,
    /// The record.
    pub record: Record,
    /// The run directory.
    pub dir: PathBuf,
}

/// An attempt that left none.
pub struct Failed {
    /// The outcome.
    pub outcome: RunOutcome,
    /// Why, in words.
    pub message: String,
}

impl Failed {
    fn new(outcome: RunOutcome, message: impl ToString) -> Self {
        Self {
            outcome,
            message: message.to_string(),
        }
    }
}

impl Session {
    /// Looks up what every attempt needs, and begins to listen for signals.
    /// Must be called inside a runtime.
    pub fn new(execution: &ExecutionArgs) -> Result<Self, String> {
        own_log::prepare()?;
        let squall_exe = std::env::current_exe()
            .map_err(|error| format!("cannot find squall's own executable: {error}"))?;
        Ok(Self {
            progress: Progress::choose(execution.ui, &execution.look)?,
            execution: execution.clone(),
            squall_exe,
            interrupts: Interrupts::listen(),
            metrics: None,
        })
    }

    /// Shows every run on this server too.
    pub fn show_on(&mut self, metrics: Metrics) {
        self.metrics = Some(metrics);
    }

    /// Runs a scenario, or a variant of it, once.
    pub async fn attempt(&mut self, what: &Attempt<'_>) -> Result<Finished, Failed> {
        let (attempted, console) = self.attempt_shown(what).await;
        if let Some(console) = console {
            console.finish().await;
        }
        attempted
    }

    /// The same, with the console that has followed it, for the caller to end;
    /// `None` where it came to no run.
    pub async fn attempt_shown(
        &mut self,
        what: &Attempt<'_>,
    ) -> (Result<Finished, Failed>, Option<Console>) {
        let mut console = None;
        let attempted = self.carry_out(what, &mut console).await;
        let attempted = attempted.map_err(|mut failed| {
            failed.message = what.sound.secrets.redact(&failed.message);
            failed
        });
        (attempted, console)
    }

    /// Signals so far, and those to come.
    pub const fn interrupts(&self) -> &Interrupts {
        &self.interrupts
    }

    async fn carry_out(
        &self,
        what: &Attempt<'_>,
        console: &mut Option<Console>,
    ) -> Result<Finished, Failed> {
        let &Attempt {
            sound,
            variant,
            seed,
            part,
            withhold_faults,
            ..
        } = what;
        if let Some(reason) = self.interrupts.first() {
            return Err(Failed::new(
                interrupted(reason),
                "stopped before the next run",
            ));
        }
        let applied = |scenario: &Scenario| match variant {
            Some(name) => scenario
                .with_variant(name)
                .map_err(|error| Failed::new(RunOutcome::Usage, error)),
            None => Ok(scenario.clone()),
        };
        let scenario = applied(&sound.scenario)?;
        if !withhold_faults {
            this_machine::can_inject(&scenario)
                .map_err(|why| Failed::new(RunOutcome::NotReady, why))?;
        }
        let started = Timestamp::now();
        let label = if withhold_faults {
            Some(WITHHELD)
        } else {
            variant
        };
        let undo_dir = undo_dir(&scenario)?;
        let dir = self.run_dir(&scenario, label, started)?;
        let manifest = Manifest {
            schema_version: RECORD_SCHEMA_VERSION,
            squall_version: env!("CARGO_PKG_VERSION").to_owned(),
            run_id: run_id(&dir),
            started_utc: started.to_string(),
            host: host_name(),
            seed,
            rerun: sound.secrets.redact(&rerun(what, &self.execution.consent)),
            variant: label.map(ToOwned::to_owned),
            scenario_path: sound.given.clone(),
            scenario_text: sound.text.clone(),
            scenario: applied(&sound.redacted)?,
            shards: part.map(Part::set),
        };
        let request = RunRequest {
            scenario,
            seed,
            cwd: sound.folder.clone(),
            squall_exe: self.squall_exe.clone(),
            run_dir: dir.clone(),
            journal_dir: undo_dir.unwrap_or_else(|| dir.clone()),
            manifest,
            secrets: sound.secrets.clone(),
            allowed_hosts: self.execution.consent.allow_remote.clone(),
            allowed_processes: self.execution.consent.allow_process.clone(),
            shard: part.map(|part| part.shard),
            withhold_faults,
            zero_at: part.and_then(|part| part.zero),
        };
        self.run_logged(request, dir, console).await
    }

    /// Runs and judges, with squall's own log beside the record.
    async fn run_logged(
        &self,
        request: RunRequest,
        dir: PathBuf,
        console: &mut Option<Console>,
    ) -> Result<Finished, Failed> {
        let log = OwnLog::begin(&dir, &request.secrets)
            .map_err(|error| Failed::new(RunOutcome::NotReady, error))?;
        let ran = self.run_and_judge(request, dir, console).await;
        panics::belong_to(None);
        if let Some(why) = log.end().await {
            output::remark(why);
        }
        ran
    }

    async fn run_and_judge(
        &self,
        request: RunRequest,
        dir: PathBuf,
        console: &mut Option<Console>,
    ) -> Result<Finished, Failed> {
        let (control, receiver) = control_channel();
        self.interrupts.pass_to(Some(control.clone()));
        let seed = request.seed;
        let manifest = request.manifest.clone();
        let ran = run(request, receiver, &mut |view: RunView| {
            panics::belong_to(Some(view.hub.clone()));
            let watched = Watched {
                scenario: &manifest.scenario,
                seed,
                view: &view,
                dir: &dir,
            };
            let (interrupts, control) = (self.interrupts.clone(), control.clone());
            let ask = Arc::new(move |request| interrupts.ask(&control, request));
            *console = Some(Console::start(&self.progress, &watched, ask));
            if let Some(metrics) = &self.metrics {
                metrics.show(&manifest, &view);
            }
        })
        .await;
        self.interrupts.pass_to(None);
        let end = ran.map_err(|error| Failed::new(RunOutcome::NotReady, error))?;
        let writer = end.record.map_err(|error| {
            let outcome = match error {
                HubError::Record(_) | HubError::Stalled => RunOutcome::NotReady,
                HubError::Missing | HubError::Died => RunOutcome::Internal,
            };
            self.record_lost(outcome, &error.to_string(), &end.undo_failures)
        })?;
        let record =
            Record::read(&dir).map_err(|error| Failed::new(RunOutcome::Internal, error))?;
        let verdict = judge(&record);
        writer.finish(&verdict).map_err(|error| {
            let outcome = RunOutcome::NotReady;
            self.record_lost(outcome, &error.to_string(), &end.undo_failures)
        })?;
        let record =
            Record::read(&dir).map_err(|error| Failed::new(RunOutcome::Internal, error))?;
        Ok(Finished {
            verdict,
            record,
            dir,
        })
    }

    /// A run whose record could not be written is judged by nothing but how it
    /// ended, and a failed undo is louder than a full disk.
    fn record_lost(
        &self,
        mut outcome: RunOutcome,
        error: &str,
        undo_failures: &[String],
    ) -> Failed {
        let mut message = format!("the run could not be recorded, so it proves nothing: {error}");
        if let Some(reason) = self.interrupts.first() {
            outcome = outcome.louder(interrupted(reason));
        }
        if !undo_failures.is_empty() {
            outcome = outcome.louder(RunOutcome::UndoFailed);
            let left = undo_failures.join("; ");
            message.push_str(&format!(
                "\nnot everything was put back: {left}; run `squall recover`"
            ));
        }
        Failed::new(outcome, message)
    }

    /// `OUT/<scenario>[+variant]/<utc-start>`; created, and never one that exists.
    fn run_dir(
        &self,
        scenario: &Scenario,
        variant: Option<&str>,
        started: Timestamp,
    ) -> Result<PathBuf, Failed> {
        let mut name = slug(&scenario.name);
        if let Some(variant) = variant {
            name.push('+');
            name.push_str(&slug(variant));
        }
        let parent = self.execution.out.join(name);
        let fail = |error: std::io::Error| {
            Failed::new(
                RunOutcome::NotReady,
                format!("{}: {error}", parent.display()),
            )
        };
        // For its owner alone; folders that were there are left as they are.
        let mut private = std::fs::DirBuilder::new();
        private.mode(0o700);
        private.recursive(true).create(&parent).map_err(fail)?;
        private.recursive(false);
        // Runs behind a link are not found again, and it may lead anywhere.
        if parent.is_symlink() {
            return Err(fail(std::io::Error::other("it is a symbolic link")));
        }
        let stamp = started.strftime("%Y%m%dT%H%M%SZ").to_string();
        for attempt in 0..1000 {
            let leaf = match attempt {
                0 => stamp.clone(),
                again => format!("{stamp}-{again}"),
            };
            let dir = parent.join(leaf);
            match private.create(&dir) {
                Ok(()) => return std::path::absolute(dir).map_err(fail),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(fail(error)),
            }
        }
        Err(Failed::new(
            RunOutcome::NotReady,
            "too many runs in one second",
        ))
    }
}

impl Finished {
    /// Prints the verdict to standard output: a block for people that names
    /// `reports`, or one more line of JSON after those of the events. `counted`
    /// is what the exit code says, where that differs from the verdict.
    pub fn print(&self, ui: Ui, reports: &[String], counted: Option<RunOutcome>) {
        if ui == Ui::Json {
            let mut line = serde_json::json!({ "run": self.dir, "verdict": self.verdict });
            if let Some(counted) = counted {
                line["counts_as"] = serde_json::json!(counted);
            }
            output::result_json(&line);
            return;
        }
        output::result_text(self.block(reports, counted));
    }

    /// The verdict block for people.
    pub fn block(&self, reports: &[String], counted: Option<RunOutcome>) -> String {
        let style = crate::console::text_style();
        let mut block = verdict_block(&self.record, &self.verdict, &style, reports);
        if let Some(counted) = counted {
            block.push_str(&format!(
                "{} counts as {} here, exit code {} (--inconclusive-as {})\n",
                self.verdict.outcome.word(),
                counted.word(),
                counted.exit_code(),
                counted.word().to_lowercase(),
            ));
        }
        block
    }

    /// Where the page for people is, as seen from here.
    pub fn page(&self) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let dir = self.dir.strip_prefix(&here).unwrap_or(&self.dir);
        dir.join("report.html").display().to_string()
    }

    /// Writes the reports of the run directory.
    pub fn write(&self) -> Result<(), String> {
        write_reports(&self.dir, &self.record, &self.verdict, &[]).map(drop)
    }

    /// Writes the reports that were asked for.
    pub fn write_requested(&self, requests: &[ReportRequest]) -> Result<(), String> {
        if requests.is_empty() {
            return Ok(());
        }
        write_reports(&self.dir, &self.record, &self.verdict, requests).map(drop)
    }
}

/// Where undos outlive the run: in the user's own folder. `None` where nothing
/// is started and nothing is broken, and so nothing can be left behind; such a
/// run needs no home.
fn undo_dir(scenario: &Scenario) -> Result<Option<PathBuf>, Failed> {
    let starts = |probe: &squall_scenario::Probe| matches!(probe.read, ProbeRead::Command { .. });
    let system = &scenario.system;
    if system.processes.is_empty()
        && scenario.faults.is_empty()
        && !system.probes.iter().any(starts)
    {
        return Ok(None);
    }
    squall_faults::Journal::default_dir()
        .map(Some)
        .map_err(|error| Failed::new(RunOutcome::NotReady, error))
}

const fn interrupted(reason: StopReason) -> RunOutcome {
    match reason {
        StopReason::Terminate => RunOutcome::Terminated,
        StopReason::Interrupt | StopReason::Finish => RunOutcome::Interrupted,
    }
}

/// A seed for a scenario that names none; it stands in every report.
pub fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's hasher is keyed by the system's randomness. Small
    // seeds are easier to read aloud and to type again.
    std::hash::RandomState::new().build_hasher().finish() % 1_000_000
}

/// Lower-case letters, digits and dashes: safe as a folder's name.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars().flat_map(char::to_lowercase).take(80) {
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "scenario".to_owned()
    } else {
        slug.to_owned()
    }
}

/// A run is called as its directory is.
fn run_id(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// The command line that repeats the run.
fn rerun(what: &Attempt<'_>, consent: &ConsentArgs) -> String {
    let given = quoted(&what.sound.given);
    let mut line = match &what.sound.command {
        _ if what.withhold_faults => format!("squall calibrate {given} --seeds {}", what.seed),
        Some(command) => format!("{command} --seed {}", what.seed),
        None => format!("squall run {given} --seed {}", what.seed),
    };
    if let Some(variant) = what.variant {
        line.push_str(&format!(" --variant {}", quoted(variant)));
    }
    for (name, value) in &what.reading.set {
        line.push_str(&format!(" --set {}", quoted(&format!("{name}={value}"))));
    }
    for (option, value) in consent.given() {
        line.push_str(&format!(" {option} {}", quoted(value)));
    }
    // Last, so that the line of the whole load is what stands before it.
    if let Some(part) = what.part {
        line.push_str(&part.arguments());
    }
    line
}

/// A word as a shell reads it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.contains(char::is_control) {
        // A terminal shows no control characters, so a shell has to make them.
        let escaped: String = word
            .chars()
            .map(|character| match character {
                '\'' | '\\' => format!("\\{character}"),
                '\n' => "\\n".to_owned(),
                '\t' => "\\t".to_owned(),
                control if control.is_control() => format!("\\u{:04x}", u32::from(control)),
                other => other.to_string(),
            })
            .collect();
        format!("$'{escaped}'")
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folder_names_are_safe() {
        assert_eq!(
            slug("Slow recommendations, never!"),
            "slow-recommendations-never"
        );
        assert_eq!(slug("../../etc"), "etc");
        assert_eq!(slug("…"), "scenario");
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("a-b.yaml"), "a-b.yaml");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("it's\n\\\u{1}"), r"$'it\'s\n\\\u0001'");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Words without control characters, which only some shells can make.
        #[test]
        fn a_shell_reads_back_every_word(
            words in prop::collection::vec("\\PC{0,20}|[-$=~*a]{0,4}|[-'\"\\\\$` ]{0,9}", 1..20),
        ) {
            let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            let line = format!("printf '%s\\n' {}", line.join(" "));
            let printed = Command::new("sh").args(["-c", &line]).output().unwrap();
            let printed = String::from_utf8(printed.stdout).unwrap();
            prop_assert_eq!(printed.lines().collect::<Vec<_>>(), words);
        }
    }
}
