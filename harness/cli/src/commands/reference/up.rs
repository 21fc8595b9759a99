//! `squall reference up`: the whole backend, alone.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use squall_faults::Journal;
use squall_harness::system::StandAlone;
use squall_judge::RunOutcome;
use squall_reference::ServiceKind;
use squall_scenario_file::{ParseOptions, open_system, parse_system, process_environment};

use crate::args::UpArgs;
use crate::{exit, interrupts, output};

/// Starts every process of the reference system file, prints the addresses
/// and waits for Ctrl-C.
pub async fn up(args: UpArgs) -> ExitCode {
    match start(&args).await {
        Ok(running) => {
            let started = running.system();
            for instance in started.instances() {
                let address = instance.callers_address();
                let place = place(&instance.process.name, address);
                output::result(format_args!("{:<18} {place}", instance.name));
            }
            output::remark("\nCtrl-C ends it");
            interrupts::terminated().await;
            match running.stop().await {
                Ok(_) => exit::code(RunOutcome::Pass),
                Err(left) => exit::fail(RunOutcome::UndoFailed, &left),
            }
        }
        Err((outcome, message)) => exit::fail(outcome, &message),
    }
}

/// How a client writes the address of a service: all of them speak HTTP but
/// the cache.
fn place(service: &str, address: SocketAddr) -> String {
    if service == ServiceKind::Cache.name() {
        format!("{address} (memcached text protocol)")
    } else {
        format!("http://{address}")
    }
}

async fn start(args: &UpArgs) -> Result<StandAlone, (RunOutcome, String)> {
    let not_ready = |error: &dyn std::fmt::Display| (RunOutcome::NotReady, error.to_string());
    let source = open_system("reference", "")
        .map_err(|diagnostic| (RunOutcome::Internal, diagnostic.title.clone()))?;
    let mut options = ParseOptions::new(&process_environment);
    options.set.clone_from(&args.reading.set);
    let checked = parse_system(&source, &options);
    let findings = checked.render(false);
    let system = checked.value.ok_or((RunOutcome::Usage, findings))?;
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
