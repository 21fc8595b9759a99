//! The task of a connection: makes it, then waits for what comes on it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use squall_record::{BadKind, DropCause, Outcome};
use tokio::time::Sleep;

use super::connector::Endpoint;
use super::line::{Answer, Came, Line, NoAnswer};
use super::lying::Lying;
use super::session::{Session, Unsecured};
use super::socket::{Condition, Socket};
use super::under_way::{Key, Made};
use super::wire::Wire;
use super::{Exchange, ExchangeFailure, Sender, Transport};
use super::{open, place_waiting, send, settle, turn_of};
use crate::answer::Moment;

/// How long a server may take to close a socket that its client has left.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// Turns that a connection has at once, however much comes on it: each reads some.
const TURNS_MAX: u32 = 4;
const CLOSED_UNREAD: &str = "the connection was closed before the request was sent";
const SPOKE_FIRST: &str = "an answer came before the request was sent";

/// Makes a connection for an exchange and attends to it until it is closed.
pub(super) async fn attend<S: Sender>(sender: Rc<S>, line: Rc<Line>, key: Key) {
    let presence = Presence(&sender, &line);
    let making = Making::new(&sender.transport().lying);
    let made = connect(&sender, &line, key).await;
    drop(making);
    if made {
        let mut timer = None;
        poll_fn(|cx| {
            for _ in 0..TURNS_MAX {
                let came = {
                    let mut buffers = sender.transport().buffers.borrow_mut();
                    line.turn(cx, &mut buffers, &|at| sender.stalled(at))
                };
                let came = match (came, line.leaves_at.get()) {
                    (came, Some(end)) => {
                        let stalled = |at| sender.stalled(at);
                        left(cx, (&line, &stalled), came, (end, &mut timer))
                    }
                    (came, None) => came,
                };
                let Poll::Ready(came) = came else {
                    return Poll::Pending;
                };
                if !take(&sender, &line, came) {
                    return Poll::Ready(());
                }
            }
            // Others have theirs, and what is due is sent.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
            Poll::Pending
        })
        .await;
        if line.closes() {
            let closed = poll_fn(|cx| {
                let mut buffers = sender.transport().buffers.borrow_mut();
                line.close(cx, &mut buffers)
            });
            // Who does not answer is left.
            let _ = tokio::time::timeout(CLOSE_WAIT, closed).await;
        }
    }
    drop(presence);
    place_waiting(&sender);
}

/// What came, or that the client leaves at `end`; what came by then is read first.
fn left(
    cx: &mut Context<'_>,
    (line, stalled): (&Line, &dyn Fn(Instant) -> Duration),
    came: Poll<Came>,
    (end, timer): (Instant, &mut Option<Pin<Box<Sleep>>>),
) -> Poll<Came> {
    match came {
        Poll::Ready(Came::Answer(..) | Came::End(_)) => return came,
        // Who is sent more and more leaves all the same.
        Poll::Ready(Came::Nothing) if Instant::now() < end => return came,
        Poll::Ready(Came::Nothing) => {}
        // The clock alone does not tell that nothing came by then: where this thread stood
        // still, what did is not known before sockets are looked at, as before timers.
        Poll::Pending => {
            let deadline = tokio::time::Instant::from_std(end);
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }
    *timer = None;
    let stalled = stalled(end);
    Poll::Ready(line.leave(Moment { at: end, stalled }))
}

/// A connection that is being made, until it is or its task ends.
pub(super) struct Making<'a>(&'a Lying);

impl<'a> Making<'a> {
    pub(super) fn new(lying: &'a Lying) -> Self {
        lying.making();
        Self(lying)
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.0.made();
    }
}

/// Takes a connection off the books when its task ends, however that is.
struct Presence<'a, S: Sender>(&'a Rc<S>, &'a Line);

impl<S: Sender> Drop for Presence<'_, S> {
    fn drop(&mut self) {
        let transport = self.0.transport();
        transport.leave(self.1);
        if std::thread::panicking() {
            transport.broken.set(true);
        }
    }
}

/// Makes a connection to the first endpoint that accepts, and sends the request.
/// Otherwise the exchange is on another connection, or over.
async fn connect<S: Sender>(sender: &Rc<S>, line: &Rc<Line>, key: Key) -> bool {
    let transport = sender.transport();
    // Where names lead by now: to wait for an address is not to follow them.
    let pools = transport.pools.current().to_vec();
    let count = pools.len();
    if let Some(failure) = transport.nowhere() {
        settle(sender, key, Err(failure));
        return false;
    }
    let mut step = 0;
    let mut last = None;
    while step < count {
        let Some((turn, fresh)) = turn_of(transport, key) else {
            return false;
        };
        let index = ((turn % count as u64) as usize + step) % count;
        let pool = &pools[index];
        let endpoint = &pool.endpoint;
        if step > 0
            && !fresh
            && let Some(idle) = pool.take()
        {
            send(sender, key, &idle, None);
            return false;
        }
        let begun = Instant::now();
        let socket = match Socket::connect(endpoint).await {
            Ok(socket) => socket,
            Err(error) => {
                last = Some((endpoint, error));
                step += 1;
                continue;
            }
        };
        let connected = Instant::now();
        let (kind, detail) = match socket.condition() {
            Condition::Ready => match encrypt(transport, &socket).await {
                Ok(session) => {
                    let encrypted = session.is_some().then(Instant::now);
                    let made = Made {
                        begun,
                        connected,
                        encrypted,
                    };
                    note_made(transport, key, made);
                    line.made(Wire::new(socket, session), Rc::clone(pool));
                    send(sender, key, line, None);
                    return true;
                }
                Err(Unsecured::Refused(why)) => (BadKind::Tls, why),
                Err(Unsecured::SpokeFirst) => (BadKind::Malformed, SPOKE_FIRST.to_owned()),
            },
            Condition::Closed if refused_by(sender, key) < count as u64 => {
                (step, last) = (0, None);
                continue;
            }
            Condition::Closed => (BadKind::Broken, CLOSED_UNREAD.to_owned()),
            Condition::Spoke => (BadKind::Malformed, SPOKE_FIRST.to_owned()),
        };
        let failure = ExchangeFailure::bad(kind, detail, Some(endpoint.clone()));
        settle(sender, key, Err(failure));
        return false;
    }
    if let Some((endpoint, error)) = last {
        settle(sender, key, Err(not_connected(endpoint, &error)));
    }
    false
}

/// What it means that no connection could be made.
pub(super) fn not_connected(endpoint: &Endpoint, error: &std::io::Error) -> ExchangeFailure {
    let dropped = own_limit(error);
    ExchangeFailure {
        outcome: dropped.map_or(Outcome::Bad(BadKind::Connect), |_| Outcome::Dropped),
        dropped,
        detail: format!("connect to {endpoint}: {error}"),
        address: Some(endpoint.clone()),
    }
}

/// Shakes hands, where TLS is spoken.
async fn encrypt<E>(
    transport: &Transport<E>,
    socket: &Socket,
) -> Result<Option<Session>, Unsecured> {
    match &transport.connector.tls {
        Some(tls) => Session::shake(socket, tls).await.map(Some),
        None => Ok(None),
    }
}

/// Its connection was made for an exchange.
fn note_made<E>(transport: &Transport<E>, key: Key, made: Made) {
    if let Some(entry) = transport.under_way.borrow_mut().get_mut(key) {
        entry.made = Some(made);
    }
}

/// One more address has closed a fresh connection unread; how many have.
fn refused_by<S: Sender>(sender: &Rc<S>, key: Key) -> u64 {
    let mut under_way = sender.transport().under_way.borrow_mut();
    let Some(entry) = under_way.get_mut(key) else {
        return u64::MAX;
    };
    entry.refused += 1;
    entry.refused
}

/// What came on a connection; whether it lives on.
fn take<S: Sender>(sender: &Rc<S>, line: &Rc<Line>, came: Came) -> bool {
    let transport = sender.transport();
    let Some(pool) = line.pool() else {
        return false;
    };
    match came {
        Came::Nothing => {
            transport.lying.part();
            true
        }
        Came::Answer(key, answer) => {
            let now = Instant::now();
            // Its client has what it stayed for.
            line.leaves_at.set(None);
            let done = answer.came.unwrap_or(now);
            transport.lying.answered(answer.came.is_some());
            let reusable = answer.reusable && !transport.connector.per_request;
            let address = pool.endpoint.clone();
            if reusable {
                transport.put_idle(line, now);
            } else if !line.closes() {
                transport.leave(line);
            }
            settle(sender, key, Ok(exchange(answer, done, address)));
            if reusable {
                place_waiting(sender);
            }
            reusable
        }
        Came::End(None) => {
            pool.forget(line);
            false
        }
        Came::End(Some((key, no_answer))) => {
            transport.leave(line);
            let address = Some(pool.endpoint.clone());
            let (kind, detail) = match no_answer {
                NoAnswer::Malformed(why) => (BadKind::Malformed, why.to_string()),
                NoAnswer::Tls(why) => (BadKind::Tls, why),
                NoAnswer::Late => {
                    settle(sender, key, Err(ExchangeFailure::left_unanswered(address)));
                    return false;
                }
                NoAnswer::Ended { repeat, detail } => {
                    // The server may close a connection that it kept while the
                    // request is on its way; it was not at fault, nor was the user.
                    if repeat && sent_once(sender, key) {
                        open(sender, key);
                        return false;
                    }
                    (BadKind::Broken, detail)
                }
            };
            settle(
                sender,
                key,
                Err(ExchangeFailure::bad(kind, detail, address)),
            );
            false
        }
    }
}

/// Whether a request has been sent but once; from now on it has been sent again.
pub(super) fn sent_once<S: Sender>(sender: &Rc<S>, key: Key) -> bool {
    let mut under_way = sender.transport().under_way.borrow_mut();
    let entry = under_way.get_mut(key);
    entry.is_some_and(|entry| !std::mem::replace(&mut entry.resent, true))
}

fn exchange(mut answer: Answer, done: Instant, address: Endpoint) -> Exchange {
    let kept = answer.kept.as_deref_mut();
    Exchange {
        told: kept.and_then(|kept| kept.told.take()),
        first_byte: answer.first_byte.unwrap_or(done),
        done,
        status: answer.head.status,
        unbegun: false,
        body_bytes: answer.body_bytes,
        fallback: answer.head.fallback,
        kept: answer.kept,
        heard: answer.heard,
        address,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// It may lie in the socket: a thread that stood still has not looked yet.
    #[tokio::test]
    async fn who_stood_still_looks_for_what_came_before_it_leaves() {
        let line = Line::new(Instant::now());
        let end = Instant::now() + Duration::from_millis(5);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        let mut timer = None;
        let (mut looked, stalled) = (0, |_| Duration::ZERO);
        let came = poll_fn(|cx| {
            looked += 1;
            left(cx, (&line, &stalled), Poll::Pending, (end, &mut timer))
        });
        assert!(matches!(came.await, Came::End(None)));
        assert_eq!(looked, 2, "once before sockets were looked at");
    }
}
