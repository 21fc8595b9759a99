//! Which toxics a proxy has right now, as its connections see it.

use std::sync::Arc;

use squall_scenario::{OnBytes, Share};

use super::counters::ToxicTotals;
use crate::http::HttpAttached;

/// A toxic attached to a proxy.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) id: Arc<str>,
    pub(crate) inject: OnBytes,
    /// The share of connections it hits.
    pub(crate) share: Share,
    /// What it has done, over all its changes.
    pub(crate) totals: Arc<ToxicTotals>,
}

impl Attached {
    pub(crate) fn new(id: &str, inject: &OnBytes, share: Share) -> Self {
        Self {
            id: id.into(),
            inject: inject.clone(),
            share,
            totals: Arc::default(),
        }
    }

    /// The same one with other parameters.
    pub(crate) fn changed(&self, inject: &OnBytes, share: Share) -> Self {
        Self {
            id: Arc::clone(&self.id),
            inject: inject.clone(),
            share,
            totals: Arc::clone(&self.totals),
        }
    }

    /// Whether both are one toxic, changed or not; not one that was attached
    /// under the same id later.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.totals, &other.totals)
    }
}

/// The toxics of a proxy in chain order. Every change has a new version, and
/// connections say which version they have taken over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster {
    pub(crate) version: u64,
    pub(crate) toxics: Vec<Arc<Attached>>,
    /// The faults on its HTTP, in the order they were attached.
    pub(crate) http: Vec<Arc<HttpAttached>>,
    /// The proxy is shut down.
    pub(crate) stopped: bool,
}

impl Roster {
    pub(crate) fn find(&self, id: &str) -> Option<&Arc<Attached>> {
        self.toxics.iter().find(|toxic| &*toxic.id == id)
    }
}
