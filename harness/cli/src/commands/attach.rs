//! `squall attach`: a run of another terminal on the dashboard.

use std::io::{IsTerminal, stdin, stdout};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use squall_dashboard::model::{Facts, Model, Source};
use squall_dashboard::terminal::show;
use squall_judge::RunOutcome;
use squall_record::store::RecordTail;

use crate::args::AttachArgs;
use crate::attach::client::{AttachedFeed, End, connect};
use crate::interrupts::Interrupts;
use crate::{appearance, exit, output, run_folders, run_names};

/// Watches a run until it is over or somebody leaves.
pub async fn attach(args: AttachArgs) -> ExitCode {
    if !stdout().is_terminal() || !stdin().is_terminal() {
        let message = "watching needs a terminal on standard input and output";
        return exit::fail(RunOutcome::Usage, message);
    }
    let (dir, stream) = match find(&args) {
        Ok(found) => found,
        Err(message) => return exit::fail(RunOutcome::Usage, &message),
    };
    match watch(&args, &dir, stream) {
        Ok(end) => {
            output::result(format_args!("{end}; it is recorded in {}", dir.display()));
            ExitCode::SUCCESS
        }
        Err(message) => exit::fail(RunOutcome::NotReady, &message),
    }
}

/// Watches; how the run stood at the end, in words.
fn watch(args: &AttachArgs, dir: &Path, stream: UnixStream) -> Result<String, String> {
    let (manifest, record) = RecordTail::open(dir).map_err(|error| error.to_string())?;
    let source = Source::Attached {
        control: args.control,
    };
    let facts = Facts::new(manifest.scenario, manifest.seed, source);
    let model = Model::new(facts.in_folder(dir));
    let look = appearance::of(&args.look)?;
    let interrupts = Interrupts::listen();
    let end = End {
        dir: dir.to_owned(),
        stays: look.stay,
        interrupted: Box::new(move || interrupts.first().is_some()),
    };
    let mut feed =
        AttachedFeed::new(record, stream, end).map_err(|error| format!("cannot watch: {error}"))?;
    tokio::task::block_in_place(|| {
        show(
            model,
            &look.keys,
            look.appearance,
            output::screen(true),
            &mut feed,
        )
    })
    .map_err(|error| format!("the terminal: {error}"))?;
    let ended = feed.ended.map(|why| match feed.verdict {
        Some(verdict) => format!("{why}: {}", verdict.outcome.word()),
        None => why,
    });
    Ok(ended.unwrap_or_else(|| "the run goes on".to_owned()))
}

/// The run that is meant, and a connection to it.
fn find(args: &AttachArgs) -> Result<(PathBuf, UnixStream), String> {
    if let Some(given) = &args.run {
        let dir = run_names::locate(given, &args.place.out)?;
        return match connect(&dir, args.control) {
            Ok(stream) => Ok((dir, stream)),
            Err(error) => Err(format!(
                "{} is not under way ({error}); `squall replay` shows runs that are over",
                dir.display()
            )),
        };
    }
    let out = &args.place.out;
    let found = run_folders::find(out).map_err(|error| format!("{}: {error}", out.display()))?;
    let mut running = found
        .runs
        .into_iter()
        .filter_map(|run| Some((connect(&run.dir, args.control).ok()?, run.dir)));
    match (running.next(), running.next()) {
        (Some((stream, dir)), None) => Ok((dir, stream)),
        (Some((_, one)), Some((_, another))) => Err(format!(
            "several runs are under way, for instance {} and {}: name one",
            one.display(),
            another.display()
        )),
        (None, _) => Err(format!(
            "no run is under way below {}; `squall replay latest` shows the last one",
            out.display()
        )),
    }
}
