//! `squall proxy` and its verbs.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use squall_scenario::parse_duration;

use super::Listing;

/// Where a server listens unless it is told otherwise.
const PORT: u16 = 8474;

pub const PROXY_EXAMPLES: &str = "Examples:
  squall proxy
  squall proxy --port 0 --config proxies.json --seed 7
  squall proxy create redis --listen 127.0.0.1:26379 --upstream 127.0.0.1:6379
  squall proxy toxic add redis --type latency -a latency=800 -a jitter=200
  squall proxy toxic add redis --type timeout -a timeout=0 --ttl 30s
  squall proxy inspect redis
  squall proxy connections redis
  squall proxy kill redis 7

Clients of Toxiproxy 2.12 can be pointed at it. The verbs talk to any server of
that API.";

/// What `squall proxy` takes.
#[derive(Debug, Clone, Args)]
pub struct ProxyArgs {
    /// Where it listens
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub host: IpAddr,
    /// The port; 0 takes a free one and prints it
    #[arg(long, default_value_t = PORT)]
    pub port: u16,
    /// Proxies to begin with: a JSON array as `POST /populate` takes it, in which
    /// proxies may have `toxics`, and these a `ttl` in milliseconds
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Seed of everything random
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Answer /metrics with what went through
    #[arg(long)]
    pub metrics: bool,
    /// A file whose first line clients must send as bearer token; needed off
    /// 127.0.0.1, for the API and for proxies
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Talk to a server instead of being one.
    #[command(subcommand)]
    pub command: Option<ProxyCommand>,
}

/// The verbs of `squall proxy`.
#[derive(Debug, Clone, Subcommand)]
pub enum ProxyCommand {
    /// List the proxies of a server
    #[command(visible_alias = "ls")]
    List {
        /// Machine-readable output
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
        /// Which server.
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Show a proxy with its toxics, and what they did
    Inspect {
        /// The proxy
        name: String,
        /// Machine-readable output
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
        /// Which server.
        #[command(flatten)]
        server: ServerArgs,
    },
    /// List the live connections of a proxy; only of squall's own server
    Connections {
        /// The proxy
        name: String,
        /// Machine-readable output
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
        /// Which server.
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Reset a live connection, both its sides; only of squall's own server
    Kill {
        /// The proxy
        name: String,
        /// The connection, as `connections` lists it
        id: u64,
        /// Which server.
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Create a proxy
    #[command(visible_alias = "new")]
    Create {
        /// What to call it
        name: String,
        /// Where callers connect; a free port of loopback when absent
        #[arg(short, long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
        listen: String,
        /// Where connections go
        #[arg(short, long, value_name = "HOST:PORT")]
        upstream: String,
        /// Which server.
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Enable a proxy that is disabled, disable one that is enabled
    Toggle {
        /// The proxy
        name: String,
        /// Which server.
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Delete a proxy
    Delete {
        /// The proxy
        name: String,
        /// Which server.
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Add, change or remove a toxic
    #[command(subcommand)]
    Toxic(ToxicCommand),
}

impl ProxyCommand {
    /// Whether it only shows what there is.
    pub const fn only_shows(&self) -> bool {
        matches!(
            self,
            Self::List { .. } | Self::Inspect { .. } | Self::Connections { .. }
        )
    }
}

/// The verbs of `squall proxy toxic`.
#[derive(Debug, Clone, Subcommand)]
pub enum ToxicCommand {
    /// Put a toxic on a proxy
    Add(AddToxicArgs),
    /// Change a toxic; what is not mentioned stays
    Update(UpdateToxicArgs),
    /// Take a toxic away
    #[command(visible_alias = "delete")]
    Remove {
        /// The proxy
        proxy: String,
        /// The toxic
        #[arg(short, long)]
        name: String,
        /// Which server.
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// What `squall proxy toxic add` takes.
#[derive(Debug, Clone, Args)]
pub struct AddToxicArgs {
    /// The proxy
    pub proxy: String,
    /// What it does: latency, bandwidth, slow_close, timeout, reset_peer, slicer,
    /// limit_data
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub kind: String,
    /// What to call it; TYPE_STREAM when absent
    #[arg(short, long)]
    pub name: Option<String>,
    /// On bytes from callers to the upstream, not on those to callers
    #[arg(short, long)]
    pub upstream: bool,
    /// How it is to be.
    #[command(flatten)]
    pub setting: ToxicSettingArgs,
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// What `squall proxy toxic update` takes.
#[derive(Debug, Clone, Args)]
pub struct UpdateToxicArgs {
    /// The proxy
    pub proxy: String,
    /// The toxic
    #[arg(short, long)]
    pub name: String,
    /// How it is to be.
    #[command(flatten)]
    pub setting: ToxicSettingArgs,
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// How a toxic is to be.
#[derive(Debug, Clone, Args)]
pub struct ToxicSettingArgs {
    /// An attribute of its type: NAME=NUMBER. May be repeated
    #[arg(short, long = "attribute", value_name = "NAME=NUMBER", value_parser = parse_attribute)]
    pub attributes: Vec<(String, i64)>,
    /// The share of connections it acts on, from 0 to 1
    #[arg(long, value_name = "SHARE")]
    pub toxicity: Option<f32>,
    /// Take it away after this time; only of squall's own server
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub ttl: Option<Duration>,
}

/// Which server is talked to.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// The server
    #[arg(
        long,
        value_name = "URL",
        env = "TOXIPROXY_URL",
        default_value = "http://127.0.0.1:8474"
    )]
    pub url: String,
    /// A file whose first line is the token of the server
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

fn parse_attribute(text: &str) -> Result<(String, i64), String> {
    let parsed = text.split_once('=').and_then(|(name, value)| {
        let value = value.parse().ok()?;
        (!name.is_empty()).then(|| (name.to_owned(), value))
    });
    parsed.ok_or_else(|| format!("write NAME=NUMBER, for instance latency=800, not {text:?}"))
}
