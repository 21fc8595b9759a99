//! What the commands take that work on finished runs.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Listing, LookArgs, ScenarioArgs};

/// Examples of `squall judge`.
pub const JUDGE_EXAMPLES: &str = "Examples:
  squall judge squall-runs/checkout/20261122T101500Z --slo stricter.yaml
  squall judge latest --slo stricter.yaml --report junit=junit.xml
  squall judge latest --slo slos/checkout.yaml --during 'slow payments'

Only `slo` and `steady_state` of FILE are used, and a FILE may have nothing else;
load and faults are those of the run. The run directory stays as it is.";

/// Examples of `squall runs`.
pub const RUNS_EXAMPLES: &str = "Examples:
  squall runs
  squall runs --out results --format json
  squall runs prune --keep 10 --dry-run
  squall runs prune --older-than 30d";

/// Examples of `squall merge`.
pub const MERGE_EXAMPLES: &str = "Examples:
  squall merge shard-1/*/* shard-2/*/* --out merged
  squall merge RUN1 RUN2 --out merged --report junit=junit.xml

Counts and histograms are added, nothing is averaged. With a shard missing,
doubled or damaged the merged run is inconclusive and says which.";

/// What `squall merge` takes.
#[derive(Debug, Clone, Args)]
pub struct MergeArgs {
    /// Run directories of `squall run --shard`
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// The run directory to write; must not hold a run
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Also write a report: FORMAT, FORMAT=PATH or FORMAT=- (may be repeated)
    #[arg(long = "report", value_name = "FORMAT[=PATH]")]
    pub reports: Vec<String>,
}

/// What `squall judge` takes.
#[derive(Debug, Clone, Args)]
pub struct JudgeArgs {
    /// A run: its directory, the folder or name of its scenario (the newest
    /// run), or `latest`; `NAME~1` is the run before
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Where runs are looked for by name.
    #[command(flatten)]
    pub place: OutArgs,
    /// A scenario (path, or name of the embedded library) or an OpenSLO v1
    /// file
    #[arg(long, value_name = "FILE")]
    pub slo: String,
    /// The window that the objectives of an OpenSLO file are asked of; `whole
    /// run` when absent
    #[arg(long, value_name = "WINDOW")]
    pub during: Option<String>,
    /// Write a report: FORMAT=PATH or FORMAT=- (may be repeated)
    #[arg(long = "report", value_name = "FORMAT=PATH")]
    pub reports: Vec<String>,
    /// How the scenario is read.
    #[command(flatten)]
    pub reading: ScenarioArgs,
}

/// Examples of `squall attach`.
pub const ATTACH_EXAMPLES: &str = "Examples:
  squall attach
  squall attach checkout
  squall attach --control

Several screens may watch one run; a slow one is let go and never slows the
run. With --control the keys a, x, ! and Q act on the run; q only leaves.";

/// What `squall attach` takes.
#[derive(Debug, Clone, Args)]
pub struct AttachArgs {
    /// A run, by its directory, the folder or name of its scenario, or
    /// `latest`; the only one under way when absent
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Where runs are looked for by name.
    #[command(flatten)]
    pub place: OutArgs,
    /// Act on the run too: mark, stop faults
    #[arg(long)]
    pub control: bool,
    /// How the dashboard looks.
    #[command(flatten)]
    pub look: LookArgs,
}

/// Examples of `squall replay`.
pub const REPLAY_EXAMPLES: &str = "Examples:
  squall replay latest
  squall replay checkout --speed 8x
  squall replay squall-runs/checkout/20261122T101500Z --theme colour-blind

Keys: space plays and pauses, [ and ] go 10 s back and on, { and } go to the
edges of faults, < and > change the speed, ? lists all others, q leaves.";

/// What `squall replay` takes.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// A run: its directory, the folder or name of its scenario (the newest
    /// run), or `latest`; `NAME~1` is the run before
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Where runs are looked for by name.
    #[command(flatten)]
    pub place: OutArgs,
    /// How many times faster than it was: 1x, 4x, 0.5x
    #[arg(long, value_name = "SPEED", default_value = "1x", value_parser = parse_speed)]
    pub speed: f64,
    /// How the dashboard looks.
    #[command(flatten)]
    pub look: LookArgs,
}

/// What `squall runs` takes.
#[derive(Debug, Clone, Args)]
pub struct RunsArgs {
    /// Where the runs are.
    #[command(flatten)]
    pub place: OutArgs,
    /// Machine-readable output
    #[arg(long, value_enum, default_value_t = Listing::Text)]
    pub format: Listing,
    /// What to do instead of listing.
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
}

/// Where run directories are.
#[derive(Debug, Clone, Args)]
pub struct OutArgs {
    /// Where run directories are
    #[arg(
        long,
        value_name = "DIR",
        default_value = "squall-runs",
        env = "SQUALL_OUT"
    )]
    pub out: PathBuf,
}

/// The verbs of `squall runs`.
#[derive(Debug, Clone, Subcommand)]
pub enum RunsCommand {
    /// Delete old run directories; what squall did not write, and runs under
    /// way, are left alone
    Prune(PruneArgs),
}

/// What `squall runs prune` takes.
#[derive(Debug, Clone, Args)]
pub struct PruneArgs {
    /// Keep the newest N runs of each scenario and variant
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "older_than",
        required_unless_present = "older_than"
    )]
    pub keep: Option<usize>,
    /// Delete runs that began longer ago: 30d, 12h, 90m
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub older_than: Option<Duration>,
    /// Only list what would be deleted
    #[arg(long)]
    pub dry_run: bool,
    /// Where the runs are.
    #[command(flatten)]
    pub place: OutArgs,
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let wrong = || format!("write a speed such as 1x, 4x or 0.5x, not {text:?}");
    let number = text.strip_suffix('x').unwrap_or(text);
    let speed: f64 = number.parse().map_err(|_| wrong())?;
    if (0.125..=1024.0).contains(&speed) {
        Ok(speed)
    } else {
        Err(format!("{text:?}: the speed lies between 0.125x and 1024x"))
    }
}

/// A duration, or a number of days.
fn parse_age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("write an age such as 30d or 12h, not {text:?}");
    match text.strip_suffix('d') {
        Some(days) => {
            let days: u32 = days.parse().map_err(|_| wrong())?;
            Ok(Duration::from_secs(u64::from(days) * 86_400))
        }
        None => squall_scenario::parse_duration(text).map_err(|_| wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_positive_and_bounded() {
        assert_eq!(parse_speed("4x"), Ok(4.0));
        assert_eq!(parse_speed("0.5"), Ok(0.5));
        for wrong in ["0x", "-1x", "fast", "NaN", "inf", "1e9x"] {
            assert!(parse_speed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn ages_know_days() {
        assert_eq!(parse_age("30d").unwrap(), Duration::from_secs(2_592_000));
        assert_eq!(parse_age("12h").unwrap(), Duration::from_secs(43_200));
        for wrong in ["30", "d", "-1d", "1.5d", "soon", ""] {
            assert!(parse_age(wrong).is_err(), "{wrong:?}");
        }
    }
}
