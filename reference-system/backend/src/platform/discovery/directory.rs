//! A client's own copy of who is where. It goes on working when discovery does not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// One instance of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instance {
    /// Its name, such as `catalog-0`.
    pub(crate) name: String,
    /// Where to call it.
    pub(crate) address: SocketAddr,
    /// The zone it stands in.
    pub(crate) zone: String,
    /// Requests it was working on when it last renewed.
    pub(crate) load: u32,
}

/// Everyone, by service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    /// Instances by service name, by instance name. A service that was there and is gone has none.
    pub(crate) services: BTreeMap<String, Vec<Instance>>,
}

impl Listing {
    /// The instances of a service, possibly none.
    pub(crate) fn instances(&self, service: &str) -> &[Instance] {
        self.services.get(service).map_or(&[], Vec::as_slice)
    }

    /// Whether a service is there or has been.
    pub(crate) fn has_seen(&self, service: &str) -> bool {
        self.services.contains_key(service)
    }
}

/// The zone of an instance: the parity of the number at the end of its name, so that two
/// instances of anything always stand in two zones.
pub(crate) fn zone_of(instance: &str) -> String {
    let digits = instance.rsplit('-').next().unwrap_or_default();
    let number: u64 = digits.parse().unwrap_or(0);
    format!("zone-{}", number % 2)
}

/// The local copy.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    listing: Mutex<Arc<Listing>>,
}

impl Directory {
    /// Takes over what discovery says. A service that had instances never loses all of them this
    /// way: a registry that has just restarted knows nobody, and old addresses beat none.
    pub(crate) fn update(&self, mut fresh: Listing) {
        let mut held = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        for (service, known) in &held.services {
            let instances = fresh.services.entry(service.clone()).or_default();
            if instances.is_empty() {
                instances.clone_from(known);
            }
        }
        // Readers compare pointers to notice a change.
        if **held != fresh {
            *held = Arc::new(fresh);
        }
    }

    /// Gives up the copy: nobody is known until discovery is heard again.
    pub(crate) fn forget(&self) {
        let mut held = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        if held
            .services
            .values()
            .any(|instances| !instances.is_empty())
        {
            let nobody = |service: &String| (service.clone(), Vec::new());
            let services = held.services.keys().map(nobody).collect();
            *held = Arc::new(Listing { services });
        }
    }

    /// The copy as it is now.
    pub(crate) fn listing(&self) -> Arc<Listing> {
        Arc::clone(&self.listing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The instances of a service, possibly none.
    pub(crate) fn instances(&self, service: &str) -> Vec<Instance> {
        self.listing().instances(service).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(names: &[&str]) -> Listing {
        let instances = names
            .iter()
            .map(|name| Instance {
                name: (*name).to_owned(),
                address: "127.0.0.1:1".parse().unwrap(),
                zone: zone_of(name),
                load: 0,
            })
            .collect();
        Listing {
            services: BTreeMap::from([("edge".to_owned(), instances)]),
        }
    }

    #[test]
    fn an_empty_registry_does_not_empty_the_copy() {
        let directory = Directory::default();
        directory.update(listing(&["edge-0", "edge-1"]));
        directory.update(Listing::default());
        assert_eq!(directory.instances("edge").len(), 2);
        directory.update(listing(&["edge-1"]));
        assert_eq!(directory.instances("edge").len(), 1, "one left is believed");
        assert!(directory.instances("origin").is_empty());
    }

    #[test]
    fn a_copy_that_is_given_up_knows_nobody_and_whom_there_was() {
        let directory = Directory::default();
        directory.update(listing(&["edge-0", "edge-1"]));
        directory.forget();
        assert!(directory.instances("edge").is_empty());
        assert!(directory.listing().has_seen("edge"));
        directory.update(listing(&["edge-1"]));
        assert_eq!(directory.instances("edge").len(), 1);
    }

    #[test]
    fn neighbours_stand_in_different_zones() {
        assert_eq!(zone_of("cache-0"), "zone-0");
        assert_eq!(zone_of("cache-1"), "zone-1");
        assert_eq!(zone_of("cache-12"), "zone-0");
        assert_eq!(zone_of("cache"), "zone-0");
    }
}
