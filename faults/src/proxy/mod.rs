//! A TCP proxy per named link, with toxics on its live connections.

mod accept;
mod admission;
mod alarm;
pub(crate) mod chain;
mod connection;
pub(crate) mod counters;
mod gate;
mod limit;
mod link;
mod live;
mod meetings;
mod messages;
pub(crate) mod roster;
mod splice;
mod want;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use squall_scenario::{OnBytes, Share};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::{ProxyCounters, Terminal};
use accept::{Accepting, Wanted};
use counters::ProxyTotals;
use gate::Gate;
pub use limit::LinkLimit;
pub use live::ConnectionInfo;
use live::Connections;
use roster::{Attached, Listed, Refused, Roster};
use splice::Pipes;
pub use want::Wants;

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
    /// Whether it listens at once, taking for granted that its upstream does;
    /// otherwise from [`Proxy::follow`] on.
    pub listening: bool,
    /// How many connections it may carry.
    pub limit: LinkLimit,
}

/// How a proxy is started that dials late: [`Proxy::start_late`].
#[derive(Debug, Clone)]
pub struct LateConfig {
    /// Name of the link, for messages.
    pub name: String,
    /// Where callers connect; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where connections go: `host:port`, looked up for each of them.
    pub upstream: String,
    /// Seed of every decision toxics take on this proxy.
    pub seed: u64,
    /// How many connections it may carry.
    pub limit: LinkLimit,
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
    wanted: watch::Sender<Wanted>,
    tasks: TaskTracker,
    gate: Weak<Gate>,
}

/// A port that goes on listening while no proxy accepts there: callers wait.
#[derive(Debug)]
pub(crate) struct Port(Arc<Gate>);

/// What the tasks of a proxy share.
#[derive(Debug)]
pub(crate) struct Shared {
    name: String,
    seed: u64,
    upstream: Mutex<SocketAddr>,
    /// What is dialled instead where connections are accepted first.
    late: Option<String>,
    totals: Arc<ProxyTotals>,
    pipes: Arc<Pipes>,
    connections: Connections,
    /// The last stretch of listening in which the upstream refused.
    refused: watch::Sender<u64>,
    /// Whether it listens; `None` until its upstream was asked.
    listens: watch::Sender<Option<bool>>,
    /// Whether it ever carried as many connections as it may.
    full: watch::Sender<bool>,
    /// Its end of TLS, where it speaks that with its callers.
    tls: OnceLock<Terminal>,
    /// Whether calls over HTTP/2 are followed from the first byte of a connection.
    follows_calls: AtomicBool,
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
    /// The proxy was shut down.
    #[error("link {link}: its proxy has been shut down")]
    ShutDown {
        /// The link.
        link: String,
    },
}

/// A toxic could not be changed.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// There is none with this id.
    #[error("link {link}: no toxic called {id} is attached")]
    NotAttached {
        /// The link.
        link: String,
        /// The id.
        id: String,
    },
    /// It is of another kind.
    #[error("link {link}: {id} is {is} and cannot become {wanted}; remove it and attach another")]
    OtherKind {
        /// The link.
        link: String,
        /// The id.
        id: String,
        /// What it is: `a delay`.
        is: &'static str,
        /// What it was to become.
        wanted: &'static str,
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
    /// Binds, and listens if the configuration says so. Must be called inside a
    /// tokio runtime.
    ///
    /// From then on it listens while its upstream does: when the upstream
    /// refuses a connection the link stops listening and looks for it again.
    /// The port stays bound, so that nobody else gets it.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start(config: ProxyConfig) -> io::Result<Self> {
        Self::start_at(Gate::bind(config.listen)?, config, None)
    }

    /// Binds and listens, and dials only when a connection was accepted, as
    /// Toxiproxy does: a caller whose upstream cannot be reached within 5 s reads
    /// the end of its stream. Must be called inside a tokio runtime.
    ///
    /// It goes on listening whether its upstream does or not.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn start_late(config: LateConfig) -> io::Result<Self> {
        Self::start_late_at(Gate::bind(config.listen)?, config)
    }

    /// The same at a port that another proxy handed over.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub(crate) fn take_over(port: Port, config: LateConfig) -> io::Result<Self> {
        Self::start_late_at(port.0, config)
    }

    fn start_late_at(gate: impl Into<Arc<Gate>>, config: LateConfig) -> io::Result<Self> {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let at_once = ProxyConfig {
            name: config.name,
            listen: config.listen,
            upstream: nowhere,
            seed: config.seed,
            listening: true,
            limit: config.limit,
        };
        Self::start_at(gate, at_once, Some(config.upstream))
    }

    fn start_at(
        gate: impl Into<Arc<Gate>>,
        config: ProxyConfig,
        late: Option<String>,
    ) -> io::Result<Self> {
        let gate = gate.into();
        let address = gate.address();
        let listener = config.listening.then(|| gate.open()).transpose()?;
        let shared = Arc::new(Shared {
            name: config.name,
            seed: config.seed,
            upstream: Mutex::new(config.upstream),
            late,
            totals: Arc::default(),
            pipes: config.limit.pipes(),
            connections: Connections::default(),
            refused: watch::channel(0).0,
            listens: watch::channel(listener.as_ref().map(|_| true)).0,
            full: watch::channel(false).0,
            tls: OnceLock::new(),
            follows_calls: AtomicBool::new(false),
        });
        let (roster, watcher) = watch::channel(Roster::default());
        let (wanted, wishes) = watch::channel(Wanted::at_start(config.listening));
        let tasks = TaskTracker::new();
        let kept = Arc::downgrade(&gate);
        let accepting = Accepting {
            gate,
            shared: Arc::clone(&shared),
            roster: watcher,
            wanted: wishes,
            places: config.limit.places(),
            tasks: tasks.clone(),
            accepted: 0,
            stretch: 1,
        };
        tasks.spawn(accepting.run(listener));
        Ok(Self(Arc::new(Handle {
            address,
            shared,
            roster,
            wanted,
            tasks,
            gate: kept,
        })))
    }

    /// Name of the link.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.shared.name
    }

    /// From now on it speaks TLS with new callers. Said once; whether that was
    /// the first time.
    pub fn speak_tls(&self, terminal: Terminal) -> bool {
        self.0.shared.tls.set(terminal).is_ok()
    }

    /// Its end of TLS, where it speaks that with its callers.
    #[must_use]
    pub fn tls(&self) -> Option<&Terminal> {
        self.0.shared.tls.get()
    }

    /// Where it really listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Where new connections go; of a proxy that dials late, nowhere
    /// (`0.0.0.0:0`).
    #[must_use]
    pub fn upstream(&self) -> SocketAddr {
        self.0.shared.upstream()
    }

    /// Sends new connections somewhere else; live ones stay where they are.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        *lock(&self.0.shared.upstream) = upstream;
        // A link that waits for it looks there at once.
        self.0.wanted.send_modify(|_| {});
    }

    /// A snapshot of the live counters.
    #[must_use]
    pub fn counters(&self) -> ProxyCounters {
        let roster = self.0.roster.borrow();
        let toxics = roster.toxics.iter();
        let toxics = toxics.map(|toxic| toxic.totals.snapshot(&toxic.id));
        self.0.shared.totals.snapshot(toxics.collect())
    }

    /// Puts a toxic at the end of the chain of every live and every new
    /// connection in its share. Returns at once; [`Proxy::switched`] waits for
    /// live connections to follow.
    ///
    /// Whether the nth connection of the proxy is in the share is a hash of the
    /// proxy's seed, `id` and n, for both directions at once. The others are not
    /// touched at all.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(&self, id: &str, inject: &OnBytes, share: Share) -> Result<(), AttachError> {
        self.attach_counted(id, inject, share).map(drop)
    }

    pub(crate) fn attach_counted(
        &self,
        id: &str,
        inject: &OnBytes,
        share: Share,
    ) -> Result<Arc<Attached>, AttachError> {
        let attached = Arc::new(Attached::new(id, inject, share));
        self.list(&attached)?;
        Ok(attached)
    }

    /// Puts one on the roster of every live and every new connection.
    fn list<T: Listed>(&self, one: &Arc<T>) -> Result<(), AttachError> {
        let mut listed = Ok(());
        self.0.roster.send_if_modified(|roster| {
            listed = roster.add(one);
            listed.is_ok()
        });
        let link = || self.name().to_owned();
        listed.map_err(|refused| match refused {
            Refused::Stopped => AttachError::ShutDown { link: link() },
            Refused::Duplicate => AttachError::Duplicate {
                link: link(),
                id: one.id().to_owned(),
            },
        })
    }

    /// Takes one off that roster. Whether it was on it.
    fn take_off<T: Listed>(&self, id: &str) -> bool {
        let roster = &self.0.roster;
        roster.send_if_modified(|roster| roster.take_off::<T>(id))
    }

    /// Changes the parameters and the share of a toxic, on live connections as
    /// well. It keeps its place in the chain and its counters; what it held goes
    /// on at once, in order. With a larger share it hits whom it has hit, and
    /// more. Returns at once, as [`Proxy::attach`] does.
    ///
    /// # Errors
    /// See [`UpdateError`].
    pub fn update(&self, id: &str, inject: &OnBytes, share: Share) -> Result<(), UpdateError> {
        let link = || self.name().to_owned();
        let id = || id.to_owned();
        let mut refused = None;
        self.0.roster.send_if_modified(|roster| {
            let found = roster.toxics.iter_mut().find(|toxic| *toxic.id == *id());
            match found {
                None => {
                    refused = Some(UpdateError::NotAttached {
                        link: link(),
                        id: id(),
                    })
                }
                Some(toxic) if toxic.inject.about() != inject.about() => {
                    refused = Some(UpdateError::OtherKind {
                        link: link(),
                        id: id(),
                        is: toxic.inject.about().noun,
                        wanted: inject.about().noun,
                    });
                }
                Some(toxic) => {
                    *toxic = Arc::new(toxic.changed(inject, share));
                    roster.version += 1;
                }
            }
            refused.is_none()
        });
        refused.map_or(Ok(()), Err)
    }

    /// Takes a toxic off every connection; what it held goes on in order.
    /// Returns whether it was attached. Does not wait.
    pub fn detach(&self, id: &str) -> bool {
        self.take_off::<Attached>(id)
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

    /// The same, but its port goes on listening until it is dropped, as far as
    /// it did; `None` when the proxy was shut down before.
    pub(crate) async fn hand_over(&self) -> Option<Port> {
        let gate = self.0.gate.upgrade();
        self.shutdown().await;
        gate.map(Port)
    }
}

impl Port {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

impl Shared {
    fn upstream(&self) -> SocketAddr {
        *lock(&self.upstream)
    }

    /// Connects to the upstream. What this machine has none of for that is counted.
    async fn dial(&self) -> io::Result<TcpStream> {
        let dialled = match &self.late {
            Some(upstream) => gate::dial(upstream.as_str()).await,
            None => gate::dial(self.upstream()).await,
        };
        dialled.inspect_err(|error| self.totals.wants.count(error))
    }
}

/// Locks a mutex whose data stays valid whatever its holder did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
