//! An answer that does not end by itself: what comes one after the other, until its
//! client leaves.

use bytes::Bytes;
use httparse::Header;
use squall_scenario::Series;

use super::events::EventAnswer;
use super::keeper::Keeper;
use super::socket::SocketAnswer;
use super::taken::Taken;
use super::tally::Moment;
use crate::heard::Heard;

/// What came of it so far.
#[derive(Debug)]
pub(super) enum Stream {
    Events(EventAnswer),
    Socket(SocketAnswer),
}

impl Stream {
    /// What is read next came then.
    pub(super) const fn at(&mut self, now: Moment) {
        match self {
            Self::Events(events) => events.at(now),
            Self::Socket(socket) => socket.at(now),
        }
    }

    /// The head came.
    ///
    /// # Errors
    /// What follows is something else; in words.
    pub(super) fn head(&mut self, status: u16, fields: &[Header<'_>]) -> Result<(), String> {
        match self {
            Self::Events(events) => {
                let mut each = fields.iter();
                let media = each.find(|field| field.name.eq_ignore_ascii_case("content-type"));
                events.head(status, media.map(|field| field.value))
            }
            Self::Socket(socket) => socket.head(status, fields),
        }
    }

    /// Takes a part of the body.
    ///
    /// # Errors
    /// It is none; in words.
    pub(super) fn data(
        &mut self,
        data: &[u8],
        keeper: Option<&mut Keeper>,
    ) -> Result<Taken, String> {
        match self {
            Self::Events(events) => events.data(data, keeper),
            Self::Socket(socket) => socket.data(data, keeper),
        }
    }

    /// Its client leaves, who waited for more until then.
    pub(super) fn left(&mut self, now: Moment) {
        match self {
            Self::Events(events) => events.left(now),
            Self::Socket(socket) => socket.left(now),
        }
    }

    /// Whether it may end with its connection.
    pub(super) const fn may_end(&self) -> bool {
        match self {
            Self::Events(_) => true,
            Self::Socket(socket) => socket.may_end(),
        }
    }

    /// What its client says now, if anything.
    pub(super) fn says(&mut self) -> Option<Bytes> {
        match self {
            Self::Events(_) => None,
            Self::Socket(socket) => socket.says(),
        }
    }

    /// What came.
    pub(super) const fn series(&self) -> Series {
        match self {
            Self::Events(events) => events.series(),
            Self::Socket(socket) => socket.series(),
        }
    }

    /// When it came, once no more will.
    pub(super) fn heard(&mut self) -> Heard {
        match self {
            Self::Events(events) => events.heard(),
            Self::Socket(socket) => socket.heard(),
        }
    }

    /// A status instead of that of the head, and words, where it did not go well.
    pub(super) fn end(self) -> (Option<u16>, Option<String>) {
        match self {
            Self::Events(_) => (None, None),
            Self::Socket(socket) => socket.end(),
        }
    }
}
