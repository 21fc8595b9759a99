//! The task of a link that listens, stops listening and accepts.

use std::future::{pending, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::task::TaskTracker;

use super::Shared;
use super::connection::Connection;
use super::counters::add;
use super::gate::{Gate, until_it_listens};
use super::limit::Places;
use super::roster::Roster;

/// Pause after a failed accept: with no file descriptor left, trying again at
/// once would only burn a core.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// What the owner of a link wants of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Whether it listens while its upstream does; never otherwise.
    follows: bool,
}

impl Wanted {
    pub(super) const fn at_start(follows: bool) -> Self {
        Self { follows }
    }

    pub(super) const fn close(&mut self) {
        self.follows = false;
    }

    pub(super) const fn follow(&mut self) {
        self.follows = true;
    }
}

/// Why a link stopped accepting.
enum End {
    /// Its proxy is shut down.
    Stopped,
    /// Its owner wants it closed, or its upstream is down.
    Closed,
}

/// Everything that accepting needs.
pub(super) struct Accepting {
    pub(super) gate: Gate,
    pub(super) shared: Arc<Shared>,
    pub(super) roster: watch::Receiver<Roster>,
    pub(super) wanted: watch::Receiver<Wanted>,
    pub(super) places: Places,
    pub(super) tasks: TaskTracker,
    /// Connections accepted so far.
    pub(super) accepted: u64,
    /// Which stretch of listening this is, from 1.
    pub(super) stretch: u64,
}

impl Accepting {
    /// Listens and accepts until the proxy is shut down.
    pub(super) async fn run(mut self, mut listener: Option<TcpListener>) {
        loop {
            let open = match listener.take() {
                Some(open) => open,
                None => match self.wait_for_upstream().await {
                    Some(open) => open,
                    None => return,
                },
            };
            self.shared.listens.send_replace(Some(true));
            let end = self.accept_all(&open).await;
            drop(open);
            self.shared.listens.send_replace(Some(false));
            if let Err(error) = self.gate.close() {
                tracing::warn!(link = self.shared.name, %error, "a link did not stop listening");
            }
            match end {
                End::Stopped => return,
                End::Closed => add(&self.shared.totals.closed, 1),
            }
            self.stretch += 1;
        }
    }

    /// Waits until it is wanted and its upstream listens; `None` when the proxy
    /// is shut down.
    async fn wait_for_upstream(&mut self) -> Option<TcpListener> {
        loop {
            let follows = self.wanted.borrow_and_update().follows;
            let shared = Arc::clone(&self.shared);
            let upstream = async {
                match follows {
                    true => until_it_listens(&shared).await,
                    false => pending().await,
                }
            };
            tokio::select! {
                biased;
                () = until(&mut self.roster, |roster| roster.stopped) => return None,
                // Asked again it looks again at once.
                changed = self.wanted.changed() => if changed.is_err() {
                    return None;
                },
                () = upstream => match self.gate.open() {
                    Ok(open) => return Some(open),
                    Err(error) => {
                        tracing::warn!(link = self.shared.name, %error, "a link cannot listen");
                        tokio::time::sleep(ACCEPT_RETRY).await;
                    }
                },
            }
        }
    }

    async fn accept_all(&mut self, listener: &TcpListener) -> End {
        let mut refused = self.shared.refused.subscribe();
        let stretch = self.stretch;
        loop {
            let accepted = tokio::select! {
                biased;
                () = until(&mut self.roster, |roster| roster.stopped) => return End::Stopped,
                () = until(&mut self.wanted, |wanted| !wanted.follows) => return End::Closed,
                // One of an earlier stretch says nothing about this one.
                () = until(&mut refused, |refused| *refused >= stretch) => return End::Closed,
                accepted = accept(listener, &self.places, &self.shared) => accepted,
            };
            match accepted {
                Ok((client, place)) => self.admit(client, place),
                Err(error) => {
                    add(&self.shared.totals.accept_failed, 1);
                    tracing::debug!(link = self.shared.name, %error, "accept failed");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    /// Starts serving a connection on a task of its own, so that accepting never
    /// waits for a dial.
    fn admit(&mut self, client: TcpStream, place: Option<OwnedSemaphorePermit>) {
        add(&self.shared.totals.accepted, 1);
        add(&self.shared.totals.open, 1);
        let connection = Connection {
            shared: Arc::clone(&self.shared),
            nth: self.accepted,
            stretch: self.stretch,
            roster: self.roster.clone(),
        };
        self.accepted += 1;
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            connection.serve(client).await;
            shared.totals.open.fetch_sub(1, Ordering::Relaxed);
            drop(place);
        });
    }
}

/// Waits for a value. One whose owner is gone will not change any more: that
/// the proxy is gone as well is seen by its roster.
async fn until<T>(values: &mut watch::Receiver<T>, wanted: impl FnMut(&T) -> bool) {
    if values.wait_for(wanted).await.is_err() {
        tracing::debug!("a link lost its owner");
    }
}

/// Accepts a connection when there is a place for it. Until then callers wait in
/// the kernel's queue, as they do before a server that has stopped: to turn them
/// away would hide that it hangs.
async fn accept(
    listener: &TcpListener,
    places: &Places,
    shared: &Shared,
) -> io::Result<(TcpStream, Option<OwnedSemaphorePermit>)> {
    if let Some(place) = places.take() {
        let (client, _) = listener.accept().await?;
        return Ok((client, Some(place)));
    }
    shared.full.send_replace(true);
    let place = places.wait().await;
    // Whoever is there already has waited.
    let (client, waited) = tokio::select! {
        biased;
        accepted = listener.accept() => (accepted?.0, true),
        () = ready(()) => (listener.accept().await?.0, false),
    };
    if waited {
        add(&shared.totals.over_limit, 1);
    }
    Ok((client, place))
}
