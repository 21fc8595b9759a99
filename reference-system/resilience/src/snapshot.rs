//! A command at one instant: what every outside view is rendered from.

use std::sync::Arc;
use std::time::Duration;

use crate::Properties;
use crate::breaker::{BreakerState, Health};
use crate::metrics::MetricsSnapshot;

/// Everything about one command at one instant.
#[derive(Debug, Clone)]
pub struct CommandSnapshot {
    /// The command key.
    pub name: Arc<str>,
    /// The group key.
    pub group: Arc<str>,
    /// When, in milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// The state of the breaker.
    pub breaker_state: BreakerState,
    /// How often the breaker went from closed to open.
    pub opened_count: u64,
    /// How long until the next probe may go; none while closed.
    pub next_probe_in: Option<Duration>,
    /// The counts the breaker decides on.
    pub health: Health,
    /// How many calls may run at once, as it is now.
    pub limit: usize,
    /// Calls that run now.
    pub active: usize,
    /// Calls that wait for one of them to end.
    pub waiting: usize,
    /// Threads of the command's own; 0 until work that blocks is first run.
    pub threads_begun: usize,
    /// Events and latencies.
    pub metrics: MetricsSnapshot,
    /// The settings in force.
    pub properties: Arc<Properties>,
}
