//! One connection through a proxy: dial, carry both directions, end.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::Shared;
use super::chain::End;
use super::counters::add;
use super::gate::{dial, is_down};
use super::link::Link;
use super::roster::Roster;

/// A connection that was accepted.
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    /// Which one of the proxy's, from 0.
    pub(crate) nth: u64,
    /// In which stretch of listening it was accepted.
    pub(crate) stretch: u64,
    pub(crate) roster: watch::Receiver<Roster>,
}

impl Connection {
    /// Serves the connection to its end. Never fails: whatever happens is
    /// passed on to the peers and counted.
    pub(crate) async fn serve(mut self, client: TcpStream) {
        let upstream = tokio::select! {
            biased;
            _ = self.roster.wait_for(|roster| roster.stopped) => return,
            dialled = dial(self.shared.upstream()) => dialled,
        };
        let upstream = match upstream {
            Ok(upstream) => upstream,
            Err(error) => {
                tracing::debug!(link = self.shared.name, %error, "upstream not reached");
                add(&self.shared.totals.dial_failed, 1);
                if is_down(&error) {
                    self.shared.refused.send_replace(self.stretch);
                }
                return reset(&client);
            }
        };
        let seen = self.shared.register(self.nth);
        self.carry(client, upstream, &seen).await;
        self.shared.unregister(self.nth);
    }

    async fn carry(&mut self, mut client: TcpStream, mut upstream: TcpStream, seen: &AtomicU64) {
        // Small messages must not wait for Nagle's algorithm on the extra hop.
        let nodelay = client.set_nodelay(true).and(upstream.set_nodelay(true));
        if let Err(error) = nodelay {
            tracing::debug!(link = self.shared.name, %error, "TCP_NODELAY not set");
        }
        let mut pair = Pair::new(&self.shared, &mut client, &mut upstream);
        let end = loop {
            let roster = self.roster.borrow_and_update().clone();
            if roster.stopped {
                break Ok(End::Close);
            }
            pair.reconcile(&roster, self.shared.seed, self.nth);
            seen.store(roster.version, Ordering::Release);
            self.shared.followed.notify_waiters();
            tokio::select! {
                biased;
                changed = self.roster.changed() => if changed.is_err() {
                    break Ok(End::Close);
                },
                end = poll_fn(|cx| pair.poll(cx)) => break end,
            }
        };
        drop(pair);
        match end {
            Ok(End::Close) => {}
            Ok(End::Reset) => {
                add(&self.shared.totals.reset, 1);
                reset(&client);
                reset(&upstream);
            }
            // A broken side is passed on as what it was: a reset.
            Err(_) => {
                reset(&client);
                reset(&upstream);
            }
        }
    }
}

/// Both directions with the halves of the sockets they use.
struct Pair<'a> {
    to: Link,
    from: Link,
    client: (ReadHalf<'a>, WriteHalf<'a>),
    upstream: (ReadHalf<'a>, WriteHalf<'a>),
}

impl<'a> Pair<'a> {
    fn new(shared: &Shared, client: &'a mut TcpStream, upstream: &'a mut TcpStream) -> Self {
        Self {
            to: Link::new(true, Arc::clone(&shared.totals)),
            from: Link::new(false, Arc::clone(&shared.totals)),
            client: client.split(),
            upstream: upstream.split(),
        }
    }

    fn reconcile(&mut self, roster: &Roster, seed: u64, nth: u64) {
        let carried = self.to.carried || self.from.carried;
        self.to.reconcile(roster, seed, nth, carried);
        if !self.to.is_reset() {
            self.from.reconcile(roster, seed, nth, carried);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<End>> {
        let to = self.to.poll(cx, &mut self.client.0, &mut self.upstream.1);
        if to.is_ready() {
            return to;
        }
        let from = self.from.poll(cx, &mut self.upstream.0, &mut self.client.1);
        if from.is_ready() {
            return from;
        }
        if self.to.finished && self.from.finished {
            return Poll::Ready(Ok(End::Close));
        }
        Poll::Pending
    }
}

/// Makes the coming close of a socket a reset.
pub(crate) fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a connection could not be reset, it is closed instead");
    }
}
