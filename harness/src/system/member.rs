//! What a fault can act on.

use std::net::SocketAddr;
use std::sync::Arc;

use squall_faults::existing::{self, Found, NotFound};
use squall_faults::{Proxy, Resolver};
use squall_scenario::Existing;

use super::instance::Instance;

/// Something a fault can act on.
#[derive(Debug, Clone)]
pub enum Member {
    /// A process, or its inbound link.
    Instance(Arc<Instance>),
    /// A process that squall did not start.
    Existing(Existing),
    /// A named link.
    Link(Proxy),
    /// A name that processes look up.
    Name {
        /// The name.
        name: String,
        /// Who answers for it.
        resolver: Resolver,
    },
}

impl Member {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Instance(instance) => &instance.name,
            Self::Existing(existing) => &existing.name,
            Self::Link(proxy) => proxy.name(),
            Self::Name { name, .. } => name,
        }
    }

    /// Where callers connect to it; what has no port of its own has no such place.
    #[must_use]
    pub fn callers_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Instance(instance) => Some(instance.callers_address()),
            Self::Link(proxy) => Some(proxy.address()),
            Self::Existing(_) | Self::Name { .. } => None,
        }
    }

    /// The proxy a fault on bytes acts on.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        match self {
            Self::Instance(instance) => instance.proxy.as_ref(),
            Self::Existing(_) => None,
            Self::Link(proxy) => Some(proxy),
            Self::Name { .. } => None,
        }
    }
}

/// Who is meant by something that squall did not start, now.
pub(crate) async fn find(existing: &Existing) -> Result<Vec<Found>, NotFound> {
    let wanted = existing.find.clone();
    let found = tokio::task::spawn_blocking(move || existing::find(&wanted)).await;
    found.unwrap_or_else(|error| Err(NotFound::Unseen(error.to_string())))
}
