//! A TCP proxy per named link, with toxics on its live connections.

pub(crate) mod chain;
pub(crate) mod counters;

use std::io;
use std::net::SocketAddr;

use squall_scenario::Inject;
use thiserror::Error;

use crate::ProxyCounters;

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
pub struct Proxy {}

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
        let _ = config;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Name of the link.
    #[must_use]
    pub fn name(&self) -> &str {
        ""
    }

    /// Where it really listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    /// Where new connections go.
    #[must_use]
    pub fn upstream(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    /// Sends new connections somewhere else; live ones stay where they are.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        let _ = upstream;
    }

    /// A snapshot of the live counters.
    #[must_use]
    pub fn counters(&self) -> ProxyCounters {
        ProxyCounters::default()
    }

    /// Puts a toxic at the end of the chain of every live and every new
    /// connection. Returns at once; [`Proxy::switched`] waits for live
    /// connections to follow.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(&self, id: &str, inject: &Inject) -> Result<(), AttachError> {
        let _ = (id, inject);
        Ok(())
    }

    /// Takes a toxic off every connection; what it held goes on in order.
    /// Returns whether it was attached. Does not wait.
    pub fn detach(&self, id: &str) -> bool {
        let _ = id;
        false
    }

    /// Waits until every live connection has taken over the current toxics, at
    /// most `within`.
    pub async fn switched(&self, within: std::time::Duration) -> Switched {
        let _ = within;
        Switched {
            live: 0,
            waiting: 0,
        }
    }

    /// Stops accepting, closes every connection and waits until all are gone.
    pub async fn shutdown(&self) {}
}
