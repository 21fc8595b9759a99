//! The `squall` binary: parse, run, exit code.

mod accepting;
mod appearance;
mod args;
mod attach;
mod capacity;
mod commands;
mod config;
mod console;
mod exit;
mod interrupts;
mod limit_search;
mod live_feed;
mod locate;
mod metrics;
mod objectives;
mod one_line;
mod output;
mod output_paths;
mod own_log;
mod panics;
mod report_files;
mod run_folders;
mod run_names;
mod series;
mod session;
mod sharding;
mod this_machine;
mod token;

use std::process::ExitCode;

use args::Cli;
use clap::Parser;
use squall_judge::RunOutcome;

fn main() -> ExitCode {
    output::prepare();
    panics::prepare();
    // A panic is squall's own fault and has its own exit code.
    std::panic::catch_unwind(carry_out).unwrap_or_else(|_told| exit::code(RunOutcome::Internal))
}

fn carry_out() -> ExitCode {
    // The guardian is a process without a runtime; it never gets to clap.
    let mut raw = std::env::args_os().skip(1);
    if raw
        .next()
        .is_some_and(|first| first == this_machine::GUARDIAN)
    {
        own_log::prepare_guardian();
        panics::prepare_guardian();
        return squall_faults::guardian::main(raw);
    }
    match Cli::try_parse() {
        Ok(cli) => commands::dispatch(cli),
        Err(answer) => exit::answered(&answer),
    }
}
