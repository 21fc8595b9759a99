//! What `squall compare` takes.

use clap::{Args, ValueEnum};
use squall_reports::compare::Margins;
use squall_scenario::parse_duration;

use super::OutArgs;

/// Examples of `squall compare`.
pub const COMPARE_EXAMPLES: &str = "Examples:
  squall compare checkout~1 checkout
  squall compare results/main/checkout results/branch/checkout --fail-on worse
  squall compare A B --margin 1.1x --margin 0.1% --format markdown

Better and worse are told when the whole interval at 95 % lies beyond the
margin, and the same when all of it lies within: a difference within the margin
is none, however surely it is there. Exit code
3: the runs cannot be compared, because their load differs.";

/// What `squall compare` takes.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// The run to compare with: its directory, the folder or name of its
    /// scenario (the newest run), or `latest`; `NAME~1` is the run before
    #[arg(value_name = "A")]
    pub a: String,
    /// The run to compare
    #[arg(value_name = "B")]
    pub b: String,
    /// What counts as the same (may be repeated): a ratio of latencies (1.25x),
    /// a difference of latencies (1ms), or points of success (0.5%)
    #[arg(long = "margin", value_name = "MARGIN", value_parser = parse_margin)]
    pub margins: Vec<Margin>,
    /// Exit with 1 when a figure is so (may be repeated)
    #[arg(long, value_enum, value_name = "CHANGE")]
    pub fail_on: Vec<FailOn>,
    /// How the comparison is printed
    #[arg(long, value_enum, default_value_t = ComparisonFormat::Text)]
    pub format: ComparisonFormat,
    /// Where runs are looked for by name.
    #[command(flatten)]
    pub place: OutArgs,
}

impl CompareArgs {
    /// The margins asked for, and the defaults of the others.
    pub fn margins(&self) -> Margins {
        let mut margins = Margins::default();
        for margin in &self.margins {
            match *margin {
                Margin::Ratio(ratio) => margins.latency_ratio = ratio,
                Margin::Micros(us) => margins.latency_us = us,
                Margin::Share(share) => margins.success = share,
            }
        }
        margins
    }
}

/// One margin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Margin {
    /// Of response times, above 1.
    Ratio(f64),
    /// Of response times, in microseconds.
    Micros(u64),
    /// Of success.
    Share(f64),
}

/// What makes `squall compare` fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A figure that is surely worse by more than the margin.
    Worse,
    /// A figure with too few arrivals, or with bounds that reach over the
    /// margin, whether a difference was seen or not.
    CannotTell,
}

/// How a comparison is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ComparisonFormat {
    /// For people.
    Text,
    /// For a comment or a step summary.
    Markdown,
    /// JSON.
    Json,
}

fn parse_margin(text: &str) -> Result<Margin, String> {
    let wrong = || {
        format!(
            "write a ratio above 1 such as 1.25x, a time such as 1ms, or points such as 0.5%, not {text:?}"
        )
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    if let Some(ratio) = text.strip_suffix('x') {
        let ratio = number(ratio).filter(|ratio| *ratio >= 1.0);
        return ratio.map(Margin::Ratio).ok_or_else(wrong);
    }
    if let Some(points) = text.strip_suffix('%') {
        let points = number(points).filter(|points| (0.0..=100.0).contains(points));
        return points
            .map(|points| Margin::Share(points / 100.0))
            .ok_or_else(wrong);
    }
    let time = parse_duration(text).map_err(|_| wrong())?;
    u64::try_from(time.as_micros())
        .map(Margin::Micros)
        .map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_margin_is_told_by_its_unit() {
        assert_eq!(parse_margin("1.25x"), Ok(Margin::Ratio(1.25)));
        assert_eq!(parse_margin("250us"), Ok(Margin::Micros(250)));
        assert_eq!(parse_margin("0.5%"), Ok(Margin::Share(0.005)));
        for wrong in ["1.25", "0.9x", "-1%", "101%", "x", "%", "", "NaNx", "soon"] {
            assert!(parse_margin(wrong).is_err(), "{wrong:?}");
        }
    }
}
