//! The live connections of a proxy: who they are, how far they followed its
//! toxics, and how one is ended by hand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::counters::get;
use super::{Proxy, Switched, lock};
use crate::Decisions;
use crate::decisions::Teller;

/// A live connection of a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionInfo {
    /// Which one of the proxy's, from 0: the nth that it accepted.
    pub id: u64,
    /// Who called; absent where the kernel does not know any more.
    pub peer: Option<SocketAddr>,
    /// Since when, counted back from now, in milliseconds.
    pub open_for_ms: u64,
    /// Bytes written to the target.
    pub bytes_to: u64,
    /// Bytes written to the caller.
    pub bytes_from: u64,
    /// Ids of the toxics that hit it, in chain order.
    pub toxics: Vec<String>,
}

/// What the task of a connection shares with its proxy.
#[derive(Debug)]
pub(super) struct Live {
    peer: Option<SocketAddr>,
    since: Instant,
    /// The roster version that it has taken over; none has the highest.
    seen: AtomicU64,
    written: Written,
    toxics: Mutex<Vec<Arc<str>>>,
    /// Told when it is to end.
    pub(super) killed: Notify,
}

/// Bytes written on one connection, to the target and to the caller.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    pub(super) to: Arc<AtomicU64>,
    pub(super) from: Arc<AtomicU64>,
}

impl Live {
    pub(super) fn new(peer: Option<SocketAddr>, written: Written) -> Self {
        Self {
            peer,
            since: Instant::now(),
            // Until the connection has looked, it counts as one that has not
            // followed.
            seen: AtomicU64::new(u64::MAX),
            written,
            toxics: Mutex::default(),
            killed: Notify::new(),
        }
    }

    fn followed(&self, version: u64) -> bool {
        let seen = self.seen.load(Ordering::Acquire);
        seen != u64::MAX && seen >= version
    }

    fn info(&self, id: u64, now: Instant) -> ConnectionInfo {
        ConnectionInfo {
            id,
            peer: self.peer,
            open_for_ms: now.saturating_duration_since(self.since).as_millis() as u64,
            bytes_to: get(&self.written.to),
            bytes_from: get(&self.written.from),
            toxics: lock(&self.toxics).iter().map(|id| id.to_string()).collect(),
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Connections {
    live: Mutex<BTreeMap<u64, Arc<Live>>>,
    /// Told whenever a connection took over a version or ended.
    pub(super) followed: Notify,
}

impl Connections {
    pub(super) fn register(&self, nth: u64, live: &Arc<Live>) {
        lock(&self.live).insert(nth, Arc::clone(live));
    }

    pub(super) fn unregister(&self, nth: u64) {
        lock(&self.live).remove(&nth);
        self.followed.notify_waiters();
    }

    /// A connection has taken over a version, with these toxics on it.
    pub(super) fn follow(&self, live: &Live, version: u64, toxics: Vec<Arc<str>>) {
        *lock(&live.toxics) = toxics;
        live.seen.store(version, Ordering::Release);
        self.followed.notify_waiters();
    }

    pub(super) fn switched(&self, version: u64) -> Switched {
        let live = lock(&self.live);
        let waiting = live.values().filter(|live| !live.followed(version));
        Switched {
            live: live.len(),
            waiting: waiting.count(),
        }
    }

    pub(super) fn list(&self) -> Vec<ConnectionInfo> {
        let now = Instant::now();
        let live = lock(&self.live);
        live.iter().map(|(id, live)| live.info(*id, now)).collect()
    }

    pub(super) fn kill(&self, id: u64) -> bool {
        let live = lock(&self.live).get(&id).cloned();
        if let Some(live) = &live {
            live.killed.notify_one();
        }
        live.is_some()
    }
}

impl Proxy {
    /// From now on whom shares of its faults hit is written there.
    pub fn log_decisions(&self, decisions: &Decisions) {
        let teller = Teller::of(self.name(), decisions);
        self.0.roster.send_modify(|roster| roster.teller = teller);
    }

    /// Waits until every live connection has taken over the current toxics, at
    /// most `within`. A connection whose peer does not read follows as well:
    /// what a toxic held then waits to be written.
    pub async fn switched(&self, within: Duration) -> Switched {
        let version = self.0.roster.borrow().version;
        let connections = &self.0.shared.connections;
        let all_followed = async {
            loop {
                let mut followed = std::pin::pin!(connections.followed.notified());
                followed.as_mut().enable();
                if connections.switched(version).waiting == 0 {
                    break;
                }
                followed.await;
            }
        };
        // Whether time ran out is seen in the count below.
        let _ = tokio::time::timeout(within, all_followed).await;
        connections.switched(version)
    }

    /// Its live connections, in the order in which they were accepted; those
    /// that are being dialled are none yet.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.0.shared.connections.list()
    }

    /// Resets a live connection, both its sides; whether there was one with this
    /// id. Does not wait.
    #[must_use]
    pub fn kill(&self, id: u64) -> bool {
        self.0.shared.connections.kill(id)
    }
}
