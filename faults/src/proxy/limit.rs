//! How many connections links carry at once, and how many pipes they splice
//! through: each takes two descriptors, and squall needs some of its own to put
//! everything back.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::splice::Pipes;

/// Connections that one link may carry when it is alone.
const ALONE: usize = 16_384;
/// Pipes that links have together; more would only help as many connections
/// that all carry much to readers that are slow.
const PIPES_MAX: usize = 256;

/// A share of the connections that links may carry: so many for a link alone,
/// the rest for whoever comes first, so that a storm on one link leaves the
/// others theirs.
#[derive(Debug, Clone)]
pub struct LinkLimit {
    own: usize,
    common: Arc<Semaphore>,
    most: usize,
    pipes: Arc<Pipes>,
}

impl LinkLimit {
    /// For `links` links that carry `connections` together, less an eighth, at
    /// most 256, for pipes: half of them are divided, at least one for each.
    #[must_use]
    pub fn shared(links: usize, connections: usize) -> Self {
        let pipes = (connections / 8).min(PIPES_MAX);
        let connections = connections - pipes;
        let own = (connections / 2 / links.max(1)).max(1);
        let common = connections.saturating_sub(own * links);
        Self {
            own,
            common: Arc::new(Semaphore::new(common.min(Semaphore::MAX_PERMITS))),
            most: own + common,
            pipes: Arc::new(Pipes::new(pipes)),
        }
    }

    /// Connections that the link may carry at once, if no other needs them.
    #[must_use]
    pub const fn most(&self) -> usize {
        self.most
    }

    /// The same without pipes: everything is copied, also what nothing is
    /// attached to.
    #[must_use]
    pub fn copying(self) -> Self {
        Self {
            pipes: Arc::default(),
            ..self
        }
    }

    /// The pipes of all links.
    pub(super) fn pipes(&self) -> Arc<Pipes> {
        Arc::clone(&self.pipes)
    }

    /// The places of one link.
    pub(super) fn places(&self) -> Places {
        Places {
            own: Arc::new(Semaphore::new(self.own)),
            common: Arc::clone(&self.common),
        }
    }
}

impl Default for LinkLimit {
    fn default() -> Self {
        Self::shared(1, ALONE)
    }
}

/// Where the connections of one link find a place.
#[derive(Debug)]
pub(super) struct Places {
    own: Arc<Semaphore>,
    common: Arc<Semaphore>,
}

impl Places {
    /// A place, if there is one now. It is free again when it is dropped.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        let own = Arc::clone(&self.own).try_acquire_owned();
        let common = || Arc::clone(&self.common).try_acquire_owned();
        own.or_else(|_| common()).ok()
    }

    /// Waits for a place; `None` never, as nobody closes them.
    pub(super) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            own = Arc::clone(&self.own).acquire_owned() => own.ok(),
            common = Arc::clone(&self.common).acquire_owned() => common.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_on_one_link_leaves_the_others_their_share() {
        let limit = LinkLimit::shared(3, 20);
        let [first, second, third] = [limit.places(), limit.places(), limit.places()];
        let storm: Vec<_> = std::iter::from_fn(|| first.take()).collect();
        assert_eq!((storm.len(), limit.most()), (12, 12));
        let calm: Vec<_> = std::iter::from_fn(|| second.take()).collect();
        assert_eq!(calm.len(), 3);
        drop(storm);
        let after: Vec<_> = std::iter::from_fn(|| third.take()).collect();
        assert_eq!(after.len(), 12);
        assert!(LinkLimit::shared(8, 0).places().take().is_some());
    }
}
