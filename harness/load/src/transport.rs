//! HTTP/1.1 connections to the target, with the timings of each exchange.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use rustix::io::Errno;
use squall_record::{BadKind, DropCause, Outcome};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::connection::{Condition, Connection, NoAnswer};
use crate::requests::PreparedRequest;

const CLOSED_UNREAD: &str = "the connection was closed before the request was sent";
const SPOKE_FIRST: &str = "an answer came before the request was sent";

/// How long an unused connection is kept: as long as in Go's client and in
/// hyper's. What a burst or a stall opened does not stay for the whole run.
const IDLE_MAX: Duration = Duration::from_secs(90);
/// Idle connections looked at in one sweep.
const SWEPT_MAX: usize = 64;

/// A pool of connections to one target, which may have several addresses.
///
/// Nothing is redirected or decoded behind the caller's back. Two things happen
/// that every HTTP client does: a request that was never written, because a
/// kept-alive connection had just been closed or an address refused the
/// connection, goes to a fresh connection or the next address; and a request
/// that may be repeated (RFC 9110 §9.2.2) is sent once more, on a fresh
/// connection, when a kept-alive one died under it before any answer. That is
/// told in the exchange.
#[derive(Debug)]
pub struct Transport {
    addresses: Vec<SocketAddr>,
    host: HeaderValue,
    /// By address; the longest unused is in front.
    idle: RefCell<Vec<VecDeque<Idle>>>,
    permits: Option<Arc<Semaphore>>,
    connections_max: usize,
}

/// A connection that waits for its next request.
#[derive(Debug)]
struct Idle {
    since: Instant,
    connection: Connection,
}

/// How far an exchange has come, for a caller who gives up on it.
#[derive(Debug, Default)]
pub struct Course {
    /// When the request was handed to a connection, if it was.
    pub written: Cell<Option<Instant>>,
    /// Whether it was sent again on a fresh connection.
    pub resent: Cell<bool>,
}

/// An answer.
#[derive(Debug)]
pub struct Exchange {
    /// When the request was handed to a ready connection.
    pub written: Instant,
    /// When the last byte of the answer had been read.
    pub done: Instant,
    /// Status code.
    pub status: u16,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// Value of [`FALLBACK_HEADER`](crate::FALLBACK_HEADER), if there is one.
    pub fallback: Option<String>,
    /// Where it came from.
    pub address: SocketAddr,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct ExchangeFailure {
    /// What that makes of the arrival: dropped when this machine had no
    /// descriptor or port left for it, else a kind of failure.
    pub outcome: Outcome,
    /// Why it was dropped, where it was.
    pub dropped: Option<DropCause>,
    /// When the request was handed to a connection, if it was.
    pub written: Option<Instant>,
    /// The error in words.
    pub detail: String,
    /// Where the request went.
    pub address: Option<SocketAddr>,
}

impl ExchangeFailure {
    fn bad(kind: BadKind, written: Instant, detail: String, address: SocketAddr) -> Self {
        Self {
            outcome: Outcome::Bad(kind),
            dropped: None,
            written: Some(written),
            detail,
            address: Some(address),
        }
    }
}

impl Transport {
    /// A pool for `addresses`, sending `host` in the `Host` header, with at
    /// most `connections` open at once (`None`: as many as requests need).
    ///
    /// # Errors
    /// `host` is not a valid header value, in which case it is returned.
    pub fn new(
        addresses: Vec<SocketAddr>,
        host: &str,
        connections: Option<u32>,
    ) -> Result<Self, String> {
        let host = HeaderValue::from_str(host).map_err(|_| host.to_owned())?;
        let idle = addresses.iter().map(|_| VecDeque::new()).collect();
        Ok(Self {
            addresses,
            host,
            idle: RefCell::new(idle),
            permits: connections.map(|max| Arc::new(Semaphore::new(max as usize))),
            connections_max: connections.map_or(usize::MAX, |max| max as usize),
        })
    }

    /// Sends one request and reads its whole answer. `turn` chooses the
    /// address to start with.
    ///
    /// # Errors
    /// The connection could not be made or broke, or what came is no answer.
    pub async fn exchange(
        &self,
        request: &PreparedRequest,
        turn: u64,
        course: &Course,
    ) -> Result<Exchange, ExchangeFailure> {
        let _permit = self.permit().await;
        // Addresses that accepted a fresh connection and closed it unread.
        let mut refused = 0;
        loop {
            let fresh = course.resent.get();
            let mut connection = self.connection(turn.wrapping_add(refused), fresh).await?;
            let address = self.addresses[connection.address];
            let written = Instant::now();
            let bad = |kind, detail| Err(ExchangeFailure::bad(kind, written, detail, address));
            match connection.condition() {
                Condition::Ready => {}
                // Nothing was written, so nothing is sent twice.
                _ if connection.reused => continue,
                Condition::Closed if refused + 1 < self.addresses.len() as u64 => {
                    refused += 1;
                    continue;
                }
                Condition::Closed => return bad(BadKind::Broken, CLOSED_UNREAD.to_owned()),
                Condition::Spoke => return bad(BadKind::Malformed, SPOKE_FIRST.to_owned()),
            }
            course.written.set(Some(written));
            match connection.exchange(request, &self.host).await {
                Ok(answer) => {
                    let done = Instant::now();
                    if answer.reusable {
                        let since = done;
                        self.idle.borrow_mut()[connection.address]
                            .push_back(Idle { since, connection });
                    }
                    return Ok(Exchange {
                        written,
                        done,
                        status: answer.status,
                        body_bytes: answer.body_bytes,
                        fallback: answer.fallback,
                        address,
                    });
                }
                Err(NoAnswer::Malformed(why)) => return bad(BadKind::Malformed, why.to_string()),
                // The server may close a connection that it kept while the
                // request is on its way; it was not at fault, nor was the user.
                Err(NoAnswer::Ended {
                    answered: false, ..
                }) if connection.reused && !fresh && request.method.is_idempotent() => {
                    course.resent.set(true);
                }
                Err(NoAnswer::Ended { detail, .. }) => return bad(BadKind::Broken, detail),
            }
        }
    }

    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        match &self.permits {
            // The semaphore is never closed, so this is always a permit.
            Some(permits) => Arc::clone(permits).acquire_owned().await.ok(),
            None => None,
        }
    }

    /// An idle connection, unless a `fresh` one is asked for, or else one to
    /// the first address that accepts.
    async fn connection(&self, turn: u64, fresh: bool) -> Result<Connection, ExchangeFailure> {
        let count = self.addresses.len();
        let mut last = None;
        for step in 0..count {
            let address = (turn as usize).wrapping_add(step) % count;
            // Last in, first out keeps few connections warm and lets others age.
            let idle = match fresh {
                true => None,
                false => self.idle.borrow_mut()[address].pop_back(),
            };
            if let Some(idle) = idle {
                return Ok(idle.connection);
            }
            self.make_room();
            match Connection::open(self.addresses[address], address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some((self.addresses[address], error)),
            }
        }
        let Some((address, error)) = last else {
            return Err(ExchangeFailure {
                outcome: Outcome::Bad(BadKind::Connect),
                dropped: None,
                written: None,
                detail: "the target has no address".to_owned(),
                address: None,
            });
        };
        let dropped = own_limit(&error);
        Err(ExchangeFailure {
            outcome: dropped.map_or(Outcome::Bad(BadKind::Connect), |_| Outcome::Dropped),
            dropped,
            written: None,
            detail: format!("connect to {address}: {error}"),
            address: Some(address),
        })
    }

    /// Closes an idle connection to another address when the cap is reached.
    fn make_room(&self) {
        let Some(permits) = &self.permits else { return };
        let busy = self.connections_max - permits.available_permits();
        let mut idle = self.idle.borrow_mut();
        let mut open = idle.iter().map(VecDeque::len).sum::<usize>() + busy;
        for pool in idle.iter_mut() {
            while open > self.connections_max && pool.pop_front().is_some() {
                open -= 1;
            }
        }
    }

    /// Lets go of idle connections that the target has closed, or that nobody
    /// has used for 90 s: they would hold descriptors and memory until they are
    /// asked for. The oldest first, and only so many at a time.
    pub fn sweep(&self, now: Instant) {
        for pool in self.idle.borrow_mut().iter_mut() {
            for _ in 0..SWEPT_MAX {
                let Some(oldest) = pool.front() else { break };
                let unused = now.saturating_duration_since(oldest.since);
                if unused < IDLE_MAX && oldest.connection.condition() == Condition::Ready {
                    break;
                }
                pool.pop_front();
            }
        }
    }

    /// How many connections wait for their next request.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.idle.borrow().iter().map(VecDeque::len).sum()
    }
}

/// What this machine has run out of, where a socket could not be had on this
/// side. The target has not even been asked then.
fn own_limit(error: &std::io::Error) -> Option<DropCause> {
    match Errno::from_io_error(error)? {
        Errno::MFILE | Errno::NFILE => Some(DropCause::Descriptors),
        Errno::ADDRNOTAVAIL => Some(DropCause::Ports),
        Errno::NOBUFS | Errno::NOMEM => Some(DropCause::Memory),
        _ => None,
    }
}
