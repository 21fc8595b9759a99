//! How clients reach the target.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::body_file::BodyFile;

/// How the connections of a load are made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Connecting {
    /// The version of HTTP that clients speak.
    #[serde(default, skip_serializing_if = "HttpVersion::is_one")]
    pub http: HttpVersion,
    /// Whether every request has a connection of its own, closed after its answer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub per_request: bool,
    /// Where connections are made to instead of where the target's name leads, in
    /// turn; empty for where it leads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<ConnectTo>,
    /// How clients speak TLS, where the target is `https://`.
    #[serde(default, skip_serializing_if = "ClientTls::is_default")]
    pub tls: ClientTls,
}

impl Connecting {
    /// Whether nothing is said of it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum HttpVersion {
    /// HTTP/1.1: one request at a time on a connection.
    #[default]
    One,
    /// HTTP/2: many at a time; by ALPN over TLS, by prior knowledge without.
    Two,
}

impl HttpVersion {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_one(&self) -> bool {
        *self == Self::One
    }
}

/// A place to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectTo {
    /// A host and a port.
    Tcp {
        /// A name or an address, an IPv6 address without its brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// The path of a unix socket.
    Unix(String),
}

impl fmt::Display for ConnectTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// How clients speak TLS.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClientTls {
    /// Certificates of those who are trusted, in PEM; the system's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<BodyFile>,
    /// What clients show of themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shows: Option<ClientIdentity>,
    /// Whether anybody's certificate will do.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insecure: bool,
    /// The name that is asked for and has to be proven; that of the target where
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

impl ClientTls {
    /// Whether nothing is said of it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A client's certificate and the key to it, both in PEM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientIdentity {
    /// Its certificate, then those that vouch for it.
    pub certificate: BodyFile,
    /// Its private key, which is not recorded.
    pub key: BodyFile,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
