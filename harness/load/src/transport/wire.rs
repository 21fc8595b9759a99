//! The bytes of a connection: a socket, and TLS on it where that is spoken.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use super::session::Session;
use super::socket::Socket;
use super::stamp::Stamps;

/// Room for a read, shared by all connections; nearly all answers fit.
const READ_BYTES: usize = 64 << 10;
/// Room for what a read holds once it is decrypted: that of a record more, which
/// may have begun before.
const PLAIN_BYTES: usize = READ_BYTES + (20 << 10);

/// A connection as it carries bytes.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    session: Option<Box<RefCell<Session>>>,
}

/// Where what is read is put; for whoever reads next.
#[derive(Debug)]
pub(super) struct Buffers {
    received: Box<[u8]>,
    /// Decrypted; empty where nothing ever is.
    plain: Box<[u8]>,
    stamps: Stamps,
}

impl Buffers {
    /// For connections with TLS or without.
    pub(super) fn new(encrypted: bool) -> Self {
        let plain = if encrypted { PLAIN_BYTES } else { 0 };
        Self {
            received: vec![0; READ_BYTES].into(),
            plain: vec![0; plain].into(),
            stamps: Stamps::new(),
        }
    }
}

impl Wire {
    pub(super) fn new(socket: Socket, session: Option<Session>) -> Self {
        let session = session.map(|session| Box::new(RefCell::new(session)));
        Self { socket, session }
    }

    /// Writes what is taken of `bytes` now; how much that was.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.session {
            None => self.socket.try_write(bytes),
            Some(session) => session.borrow_mut().write(&self.socket, bytes),
        }
    }

    /// Whether something that was taken is yet to be written.
    pub(super) fn holds_back(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| session.borrow().holds_back())
    }

    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let session = self.session.as_ref();
        if session.is_some_and(|session| session.borrow().has_ended()) {
            return Poll::Ready(Ok(()));
        }
        self.socket.poll_read_ready(cx)
    }

    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_write_ready(cx)
    }

    /// Reads once: `None` when there is nothing yet, and nothing at the end; and when
    /// the last of it came, by the wall clock, if the kernel says so.
    ///
    /// # Errors
    /// Those of the socket, and those of TLS.
    pub(super) fn read<'b>(
        &self,
        buffers: &'b mut Buffers,
    ) -> io::Result<Option<(&'b [u8], Option<Duration>)>> {
        let Buffers {
            received,
            plain,
            stamps,
        } = buffers;
        Ok(match &self.session {
            None => {
                let came = self.socket.receive(received, stamps)?;
                came.map(|came| (&received[..came.length], came.stamp))
            }
            Some(session) => {
                let mut session = session.borrow_mut();
                let came = session.read(&self.socket, (received, stamps), plain)?;
                came.map(|came| (&plain[..came.length], came.stamp))
            }
        })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            session.borrow_mut().say_goodbye(&self.socket);
        }
    }
}
