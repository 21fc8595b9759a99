//! What the monkey's own process sees and does: clocks, files, processes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use squall_faults::existing::{NotFound, below, find};
use squall_faults::monkey::{Entry, Hands, Instance, eligible};
use squall_faults::{Fault, FaultContext, Journal, Limits, Pauses, ProcessFault, ProcessTarget};
use squall_judge::RunOutcome;
use squall_record::terminal_line;
use squall_scenario::inject::Kill;
use squall_scenario::monkey::{Monkey, MonkeyGroup, OutageCheck};
use squall_scenario::{Find, OnProcess};
use squall_scenario_file::{ParseOptions, Source, parse_monkey, process_environment};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::decisions::Decisions;
use super::outage;
use crate::output;

/// The longest sleep at once: a clock that is set, or a machine that slept, is
/// noticed so soon.
const NAP: Duration = Duration::from_secs(30);
/// How long the end of a process may take to show.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// How long it is watched whether somebody starts it again.
const BACK_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a look at processes may take.
const LOOK_WITHIN: Duration = Duration::from_secs(30);

/// The folder of a file, which paths in it start from.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

/// The real thing.
pub(super) struct OwnHands {
    file: PathBuf,
    outage: Option<OutageCheck>,
    /// Whether it was started to say only what it would do.
    leashed: bool,
    means: Option<Means>,
    /// Nobody waits any more for what is only of interest.
    stop: CancellationToken,
}

/// What it takes to kill.
struct Means {
    decisions: Decisions,
    journal: Arc<Journal>,
}

impl OwnHands {
    /// Hands that kill; what they do stands in a journal in `undo_dir`.
    pub(super) fn new(
        file: &Path,
        monkey: &Monkey,
        decisions: Decisions,
        undo_dir: &Path,
        stop: &CancellationToken,
    ) -> Result<Self, (RunOutcome, String)> {
        let not_ready =
            |error: squall_faults::JournalError| (RunOutcome::NotReady, error.to_string());
        let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let run_id = format!("monkey-{stamp}-{}", std::process::id());
        let journal = Journal::create(undo_dir, &run_id).map_err(not_ready)?;
        Ok(Self {
            file: file.to_owned(),
            outage: monkey.outage.clone(),
            leashed: monkey.leashed,
            means: Some(Means {
                decisions,
                journal: Arc::new(journal),
            }),
            stop: stop.clone(),
        })
    }

    /// Hands that only look.
    pub(super) fn looking(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            outage: None,
            leashed: true,
            means: None,
            stop: CancellationToken::new(),
        }
    }

    /// Nothing a monkey does is to be undone, so nothing is pending.
    pub(super) fn close(&self) {
        let Some(means) = &self.means else {
            return;
        };
        if let Err(error) = means.journal.close() {
            output::remark(format_args!("its journal was not closed: {error}"));
        }
    }

    /// How many of a group live `BACK_WITHIN` after a kill, at the latest.
    async fn watch_return(&self, group: &MonkeyGroup, before: usize) -> String {
        let since = Instant::now();
        while since.elapsed() < BACK_WITHIN {
            if let Ok(alive) = self.instances(group).await
                && alive.len() >= before
            {
                let seconds = since.elapsed().as_secs_f64();
                return format!("as many as before were alive again after {seconds:.1} s");
            }
            let pause = self.stop.run_until_cancelled(sleep(LOOK_EVERY));
            if pause.await.is_none() {
                return "the monkey ends, and does not watch who takes its place".to_owned();
            }
        }
        format!("nobody took its place within {BACK_WITHIN:?}")
    }
}

impl Hands for OwnHands {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, at: Timestamp) {
        loop {
            let left = at.duration_since(self.now());
            if left <= SignedDuration::ZERO {
                return;
            }
            sleep(left.unsigned_abs().min(NAP)).await;
        }
    }

    async fn enabled(&self, group: &MonkeyGroup) -> Result<bool, String> {
        let source = Source::read(&self.file).map_err(|problem| problem.title)?;
        let checked = parse_monkey(&source, &ParseOptions::new(&process_environment));
        let monkey = checked.value.ok_or("its file is not sound any more")?;
        let Some(now) = monkey.group(&group.name) else {
            return Ok(false);
        };
        // Put on a leash, or switched off, since it was started.
        if !monkey.enabled || !now.enabled || monkey.leashed && !self.leashed {
            return Ok(false);
        }
        match now == group {
            true => Ok(true),
            false => Err("its group reads otherwise now than when it was started".to_owned()),
        }
    }

    async fn outage(&self) -> Result<Option<String>, String> {
        match &self.outage {
            Some(check) => outage::ask(check, &folder_of(&self.file)).await,
            None => Ok(None),
        }
    }

    async fn instances(&self, group: &MonkeyGroup) -> Result<Vec<Instance>, String> {
        let (group, folder) = (group.clone(), folder_of(&self.file));
        let looking = tokio::task::spawn_blocking(move || look(&group, &folder));
        let looked = timeout(LOOK_WITHIN, looking).await;
        let looked = looked.map_err(|_elapsed| format!("no answer within {LOOK_WITHIN:?}"))?;
        looked.map_err(|error| error.to_string())?
    }

    fn record(&self, entry: &Entry) -> Result<(), String> {
        output::result(terminal_line(&entry.to_string()));
        match &self.means {
            Some(means) => means.decisions.write(entry),
            None => Err("it has no log".to_owned()),
        }
    }

    async fn kill(&self, group: &MonkeyGroup, instance: &Instance) -> Result<String, String> {
        let means = self.means.as_ref().ok_or("it may only look")?;
        let alive = self.instances(group).await?;
        let before = alive.len();
        let survivors = usize::try_from(group.survivors).unwrap_or(usize::MAX);
        if eligible(group, alive).len() <= survivors {
            return Err("somebody ended since it was decided: too few are left".to_owned());
        }
        let fault = Fault::Process(ProcessFault {
            target: ProcessTarget::allowed(instance.name.clone(), instance.identity),
            inject: OnProcess::Kill(Kill {
                signal: group.signal,
            }),
        });
        let context = FaultContext {
            fault: group.name.clone(),
            injection: 0,
            journal: Arc::clone(&means.journal),
            guardian: None,
            pauses: Pauses::default(),
            limits: Limits::default(),
            deadline: ENDS_WITHIN,
        };
        let words = |error: squall_faults::FaultError| error.to_string();
        let guard = fault.inject(&context).await.map_err(words)?;
        let evidence = guard.verify().await.map_err(words)?;
        let back = self.watch_return(group, before).await;
        Ok(format!("{evidence}; {back}"))
    }
}

/// Everybody of a group who lives. Whoever is clearly not there is dead; whoever
/// cannot be looked for is an error.
fn look(group: &MonkeyGroup, folder: &Path) -> Result<Vec<Instance>, String> {
    let mut alive = Vec::new();
    for (name, how) in &group.members {
        let how = match how {
            Find::PidFile(path) => Find::PidFile(folder.join(path).display().to_string()),
            Find::Unit(_) | Find::Command(_) | Find::Port(_) | Find::Instance(_) => how.clone(),
        };
        let mut found = match find(&how) {
            Ok(found) => found,
            Err(NotFound::PidFile { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                continue;
            }
            Err(
                NotFound::Stale { .. }
                | NotFound::Reused { .. }
                | NotFound::NoUnit(_)
                | NotFound::NoCommand(_)
                | NotFound::NoListener(_)
                | NotFound::NoInstance(_),
            ) => continue,
            Err(why) => return Err(format!("{name}: {why}")),
        };
        if let Find::Instance(_) = how {
            // What left it is of it all the same, and is no other instance.
            found.truncate(1);
        }
        // What may be several is numbered always: an exception must not depend on
        // how many there are.
        let named = |n: usize| match &how {
            Find::PidFile(_) | Find::Instance(_) => name.clone(),
            Find::Unit(_) | Find::Command(_) | Find::Port(_) => format!("{name}-{n}"),
        };
        alive.extend(found.iter().enumerate().map(|(n, process)| Instance {
            name: named(n),
            identity: process.identity,
        }));
    }
    each_by_itself(group, alive)
}

/// Those that are reached by no kill of another. One that may not be killed must
/// not be below one that may.
fn each_by_itself(group: &MonkeyGroup, mut alive: Vec<Instance>) -> Result<Vec<Instance>, String> {
    let identities: Vec<_> = alive.iter().map(|instance| instance.identity).collect();
    let reached = below(&identities).map_err(|error| error.to_string())?;
    let except = |identity| {
        let mut named = alive
            .iter()
            .filter(|instance| instance.identity == identity);
        named.find(|instance| group.excepts(&instance.name))
    };
    for (under, above) in &reached {
        if let (Some(spared), None) = (except(*under), except(*above)) {
            return Err(format!(
                "{} is an exception, but what started it (pid {}) is none and would take it along",
                spared.name, above.pid
            ));
        }
    }
    alive.retain(|instance| reached.iter().all(|(under, _)| *under != instance.identity));
    Ok(alive)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command, Stdio};

    use squall_faults::ProcessIdentity;
    use tempfile::TempDir;

    use super::*;

    /// A member of a group, in a group of its own, ended with its handle.
    struct Sleeper(Child);

    impl Sleeper {
        fn start() -> Self {
            let mut sleep = Command::new("sleep");
            sleep.arg("1000").process_group(0);
            sleep
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            Self(sleep.spawn().unwrap())
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            // One that was killed is only waited for.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Unleashed hands over the processes that two pid files name.
    struct Scene {
        dir: TempDir,
        members: [Sleeper; 2],
        group: MonkeyGroup,
        hands: OwnHands,
    }

    const FILE: &str = "version: 1
name: test
seed: 1
time_zone: UTC
leashed: false
groups:
  all:
    mean: 1 workday
    survivors: 1
    members: { one: { pid_file: one.pid }, two: { pid_file: two.pid } }
";

    impl Scene {
        fn new() -> Self {
            let dir = TempDir::new().unwrap();
            let members = [Sleeper::start(), Sleeper::start()];
            for (name, member) in ["one.pid", "two.pid"].iter().zip(&members) {
                std::fs::write(dir.path().join(name), member.0.id().to_string()).unwrap();
            }
            let file = dir.path().join("monkey.yaml");
            std::fs::write(&file, FILE).unwrap();
            let options = ParseOptions::new(&process_environment);
            let checked = parse_monkey(&Source::read(&file).unwrap(), &options);
            let monkey = checked.value.unwrap();
            let (decisions, _) = Decisions::open(&dir.path().join("decisions")).unwrap();
            // Nobody waits for who takes the place of what was killed.
            let stop = CancellationToken::new();
            stop.cancel();
            let hands = OwnHands::new(&file, &monkey, decisions, dir.path(), &stop).unwrap();
            let group = monkey.group("all").unwrap().clone();
            Self {
                dir,
                members,
                group,
                hands,
            }
        }

        async fn first(&self) -> Instance {
            self.hands.instances(&self.group).await.unwrap().remove(0)
        }

        /// Whether it is switched on once its file reads otherwise.
        async fn enabled_with(&self, from: &str, to: &str) -> Result<bool, String> {
            assert!(FILE.contains(from));
            let file = self.dir.path().join("monkey.yaml");
            std::fs::write(file, FILE.replace(from, to)).unwrap();
            self.hands.enabled(&self.group).await
        }
    }

    #[tokio::test]
    async fn who_is_chosen_is_killed_and_nobody_else_and_never_the_last() {
        let mut scene = Scene::new();
        let first = scene.first().await;
        assert_eq!(first.identity.pid, scene.members[0].0.id());
        let told = scene.hands.kill(&scene.group, &first).await.unwrap();
        assert!(told.contains("one"), "{told}");
        let ended = scene.members[0].0.try_wait().unwrap();
        assert_eq!(ended.and_then(|ended| ended.signal()), Some(9));
        assert!(scene.members[1].0.try_wait().unwrap().is_none());
        let last = scene.first().await;
        let refused = scene.hands.kill(&scene.group, &last).await.unwrap_err();
        assert!(refused.contains("too few are left"), "{refused}");
        assert!(scene.members[1].0.try_wait().unwrap().is_none());
        scene.hands.close();
        assert!(
            squall_faults::recover::list(scene.dir.path())
                .unwrap()
                .is_empty()
        );
    }

    #[tokio::test]
    async fn who_has_the_number_of_one_that_ended_is_left_alone() {
        let mut scene = Scene::new();
        let mut first = scene.first().await;
        first.identity = ProcessIdentity {
            start_time: first.identity.start_time - 1,
            ..first.identity
        };
        let refused = scene.hands.kill(&scene.group, &first).await.unwrap_err();
        assert!(
            refused.contains(&first.identity.pid.to_string()),
            "{refused}"
        );
        for member in &mut scene.members {
            assert!(member.0.try_wait().unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_file_that_was_changed_since_switches_it_off() {
        let scene = Scene::new();
        assert_eq!(scene.hands.enabled(&scene.group).await, Ok(true));
        for (from, to) in [
            ("leashed: false", "leashed: true"),
            ("seed: 1", "seed: 1\nenabled: false"),
            ("    mean", "    enabled: false\n    mean"),
            ("  all:", "  others:"),
        ] {
            assert_eq!(scene.enabled_with(from, to).await, Ok(false), "{to}");
        }
        for (from, to) in [
            ("survivors: 1", "survivors: 0"),
            ("version: 1", "version: 7"),
        ] {
            let why = scene.enabled_with(from, to).await.unwrap_err();
            assert!(
                why.contains("otherwise") || why.contains("not sound"),
                "{why}"
            );
        }
        assert_eq!(scene.enabled_with("seed: 1", "seed: 2").await, Ok(true));
    }
}
