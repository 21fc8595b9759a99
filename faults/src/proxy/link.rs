//! One direction of one connection: read, chain, write.
//!
//! While no toxic is attached a link owns no buffer at all: small messages go
//! from one socket through a buffer of the thread into the other, large ones are
//! spliced through a pipe that somebody else has next, so ten thousand idle
//! connections cost ten thousand small structs.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::alarm::Alarm;
use super::chain::{Chain, End, Newcomer, Output};
use super::counters::{ProxyTotals, add, get};
use super::meetings::Meetings;
use super::roster::Attached;
use super::splice::{Pipe, Pipes, Socket, Volume, is_refused};
use crate::{build, chance};

/// Size of one read; measured to be where copying stops getting cheaper.
const READ_BYTES: usize = 64 * 1024;
/// Chunks waiting to be written at which a link stops reading.
const WAITING_CHUNKS_MAX: usize = 16;
/// What a link may always hold, however much the others do.
const HELD_BYTES_SHARE: usize = 256 * 1024;
/// What one link may hold: one second at 32 MiB/s.
const HELD_BYTES_LINK_MAX: usize = 32 * 1024 * 1024;
/// What all links of a proxy may hold together, their shares aside.
const HELD_BYTES_PROXY_MAX: u64 = 256 * 1024 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// One direction of a connection.
pub(crate) struct Link {
    to_target: bool,
    chain: Chain,
    /// The toxics of the chain, in its order.
    toxics: Vec<Arc<Attached>>,
    out: Output,
    /// What was spliced from the source and not into the sink yet; goes before
    /// `out`. Never an empty one.
    pipe: Option<Pipe>,
    pipes: Arc<Pipes>,
    volume: Volume,
    /// Whether this direction has carried a byte.
    pub(crate) carried: bool,
    read_closed: bool,
    /// The end of the stream has been passed on.
    pub(crate) finished: bool,
    /// The sink keeps nothing of what was written to it.
    flushed: bool,
    pub(super) alarm: Alarm,
    /// What of the proxy's `held_bytes` is this link's.
    reported_held: usize,
    totals: Arc<ProxyTotals>,
    /// Bytes written on this link.
    pub(super) written: Arc<AtomicU64>,
}

impl Link {
    pub(super) fn new(to_target: bool, totals: Arc<ProxyTotals>, pipes: Arc<Pipes>) -> Self {
        Self {
            to_target,
            chain: Chain::default(),
            toxics: Vec::new(),
            out: Output::default(),
            pipe: None,
            pipes,
            volume: Volume::default(),
            carried: false,
            read_closed: false,
            finished: false,
            flushed: true,
            alarm: Alarm::new(),
            reported_held: 0,
            totals,
            written: Arc::default(),
        }
    }

    /// Makes the chain what hits the connection, on the live stream.
    pub(crate) fn reconcile(&mut self, meetings: &Meetings, seed: u64, nth: u64, carried: bool) {
        let now = Instant::now().into_std();
        let hitting = meetings.on_bytes();
        let wanted = hitting.filter(|toxic| toxic.inject.direction().is(self.to_target));
        let wanted: Vec<&Arc<Attached>> = wanted.collect();
        let (chain, out) = (&mut self.chain, &mut self.out);
        self.toxics.retain(|toxic| {
            let stays = wanted.iter().any(|wanted| wanted.is(toxic));
            if !stays {
                chain.detach(&toxic.id, now, out);
            }
            stays
        });
        // What is left stands in the order of what is wanted.
        for (at, wanted) in wanted.into_iter().enumerate() {
            let there = self.toxics.get_mut(at).filter(|toxic| toxic.is(wanted));
            if there
                .as_ref()
                .is_some_and(|toxic| Arc::ptr_eq(toxic, wanted))
            {
                continue;
            }
            let flow_seed = chance::flow_seed(seed, &wanted.id, nth, self.to_target);
            let Some(toxic) = build(&wanted.inject, flow_seed) else {
                continue;
            };
            if let Some(there) = there {
                *there = Arc::clone(wanted);
                self.chain
                    .change(&wanted.id, toxic, carried, now, &mut self.out);
                continue;
            }
            self.toxics.insert(at, Arc::clone(wanted));
            let newcomer = Newcomer {
                id: Arc::clone(&wanted.id),
                toxic,
                totals: Arc::clone(&wanted.totals),
            };
            self.chain.insert(at, newcomer, carried, now, &mut self.out);
        }
        self.report_held();
    }

    /// Whether a toxic has reset the connection. The other direction is not
    /// asked then, so that a reset counts once.
    pub(crate) fn is_reset(&self) -> bool {
        self.out.end == Some(End::Reset)
    }

    /// Whether everything that was read has been written, and left the sink.
    pub(crate) fn is_drained(&self) -> bool {
        let written = self.out.bytes.is_empty() && self.pipe.is_none();
        written && self.flushed && self.chain.held_cost_bytes() == 0
    }

    /// Closes the connection behind what came out. Whether it did not before.
    pub(super) const fn close(&mut self) -> bool {
        let open = self.out.end.is_none();
        if open {
            self.out.end = Some(End::Close);
        }
        open
    }

    /// Carries bytes until neither side has anything to do. Ready when a toxic
    /// ends the connection; an error when a side is broken.
    pub(super) fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut R,
        sink: &mut W,
    ) -> Poll<io::Result<End>>
    where
        R: AsyncRead + Socket + Unpin,
        W: AsyncWrite + Socket + Unpin,
    {
        loop {
            if self.is_reset() {
                return Poll::Ready(Ok(End::Reset));
            }
            if self.poll_write_out(cx, sink)?.is_ready() && self.out.end == Some(End::Close) {
                return Poll::Ready(Ok(End::Close));
            }
            if self.poll_timers(cx).is_ready() {
                continue;
            }
            if !self.may_read() {
                return Poll::Pending;
            }
            ready!(self.poll_read_in(cx, source, sink))?;
        }
    }

    /// Writes what came out of the pipe and the chain, the end of the stream or
    /// of the connection included.
    fn poll_write_out<W: AsyncWrite + Socket + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut W,
    ) -> Poll<io::Result<()>> {
        self.flushed = false;
        ready!(self.poll_drain(cx, sink))?;
        while let Some(front) = self.out.bytes.front_mut() {
            let written = ready!(Pin::new(&mut *sink).poll_write(cx, front))?;
            self.count_written(written)?;
            // Borrowed again: counting needs the whole link.
            if let Some(front) = self.out.bytes.front_mut() {
                front.advance(written);
                if front.is_empty() {
                    self.out.bytes.pop_front();
                }
            }
        }
        if !self.finished && self.out.end == Some(End::Close) {
            // Whether anybody is left to hear of it makes no difference.
            let _broken = ready!(Pin::new(&mut *sink).poll_shutdown(cx));
            self.finished = true;
        } else if !self.finished && self.out.eof {
            ready!(Pin::new(&mut *sink).poll_shutdown(cx))?;
            self.finished = true;
        }
        // TLS holds what its socket would not take; whoever polls is woken when
        // it does.
        self.flushed = self.finished || Pin::new(sink).poll_flush(cx)?.is_ready();
        Poll::Ready(Ok(()))
    }

    /// Splices what is in the pipe, and gives the pipe back.
    fn poll_drain<W: Socket>(&mut self, cx: &mut Context<'_>, sink: &W) -> Poll<io::Result<()>> {
        while let Some((pipe, sink)) = self.pipe.as_mut().zip(sink.socket()) {
            let moved = ready!(pipe.poll_drain(cx, sink))?;
            let emptied = pipe.is_empty();
            self.count_written(moved)?;
            add(&self.totals.spliced_bytes, moved as u64);
            if emptied {
                self.give_back();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn give_back(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            self.pipes.put(pipe);
        }
    }

    /// Ready when the chain did something.
    fn poll_timers(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.chain.deadline() else {
            self.alarm.clear();
            return Poll::Pending;
        };
        if deadline > Instant::now().into_std() {
            ready!(self.alarm.poll_at(deadline, cx));
        }
        let now = Instant::now().into_std().max(deadline);
        self.chain.advance(now, &mut self.out);
        self.report_held();
        Poll::Ready(())
    }

    fn may_read(&self) -> bool {
        if self.read_closed || self.out.end.is_some() {
            return false;
        }
        if self.chain.is_empty() {
            return self.out.bytes.is_empty() && self.pipe.is_none();
        }
        let held = self.chain.held_cost_bytes();
        let within_share = held < HELD_BYTES_SHARE;
        let within_limits =
            held < HELD_BYTES_LINK_MAX && get(&self.totals.held_bytes) < HELD_BYTES_PROXY_MAX;
        self.out.bytes.len() < WAITING_CHUNKS_MAX && (within_share || within_limits)
    }

    /// One read by reference, where that pays and is possible; `None` where it is
    /// not. Only for a link with an empty chain and nothing left to write.
    fn poll_fill<R: Socket, W: Socket>(
        &mut self,
        cx: &mut Context<'_>,
        source: &R,
        sink: &W,
    ) -> Poll<Option<io::Result<()>>> {
        let (Some(source), Some(_)) = (source.socket(), sink.socket()) else {
            return Poll::Ready(None);
        };
        let Some(mut pipe) = self.pipes.take() else {
            self.volume.forget();
            return Poll::Ready(None);
        };
        let moved = pipe.poll_fill(cx, source);
        if pipe.is_empty() {
            self.pipes.put(pipe);
        } else {
            self.pipe = Some(pipe);
        }
        match ready!(moved) {
            Ok(0) => self.take_eof(),
            Ok(moved) => {
                self.count_read(moved);
            }
            Err(error) if is_refused(&error) => {
                self.volume.forget();
                return Poll::Ready(None);
            }
            Err(error) => return Poll::Ready(Some(Err(error))),
        }
        Poll::Ready(Some(Ok(())))
    }

    /// One read, and with an empty chain one write from the same buffer.
    fn poll_read_in<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut R,
        sink: &mut W,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Socket + Unpin,
        W: AsyncWrite + Socket + Unpin,
    {
        if self.volume.is_bulk()
            && self.chain.is_empty()
            && let Some(moved) = ready!(self.poll_fill(cx, source, sink))
        {
            return Poll::Ready(moved);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(poll_read(cx, source, &mut buffer))?;
            let bytes = buffer.filled();
            if bytes.is_empty() {
                self.take_eof();
                return Poll::Ready(Ok(()));
            }
            self.count_read(bytes.len());
            if !self.chain.is_empty() {
                let now = Instant::now().into_std();
                let bytes = Bytes::copy_from_slice(bytes);
                self.chain.push(bytes, now, &mut self.out);
                self.report_held();
                return Poll::Ready(Ok(()));
            }
            let written = match Pin::new(sink).poll_write(cx, bytes)? {
                Poll::Ready(written) => written,
                Poll::Pending => 0,
            };
            if written > 0 {
                self.count_written(written)?;
            }
            if written < bytes.len() {
                let rest = Bytes::copy_from_slice(&bytes[written..]);
                self.out.bytes.push_back(rest);
            }
            Poll::Ready(Ok(()))
        })
    }

    fn take_eof(&mut self) {
        self.read_closed = true;
        if self.chain.is_empty() {
            self.out.eof = true;
        } else {
            self.chain
                .push_eof(Instant::now().into_std(), &mut self.out);
        }
    }

    fn count_read(&mut self, read: usize) {
        self.carried = true;
        self.volume.saw(read);
        let counter = match self.to_target {
            true => &self.totals.read_to,
            false => &self.totals.read_from,
        };
        add(counter, read as u64);
    }

    fn count_written(&self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let counter = if self.to_target {
            &self.totals.bytes_to
        } else {
            &self.totals.bytes_from
        };
        add(counter, written as u64);
        add(&self.written, written as u64);
        Ok(())
    }

    fn report_held(&mut self) {
        let held = self.chain.held_cost_bytes();
        if held != self.reported_held {
            adjust(&self.totals.held_bytes, self.reported_held, held);
            self.reported_held = held;
        }
    }
}

/// Reads from a side. One that speaks TLS and closes without saying so has closed,
/// as many do.
pub(super) fn poll_read<R: AsyncRead + Unpin>(
    cx: &mut Context<'_>,
    source: &mut R,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    match ready!(Pin::new(source).poll_read(cx, buffer)) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
        read => Poll::Ready(read),
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.give_back();
        adjust(&self.totals.held_bytes, self.reported_held, 0);
    }
}

/// Replaces this link's part of a shared sum.
fn adjust(sum: &AtomicU64, old: usize, new: usize) {
    sum.fetch_add((new as u64).wrapping_sub(old as u64), Ordering::Relaxed);
}
