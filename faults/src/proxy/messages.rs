//! The HTTP of one connection, between its sockets and its links, for as long as
//! a fault on HTTP is attached.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::link::poll_read;
use super::roster::Roster;
use super::splice::Socket;
use super::{AttachError, Proxy};
use crate::End;
use crate::decisions::Teller;
use crate::http::{Calls, Exchanges, HttpAttached};

/// The messages of a connection.
pub(super) struct Messages {
    engine: Engine,
    /// The seed of the link, and which of its connections it is.
    key: (u64, u64),
    faults: Vec<Arc<HttpAttached>>,
    teller: Teller,
    alarm: Alarm,
}

/// Who tells them apart.
enum Engine {
    Http(Box<Exchanges>),
    /// HTTP/2, or what is not known yet.
    Calls(Box<Calls>),
}

impl Messages {
    /// What a connection has of it under `roster`, and had `before`. One that has
    /// `carried` bytes is no longer followed from its beginning; where it is, and
    /// `follows_calls`, so are calls, before any fault on them is attached.
    pub(super) fn reconciled(
        before: Option<Box<Self>>,
        roster: &Roster,
        key: (u64, u64),
        (carried, follows_calls): (bool, bool),
    ) -> Option<Box<Self>> {
        let on_calls = roster.http.iter().any(|fault| fault.is_on_calls());
        let follows_calls = !carried && (follows_calls || on_calls);
        if before.is_none() && roster.http.is_empty() && !follows_calls {
            return None;
        }
        let (seed, nth) = key;
        let mut messages = before.unwrap_or_else(|| {
            Box::new(Self {
                engine: match follows_calls {
                    true => Engine::Calls(Box::new(Calls::new(seed, nth))),
                    false => Engine::Http(Box::new(Exchanges::new(seed, nth, !carried))),
                },
                key,
                faults: Vec::new(),
                teller: Teller::default(),
                alarm: Alarm::new(),
            })
        });
        messages.faults.clone_from(&roster.http);
        messages.teller.clone_from(&roster.teller);
        match &mut messages.engine {
            Engine::Http(exchanges) => {
                exchanges.teller.clone_from(&roster.teller);
                exchanges.set_faults(&on_exchanges(&roster.http));
            }
            Engine::Calls(calls) => {
                calls.teller.clone_from(&roster.teller);
                calls.set_faults(&roster.http);
            }
        }
        Some(messages)
    }

    /// What a link reads instead of a socket.
    pub(super) const fn of<'a, R>(&'a mut self, to_target: bool, socket: &'a mut R) -> Told<'a, R> {
        Told {
            socket,
            messages: self,
            to_target,
        }
    }

    /// Lets time pass, and wakes whoever polls when more of it has.
    pub(super) fn poll_time(&mut self, cx: &mut Context<'_>) {
        let Engine::Http(exchanges) = &mut self.engine else {
            return self.alarm.clear();
        };
        let mut now = Instant::now().into_std();
        loop {
            exchanges.advance(now);
            let Some(deadline) = exchanges.deadline(now) else {
                return self.alarm.clear();
            };
            if self.alarm.poll_at(deadline, cx).is_pending() {
                return;
            }
            now = Instant::now().into_std().max(deadline);
        }
    }

    /// How the connection ends, and whether what came before went to the target.
    pub(super) const fn ended(&self) -> Option<(End, bool)> {
        match &self.engine {
            Engine::Http(exchanges) => exchanges.ended_behind(),
            Engine::Calls(calls) => calls.ended_behind(),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        match &self.engine {
            Engine::Http(exchanges) => exchanges.is_idle(),
            Engine::Calls(calls) => calls.is_idle(),
        }
    }

    pub(super) const fn steps(&self) -> u64 {
        match &self.engine {
            Engine::Http(exchanges) => exchanges.steps(),
            Engine::Calls(calls) => calls.steps(),
        }
    }

    fn pull(&mut self, to_target: bool, now: std::time::Instant) -> Option<Bytes> {
        match &mut self.engine {
            Engine::Http(exchanges) => exchanges.pull(to_target, now),
            Engine::Calls(calls) => calls.pull(to_target, now),
        }
    }

    fn put_back(&mut self, to_target: bool, rest: Bytes) {
        match &mut self.engine {
            Engine::Http(exchanges) => exchanges.put_back(to_target, rest),
            Engine::Calls(calls) => calls.put_back(to_target, rest),
        }
    }

    fn has_room(&self, to_target: bool) -> bool {
        match &self.engine {
            Engine::Http(exchanges) => exchanges.has_room(to_target),
            Engine::Calls(calls) => calls.has_room(to_target),
        }
    }

    /// Bytes arrived; none where the stream ends.
    fn push(&mut self, to_target: bool, bytes: Bytes, now: std::time::Instant) {
        match &mut self.engine {
            Engine::Http(exchanges) => push(exchanges, to_target, bytes, now),
            Engine::Calls(calls) => {
                let ends = bytes.is_empty();
                match ends {
                    true => calls.push_eof(to_target),
                    false => calls.push(to_target, bytes),
                }
                let (seed, nth) = self.key;
                if let Some((said, told_any)) = calls.other() {
                    let mut exchanges = Exchanges::new(seed, nth, !told_any);
                    exchanges.teller.clone_from(&self.teller);
                    exchanges.set_faults(&on_exchanges(&self.faults));
                    while let Some(told) = calls.pull(false, now) {
                        push(&mut exchanges, false, told, now);
                    }
                    if !said.is_empty() {
                        push(&mut exchanges, true, said, now);
                    }
                    if ends {
                        push(&mut exchanges, true, Bytes::new(), now);
                    }
                    self.engine = Engine::Http(Box::new(exchanges));
                }
            }
        }
    }
}

fn push(exchanges: &mut Exchanges, to_target: bool, bytes: Bytes, now: std::time::Instant) {
    match bytes.is_empty() {
        true => exchanges.push_eof(to_target, now),
        false => exchanges.push(to_target, bytes, now),
    }
}

/// The faults that are about exchanges over HTTP/1.1.
fn on_exchanges(faults: &[Arc<HttpAttached>]) -> Vec<Arc<HttpAttached>> {
    let faults = faults.iter().filter(|fault| !fault.is_on_calls());
    faults.cloned().collect()
}

/// A socket whose bytes are told apart before they go on.
pub(super) struct Told<'a, R> {
    socket: &'a mut R,
    messages: &'a mut Messages,
    to_target: bool,
}

impl<R> Socket for Told<'_, R> {
    /// None to splice from: its bytes have to be seen.
    fn socket(&self) -> Option<&TcpStream> {
        None
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Told<'_, R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let to_target = this.to_target;
        loop {
            let now = Instant::now().into_std();
            if let Some(mut bytes) = this.messages.pull(to_target, now) {
                let taken = bytes.split_to(bytes.len().min(buffer.remaining()));
                buffer.put_slice(&taken);
                if !bytes.is_empty() {
                    this.messages.put_back(to_target, bytes);
                }
                return Poll::Ready(Ok(()));
            }
            // Whoever makes room, or lets time pass, polls again.
            if !this.messages.has_room(to_target) {
                return Poll::Pending;
            }
            // The buffer is empty and lent for this one read.
            ready!(poll_read(cx, this.socket, buffer))?;
            let bytes = Bytes::copy_from_slice(buffer.filled());
            buffer.clear();
            this.messages.push(to_target, bytes, now);
        }
    }
}

impl Proxy {
    /// Follows the calls of new connections over HTTP/2 from now on, so that a
    /// fault on calls may act on those that are open when it is attached; others
    /// it cannot follow.
    pub fn follow_calls(&self) {
        self.0.shared.follows_calls.store(true, Ordering::Relaxed);
    }

    /// Puts a fault on the HTTP of every live and every new connection. Returns
    /// at once; [`Proxy::switched`] waits for live connections to follow.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub(crate) fn attach_http(&self, fault: &Arc<HttpAttached>) -> Result<(), AttachError> {
        self.list(fault)
    }

    /// Takes a fault off the HTTP of every connection; what it held goes on in
    /// order. Returns whether it was attached. Does not wait.
    pub(crate) fn detach_http(&self, id: &str) -> bool {
        self.take_off::<HttpAttached>(id)
    }
}
