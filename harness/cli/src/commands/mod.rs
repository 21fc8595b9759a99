//! One file per verb.

mod attach;
mod calibrate;
mod check;
mod compare;
mod completions;
mod doctor;
mod explain;
mod faults;
mod find_limit;
mod init;
mod judge;
mod load;
mod man;
mod merge;
mod monkey;
mod plan;
mod prove;
mod proxy;
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

use squall_judge::RunOutcome;

use crate::args::{Cli, Command, MonkeyCommand, ProxyCommand, ReferenceCommand, When};
use crate::{exit, output};

/// Carries out the command line.
pub fn dispatch(cli: Cli) -> ExitCode {
    match cli.color {
        When::Auto => anstream::ColorChoice::Auto,
        When::Always => anstream::ColorChoice::Always,
        When::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    let is_printed = prints_its_result(&cli.command);
    let code = carry_out(cli.command);
    match is_printed {
        true => exit::of_printed(code),
        false => code,
    }
}

/// Whether what a command was asked for is what it prints, as against what it
/// does, writes or finds out.
fn prints_its_result(command: &Command) -> bool {
    match command {
        Command::Check(_)
        | Command::Plan(_)
        | Command::Compare(_)
        | Command::Explain { .. }
        | Command::Schema { .. }
        | Command::Scenarios { .. }
        | Command::Faults(_)
        | Command::Doctor(_)
        | Command::Completions(_) => true,
        Command::Load(args) => args.print_scenario,
        Command::Report(args) => args.reports.iter().any(|report| report.ends_with("=-")),
        Command::Runs(args) => args.command.is_none(),
        Command::Recover(args) => args.list,
        Command::Proxy(args) => args.command.as_ref().is_some_and(ProxyCommand::only_shows),
        Command::Monkey(command) => !matches!(command, MonkeyCommand::Run(_)),
        Command::Reference(command) => {
            matches!(command, ReferenceCommand::Settings | ReferenceCommand::Lint)
        }
        Command::Run(_)
        | Command::Prove(_)
        | Command::Calibrate(_)
        | Command::Judge(_)
        | Command::Attach(_)
        | Command::Replay(_)
        | Command::Merge(_)
        | Command::Init(_)
        | Command::Man(_) => false,
    }
}

fn carry_out(command: Command) -> ExitCode {
    match command {
        Command::Run(args) => with_runtime(run::run(args)),
        Command::Load(args) if args.print_scenario => load::print(&args),
        Command::Load(args) if !args.find_limit.is_empty() => {
            with_runtime(find_limit::find_limit(*args))
        }
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
        Command::Monkey(command) => with_runtime(monkey::monkey(command)),
        Command::Explain { code } => explain::explain(&code),
        Command::Schema { of } => schema::schema(of),
        Command::Scenarios { format } => scenarios::scenarios(format),
        Command::Proxy(args) => with_runtime(proxy::proxy(args)),
        Command::Reference(command) => reference::reference(command),
        Command::Faults(args) => faults::faults(&args),
        Command::Doctor(args) if args.measure.is_some() => with_runtime(doctor::measure(args)),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Init(args) => init::init(&args),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => man::man(&args),
    }
}

/// Runs `work` on a runtime of its own. Blocking threads that still hold a
/// file are not waited for: everything that matters was awaited. A terminal is
/// waited for while it reads.
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
            output::do_not_wait();
            let worked = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
            let code = worked.unwrap_or_else(|_panic| {
                exit::fail(
                    RunOutcome::Internal,
                    "squall panicked; please report what stands above",
                )
            });
            runtime.block_on(output::finish());
            runtime.shutdown_background();
            code
        }
        Err(error) => exit::fail(
            RunOutcome::NotReady,
            &format!("cannot start a runtime: {error}"),
        ),
    }
}
