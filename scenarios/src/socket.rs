//! WebSockets: what is said on one, and how it is closed.

use serde::{Deserialize, Serialize};

use crate::stay::Stay;
use crate::template::Template;

/// Codes by which a socket is closed where all went well (RFC 6455, §7.4.1): it has done
/// its part, somebody goes away, or nothing was said.
pub const CLOSED_WELL: [u16; 3] = [1000, 1001, 1005];

/// What is said on a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket {
    /// Messages that are sent as text when it is open, one after the other.
    pub messages: Vec<Template>,
    /// How long its client stays.
    pub stay: Stay,
}

/// What a code means by which a socket is closed: its number, and its name where it has
/// one (RFC 6455, §7.4.1, and the registry of IANA).
#[must_use]
pub fn close_code_name(code: u16) -> String {
    let name = match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no code",
        1007 => "invalid payload",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "mandatory extension",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        _ => return code.to_string(),
    };
    format!("{code} ({name})")
}
