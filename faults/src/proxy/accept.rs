//! The task of a link that listens, stops listening and accepts.

use std::future::{pending, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::counters::add;
use super::gate::{Gate, is_down, until_it_listens};
use super::limit::Places;
use super::roster::Roster;
use super::{Proxy, Shared};

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
    /// A fault refuses whoever comes.
    Refused,
}

impl Proxy {
    /// Stops listening, as a process that ends does: callers are refused, those
    /// who wait to be accepted are reset. Live connections and toxics stay.
    pub fn close(&self) {
        self.0.wanted.send_modify(Wanted::close);
    }

    /// Listens as soon as the upstream does and as long as it does; looks for
    /// it at once.
    pub fn follow(&self) {
        self.0.wanted.send_modify(Wanted::follow);
    }

    /// Whether callers find it listening.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        *self.0.shared.listens.borrow() == Some(true)
    }

    /// Waits until it is known whether the upstream listens, at most `within`;
    /// whether the link does.
    pub async fn decided(&self, within: Duration) -> bool {
        let mut listens = self.0.shared.listens.subscribe();
        // When time ran out it does not listen.
        let decided = tokio::time::timeout(within, listens.wait_for(Option::is_some));
        decided
            .await
            .is_ok_and(|known| known.is_ok_and(|known| *known == Some(true)))
    }

    /// Returns once it has carried as many connections as it may: from then on
    /// callers may have waited for a place. Never while it has not.
    pub async fn filled(&self) {
        let mut full = self.0.shared.full.subscribe();
        if full.wait_for(|full| *full).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until it listens, at most `within`; whether it does.
    pub async fn listens(&self, within: Duration) -> bool {
        let mut listens = self.0.shared.listens.subscribe();
        let waiting = listens.wait_for(|listens| *listens == Some(true));
        tokio::time::timeout(within, waiting).await.is_ok()
    }

    /// Waits until it does not listen where a fault wants it so, at most
    /// `within`; whether that is so, or no fault wants it.
    pub(crate) async fn refuses(&self, within: Duration) -> bool {
        if !self.0.roster.borrow().refuses() {
            return true;
        }
        let mut listens = self.0.shared.listens.subscribe();
        let waiting = listens.wait_for(|listens| *listens == Some(false));
        tokio::time::timeout(within, waiting).await.is_ok()
    }

    /// Waits until it listens where its upstream does and nobody wants otherwise,
    /// at most `within`; whether that is so.
    pub(crate) async fn listens_again(&self, within: Duration) -> bool {
        if self.0.roster.borrow().refuses() || !self.0.wanted.borrow().follows {
            return true;
        }
        let shared = &self.0.shared;
        if !self.is_listening()
            && let Err(error) = shared.dial().await
            && is_down(&error)
        {
            return true;
        }
        self.listens(within).await
    }
}

/// Everything that accepting needs.
pub(super) struct Accepting {
    pub(super) gate: Arc<Gate>,
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
            if matches!(end, End::Stopped) {
                // The port goes with the gate, unless another proxy has it now.
                self.shared.listens.send_replace(Some(false));
                return;
            }
            if let Err(error) = self.gate.close() {
                tracing::warn!(link = self.shared.name, %error, "a link did not stop listening");
                tokio::time::sleep(ACCEPT_RETRY).await;
            } else {
                self.count(&end);
                self.shared.listens.send_replace(Some(false));
            }
            self.stretch += 1;
        }
    }

    /// Counts why it stopped listening, before anybody is told that it did.
    fn count(&self, end: &End) {
        match end {
            End::Stopped => {}
            End::Closed => add(&self.shared.totals.closed, 1),
            End::Refused => {
                let roster = self.roster.borrow();
                for toxic in roster.refusing() {
                    add(&toxic.totals.refusing, 1);
                }
            }
        }
    }

    /// Waits until it is wanted and its upstream listens; `None` when the proxy
    /// is shut down.
    async fn wait_for_upstream(&mut self) -> Option<TcpListener> {
        loop {
            let refuses = {
                let roster = self.roster.borrow_and_update();
                if roster.stopped {
                    return None;
                }
                roster.refuses()
            };
            let follows = self.wanted.borrow_and_update().follows && !refuses;
            let shared = Arc::clone(&self.shared);
            let upstream = async {
                match follows {
                    true => until_it_listens(&shared).await,
                    false => pending().await,
                }
            };
            tokio::select! {
                biased;
                changed = self.roster.changed() => if changed.is_err() {
                    return None;
                },
                // Asked again it looks again at once.
                changed = self.wanted.changed() => if changed.is_err() {
                    return None;
                },
                () = upstream => match self.gate.open() {
                    Ok(open) => return Some(open),
                    Err(error) => {
                        self.shared.totals.wants.count(&error);
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
                () = until(&mut self.roster, |roster| roster.stopped || roster.refuses()) => {
                    return match self.roster.borrow().stopped {
                        true => End::Stopped,
                        false => End::Refused,
                    };
                }
                () = until(&mut self.wanted, |wanted| !wanted.follows) => return End::Closed,
                // One of an earlier stretch says nothing about this one.
                () = until(&mut refused, |refused| *refused >= stretch) => return End::Closed,
                accepted = accept(listener, &self.places, &self.shared) => accepted,
            };
            match accepted {
                Ok((client, place)) => self.admit(client, place),
                Err(error) => {
                    add(&self.shared.totals.accept_failed, 1);
                    self.shared.totals.wants.count(&error);
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
