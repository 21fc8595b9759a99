//! What the commands take that help to write scenarios.

use std::path::PathBuf;

use clap::Args;

use super::Listing;

/// Examples of `squall faults`.
pub const FAULTS_EXAMPLES: &str = "Examples:
  squall faults
  squall faults delay
  squall faults --format json";

/// Examples of `squall plan`.
pub const PLAN_EXAMPLES: &str = "Examples:
  squall plan slow-recommendations
  squall plan checkout.yaml --seed 7
  squall plan checkout.yaml --format json

Nothing is started and nothing sent.";

/// Examples of `squall doctor`.
pub const DOCTOR_EXAMPLES: &str = "Examples:
  squall doctor
  squall doctor --measure
  squall doctor --measure load
  squall doctor --measure delay,timer --format json

Ends with 5 where something is missing that every run needs.";

/// Examples of `squall init`.
pub const INIT_EXAMPLES: &str = "Examples:
  squall init
  squall init checkout.yaml
  squall init checkout.yaml --target http://127.0.0.1:8080
  squall init visit.yaml --from visit.har
  squall init api.yaml --from openapi.yaml
  squall init order.yaml --from \"curl -X POST http://127.0.0.1:8080/orders -d 'title=7'\"";

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

/// What `squall doctor` takes.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Measure what faults do here, requested against observed, on loopback and
    /// on processes of squall's own, and which rate of `load` is held: all of
    /// them, or those named
    #[arg(long, value_name = "WHAT", num_args = 0..=1, value_delimiter = ',', default_missing_value = "all")]
    pub measure: Option<Vec<String>>,
    /// Machine-readable output
    #[arg(long, value_enum, default_value_t = Listing::Text)]
    pub format: Listing,
}

/// What `squall init` takes.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// The file to write; one that exists is left alone
    #[arg(value_name = "FILE", default_value = "scenario.yaml")]
    pub file: PathBuf,
    /// Address of a service that is already running; without it, the scenario
    /// starts the processes itself
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// What the scenario is made of: a HAR file that a browser saved, an OpenAPI 3
    /// description (YAML or JSON), a file with lines of curl, such a line itself, or
    /// `-` for standard input. Secrets become ${NAME}; what a scenario cannot say is
    /// listed
    #[arg(long, value_name = "FILE|LINE", conflicts_with = "target")]
    pub from: Option<String>,
}
