//! What the commands take that help to write scenarios.

use clap::Args;

use super::Listing;

/// Examples of `squall faults`.
pub const FAULTS_EXAMPLES: &str = "Examples:
  squall faults
  squall faults delay
  squall faults --format json";

/// What `squall faults` takes.
#[derive(Debug, Clone, Args)]
pub struct FaultsArgs {
    /// A fault such as delay; all of them by default
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Machine-readable output
    #[arg(long, value_enum, default_value_t = Listing::Text)]
    pub format: Listing,
}
