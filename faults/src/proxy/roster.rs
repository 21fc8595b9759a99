//! Which toxics a proxy has right now, as its connections see it.

use std::sync::Arc;

use squall_scenario::OnBytes;

use super::counters::ToxicTotals;

/// A toxic attached to a proxy.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) id: Arc<str>,
    pub(crate) inject: OnBytes,
    pub(crate) totals: Arc<ToxicTotals>,
}

/// The toxics of a proxy in chain order. Every change has a new version, and
/// connections say which version they have taken over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster {
    pub(crate) version: u64,
    pub(crate) toxics: Vec<Arc<Attached>>,
    /// The proxy is shut down.
    pub(crate) stopped: bool,
}

impl Roster {
    pub(crate) fn find(&self, id: &str) -> Option<&Arc<Attached>> {
        self.toxics.iter().find(|toxic| &*toxic.id == id)
    }
}
