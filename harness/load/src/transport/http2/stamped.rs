//! A socket that says when that came which was read last: what lay in it while this
//! process was busy, asleep or stopped is not called late.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::socket::Socket;
use crate::transport::stamp::{Stamps, came_at};

/// A socket, and when that came which was read of it last.
#[derive(Debug)]
pub(super) struct Stamped {
    socket: Socket,
    stamps: Stamps,
    came: Rc<Cell<Instant>>,
}

impl Stamped {
    /// One of which nothing was read yet.
    pub(super) fn new(socket: Socket, came: Rc<Cell<Instant>>) -> Self {
        came.set(Instant::now());
        Self {
            socket,
            stamps: Stamps::new(),
            came,
        }
    }
}

impl AsyncRead for Stamped {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(this.socket.poll_read_ready(cx))?;
            let room = into.initialize_unfilled();
            let Some(received) = this.socket.receive(room, &mut this.stamps)? else {
                continue;
            };
            into.advance(received.length);
            // Nothing comes before what came before it.
            let stamp = received.stamp;
            let came = stamp.and_then(|stamp| came_at(stamp, this.came.get()));
            this.came.set(came.unwrap_or_else(Instant::now));
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for Stamped {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
