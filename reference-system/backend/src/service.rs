//! Which services there are, how one is configured, and how one is run.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::platform::discovery::place::Place;
use crate::settings::{Settings, edit_distance};

/// The services of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKind {
    /// Composes pages and starts playback; the only one users call.
    Gateway,
    /// Personal rows for a profile.
    Recommendations,
    /// Title metadata and licensing countries.
    Catalog,
    /// Manifests, DRM licences, bookmarks.
    Playback,
    /// Accounts, profiles, preferences, sessions.
    User,
    /// A CDN appliance that caches video segments.
    Edge,
    /// The object store the segments come from.
    Origin,
    /// An EVCache node.
    Cache,
    /// The wide-column store.
    Store,
    /// The registry of who is where.
    Discovery,
}

impl ServiceKind {
    /// Every service, users first.
    pub const ALL: [Self; 10] = [
        Self::Gateway,
        Self::Recommendations,
        Self::Catalog,
        Self::Playback,
        Self::User,
        Self::Edge,
        Self::Origin,
        Self::Cache,
        Self::Store,
        Self::Discovery,
    ];

    /// The name on the command line and in discovery.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Recommendations => "recommendations",
            Self::Catalog => "catalog",
            Self::Playback => "playback",
            Self::User => "user",
            Self::Edge => "edge",
            Self::Origin => "origin",
            Self::Cache => "cache",
            Self::Store => "store",
            Self::Discovery => "discovery",
        }
    }
}

impl fmt::Display for ServiceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ServiceKind {
    type Err = UnknownService;

    fn from_str(text: &str) -> Result<Self, UnknownService> {
        let by_distance = |kind: &Self| edit_distance(text, kind.name());
        let nearest = Self::ALL.into_iter().min_by_key(by_distance);
        match nearest {
            Some(kind) if kind.name() == text => Ok(kind),
            _ => Err(UnknownService {
                name: text.to_owned(),
                nearest: nearest.filter(|kind| by_distance(kind) <= 2),
            }),
        }
    }
}

/// There is no service of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownService {
    /// What was written.
    pub name: String,
    /// The service that was probably meant.
    pub nearest: Option<ServiceKind>,
}

impl fmt::Display for UnknownService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown service `{}`", self.name)?;
        if let Some(kind) = self.nearest {
            write!(f, ", did you mean `{kind}`?")?;
        }
        let names = ServiceKind::ALL.map(ServiceKind::name).join(", ");
        write!(f, "; the services are {names}")
    }
}

impl std::error::Error for UnknownService {}

/// Everything one instance needs to know.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// Which service it is.
    pub kind: ServiceKind,
    /// Its name, such as `catalog-0`. The number at the end decides its zone.
    pub instance: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The address it registers in discovery. A proxy may stand in front of it, so this can differ
    /// from where it listens.
    pub advertise: SocketAddr,
    /// Where discovery is; none for discovery itself or for an instance alone.
    pub discovery: Option<Place>,
    /// Where the store keeps its tables, and where the instances of the user service share theirs.
    /// Others keep nothing.
    pub data_dir: PathBuf,
    /// Where the generated dataset is kept between runs.
    pub cache_dir: PathBuf,
    /// Who signs the certificates of cache nodes, a file in PEM; without it they are spoken
    /// with in the clear.
    pub cache_authority: Option<PathBuf>,
    /// Seed of all generated data and of the signing keys; the same for the whole backend.
    pub seed: u64,
    /// What the operator changed.
    pub settings: Settings,
}

/// Why a service could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data directory or the dataset cannot be used.
    #[error("cannot open the data in {path}: {reason}")]
    Data {
        /// The directory.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// A client or a command could not be set up.
    #[error("cannot set up {what}: {reason}")]
    Setup {
        /// What it was for.
        what: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// Serving failed.
    #[error("serving failed: {0}")]
    Serve(#[from] std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for kind in ServiceKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
    }

    #[test]
    fn a_misspelt_service_is_answered_with_the_nearest() {
        let error = "catalogue".parse::<ServiceKind>().unwrap_err();
        assert!(
            error.to_string().contains("did you mean `catalog`?"),
            "{error}"
        );
        let error = "x".parse::<ServiceKind>().unwrap_err();
        assert!(!error.to_string().contains("did you mean"), "{error}");
    }
}
