//! `squall reference up`: the whole backend, alone.

use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use squall_faults::Journal;
use squall_harness::system::StandAlone;
use squall_reports::RunOutcome;
use squall_scenario::{ParseOptions, Source, library};

use crate::args::UpArgs;
use crate::exit;

/// Starts every process of the reference system file, prints the addresses
/// and waits for Ctrl-C.
pub async fn up(args: UpArgs) -> ExitCode {
    match start(&args).await {
        Ok(running) => {
            let started = running.system();
            for instance in started.instances() {
                anstream::println!("{:<18} http://{}", instance.name, instance.callers_address());
            }
            anstream::eprintln!("\nCtrl-C ends it");
            super::terminated().await;
            match running.stop().await {
                Ok(_) => exit::code(RunOutcome::Pass),
                Err(left) => exit::fail(RunOutcome::UndoFailed, &left),
            }
        }
        Err((outcome, message)) => exit::fail(outcome, &message),
    }
}

async fn start(args: &UpArgs) -> Result<StandAlone, (RunOutcome, String)> {
    let not_ready = |error: &dyn std::fmt::Display| (RunOutcome::NotReady, error.to_string());
    let text = library::system("reference")
        .ok_or_else(|| (RunOutcome::Internal, "the reference system is not embedded".to_owned()))?;
    let environment = |name: &str| std::env::var(name).ok();
    let options = ParseOptions { set: args.reading.set.clone(), env: &environment };
    let checked = squall_scenario::parse_system(&Source::new("reference.yaml", text), &options);
    let wrong: Vec<_> = checked
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .map(|diagnostic| diagnostic.render(&checked.sources, false))
        .collect();
    let system = match checked.value {
        Some(system) if wrong.is_empty() => system,
        _ => return Err((RunOutcome::Usage, wrong.join("\n"))),
    };
    let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let run_id = format!("reference-up-{stamp}-{}", std::process::id());
    let dir = args.out.join("reference-up").join(&run_id);
    let dir = std::path::absolute(dir).map_err(|error| not_ready(&error))?;
    let exe = std::env::current_exe().map_err(|error| not_ready(&error))?;
    let journal_dir = Journal::default_dir().map_err(|error| not_ready(&error))?;
    let journal = Journal::create(&journal_dir, &run_id).map_err(|error| not_ready(&error))?;
    StandAlone::start(system, args.seed, &exe, &dir, Arc::new(journal))
        .await
        .map_err(|error| not_ready(&error))
}
