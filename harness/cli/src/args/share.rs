//! What `squall run` takes to be one of several that send one load.

use clap::Args;
use jiff::Timestamp;

/// Which share of the load is sent.
#[derive(Debug, Clone, Args)]
pub struct ShareArgs {
    /// Send only this share of the arrivals: NUMBER/COUNT, counted from 1, or
    /// auto[/COUNT] to take it from Kubernetes, GitLab or Slurm. Only shard 1
    /// injects faults; `squall merge` gives the verdict
    #[arg(long, value_name = "NUMBER/COUNT", env = "SQUALL_SHARD")]
    pub shard: Option<String>,
    /// When the measured load begins, RFC 3339; the same for all shards
    #[arg(long, value_name = "TIME", env = "SQUALL_START_AT")]
    pub start_at: Option<Timestamp>,
}
