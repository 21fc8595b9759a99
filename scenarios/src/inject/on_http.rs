//! What is done to the messages of a link.

use serde::{Deserialize, Serialize};

use super::http::{self, Http, HttpDone};
use super::kind::Kind;
use super::{About, Inject};

/// What is done to the HTTP of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnHttp {
    /// See [`Http`].
    Http(Http),
}

impl OnHttp {
    /// Every kind, in the order they are listed.
    pub const KINDS: &[&About] = &[&http::ABOUT];

    /// What there is to know about it.
    #[must_use]
    pub const fn about(&self) -> &'static About {
        match self {
            Self::Http(_) => &http::ABOUT,
        }
    }

    pub(super) fn kind(&self) -> &dyn Kind {
        match self {
            Self::Http(http) => http,
        }
    }

    /// What it did, in words.
    #[must_use]
    pub fn effect(&self, done: &HttpDone) -> String {
        match self {
            Self::Http(http) => http.effect(done),
        }
    }
}

impl Inject {
    /// Whether it is about calls over HTTP/2, which links have to follow from the
    /// first byte of a connection on.
    #[must_use]
    pub const fn is_on_calls(&self) -> bool {
        match self {
            Self::Http(OnHttp::Http(http)) => http.action.on_calls().is_some(),
            Self::Bytes(_)
            | Self::Tls(_)
            | Self::Process(_)
            | Self::Resource(_)
            | Self::InProcess(_)
            | Self::Network(_) => false,
        }
    }
}

impl From<Http> for Inject {
    fn from(http: Http) -> Self {
        Self::Http(OnHttp::Http(http))
    }
}
