//! What `squall reference` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ScenarioArgs, parse_setting};

/// The reference backend's verbs.
#[derive(Debug, Subcommand)]
pub enum ReferenceCommand {
    /// Start the whole backend, print its addresses, stop it on Ctrl-C
    Up(UpArgs),
    /// Serve one instance of one service in this process
    Serve(ServeArgs),
    /// List the settings of the services
    Settings,
    /// List every call between services, and what is wrong with how it is bounded
    ///
    /// Each has a timeout, a retry class, a fallback and a criticality; a caller waits longer than
    /// whom it calls. Exits with 1 where one does not.
    Lint,
}

/// What `squall reference up` takes.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Seed of the data
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// How the system file is read.
    #[command(flatten)]
    pub reading: ScenarioArgs,
    /// Where logs and data go
    #[arg(long, value_name = "DIR", default_value = "squall-runs")]
    pub out: PathBuf,
}

/// What `squall reference serve` takes.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Which service
    pub service: String,
    /// Name of the instance, for instance catalog-0
    #[arg(long)]
    pub instance: String,
    /// Where it listens
    #[arg(long, value_name = "ADDRESS")]
    pub listen: std::net::SocketAddr,
    /// Address it registers in discovery; where it listens by default
    #[arg(long, value_name = "ADDRESS")]
    pub advertise: Option<std::net::SocketAddr>,
    /// Where discovery listens: an address, or a name with a port, which is
    /// looked up before each call
    #[arg(long, value_name = "ADDRESS")]
    pub discovery: Option<squall_reference::Place>,
    /// Where its data goes
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Speak TLS with cache nodes, whose certificates the one in this file has
    /// signed (PEM)
    #[arg(long, value_name = "FILE")]
    pub cache_authority: Option<PathBuf>,
    /// Seed of the data
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// A setting: NAME=VALUE. May be repeated; `squall reference settings`
    /// lists them
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_setting)]
    pub set: Vec<(String, String)>,
}
