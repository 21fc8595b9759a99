//! Where one direction of a connection stands: in a head, in a body, or beyond
//! what can be followed.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::body::Body;
use super::head::Read;

/// Longest head that is followed.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Up to here every read of a head that is not complete is looked at; beyond,
/// looking again and again would cost more than carrying.
const EVERY_READ_BYTES: usize = 256;
/// How long the beginning of a head is held back before it is taken for none: a
/// conversation that is not HTTP must not wait for ever.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// What the next byte is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum At {
    Head,
    Body(Body),
    /// Bytes pass, whatever they are.
    Through,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) at: At,
    /// The beginning of a head, held back.
    part: BytesMut,
    /// At which length it is looked at again.
    look_at: usize,
    /// Since when it is held back.
    since: Option<Instant>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            at: At::Head,
            part: BytesMut::new(),
            look_at: 0,
            since: None,
        }
    }
}

impl Reader {
    /// Takes bytes of a head. A whole head comes with what is behind it; in any
    /// other case they are kept.
    pub(super) fn head(
        &mut self,
        bytes: &Bytes,
        read: fn(&[u8]) -> Read,
        now: Instant,
    ) -> (Read, Bytes) {
        self.since.get_or_insert(now);
        // A line end may have been split between two reads.
        let from = self.part.len().saturating_sub(2);
        self.part.extend_from_slice(bytes);
        let ends = self.part[from..].windows(2).any(|two| two == b"\n\n")
            || self.part[from..].windows(3).any(|three| three == b"\n\r\n");
        if !ends && self.part.len() < self.look_at {
            return (Read::Part, Bytes::new());
        }
        self.look_at = match self.part.len() {
            length if length < EVERY_READ_BYTES => 0,
            length => length * 2,
        };
        match read(&self.part) {
            Read::Whole(head) => {
                let rest = self.part.split_off(head.raw.len()).freeze();
                self.forget();
                (Read::Whole(head), rest)
            }
            Read::Part if self.part.len() > HEAD_BYTES_MAX => (Read::Other, Bytes::new()),
            other => (other, Bytes::new()),
        }
    }

    /// Gives what was held back of a head.
    pub(super) fn flush(&mut self) -> Bytes {
        let part = self.part.split().freeze();
        self.forget();
        part
    }

    fn forget(&mut self) {
        self.part.clear();
        self.look_at = 0;
        self.since = None;
    }

    /// Whether it stands between two messages.
    pub(super) fn is_between(&self) -> bool {
        self.at == At::Head && self.part.is_empty()
    }

    /// When what is held back is taken for no head.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + HEAD_WITHIN)
    }
}
