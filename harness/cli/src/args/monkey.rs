//! What `squall monkey` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Listing;

/// Examples of `squall monkey`.
pub const MONKEY_EXAMPLES: &str = "Examples:
  squall monkey preview shop.yaml --days 30
  squall monkey eligible shop.yaml
  squall monkey run shop.yaml              says what it would do
  squall monkey run shop.yaml --unleash    kills, where the file says `leashed: false` too

A file:
  version: 1
  name: shop
  seed: 2011
  time_zone: Europe/Berlin
  groups:
    catalog:
      mean: 2 workdays
      survivors: 1
      members:
        catalog-0: { pid_file: /run/catalog-0.pid }
        catalog-1: { unit: catalog@1.service }";

/// The verbs of the monkey.
#[derive(Debug, Subcommand)]
pub enum MonkeyCommand {
    /// Go through the days until SIGTERM: at most one kill per group and day,
    /// in working hours, after every check; leashed unless told otherwise
    #[command(after_help = MONKEY_EXAMPLES)]
    Run(MonkeyRunArgs),
    /// Show the kills of the days to come, if every one that is due is made
    Preview(MonkeyPreviewArgs),
    /// List who is alive and may be killed
    Eligible(MonkeyEligibleArgs),
}

/// What `squall monkey run` takes.
#[derive(Debug, Clone, Args)]
pub struct MonkeyRunArgs {
    /// The monkey's file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Kill, where the file says `leashed: false` too
    #[arg(long)]
    pub unleash: bool,
}

/// What `squall monkey preview` takes.
#[derive(Debug, Clone, Args)]
pub struct MonkeyPreviewArgs {
    /// The monkey's file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// First day, such as 2026-12-01; today when absent
    #[arg(long, value_name = "DATE")]
    pub from: Option<jiff::civil::Date>,
    /// How many days
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_660))]
    pub days: u32,
    /// Also the days without a kill, and why there is none
    #[arg(long)]
    pub all: bool,
    /// Machine-readable output, with every day
    #[arg(long, value_enum, default_value_t = Listing::Text)]
    pub format: Listing,
}

/// What `squall monkey eligible` takes.
#[derive(Debug, Clone, Args)]
pub struct MonkeyEligibleArgs {
    /// The monkey's file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Machine-readable output
    #[arg(long, value_enum, default_value_t = Listing::Text)]
    pub format: Listing,
}
