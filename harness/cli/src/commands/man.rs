//! `squall man`: one manual page for each command.

use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use squall_judge::RunOutcome;
use squall_record::store::files;

use crate::args::{Cli, ManArgs};
use crate::{exit, output};

/// Writes `squall.1`, `squall-run.1`, … into a folder.
pub fn man(args: &ManArgs) -> ExitCode {
    match write_pages(&args.dir) {
        Ok(()) => {
            output::result(format_args!(
                "wrote the manual pages to {}",
                args.dir.display()
            ));
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
    let mut squall = Cli::command().disable_help_subcommand(true);
    squall.build();
    write_page(squall, dir)
}

/// The page of a command, after those of its own commands.
fn write_page(command: Command, dir: &Path) -> std::io::Result<()> {
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        write_page(inner.clone(), dir)?;
    }
    let page = Man::new(command);
    let mut text = Vec::new();
    page.render(&mut text)?;
    files::replace(&dir.join(page.get_filename()), &text)
}
