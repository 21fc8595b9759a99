//! A TCP proxy per named link, with toxics on its live connections.

pub(crate) mod chain;
mod connection;
pub(crate) mod counters;
mod link;
pub(crate) mod roster;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use squall_scenario::Inject;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use crate::ProxyCounters;
use connection::Connection;
use counters::{ProxyTotals, add, get};
use roster::{Attached, Roster};

/// Connections waiting to be accepted; the kernel caps it at `somaxconn`.
const BACKLOG: u32 = 1024;
/// Connections carried at once; further ones are reset, and counted.
const OPEN_MAX: u64 = 16_384;
/// Pause after a failed accept: with no file descriptor left, trying again at
/// once would only burn a core.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// How a proxy is started.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// Name of the link, for messages.
    pub name: String,
    /// Where callers connect; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where connections go.
    pub upstream: SocketAddr,
    /// Seed of every decision toxics take on this proxy.
    pub seed: u64,
}

/// A running proxy; a cheap handle that can be cloned. It stops when
/// [`Proxy::shutdown`] is called or the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Proxy(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Dropping it stops every task of the proxy.
    roster: watch::Sender<Roster>,
    tasks: TaskTracker,
}

/// What the tasks of a proxy share.
#[derive(Debug)]
pub(crate) struct Shared {
    name: String,
    seed: u64,
    upstream: Mutex<SocketAddr>,
    totals: Arc<ProxyTotals>,
    /// The roster version each live connection has taken over.
    live: Mutex<HashMap<u64, Arc<AtomicU64>>>,
    /// Told whenever a connection took over a version or ended.
    followed: Notify,
}

/// A toxic could not be attached.
#[derive(Debug, Error)]
pub enum AttachError {
    /// The id is taken.
    #[error("link {link}: a toxic called {id} is attached already; remove it first")]
    Duplicate {
        /// The link.
        link: String,
        /// The id.
        id: String,
    },
    /// The fault does not act on bytes.
    #[error("`{keyword}` acts on processes, not on the bytes of link {link}")]
    NotAToxic {
        /// The link.
        link: String,
        /// The fault's keyword.
        keyword: &'static str,
    },
    /// The proxy was shut down.
    #[error("link {link}: its proxy has been shut down")]
    ShutDown {
        /// The link.
        link: String,
    },
}

/// How far the live connections of a proxy followed a change of its toxics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switched {
    /// Live connections.
    pub live: usize,
    /// Live connections that have not followed yet.
    pub waiting: usize,
}

impl Proxy {
    /// Binds and starts accepting at once. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start(config: ProxyConfig) -> io::Result<Self> {
        let listener = bind(config.listen)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            name: config.name,
            seed: config.seed,
            upstream: Mutex::new(config.upstream),
            totals: Arc::default(),
            live: Mutex::default(),
            followed: Notify::new(),
        });
        let (roster, watcher) = watch::channel(Roster::default());
        let tasks = TaskTracker::new();
        let accepting = accept_all(listener, Arc::clone(&shared), watcher, tasks.clone());
        tasks.spawn(accepting);
        Ok(Self(Arc::new(Handle {
            address,
            shared,
            roster,
            tasks,
        })))
    }

    /// Name of the link.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.shared.name
    }

    /// Where it really listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Where new connections go.
    #[must_use]
    pub fn upstream(&self) -> SocketAddr {
        self.0.shared.upstream()
    }

    /// Sends new connections somewhere else; live ones stay where they are.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        *lock(&self.0.shared.upstream) = upstream;
    }

    /// A snapshot of the live counters.
    #[must_use]
    pub fn counters(&self) -> ProxyCounters {
        let live = lock(&self.0.shared.live).len() as u64;
        let roster = self.0.roster.borrow();
        let toxics = roster.toxics.iter();
        let toxics = toxics.map(|toxic| toxic.totals.snapshot(&toxic.id, live));
        self.0.shared.totals.snapshot(toxics.collect())
    }

    /// Puts a toxic at the end of the chain of every live and every new
    /// connection. Returns at once; [`Proxy::switched`] waits for live
    /// connections to follow.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(&self, id: &str, inject: &Inject) -> Result<(), AttachError> {
        self.attach_counted(id, inject).map(drop)
    }

    pub(crate) fn attach_counted(
        &self,
        id: &str,
        inject: &Inject,
    ) -> Result<Arc<Attached>, AttachError> {
        let link = || self.name().to_owned();
        if !inject.acts_on_bytes() {
            return Err(AttachError::NotAToxic {
                link: link(),
                keyword: inject.keyword(),
            });
        }
        let attached = Arc::new(Attached {
            id: id.into(),
            inject: inject.clone(),
            totals: Arc::default(),
        });
        let mut refused = None;
        self.0.roster.send_if_modified(|roster| {
            if roster.stopped {
                refused = Some(AttachError::ShutDown { link: link() });
            } else if roster.find(id).is_some() {
                refused = Some(AttachError::Duplicate {
                    link: link(),
                    id: id.to_owned(),
                });
            } else {
                roster.version += 1;
                roster.toxics.push(Arc::clone(&attached));
            }
            refused.is_none()
        });
        refused.map_or(Ok(attached), Err)
    }

    /// Takes a toxic off every connection; what it held goes on in order.
    /// Returns whether it was attached. Does not wait.
    pub fn detach(&self, id: &str) -> bool {
        self.0.roster.send_if_modified(|roster| {
            let before = roster.toxics.len();
            roster.toxics.retain(|toxic| &*toxic.id != id);
            let found = roster.toxics.len() < before;
            roster.version += u64::from(found);
            found
        })
    }

    /// Waits until every live connection has taken over the current toxics, at
    /// most `within`. A connection whose peer does not read follows as well:
    /// what a toxic held then waits to be written.
    pub async fn switched(&self, within: Duration) -> Switched {
        let version = self.0.roster.borrow().version;
        let all_followed = async {
            loop {
                let mut followed = std::pin::pin!(self.0.shared.followed.notified());
                followed.as_mut().enable();
                if self.0.shared.switched(version).waiting == 0 {
                    break;
                }
                followed.await;
            }
        };
        // Whether time ran out is seen in the count below.
        let _ = tokio::time::timeout(within, all_followed).await;
        self.0.shared.switched(version)
    }

    /// Stops accepting, closes every connection and waits until all are gone.
    pub async fn shutdown(&self) {
        self.0.roster.send_modify(|roster| {
            roster.version += 1;
            roster.stopped = true;
        });
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Shared {
    fn upstream(&self) -> SocketAddr {
        *lock(&self.upstream)
    }

    fn register(&self, nth: u64) -> Arc<AtomicU64> {
        // No roster has this version: until the connection has looked, it
        // counts as one that has not followed.
        let seen = Arc::new(AtomicU64::new(u64::MAX));
        lock(&self.live).insert(nth, Arc::clone(&seen));
        seen
    }

    fn unregister(&self, nth: u64) {
        lock(&self.live).remove(&nth);
        self.followed.notify_waiters();
    }

    fn switched(&self, version: u64) -> Switched {
        let live = lock(&self.live);
        let followed = |seen: &AtomicU64| {
            let seen = seen.load(Ordering::Acquire);
            seen != u64::MAX && seen >= version
        };
        Switched {
            live: live.len(),
            waiting: live.values().filter(|seen| !followed(seen)).count(),
        }
    }
}

fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = if listen.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restarted proxy gets its address back while old connections linger.
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(BACKLOG)
}

async fn accept_all(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut roster: watch::Receiver<Roster>,
    tasks: TaskTracker,
) {
    let mut nth = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = roster.wait_for(|roster| roster.stopped) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((client, _)) => {
                admit(client, nth, &shared, &roster, &tasks);
                nth += 1;
            }
            Err(error) => {
                tracing::warn!(link = shared.name, %error, "accept failed");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Starts serving a connection on a task of its own, so that accepting never
/// waits for a dial.
fn admit(
    client: TcpStream,
    nth: u64,
    shared: &Arc<Shared>,
    roster: &watch::Receiver<Roster>,
    tasks: &TaskTracker,
) {
    add(&shared.totals.accepted, 1);
    if get(&shared.totals.open) >= OPEN_MAX {
        add(&shared.totals.over_limit, 1);
        return connection::reset(&client);
    }
    add(&shared.totals.open, 1);
    let connection = Connection {
        shared: Arc::clone(shared),
        nth,
        roster: roster.clone(),
    };
    let shared = Arc::clone(shared);
    tasks.spawn(async move {
        connection.serve(client).await;
        shared.totals.open.fetch_sub(1, Ordering::Relaxed);
    });
}

/// Locks a mutex whose data stays valid whatever its holder did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
