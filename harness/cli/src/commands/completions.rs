//! `squall completions`: what a shell offers after the Tab key.

use std::process::ExitCode;

use clap::CommandFactory;
use squall_judge::RunOutcome;

use crate::args::{Cli, CompletionsArgs};
use crate::{exit, output};

/// Prints the completion script of a shell.
pub fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "squall", &mut script);
    output::result_document(&script);
    exit::code(RunOutcome::Pass)
}
