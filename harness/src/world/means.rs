//! What every injection of a run shares.

use std::sync::Arc;

use squall_faults::{Journal, Limits, Pauses};

use super::monkeys::Monkeys;

/// What every injection of a run shares.
#[derive(Debug)]
pub(crate) struct Means {
    /// Where undos are written first.
    pub(crate) journal: Arc<Journal>,
    /// Pauses that meet on one process.
    pub(crate) pauses: Pauses,
    /// Names of processes that squall did not start and may hit.
    pub(crate) allowed_processes: Vec<String>,
    /// The choices of monkeys, one at a time.
    pub(crate) monkeys: Monkeys,
    /// Limits that meet on one process.
    pub(crate) limits: Limits,
    /// Seed of everything random.
    pub(crate) seed: u64,
}
