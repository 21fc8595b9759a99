//! The HTTP of one connection, between its sockets and its links, for as long as
//! a fault on HTTP is attached.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
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
use crate::http::{Exchanges, HttpAttached};

/// The messages of a connection.
pub(super) struct Messages {
    exchanges: Exchanges,
    alarm: Alarm,
}

impl Messages {
    /// What a connection has of it under `roster`, and had `before`.
    pub(super) fn reconciled(
        before: Option<Box<Self>>,
        roster: &Roster,
        (seed, nth): (u64, u64),
        carried: bool,
    ) -> Option<Box<Self>> {
        if before.is_none() && roster.http.is_empty() {
            return None;
        }
        let mut messages = before.unwrap_or_else(|| {
            Box::new(Self {
                exchanges: Exchanges::new(seed, nth, !carried),
                alarm: Alarm::new(),
            })
        });
        messages.exchanges.set_faults(&roster.http);
        Some(messages)
    }

    /// What a link reads instead of a socket.
    pub(super) const fn of<'a, R>(&'a mut self, to_target: bool, socket: &'a mut R) -> Told<'a, R> {
        Told {
            socket,
            exchanges: &mut self.exchanges,
            to_target,
        }
    }

    /// Lets time pass, and wakes whoever polls when more of it has.
    pub(super) fn poll_time(&mut self, cx: &mut Context<'_>) {
        let mut now = Instant::now().into_std();
        loop {
            self.exchanges.advance(now);
            let Some(deadline) = self.exchanges.deadline(now) else {
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
        self.exchanges.ended_behind()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.exchanges.is_idle()
    }

    pub(super) const fn steps(&self) -> u64 {
        self.exchanges.steps()
    }
}

/// A socket whose bytes are told apart before they go on.
pub(super) struct Told<'a, R> {
    socket: &'a mut R,
    exchanges: &'a mut Exchanges,
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
            if let Some(mut bytes) = this.exchanges.pull(to_target, now) {
                let taken = bytes.split_to(bytes.len().min(buffer.remaining()));
                buffer.put_slice(&taken);
                if !bytes.is_empty() {
                    this.exchanges.put_back(to_target, bytes);
                }
                return Poll::Ready(Ok(()));
            }
            // Whoever makes room, or lets time pass, polls again.
            if !this.exchanges.has_room(to_target) {
                return Poll::Pending;
            }
            // The buffer is empty and lent for this one read.
            ready!(poll_read(cx, this.socket, buffer))?;
            let bytes = Bytes::copy_from_slice(buffer.filled());
            buffer.clear();
            match bytes.is_empty() {
                true => this.exchanges.push_eof(to_target, now),
                false => this.exchanges.push(to_target, bytes, now),
            }
        }
    }
}

impl Proxy {
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
