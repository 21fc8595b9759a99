//! Bytes from socket to socket that this process never sees: splice(2) hands
//! them on by reference, through a pipe.
//!
//! A link has a pipe only while there are bytes in it, so an idle connection
//! has none, and as many pipes as may be made serve any number of connections.
//! Where there is none left, or no descriptor for one, the bytes are copied.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::tls::Side;

/// At most so many bytes in one go; a pipe takes 16 pieces of a socket's
/// buffers, of up to 32 KiB each.
const GO_BYTES: usize = 512 * 1024;
/// Empty pipes that are kept for whoever needs one next.
const KEPT: usize = 16;
/// One read that brings more than this pays for splicing; where reads bring so
/// much on average it is done, until they bring less than half.
const BULK_BYTES: usize = 16 * 1024;

/// An end of a link: a socket, unless something stands between.
pub(super) trait Socket {
    /// The socket whose bytes are exactly those of the link.
    fn socket(&self) -> Option<&TcpStream>;
}

impl Socket for ReadHalf<'_> {
    fn socket(&self) -> Option<&TcpStream> {
        Some(self.as_ref())
    }
}

impl Socket for WriteHalf<'_> {
    fn socket(&self) -> Option<&TcpStream> {
        Some(self.as_ref())
    }
}

/// What is carried is not what the socket has.
impl Socket for tokio::io::ReadHalf<Side> {
    fn socket(&self) -> Option<&TcpStream> {
        None
    }
}

impl Socket for tokio::io::WriteHalf<Side> {
    fn socket(&self) -> Option<&TcpStream> {
        None
    }
}

/// What one read brings, as of late. Small messages cost less when they are
/// copied, large ones when they are spliced.
#[derive(Debug, Default)]
pub(super) struct Volume {
    average_bytes: usize,
    bulk: bool,
}

impl Volume {
    /// Whether splicing pays.
    pub(super) const fn is_bulk(&self) -> bool {
        self.bulk
    }

    /// A read brought so many bytes.
    pub(super) fn saw(&mut self, bytes: usize) {
        // One splice may bring much more than a read: it is still only one.
        let bytes = bytes.min(4 * BULK_BYTES);
        self.average_bytes = self.average_bytes / 4 * 3 + bytes / 4;
        let enough = if self.bulk {
            BULK_BYTES / 2
        } else {
            BULK_BYTES
        };
        self.bulk = self.average_bytes >= enough;
    }

    /// Copies, until much has come again.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// The pipes of a proxy, or of all that share a limit.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    most: usize,
    stock: Mutex<Stock>,
}

#[derive(Debug, Default)]
struct Stock {
    empty: Vec<Pipe>,
    /// Pipes that there are, in use or not.
    made: usize,
}

impl Pipes {
    /// At most so many, two descriptors each.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            stock: Mutex::default(),
        }
    }

    /// An empty pipe; `None` when there is none and none can be made.
    pub(super) fn take(&self) -> Option<Pipe> {
        let mut stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = stock.empty.pop() {
            return Some(pipe);
        }
        if stock.made >= self.most {
            return None;
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        stock.made += 1;
        Some(Pipe {
            read,
            write,
            filled: 0,
        })
    }

    /// Takes a pipe back. What is left in it is lost.
    pub(super) fn put(&self, pipe: Pipe) {
        let mut stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        if pipe.filled == 0 && stock.empty.len() < KEPT {
            stock.empty.push(pipe);
        } else {
            stock.made -= 1;
        }
    }

    /// Pipes that are in use, and all there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> (usize, usize) {
        let stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        (stock.made - stock.empty.len(), stock.made)
    }
}

/// A pipe and how many bytes are in it.
#[derive(Debug)]
pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    filled: usize,
}

impl Pipe {
    pub(super) const fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Moves what a socket has into the pipe, which must be empty: otherwise
    /// nobody could tell a full pipe from a socket with nothing to say. How
    /// many bytes; 0 at the end of the stream.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &TcpStream,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(from.poll_read_ready(cx))?;
            let moved = from.try_io(Interest::READABLE, || {
                let flags = SpliceFlags::NONBLOCK;
                Ok(splice(from, None, &self.write, None, GO_BYTES, flags)?)
            });
            if is_not_ready(&moved) {
                continue;
            }
            if let Ok(moved) = moved {
                self.filled += moved;
            }
            return Poll::Ready(moved);
        }
    }

    /// Moves what is in the pipe into a socket, as far as it takes it. How many
    /// bytes.
    pub(super) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        into: &TcpStream,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(into.poll_write_ready(cx))?;
            let moved = into.try_io(Interest::WRITABLE, || {
                let flags = SpliceFlags::NONBLOCK;
                Ok(splice(&self.read, None, into, None, self.filled, flags)?)
            });
            if is_not_ready(&moved) {
                continue;
            }
            if let Ok(moved) = moved {
                self.filled -= moved;
            }
            return Poll::Ready(moved);
        }
    }
}

fn is_not_ready(moved: &io::Result<usize>) -> bool {
    matches!(moved, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Whether it was not the socket that failed: this kernel, or who watches over
/// what it may be asked, does not splice here.
pub(super) fn is_refused(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let refusals = [Errno::INVAL, Errno::NOSYS, Errno::PERM, Errno::NOMEM];
    let raw = error.raw_os_error();
    refusals
        .iter()
        .any(|errno| Some(errno.raw_os_error()) == raw)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn no_more_pipes_are_made_than_allowed_and_few_are_kept() {
        let pipes = Pipes::new(KEPT + 4);
        let taken: Vec<_> = std::iter::from_fn(|| pipes.take()).collect();
        assert_eq!(pipes.count(), (KEPT + 4, KEPT + 4));
        taken.into_iter().for_each(|pipe| pipes.put(pipe));
        assert_eq!(pipes.count(), (0, KEPT));
        assert!(Pipes::default().take().is_none());
    }

    #[test]
    fn a_pipe_with_bytes_in_it_is_nobody_elses() {
        let pipes = Pipes::new(2);
        let mut pipe = pipes.take().unwrap();
        rustix::io::write(&pipe.write, b"secret").unwrap();
        pipe.filled = 6;
        pipes.put(pipe);
        assert_eq!(pipes.count(), (0, 0));
    }

    #[test]
    fn large_reads_are_spliced_until_they_are_small_again() {
        let mut volume = Volume::default();
        let mut after = |bytes, reads| {
            (0..reads).for_each(|_| volume.saw(bytes));
            volume.is_bulk()
        };
        assert!(!after(BULK_BYTES - 1, 1000));
        assert!(after(4 * BULK_BYTES, 1), "a full read is not enough");
        assert!(after(1, 2), "two small ones make it small");
        assert!(!after(1, 10));
        assert!(after(usize::MAX, 2));
        assert!(!after(100, 10), "one that was huge counts for long");
        volume.saw(usize::MAX);
        volume.forget();
        assert!(!volume.is_bulk());
    }

    async fn sockets() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, server) = tokio::join!(client, listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    #[tokio::test]
    async fn what_fills_a_pipe_drains_from_it_and_then_the_stream_ends() {
        let ((mut source, near), (far, mut sink)) = (sockets().await, sockets().await);
        let mut pipe = Pipes::new(1).take().unwrap();
        let nothing = tokio::time::timeout(
            std::time::Duration::from_millis(1),
            poll_fn(|cx| pipe.poll_fill(cx, &near)),
        );
        assert!(nothing.await.is_err(), "nothing was said yet");
        source.write_all(b"hello").await.unwrap();
        let filled = poll_fn(|cx| pipe.poll_fill(cx, &near)).await.unwrap();
        assert_eq!((filled, pipe.is_empty()), (5, false));
        let drained = poll_fn(|cx| pipe.poll_drain(cx, &far)).await.unwrap();
        assert_eq!((drained, pipe.is_empty()), (5, true));
        let mut heard = [0; 5];
        sink.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        drop(source);
        let end = poll_fn(|cx| pipe.poll_fill(cx, &near)).await.unwrap();
        assert_eq!((end, pipe.is_empty()), (0, true));
    }

    #[test]
    fn a_broken_socket_is_not_taken_for_a_kernel_that_does_not_splice() {
        let broken = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        assert!(broken.iter().all(|kind| !is_refused(&(*kind).into())));
        let errno = rustix::io::Errno::INVAL.raw_os_error();
        assert!(is_refused(&io::Error::from_raw_os_error(errno)));
        let errno = rustix::io::Errno::CONNRESET.raw_os_error();
        assert!(!is_refused(&io::Error::from_raw_os_error(errno)));
    }
}
