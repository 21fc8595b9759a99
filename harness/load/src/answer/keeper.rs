//! What is kept of an answer for checks that look into it.

use std::cell::Cell;

use httparse::Header;
use sha2::{Digest as _, Sha256};
use squall_scenario::Series;

/// Most bytes of a body that are kept for checks, of every request in flight.
pub const KEPT_BODY_BYTES_MAX: usize = 1 << 20;

/// Most bytes of the JSON that is made of events or messages for checks.
pub(crate) const KEPT_LIST_BYTES_MAX: usize = 8 * KEPT_BODY_BYTES_MAX;

/// Most bytes of bodies that are kept at the same time, of all requests in flight of one
/// worker, which is one thread.
pub const KEPT_BODIES_BYTES_MAX: usize = 64 << 20;

thread_local! {
    /// Bytes that are kept now.
    static IN_USE: Cell<usize> = const { Cell::new(0) };
}

/// What is looked at in an answer, besides the fields of its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looks {
    /// Its body.
    pub body: bool,
    /// The digest of its body.
    pub digest: bool,
}

/// What is kept of an answer for those who look into it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Names and values of the header fields, as they came.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The body, or what of it there was room for; empty where nobody looks at it.
    pub body: Vec<u8>,
    /// Whether the body was longer than [`KEPT_BODY_BYTES_MAX`].
    pub cut: bool,
    /// Whether the JSON of what came would have been too long.
    pub(crate) list_cut: bool,
    /// Whether there was no room for the body, as others had [`KEPT_BODIES_BYTES_MAX`].
    pub crowded_out: bool,
    /// SHA-256 of the body, where somebody looks at it; of the messages alone, where it
    /// is a stream of them.
    pub sha256: Option<[u8; 32]>,
    /// What came one after the other, where that is how the answer comes; the first
    /// counted from when the request was sent.
    pub series: Option<Series>,
    /// What its server says of how it ended, where that did not go well.
    pub told: Option<String>,
}

impl Kept {
    /// JSON of what came stands for the body from now on, where it is not too long.
    pub(crate) fn listed(&mut self, list: Option<Vec<u8>>) {
        self.list_cut = list.is_none();
        self.body = list.unwrap_or_default();
    }

    /// Why nobody may look into the body, where that is so; in words.
    pub(crate) fn unread(&self) -> Option<String> {
        if self.cut {
            let most = KEPT_BODY_BYTES_MAX >> 20;
            return Some(format!(
                "the body has more than {most} MiB, the most that is looked into"
            ));
        }
        if self.list_cut {
            let most = KEPT_LIST_BYTES_MAX >> 20;
            return Some(format!(
                "what came has more than {most} MiB as JSON, the most that is looked into"
            ));
        }
        let most = KEPT_BODIES_BYTES_MAX >> 20;
        self.crowded_out.then(|| {
            format!(
                "the body was not looked at: answers in flight had {most} MiB already, the most \
                 that one worker keeps of them"
            )
        })
    }
}

/// Keeps an answer as it is read.
#[derive(Debug)]
pub(crate) struct Keeper {
    looks: Looks,
    kept: Kept,
    digest: Sha256,
    room: Room,
}

/// What one answer has of the room that all in flight share; free again when this is
/// dropped.
#[derive(Debug, Default)]
struct Room(usize);

impl Room {
    /// Takes so much of what is wanted as there is.
    fn take(&mut self, wanted: usize) -> usize {
        let in_use = IN_USE.get();
        let taken = wanted.min(KEPT_BODIES_BYTES_MAX.saturating_sub(in_use));
        IN_USE.set(in_use + taken);
        self.0 += taken;
        taken
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        IN_USE.set(IN_USE.get().saturating_sub(self.0));
    }
}

impl Keeper {
    pub(crate) fn new(looks: Looks) -> Self {
        Self {
            looks,
            kept: Kept::default(),
            digest: Sha256::new(),
            room: Room::default(),
        }
    }

    /// The last head counts: interim answers come before it.
    pub(crate) fn head(&mut self, fields: &[Header<'_>]) {
        let each = fields.iter();
        self.kept.fields = each
            .map(|field| (field.name.to_owned(), field.value.to_vec()))
            .collect();
    }

    /// Fields that stand behind a body count as well.
    pub(crate) fn trailers(&mut self, fields: &[Header<'_>]) {
        let each = fields.iter();
        self.kept
            .fields
            .extend(each.map(|field| (field.name.to_owned(), field.value.to_vec())));
    }

    pub(crate) fn take(&mut self, data: &[u8]) {
        if self.looks.digest {
            self.digest.update(data);
        }
        self.take_between(data);
    }

    /// Takes what stands between the messages of a stream, which is no content.
    pub(crate) fn take_between(&mut self, data: &[u8]) {
        if self.looks.body {
            let left = KEPT_BODY_BYTES_MAX - self.kept.body.len();
            self.kept.cut |= data.len() > left;
            let wanted = data.len().min(left);
            let taken = self.room.take(wanted);
            self.kept.crowded_out |= taken < wanted;
            self.kept.body.extend_from_slice(&data[..taken]);
        }
    }

    pub(crate) fn kept(self) -> Kept {
        Kept {
            sha256: self.looks.digest.then(|| self.digest.finalize().into()),
            ..self.kept
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_in_flight_share_their_room_and_give_it_back() {
        const MEBI: usize = 1 << 20;
        let looks = Looks {
            body: true,
            digest: false,
        };
        let full = || {
            let mut keeper = Keeper::new(looks);
            keeper.take(&vec![b'x'; MEBI]);
            keeper
        };
        let most = KEPT_BODIES_BYTES_MAX / MEBI;
        let mut all: Vec<Keeper> = (0..most).map(|_| full()).collect();
        let beyond = full().kept();
        assert!(beyond.crowded_out && !beyond.cut);
        assert_eq!(beyond.body.len(), 0);
        let last = all.pop().map(Keeper::kept);
        assert_eq!(
            last.map(|kept| (kept.body.len(), kept.crowded_out)),
            Some((MEBI, false))
        );
        assert!(!full().kept().crowded_out, "there is room for one again");
        drop(all);
        assert_eq!(IN_USE.get(), 0);
    }
}
