//! One file per verb.

mod attach;
mod calibrate;
mod check;
mod compare;
mod completions;
mod explain;
mod faults;
mod init;
mod judge;
mod load;
mod man;
mod merge;
mod plan;
mod prove;
mod recover;
mod reference;
mod replay;
mod report;
mod run;
mod runs;
mod scenarios;
mod schema;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use squall_reports::RunOutcome;

use crate::args::{Cli, Command, When};
use crate::exit;

/// Carries out the command line.
pub fn dispatch(cli: Cli) -> ExitCode {
    match cli.color {
        When::Auto => anstream::ColorChoice::Auto,
        When::Always => anstream::ColorChoice::Always,
        When::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    match cli.command {
        Command::Run(args) => with_runtime(run::run(args)),
        Command::Load(args) => with_runtime(load::load(*args)),
        Command::Prove(args) => with_runtime(prove::prove(args)),
        Command::Calibrate(args) => with_runtime(calibrate::calibrate(args)),
        Command::Check(args) => check::check(&args),
        Command::Plan(args) => plan::plan(&args),
        Command::Report(args) => report::report(&args),
        Command::Judge(args) => judge::judge(&args),
        Command::Attach(args) => with_runtime(attach::attach(args)),
        Command::Replay(args) => with_runtime(replay::replay(args)),
        Command::Compare(args) => compare::compare(&args),
        Command::Merge(args) => merge::merge(&args),
        Command::Runs(args) => runs::runs(&args),
        Command::Recover(args) => recover::recover(&args),
        Command::Explain { code } => explain::explain(&code),
        Command::Schema { of } => schema::schema(of),
        Command::Scenarios { format } => scenarios::scenarios(format),
        Command::Reference(command) => reference::reference(command),
        Command::Faults(args) => faults::faults(&args),
        Command::Init(args) => init::init(&args),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => man::man(&args),
    }
}

/// Runs `work` on a runtime of its own. Blocking threads that still hold a
/// file are not waited for: everything that matters was awaited.
fn with_runtime(work: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("squall")
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            // A panic is squall's own fault and has its own exit code; the
            // guardian ends the system when this process does.
            let worked = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
            runtime.shutdown_background();
            worked.unwrap_or_else(|_panic| {
                exit::fail(
                    RunOutcome::Internal,
                    "squall panicked; please report what stands above",
                )
            })
        }
        Err(error) => exit::fail(
            RunOutcome::NotReady,
            &format!("cannot start a runtime: {error}"),
        ),
    }
}
