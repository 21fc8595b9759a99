//! A request for a WebSocket: the upgrade with its key, and what is said when it is open
//! (RFC 6455, §4.1). Keys and masks are drawn from the seed, by the arrival's number.

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use squall_scenario::base64::encode_tail;
use squall_scenario::seed::nth;
use squall_scenario::{Request, RequestText, Socket, Stay};

use super::CompiledRequests;
use super::slotted::{Drawn, Slotted, Sources};
use crate::answer::{Opcode, Talk, write_frame};
use crate::journey::Carried;

/// What every request for a socket says of itself, as fields of its head.
pub(super) const FIELDS: &str =
    "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n";
/// What a key is hashed with (RFC 6455, §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request for a socket, and what is said on it.
#[derive(Debug)]
pub(super) struct Upgrade {
    /// A head up to its last field, the key.
    head: Slotted,
    messages: Vec<Slotted>,
    /// What it offers in `sec-websocket-protocol`.
    protocols: Slotted,
    stay: Stay,
    /// Of this route's keys and masks.
    seed: u64,
}

impl CompiledRequests {
    /// What arrival `number` says on the socket that a route opens, if it opens one.
    pub(crate) fn talk(
        &self,
        route: usize,
        number: u64,
        carried: Option<&Carried>,
    ) -> Option<Talk> {
        self.routes[route].talk(self.drawn(number, carried))
    }
}

impl Upgrade {
    /// One whose head is written up to its last field.
    pub(super) fn new(
        request: &Request,
        socket: &Socket,
        head: Slotted,
        sources: Sources<'_>,
    ) -> Self {
        let texts = request.message_texts();
        let messages = texts.iter().map(|text| {
            let mut message = Slotted::default();
            message.text(text, sources);
            message
        });
        let mut protocols = Slotted::default();
        let offered = |name: &str| name.eq_ignore_ascii_case("sec-websocket-protocol");
        if let Some((_, value)) = request.headers.iter().find(|(name, _)| offered(name)) {
            protocols.text(&RequestText::header(value), sources);
        }
        Self {
            head,
            messages: messages.collect(),
            protocols,
            stay: socket.stay,
            seed: sources.masks,
        }
    }

    /// Appends the request of an arrival.
    pub(super) fn write(&self, drawn: Drawn<'_>, into: &mut Vec<u8>) {
        self.head.write(drawn, into);
        into.extend_from_slice(b"sec-websocket-key: ");
        into.extend_from_slice(&key(self.masks(drawn)));
        into.extend_from_slice(b"\r\n\r\n");
    }

    /// What an arrival says, and what it waits for.
    pub(super) fn talk(&self, drawn: Drawn<'_>) -> Talk {
        let masks = self.masks(drawn);
        let (mut frames, mut message) = (Vec::new(), Vec::new());
        for (number, slotted) in (0..).zip(&self.messages) {
            message.clear();
            slotted.write(drawn, &mut message);
            write_frame(
                Opcode::Text,
                &message,
                Talk::mask(masks, number),
                &mut frames,
            );
        }
        let mut protocols = Vec::new();
        self.protocols.write(drawn, &mut protocols);
        Talk {
            accept: accept(&key(masks)).into(),
            protocols: protocols.into(),
            frames: Bytes::from(frames),
            masks: (masks, self.messages.len() as u64),
            stay: self.stay,
        }
    }

    /// What the masks of an arrival are drawn from.
    fn masks(&self, drawn: Drawn<'_>) -> u64 {
        nth(self.seed, drawn.number)
    }
}

/// The key of a socket whose masks are drawn from there: 16 bytes in base64.
fn key(masks: u64) -> Vec<u8> {
    // Behind all masks.
    let halves = [u64::MAX, u64::MAX - 1].map(|number| nth(masks, number).to_be_bytes());
    let mut key = halves.concat();
    encode_tail(&mut key, 0);
    key
}

/// By what a server proves that it understood.
fn accept(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    let mut accept = hash.finalize().to_vec();
    encode_tail(&mut accept, 0);
    String::from_utf8_lossy(&accept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of RFC 6455, §1.3.
    #[test]
    fn a_key_is_accepted_as_the_specification_has_it() {
        assert_eq!(
            accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert_eq!(key(1).len(), 24);
        assert_ne!(key(1), key(2));
    }
}
