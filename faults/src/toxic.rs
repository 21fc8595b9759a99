//! The seam for faults on bytes: a toxic decides, the engine acts.
//!
//! A toxic never reads, writes, sleeps or keeps bytes. It is asked what is to
//! happen and answers with [`Fates`]; [`crate::Chain`] carries them out and
//! owns whatever is held, so a toxic that is taken away leaves nothing behind.

use std::time::Instant;

use bytes::Bytes;

/// A piece of a byte stream: what one read returned, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes; at most 64 KiB as read, never empty.
    pub bytes: Bytes,
    /// When the chunk reached this toxic. A chunk released by a toxic in
    /// front arrives at the instant it was due, not when a thread got to it,
    /// so a queue is never paid for twice.
    pub arrived: Instant,
}

/// What a toxic is asked about.
#[derive(Debug)]
pub enum Event<'a> {
    /// The toxic was put on one direction of a connection, in a place of its
    /// own or in that of the same toxic with other parameters.
    Opened {
        /// Whether the connection has carried bytes in either direction
        /// before: a live connection, as against a fresh one.
        carried_bytes: bool,
        /// How many bytes its predecessor was asked about; what came while
        /// that swallowed does not count.
        before: u64,
    },
    /// Bytes arrived.
    Chunk(&'a Chunk),
    /// The sender closed its side. Fates that act on bytes act on the end of
    /// the stream instead.
    Eof {
        /// When the end reached this toxic, as for a chunk.
        arrived: Instant,
    },
    /// The instant of [`Toxic::deadline`] has come.
    Timer,
}

/// One thing that happens to the bytes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// All bytes left go on now.
    Pass,
    /// All bytes left go on at this instant, but never before what is held
    /// already.
    Hold(Instant),
    /// The first `at` bytes go on at `until`; the next fate is about the rest.
    Split {
        /// How many bytes; at most the bytes left.
        at: usize,
        /// When they go on.
        until: Instant,
    },
    /// The bytes left become these; the next fate is about them.
    Replace(Bytes),
    /// The bytes left and all that follow are swallowed, the end of the stream
    /// included; the toxic still sees them. Removing it then closes the
    /// connection, even where nothing was swallowed yet.
    DropFromHere,
    /// The connection is closed in an orderly way behind everything that is
    /// held. The toxic is not asked any more.
    Close,
    /// The connection is reset at once, both sides; held bytes are lost.
    Reset,
}

/// The answer of a toxic: fates in order. Bytes left when they run out pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fates {
    first: Option<Fate>,
    rest: Vec<Fate>,
}

impl Fates {
    /// Everything passes.
    #[must_use]
    pub const fn pass() -> Self {
        Self {
            first: None,
            rest: Vec::new(),
        }
    }

    /// Adds a fate behind the others.
    pub fn push(&mut self, fate: Fate) {
        if self.first.is_none() {
            self.first = Some(fate);
        } else {
            self.rest.push(fate);
        }
    }

    /// Whether nothing but passing happens.
    #[must_use]
    pub fn is_pass(&self) -> bool {
        self.rest.is_empty() && matches!(self.first, None | Some(Fate::Pass))
    }
}

impl From<Fate> for Fates {
    fn from(fate: Fate) -> Self {
        Self {
            first: Some(fate),
            rest: Vec::new(),
        }
    }
}

impl IntoIterator for Fates {
    type Item = Fate;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Fate>, std::vec::IntoIter<Fate>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest)
    }
}

/// A fault on one direction of one connection.
///
/// ```
/// use std::time::{Duration, Instant};
/// use squall_faults::{Event, Fate, Fates, Toxic};
///
/// /// Every chunk goes on one second late.
/// struct OneSecondLate;
///
/// impl Toxic for OneSecondLate {
///     fn on(&mut self, event: Event<'_>, _now: Instant) -> Fates {
///         match event {
///             Event::Chunk(chunk) => Fate::Hold(chunk.arrived + Duration::from_secs(1)).into(),
///             _ => Fates::pass(),
///         }
///     }
/// }
/// ```
pub trait Toxic: Send {
    /// Decides over `event`. Pure but for the toxic's own state: the same
    /// events at the same instants give the same fates.
    fn on(&mut self, event: Event<'_>, now: Instant) -> Fates;

    /// When the toxic wants [`Event::Timer`] next. Each instant is delivered
    /// once.
    fn deadline(&self) -> Option<Instant> {
        None
    }
}
