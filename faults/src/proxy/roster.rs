//! Which toxics a proxy has right now, as its connections see it.

use std::sync::Arc;

use squall_scenario::{OnBytes, Share};

use super::counters::ToxicTotals;
use crate::decisions::Teller;
use crate::doors::{Admits, door};
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

    /// Whether the link does not listen because of it.
    pub(crate) fn refuses(&self) -> bool {
        door(&self.inject).is_some_and(Admits::refuses)
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
    /// Who tells of decisions by chance.
    pub(crate) teller: Teller,
    /// The proxy is shut down.
    pub(crate) stopped: bool,
}

/// What a roster lists, each under an id of its own among its kind.
pub(crate) trait Listed: Sized {
    fn id(&self) -> &str;
    fn list(roster: &mut Roster) -> &mut Vec<Arc<Self>>;
}

impl Listed for Attached {
    fn id(&self) -> &str {
        &self.id
    }

    fn list(roster: &mut Roster) -> &mut Vec<Arc<Self>> {
        &mut roster.toxics
    }
}

impl Listed for HttpAttached {
    fn id(&self) -> &str {
        &self.id
    }

    fn list(roster: &mut Roster) -> &mut Vec<Arc<Self>> {
        &mut roster.http
    }
}

/// Why a roster does not take one more.
pub(crate) enum Refused {
    /// The id is taken.
    Duplicate,
    /// The proxy is shut down.
    Stopped,
}

impl Roster {
    /// Lists one more, behind the others of its kind.
    pub(crate) fn add<T: Listed>(&mut self, one: &Arc<T>) -> Result<(), Refused> {
        if self.stopped {
            return Err(Refused::Stopped);
        }
        let list = T::list(self);
        if list.iter().any(|known| known.id() == one.id()) {
            return Err(Refused::Duplicate);
        }
        list.push(Arc::clone(one));
        self.version += 1;
        Ok(())
    }

    /// Takes one off. Whether it was listed.
    pub(crate) fn take_off<T: Listed>(&mut self, id: &str) -> bool {
        let list = T::list(self);
        let before = list.len();
        list.retain(|one| one.id() != id);
        let found = list.len() < before;
        self.version += u64::from(found);
        found
    }

    /// The toxics because of which the link does not listen.
    pub(crate) fn refusing(&self) -> impl Iterator<Item = &Arc<Attached>> {
        self.toxics.iter().filter(|toxic| toxic.refuses())
    }

    /// Whether the link may not listen.
    pub(crate) fn refuses(&self) -> bool {
        self.refusing().next().is_some()
    }
}
