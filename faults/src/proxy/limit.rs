//! How many connections links carry at once: each takes two descriptors, and
//! squall needs some of its own to put everything back.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that one link may carry when it is alone.
const ALONE: usize = 16_384;

/// A share of the connections that links may carry: so many for a link alone,
/// the rest for whoever comes first, so that a storm on one link leaves the
/// others theirs.
#[derive(Debug, Clone)]
pub struct LinkLimit {
    own: usize,
    common: Arc<Semaphore>,
    most: usize,
}

impl LinkLimit {
    /// For `links` links that carry `connections` together: half of them are
    /// divided, at least one for each.
    #[must_use]
    pub fn shared(links: usize, connections: usize) -> Self {
        let own = (connections / 2 / links.max(1)).max(1);
        let common = connections.saturating_sub(own * links);
        Self {
            own,
            common: Arc::new(Semaphore::new(common.min(Semaphore::MAX_PERMITS))),
            most: own + common,
        }
    }

    /// Connections that the link may carry at once, if no other needs them.
    #[must_use]
    pub const fn most(&self) -> usize {
        self.most
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
        assert_eq!((storm.len(), limit.most()), (14, 14));
        let calm: Vec<_> = std::iter::from_fn(|| second.take()).collect();
        assert_eq!(calm.len(), 3);
        drop(storm);
        let after: Vec<_> = std::iter::from_fn(|| third.take()).collect();
        assert_eq!(after.len(), 14);
        assert!(LinkLimit::shared(8, 0).places().take().is_some());
    }
}
