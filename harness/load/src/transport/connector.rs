//! Where connections are made to, and how.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use squall_scenario::HttpVersion;
use tokio::sync::watch;

use super::tls::Tls;

/// One end that connections are made to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// An address and a port.
    Ip(SocketAddr),
    /// A unix socket.
    Unix(Arc<Path>),
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Where one of a target's names leads by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leads {
    /// To these, which take turns.
    To(Vec<Endpoint>),
    /// Nowhere; why, in words.
    Nowhere(String),
}

/// How connections to one target are made. A clone of it makes them likewise.
#[derive(Debug, Clone)]
pub struct Connector {
    /// One after the other takes an exchange.
    pub endpoints: Vec<Endpoint>,
    /// Where its names lead, of which the endpoints are made, if that may change. New
    /// connections follow within a tenth of a second; those that are kept stay in use.
    pub leads: Option<watch::Receiver<Vec<Leads>>>,
    /// How TLS is spoken, where it is.
    pub tls: Option<Tls>,
    /// The version of HTTP that is spoken.
    pub http: HttpVersion,
    /// Whether a connection carries one request only.
    pub per_request: bool,
}

impl Connector {
    /// Connections to `addresses` that are kept, without TLS.
    #[must_use]
    pub fn plain(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            endpoints: addresses.into_iter().map(Endpoint::Ip).collect(),
            leads: None,
            tls: None,
            http: HttpVersion::One,
            per_request: false,
        }
    }
}
