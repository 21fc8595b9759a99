//! `squall man`: one manual page for each command.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use squall_reports::RunOutcome;

use crate::args::{Cli, ManArgs};
use crate::exit;

/// Writes `squall.1`, `squall-run.1`, … into a folder.
pub fn man(args: &ManArgs) -> ExitCode {
    match write_pages(&args.dir) {
        Ok(()) => {
            anstream::println!("wrote the manual pages to {}", args.dir.display());
            exit::code(RunOutcome::Pass)
        }
        Err(error) => {
            let message = format!("{}: {error}", args.dir.display());
            exit::fail(RunOutcome::NotReady, &message)
        }
    }
}

fn write_pages(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Cli::command(), dir)
}
