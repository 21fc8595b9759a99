//! What the commands take that run a scenario several times.

use std::path::PathBuf;

use clap::Args;

use super::{ExecutionArgs, Listing, ScenarioArgs};

/// Examples of `squall prove`.
pub const PROVE_EXAMPLES: &str = "Examples:
  squall prove slow-recommendations cache-outage chaos-monkey
  squall prove checkout.yaml --seeds 1-5
  squall prove checkout.yaml --format json --save proof.json";

/// Examples of `squall calibrate`.
pub const CALIBRATE_EXAMPLES: &str = "Examples:
  squall calibrate checkout.yaml
  squall calibrate checkout.yaml --runs 20 --save calibration.json
  squall calibrate slow-recommendations --seeds 1-5 --format json

Nothing is injected; windows are cut where the faults would have been. Exit
code 1: a gate failed in a run, or in more than 1 % of the windows that are
drawn from the seconds of the runs. Few runs prove little by themselves: none
of 5 failing leaves up to 45 %.";

/// Where the result of a series of runs goes.
#[derive(Debug, Clone, Args)]
pub struct ResultArgs {
    /// How the result is printed; with `json` standard output holds nothing
    /// else
    #[arg(long, value_enum, default_value_t = Listing::Text)]
    pub format: Listing,
    /// Also write the result to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
}

/// What `squall prove` takes.
#[derive(Debug, Clone, Args)]
pub struct ProveArgs {
    /// Paths of scenarios, or names of the embedded library
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// Seeds to try: a list such as 1,2,7 or a range such as 1-5. The
    /// scenario's own by default
    #[arg(long, value_name = "SEEDS", value_parser = parse_seeds)]
    pub seeds: Option<Seeds>,
    /// Where the result goes.
    #[command(flatten)]
    pub result: ResultArgs,
    /// How scenarios are read.
    #[command(flatten)]
    pub reading: ScenarioArgs,
    /// How runs are carried out.
    #[command(flatten)]
    pub execution: ExecutionArgs,
}

/// What `squall calibrate` takes.
#[derive(Debug, Clone, Args)]
pub struct CalibrateArgs {
    /// Path of a scenario, or a name of the embedded library
    #[arg(value_name = "SCENARIO")]
    pub scenario: String,
    /// How many runs
    #[arg(long, value_name = "N", default_value_t = 5, conflicts_with = "seeds",
          value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub runs: u64,
    /// Seeds of the runs: a list such as 1,2,7 or a range such as 1-5. From
    /// the scenario's own upwards by default
    #[arg(long, value_name = "SEEDS", value_parser = parse_seeds)]
    pub seeds: Option<Seeds>,
    /// Where the result goes.
    #[command(flatten)]
    pub result: ResultArgs,
    /// How the scenario is read.
    #[command(flatten)]
    pub reading: ScenarioArgs,
    /// How runs are carried out.
    #[command(flatten)]
    pub execution: ExecutionArgs,
}

/// A list of seeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

fn parse_seeds(text: &str) -> Result<Seeds, String> {
    let wrong = || format!("write seeds as 1-5 or 1,2,7, not {text:?}");
    let mut seeds = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((from, to)) => {
                let from: u64 = from.trim().parse().map_err(|_| wrong())?;
                let to: u64 = to.trim().parse().map_err(|_| wrong())?;
                if to < from || to - from >= 1000 {
                    return Err(wrong());
                }
                seeds.extend(from..=to);
            }
            None => seeds.push(part.trim().parse().map_err(|_| wrong())?),
        }
    }
    Ok(Seeds(seeds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_lists_and_ranges() {
        assert_eq!(parse_seeds("1-3,9").unwrap(), Seeds(vec![1, 2, 3, 9]));
        assert!(parse_seeds("3-1").is_err());
        assert!(parse_seeds("one").is_err());
    }
}
