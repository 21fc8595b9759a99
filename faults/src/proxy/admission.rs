//! Whether and when a connection that was accepted is let in: until then its
//! target is not dialled and nothing of it is read.

use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::sync::watch;

use super::Shared;
use super::counters::add;
use super::live::{Live, Written};
use super::meetings::{Entrance, Meetings, Wait};
use super::roster::Roster;

/// What became of a connection at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    /// It goes on to its target.
    In,
    /// A fault wants it reset, or somebody ended it.
    Reset,
    /// The proxy is shut down.
    Gone,
}

/// The door of a proxy, before one of its connections.
pub(super) struct Door<'a> {
    pub(super) shared: &'a Shared,
    /// Which one of the proxy's, from 0.
    pub(super) nth: u64,
    pub(super) roster: &'a mut watch::Receiver<Roster>,
}

impl Door<'_> {
    /// Waits until every fault that hits the connection lets it in. While it
    /// waits it counts as live, so that who takes a fault away knows when it
    /// goes on.
    pub(super) async fn admit(mut self, client: &TcpStream, meetings: &mut Meetings) -> Admitted {
        let accepted = tokio::time::Instant::now().into_std();
        let mut waiting = None;
        let admitted = self.wait(client, meetings, accepted, &mut waiting).await;
        if waiting.is_some() {
            self.shared.connections.unregister(self.nth);
        }
        admitted
    }

    async fn wait(
        &mut self,
        client: &TcpStream,
        meetings: &mut Meetings,
        accepted: Instant,
        waiting: &mut Option<Arc<Live>>,
    ) -> Admitted {
        loop {
            let roster = self.roster.borrow_and_update().clone();
            if roster.stopped {
                return Admitted::Gone;
            }
            meetings.follow(&roster, self.shared.seed, self.nth);
            let now = tokio::time::Instant::now().into_std();
            let wait = match meetings.enter(accepted, now) {
                Entrance::Open => return Admitted::In,
                Entrance::Reset => {
                    add(&self.shared.totals.reset, 1);
                    return Admitted::Reset;
                }
                Entrance::Wait(wait) => wait,
            };
            let live = waiting.get_or_insert_with(|| {
                let live = Arc::new(Live::new(client.peer_addr().ok(), Written::default()));
                self.shared.connections.register(self.nth, &live);
                live
            });
            let connections = &self.shared.connections;
            connections.follow(live, roster.version, meetings.ids());
            tokio::select! {
                biased;
                changed = self.roster.changed() => if changed.is_err() {
                    return Admitted::Gone;
                },
                () = live.killed.notified() => return Admitted::Reset,
                () = over(wait) => {}
            }
        }
    }
}

/// Returns when it is worth to ask again.
async fn over(wait: Wait) {
    match wait {
        Wait::Until(due) => tokio::time::sleep_until(due.into()).await,
        Wait::Room(toxic, most) => {
            let mut inside = toxic.totals.inside.subscribe();
            if inside.wait_for(|inside| *inside < most).await.is_err() {
                // Gone with its fault, which is a change of the roster.
                std::future::pending::<()>().await;
            }
        }
        Wait::Change => std::future::pending().await,
    }
}
