//! What the commands take that fit squall into a shell.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Examples of `squall completions`.
pub const COMPLETIONS_EXAMPLES: &str = "Examples:
  squall completions bash > ~/.local/share/bash-completion/completions/squall
  squall completions zsh > ~/.zfunc/_squall
  squall completions fish > ~/.config/fish/completions/squall.fish";

/// Examples of `squall man`.
pub const MAN_EXAMPLES: &str = "Examples:
  squall man ~/.local/share/man/man1
  squall man pages && man -l pages/squall-run.1";

/// What `squall completions` takes.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// What `squall man` takes.
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Where the pages go; created if it is not there
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}
