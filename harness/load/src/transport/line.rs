//! One connection to the target: carries one request at a time, as bytes.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::task::AbortHandle;

use super::pools::Pool;
use super::session;
use super::stamp;
use super::under_way::Key;
use super::wire::{Buffers, Wire};
use crate::answer::{AnswerReader, Closing, Head, Kept, Malformed, Moment, Talk};
use crate::heard::Heard;
use crate::requests::RequestKind;

/// A buffer that grew beyond this for one message is not kept.
pub(super) const KEPT_BYTES_MAX: usize = 256 << 10;

/// A connection. Its task waits for what comes; whoever has a request writes it
/// at once.
#[derive(Debug)]
pub(super) struct Line {
    /// Where it leads, when it was made.
    pool: OnceCell<Rc<Pool<Self>>>,
    wire: OnceCell<Wire>,
    task: OnceCell<AbortHandle>,
    /// Its task's, from its last turn.
    waker: RefCell<Option<Waker>>,
    /// Whether it counts as open.
    pub(super) open: Cell<bool>,
    /// When its client leaves, whatever it has read of the answer by then.
    pub(super) leaves_at: Cell<Option<Instant>>,
    /// Since when it waits for its next request.
    pub(super) idle_since: Cell<Instant>,
    carried: RefCell<Carried>,
}

/// What a connection carries now.
#[derive(Debug)]
struct Carried {
    key: Option<Key>,
    kind: RequestKind,
    reader: AnswerReader,
    /// Whether a byte of the answer came.
    answered: bool,
    /// When the first did, where more of the answer came later.
    first_byte: Option<Instant>,
    /// When the request was written.
    sent: Instant,
    /// When what was read last came, by the wall clock, if the kernel says so.
    stamp: Option<Duration>,
    /// Whether it has carried a request before.
    reused: bool,
    /// The end of the request, which has not been written yet.
    unsent: Bytes,
    /// With which words its client closes a socket that carried no answer.
    goodbye: Option<Bytes>,
    /// What is waited for when a socket has carried all, and nothing else follows.
    closing: Option<Closing>,
    /// What stopped the writing; an answer may have come before it.
    refused: Option<io::Error>,
    /// What came and says nothing yet without more.
    received: Vec<u8>,
}

/// What reading brought.
#[derive(Debug)]
pub(super) enum Came {
    /// Nothing that ends an exchange.
    Nothing,
    /// The end of the answer to this request.
    Answer(Key, Answer),
    /// The end of the connection, and of the request that it carried.
    End(Option<(Key, NoAnswer)>),
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: Head,
    /// When the last of it came, if the kernel says so.
    pub(super) came: Option<Instant>,
    /// When its first bytes had been read, unless that was when the last were.
    pub(super) first_byte: Option<Instant>,
    pub(super) body_bytes: u64,
    /// For checks, where there are any.
    pub(super) kept: Option<Box<Kept>>,
    /// Of a stream, when its messages came.
    pub(super) heard: Option<Box<Heard>>,
    /// Whether the connection may carry another request.
    pub(super) reusable: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The connection ended.
    Ended {
        /// Whether nobody is to blame: it had been kept, nothing of an answer
        /// came, and the request may be repeated.
        repeat: bool,
        detail: String,
    },
    /// What came is no answer.
    Malformed(Malformed),
    /// TLS ended it, in words.
    Tls(String),
    /// Its client had left before any came.
    Late,
}

impl Line {
    /// A connection that is yet to be made.
    pub(super) fn new(now: Instant) -> Rc<Self> {
        Rc::new(Self {
            pool: OnceCell::new(),
            wire: OnceCell::new(),
            task: OnceCell::new(),
            waker: RefCell::new(None),
            open: Cell::new(true),
            leaves_at: Cell::new(None),
            idle_since: Cell::new(now),
            carried: RefCell::new(Carried {
                key: None,
                kind: RequestKind {
                    call: None,
                    bodiless: false,
                    repeatable: false,
                    looks: None,
                    events: None,
                    socket: None,
                },
                reader: AnswerReader::new(false),
                answered: false,
                first_byte: None,
                sent: now,
                stamp: None,
                reused: false,
                unsent: Bytes::new(),
                goodbye: None,
                closing: None,
                refused: None,
                received: Vec::new(),
            }),
        })
    }

    /// Its task was started.
    pub(super) fn attended_by(&self, task: AbortHandle) {
        // It is started once.
        let _ = self.task.set(task);
    }

    /// It was made.
    pub(super) fn made(&self, wire: Wire, pool: Rc<Pool<Self>>) {
        let _ = self.pool.set(pool);
        let _ = self.wire.set(wire);
    }

    /// Where it leads, if it was made.
    pub(super) fn pool(&self) -> Option<&Rc<Pool<Self>>> {
        self.pool.get()
    }

    /// Closes it, whatever it carries.
    pub(super) fn end(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// Takes on a request now, whose bytes follow by [`write`](Self::write).
    pub(super) fn begin(&self, key: Key, kind: RequestKind, sent: Moment) {
        let now = sent.at;
        let mut carried = self.carried.borrow_mut();
        carried.sent = now;
        carried.stamp = None;
        carried.key = Some(key);
        carried.kind = kind;
        carried.reader = match kind.looks {
            Some(looks) => AnswerReader::keeping(kind.bodiless, looks),
            None => AnswerReader::new(kind.bodiless),
        };
        carried.answered = false;
        carried.first_byte = None;
        if let Some(stay) = kind.events {
            let reader = std::mem::replace(&mut carried.reader, AnswerReader::new(false));
            carried.reader = reader.with_events(stay, sent);
        }
        drop(carried);
        if let Some(stay) = kind.stay() {
            self.leaves_at.set(stay.time.map(|time| now + time));
            // Its task has to know.
            self.wake();
        }
    }

    /// What it carries opens a socket, on which this is said.
    pub(super) fn converse(&self, talk: Talk, sent: Moment) {
        let mut carried = self.carried.borrow_mut();
        let reader = std::mem::replace(&mut carried.reader, AnswerReader::new(false));
        carried.reader = reader.with_socket(talk, sent);
    }

    /// Whether a socket is yet to be closed.
    pub(super) fn closes(&self) -> bool {
        self.carried.borrow().closing.is_some()
    }

    /// One turn of its task when a socket has carried all: says goodbye, and waits for
    /// the server's.
    pub(super) fn close(&self, cx: &mut Context<'_>, buffers: &mut Buffers) -> Poll<()> {
        let Some(wire) = self.wire.get() else {
            return Poll::Ready(());
        };
        let mut carried = self.carried.borrow_mut();
        loop {
            while carried.write_rest(wire, cx) {}
            let is_over = carried.closing.as_ref().is_none_or(Closing::is_over);
            let is_written = carried.unsent.is_empty() && !wire.holds_back();
            if carried.refused.is_some() || is_over && is_written {
                return Poll::Ready(());
            }
            let ready = ready!(wire.poll_read_ready(cx));
            match ready.and_then(|()| wire.read(buffers)) {
                Ok(None) => {}
                Ok(Some(([], _))) | Err(_) => return Poll::Ready(()),
                Ok(Some((bytes, _))) => {
                    if let Some(closing) = &mut carried.closing {
                        closing.take(bytes);
                    }
                }
            }
        }
    }

    /// Writes what the socket takes of a request; how much that was. The rest is
    /// handed to [`keep`](Self::keep).
    pub(super) fn write(&self, bytes: &[u8]) -> usize {
        let Some(wire) = self.wire.get() else {
            return 0;
        };
        match wire.write(bytes) {
            Ok(written) => {
                if wire.holds_back() {
                    self.wake();
                }
                written
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    self.carried.borrow_mut().refused = Some(error);
                }
                0
            }
        }
    }

    /// Its client leaves now, as it said it would; what came of the answer is all.
    pub(super) fn leave(&self, now: Moment) -> Came {
        self.leaves_at.set(None);
        let mut carried = self.carried.borrow_mut();
        let Some(key) = carried.key else {
            return Came::End(None);
        };
        match carried.reader.leave(now) {
            true => carried.answer(key, Some(now.at)),
            false => Came::End(Some((key, NoAnswer::Late))),
        }
    }

    /// Keeps the rest of a request, to be written when the socket takes it.
    pub(super) fn keep(&self, rest: Bytes) {
        self.carried.borrow_mut().unsent = rest;
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// One turn of its task: writes what is left to write and reads once, into
    /// `buffers`. `stalled` knows how long the sender has stood still.
    pub(super) fn turn(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
        stalled: &dyn Fn(Instant) -> Duration,
    ) -> Poll<Came> {
        let mut waker = self.waker.borrow_mut();
        if !waker
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
        drop(waker);
        let Some(wire) = self.wire.get() else {
            return Poll::Ready(Came::End(None));
        };
        let wrote = {
            let mut carried = self.carried.borrow_mut();
            carried.say();
            carried.write_rest(wire, cx)
        };
        match wire.poll_read_ready(cx) {
            Poll::Pending if wrote => Poll::Ready(Came::Nothing),
            Poll::Pending => Poll::Pending,
            Poll::Ready(ready) => {
                let read = ready.and_then(|()| wire.read(buffers));
                let mut carried = self.carried.borrow_mut();
                Poll::Ready(match read {
                    Ok(None) => Came::Nothing,
                    Ok(Some(([], stamp))) => {
                        // The end comes behind all that was read before.
                        carried.stamp = stamp;
                        carried.closed(None)
                    }
                    Ok(Some((bytes, stamp))) => {
                        carried.stamp = stamp;
                        let came = carried.came(bytes, stalled);
                        if let Some(goodbye) = carried.goodbye.take() {
                            // Whoever sent what is none may hear it, or not.
                            let _ = wire.write(&goodbye);
                        }
                        came
                    }
                    Err(error) => carried.closed(Some(&error)),
                })
            }
        }
    }
}

impl Carried {
    /// What its client says meanwhile is written next, where all else is written.
    fn say(&mut self) {
        if self.kind.socket.is_some() && self.unsent.is_empty() {
            self.unsent = self.reader.says().unwrap_or_default();
        }
    }

    /// Writes once more of a request that is not written yet; whether it could.
    fn write_rest(&mut self, wire: &Wire, cx: &mut Context<'_>) -> bool {
        let nothing = self.unsent.is_empty() && !wire.holds_back();
        if nothing || self.refused.is_some() {
            return false;
        }
        let Poll::Ready(ready) = wire.poll_write_ready(cx) else {
            return false;
        };
        match ready.and_then(|()| wire.write(&self.unsent)) {
            Ok(written) => self.unsent.advance(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.refused = Some(error),
        }
        true
    }

    /// What came on the connection.
    fn came(&mut self, bytes: &[u8], stalled: &dyn Fn(Instant) -> Duration) -> Came {
        let Some(key) = self.key else {
            // The server has spoken unasked: it is not used again.
            return Came::End(None);
        };
        let first = !std::mem::replace(&mut self.answered, true);
        if self.kind.stay().is_some() {
            let at = self.came_at().unwrap_or_else(Instant::now);
            let stalled = stalled(at);
            self.reader.times(Moment { at, stalled });
        }
        let read = if self.received.is_empty() {
            let read = self.reader.read(bytes);
            let taken = *read.as_ref().unwrap_or(&0);
            self.received.extend_from_slice(&bytes[taken..]);
            read
        } else {
            self.received.extend_from_slice(bytes);
            let read = self.reader.read(&self.received);
            self.received.drain(..*read.as_ref().unwrap_or(&0));
            read
        };
        match read {
            Err(why) => {
                let whole = self.unsent.is_empty();
                let goodbye = self.reader.goodbye().filter(|_| whole);
                self.goodbye = goodbye.map(|(goodbye, _)| goodbye);
                Came::End(Some((key, NoAnswer::Malformed(why))))
            }
            Ok(_) if self.reader.is_done() => self.answer(key, None),
            Ok(_) => {
                if first {
                    self.first_byte = Some(self.came_at().unwrap_or_else(Instant::now));
                }
                Came::Nothing
            }
        }
    }

    /// When what was read last came, if the kernel says so.
    fn came_at(&self) -> Option<Instant> {
        stamp::came_at(self.stamp?, self.sent)
    }

    /// The answer is whole; its client left then, or it ended by itself.
    fn answer(&mut self, key: Key, left: Option<Instant>) -> Came {
        let reusable =
            self.reader.keeps_alive() && self.unsent.is_empty() && self.received.is_empty();
        let mut reader = std::mem::replace(&mut self.reader, AnswerReader::new(false));
        if let Some((goodbye, closing)) = reader.goodbye() {
            self.unsent = [&self.unsent[..], &goodbye].concat().into();
            self.closing = Some(closing);
        }
        let heard = reader.heard();
        let (head, body_bytes, kept) = reader.into_parts();
        let Some(head) = head else {
            return self.closed(None);
        };
        self.key = None;
        self.reused = true;
        self.received.shrink_to(KEPT_BYTES_MAX);
        Came::Answer(
            key,
            Answer {
                head,
                came: left.or_else(|| self.came_at()),
                first_byte: self.first_byte,
                body_bytes,
                kept,
                heard,
                reusable,
            },
        )
    }

    /// The connection was closed, or broke by an error.
    fn closed(&mut self, error: Option<&io::Error>) -> Came {
        let Some(key) = self.key else {
            return Came::End(None);
        };
        if error.is_none() && self.reader.close() {
            return self.answer(key, None);
        }
        let encrypted = error.or(self.refused.as_ref()).and_then(session::words);
        if let Some(why) = encrypted {
            return Came::End(Some((key, NoAnswer::Tls(why))));
        }
        let why = match (error, &self.refused) {
            (Some(error), _) => error.to_string(),
            (None, Some(refused)) => refused.to_string(),
            (None, None) => "the connection was closed".to_owned(),
        };
        let place = match self.reader.head() {
            Some(_) if self.kind.socket.is_some() => "before the socket was".to_owned(),
            Some(head) => format!("in the body of an answer with status {}", head.status),
            None if self.answered => "within the head of the answer".to_owned(),
            None => "before an answer".to_owned(),
        };
        Came::End(Some((
            key,
            NoAnswer::Ended {
                repeat: self.reused && !self.answered && self.kind.repeatable,
                detail: format!("{why} {place}"),
            },
        )))
    }
}
