//! What services do with the cache: look up, and write back later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;
use squall_resilience::{CallOptions, Classify, Command, Deadline};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connection::{Entry, NodeError, Pool};
use super::ring::Ring;
use super::wire::Reach;
use crate::platform::discovery::balancer::Balancer;
use crate::platform::discovery::directory::{Instance, Listing};
use crate::platform::host::Host;
use crate::service::{ServeError, ServiceKind};
use crate::stores::cache::codec::GET_KEYS_MAX;

/// How long one node may take. A cache slower than this is worse than none.
const NODE_TIMEOUT: Duration = Duration::from_millis(20);
/// Write-backs at a time; more are skipped, because a cache may forget but not hold anyone up.
const WRITES_MAX: usize = 64;

impl Classify for NodeError {}

/// The result of a lookup.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// What was found, by key.
    pub(crate) found: HashMap<String, Bytes>,
    /// Whether no node at all answered, so that nothing can be said about what was not found.
    pub(crate) outage: bool,
}

impl Lookup {
    /// A found value as JSON; a value that cannot be read counts as not found.
    pub(crate) fn json<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_slice(self.found.get(key)?).ok()
    }
}

/// Zones with their rings, made from one listing.
struct Zones {
    listing: Arc<Listing>,
    rings: Arc<Vec<Ring>>,
}

/// A client of the cache. Cloning shares it.
#[derive(Clone)]
pub(crate) struct EvCache(Arc<Inner>);

struct Inner {
    host: Arc<Host>,
    command: Command,
    pool: Pool,
    balancer: Arc<Balancer>,
    zones: Mutex<Zones>,
    writes: Arc<Semaphore>,
}

impl EvCache {
    /// A client with the command `evcache` of this instance.
    ///
    /// # Errors
    /// The service does not declare the cache as a dependency, or cannot speak TLS with it.
    pub(crate) fn new(host: &Arc<Host>) -> Result<Self, ServeError> {
        let (command, _) = host.command("evcache")?;
        let name = ServiceKind::Cache.name();
        Ok(Self(Arc::new(Inner {
            command,
            pool: Pool::new(Reach::new(host.config.cache_authority.as_deref())?),
            balancer: Balancer::new(name, Arc::clone(&host.directory)),
            zones: Mutex::new(Zones {
                listing: Arc::default(),
                rings: Arc::default(),
            }),
            writes: Arc::new(Semaphore::new(WRITES_MAX)),
            host: Arc::clone(host),
        })))
    }

    /// Looks keys up, in the own zone first and what is missing there in the others. An outage is
    /// a lookup that found nothing.
    pub(crate) async fn get(&self, keys: &[String], deadline: Deadline) -> Lookup {
        let miss = |_: &_| {
            std::future::ready(Ok(Lookup {
                outage: true,
                ..Lookup::default()
            }))
        };
        self.0
            .command
            .execute_or(CallOptions::new(deadline), |_| self.0.read(keys), miss)
            .await
            // Even the fallback was refused: too many callers are waiting to be told nothing.
            .unwrap_or(Lookup {
                outage: true,
                ..Lookup::default()
            })
    }

    /// Writes an entry to all zones some time soon, or not at all.
    pub(crate) fn set_later(&self, key: String, ttl: Duration, value: &impl Serialize) {
        self.set_all_later(vec![entry(key, ttl, value)]);
    }

    /// Writes entries to all zones some time soon, or not at all.
    pub(crate) fn set_all_later(&self, entries: Vec<Entry>) {
        let Ok(slot) = Arc::clone(&self.0.writes).try_acquire_owned() else {
            self.0.host.metrics.count("cache_writes_skipped");
            return;
        };
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let _slot = slot;
            let deadline = inner.host.own_deadline(Instant::now());
            let work = |_| inner.write(&entries);
            // A lost write is a later miss; the command has counted it.
            let _ = inner
                .command
                .execute(CallOptions::new(deadline), work)
                .await;
        });
    }
}

/// An entry holding JSON.
pub(crate) fn entry(key: String, ttl: Duration, value: &impl Serialize) -> Entry {
    Entry {
        key,
        ttl_seconds: u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX),
        // Our own messages have no maps with keys that are not text, the one thing that fails.
        value: serde_json::to_vec(value).unwrap_or_default().into(),
    }
}

impl Inner {
    async fn read(&self, keys: &[String]) -> Result<Lookup, NodeError> {
        let mut lookup = Lookup {
            outage: true,
            ..Lookup::default()
        };
        let mut failure = NodeError::BlackedOut;
        for ring in self.rings().iter() {
            let missing: Vec<&str> = keys
                .iter()
                .filter(|key| !lookup.found.contains_key(*key))
                .map(String::as_str)
                .collect();
            if missing.is_empty() {
                break;
            }
            for answer in join_all(self.reads_of(ring, &missing)).await {
                match answer {
                    Ok(values) => {
                        lookup.outage = false;
                        let texts = values.into_iter().filter_map(|(key, value)| {
                            Some((String::from_utf8(key.to_vec()).ok()?, value))
                        });
                        lookup.found.extend(texts);
                    }
                    Err(error) => failure = error,
                }
            }
        }
        self.count_hits(keys.len(), lookup.found.len());
        if lookup.outage {
            Err(failure)
        } else {
            Ok(lookup)
        }
    }

    /// One read for each node of a zone that owns some of the keys, and for each 128 of them.
    fn reads_of<'a>(
        &'a self,
        ring: &'a Ring,
        keys: &[&'a str],
    ) -> Vec<impl Future<Output = Result<Vec<(Bytes, Bytes)>, NodeError>> + use<'a>> {
        let mut reads = Vec::new();
        for (node, owned) in by_node(ring, keys, |key| key) {
            for chunk in owned.chunks(GET_KEYS_MAX) {
                let chunk = chunk.to_vec();
                reads.push(self.at(node, async move |node| self.pool.get(node, &chunk).await));
            }
        }
        reads
    }

    async fn write(&self, entries: &[Entry]) -> Result<(), NodeError> {
        let rings = self.rings();
        let entries: Vec<&Entry> = entries.iter().collect();
        let mut writes = Vec::new();
        for ring in rings.iter() {
            for (node, owned) in by_node(ring, &entries, |entry| entry.key.as_str()) {
                let pool = &self.pool;
                writes.push(self.at(node, async move |node| pool.set(node, &owned).await));
            }
        }
        // One zone is enough: the others answer with a miss until the next write.
        let mut result = Err(NodeError::BlackedOut);
        for outcome in join_all(writes).await {
            result = if result.is_ok() { result } else { outcome };
        }
        result
    }

    /// A conversation with one node: not if it is blacked out, and not for long.
    async fn at<T>(
        &self,
        node: &Instance,
        talk: impl AsyncFnOnce(std::net::SocketAddr) -> Result<T, NodeError>,
    ) -> Result<T, NodeError> {
        let pick = self
            .balancer
            .at(node.address, Instant::now())
            .ok_or(NodeError::BlackedOut)?;
        let outcome = if self.host.config.settings.timeouts.is_enabled() {
            timeout(NODE_TIMEOUT, talk(node.address))
                .await
                .unwrap_or(Err(NodeError::Timeout))
        } else {
            talk(node.address).await
        };
        match &outcome {
            Ok(_) => pick.succeeded(),
            Err(_) => pick.failed(Instant::now()),
        }
        outcome
    }

    /// The rings of all zones, the own zone first, made anew when the registry has changed.
    fn rings(&self) -> Arc<Vec<Ring>> {
        let listing = self.host.directory.listing();
        let mut zones = self.zones.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&zones.listing, &listing) {
            let nodes = self.host.directory.instances(ServiceKind::Cache.name());
            let mut names: Vec<&str> = nodes.iter().map(|node| node.zone.as_str()).collect();
            names.sort_by_key(|zone| (*zone != self.host.zone, zone.to_owned()));
            names.dedup();
            let ring = |zone: &&str| {
                Ring::new(
                    nodes
                        .iter()
                        .filter(|node| node.zone == **zone)
                        .cloned()
                        .collect(),
                )
            };
            zones.rings = Arc::new(names.iter().map(ring).collect());
            zones.listing = listing;
        }
        Arc::clone(&zones.rings)
    }

    fn count_hits(&self, asked: usize, found: usize) {
        self.host.metrics.add("cache_hits", found);
        self.host
            .metrics
            .add("cache_misses", asked.saturating_sub(found));
    }
}

/// Items by the node that owns their key.
fn by_node<'r, T: Copy>(
    ring: &'r Ring,
    items: &[T],
    key: impl Fn(&T) -> &str,
) -> Vec<(&'r Instance, Vec<T>)> {
    let mut groups: Vec<(&Instance, Vec<T>)> = Vec::new();
    for item in items {
        let Some(node) = ring.node(key(item)) else {
            continue;
        };
        match groups.iter_mut().find(|(owner, _)| owner.name == node.name) {
            Some((_, owned)) => owned.push(*item),
            None => groups.push((node, vec![*item])),
        }
    }
    groups
}
