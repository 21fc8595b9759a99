//! One HTTP/2 connection: made, then driven until it ends.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use h2::client::SendRequest;
use squall_record::BadKind;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use super::stamped::Stamped;
use crate::answer::HEAD_BYTES_MAX;
use crate::transport::attend::{Making, not_connected};
use crate::transport::line::Line;
use crate::transport::pools::Pool;
use crate::transport::session::words;
use crate::transport::socket::Socket;
use crate::transport::tls::HTTP_2;
use crate::transport::{Endpoint, ExchangeFailure, Made, Sender, Transport, place_waiting};

/// Most exchanges that a connection carries at a time, if the server allows so many.
const CARRIED_MAX: usize = 256;
/// The same before the server has said how many it allows: as many as RFC 9113 asks
/// servers to allow.
const CARRIED_AT_FIRST: usize = 100;
/// What may come of one answer before it is read, in bytes.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same of all answers on a connection.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A connection, which may be yet to be made.
pub(in crate::transport) struct Stem {
    /// Where it leads.
    pool: RefCell<Rc<Pool<Line>>>,
    state: RefCell<State>,
    changed: Notify,
    carried: Cell<usize>,
    /// Whether an answer was read on it.
    answered: Cell<bool>,
    /// Whether it takes nothing on any more.
    closing: Cell<bool>,
    /// Whether it carries one exchange only.
    once: bool,
    /// Whether it counts as open.
    open: Cell<bool>,
    idle_since: Cell<Instant>,
    /// How it was made, until somebody is told.
    made: Cell<Option<Made>>,
    /// When that came which was read last.
    came: Rc<Cell<Instant>>,
    task: OnceCell<AbortHandle>,
}

enum State {
    Making,
    Made(SendRequest<Bytes>),
    /// It could not be made.
    Failed(ExchangeFailure),
}

/// Drives a connection until it ends.
type Driver = Pin<Box<dyn Future<Output = Result<(), h2::Error>>>>;

impl std::fmt::Debug for Stem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stem({} carried)", self.carried.get())
    }
}

impl Stem {
    /// One that is yet to be made.
    pub(super) fn new(pool: Rc<Pool<Line>>, once: bool) -> Rc<Self> {
        Rc::new(Self {
            pool: RefCell::new(pool),
            state: RefCell::new(State::Making),
            changed: Notify::new(),
            carried: Cell::new(0),
            answered: Cell::new(false),
            closing: Cell::new(false),
            once,
            open: Cell::new(true),
            idle_since: Cell::new(Instant::now()),
            made: Cell::new(None),
            came: Rc::new(Cell::new(Instant::now())),
            task: OnceCell::new(),
        })
    }

    pub(super) fn pool(&self) -> Rc<Pool<Line>> {
        Rc::clone(&self.pool.borrow())
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        self.pool.borrow().endpoint.clone()
    }

    pub(super) fn has_room(&self) -> bool {
        let allowed = match &*self.state.borrow() {
            State::Making => CARRIED_AT_FIRST,
            State::Made(requests) => requests.current_max_send_streams().min(CARRIED_MAX),
            State::Failed(_) => 0,
        };
        !self.closing.get() && !self.once && self.carried.get() < allowed
    }

    pub(super) fn is_idle(&self) -> bool {
        self.carried.get() == 0
    }

    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since.get()
    }

    /// It carries one more exchange.
    pub(super) fn take_on(&self) {
        self.carried.set(self.carried.get() + 1);
    }

    /// It carries one exchange less; whether it is over by that.
    pub(super) fn let_go(&self) -> bool {
        self.carried.set(self.carried.get().saturating_sub(1));
        self.idle_since.set(Instant::now());
        if self.once {
            self.end();
        }
        self.once
    }

    /// An answer was read on it.
    pub(super) fn has_brought(&self) {
        self.answered.set(true);
    }

    /// Whether an answer was read on it: it was kept for what follows.
    pub(super) const fn was_kept(&self) -> bool {
        self.answered.get()
    }

    /// It takes nothing on any more; what it carries may end.
    pub(super) fn close(&self) {
        self.closing.set(true);
    }

    /// Ends it, whatever it carries.
    pub(super) fn end(&self) {
        self.close();
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// It does not count as open any more; whether it did.
    pub(super) fn leave(&self) -> bool {
        self.close();
        self.open.replace(false)
    }

    /// When that came which was read last.
    pub(super) fn came(&self) -> Instant {
        self.came.get()
    }

    /// How it was made, for the first who asks.
    pub(super) fn made(&self) -> Option<Made> {
        self.made.take()
    }

    /// Waits until it is made; sends requests on it.
    pub(super) async fn requests(&self) -> Result<SendRequest<Bytes>, ExchangeFailure> {
        loop {
            let changed = self.changed.notified();
            match &*self.state.borrow() {
                State::Made(requests) => return Ok(requests.clone()),
                State::Failed(failure) => return Err(failure.clone()),
                State::Making => {}
            }
            changed.await;
        }
    }

    fn become_(&self, state: State) {
        *self.state.borrow_mut() = state;
        self.changed.notify_waiters();
    }
}

/// Makes a connection and attends to it until it is closed.
pub(super) fn open<S: Sender>(sender: &Rc<S>, stem: &Rc<Stem>) {
    let task = attend(Rc::clone(sender), Rc::clone(stem));
    let task = tokio::task::spawn_local(task).abort_handle();
    // It is started once.
    let _ = stem.task.set(task);
}

async fn attend<S: Sender>(sender: Rc<S>, stem: Rc<Stem>) {
    let presence = Presence(&sender, &stem);
    let making = Making::new(&sender.transport().lying);
    let made = connect(sender.transport(), &stem).await;
    drop(making);
    match made {
        Err(failure) => {
            stem.close();
            stem.become_(State::Failed(failure));
        }
        Ok((requests, driver)) => {
            stem.become_(State::Made(requests));
            // Whoever is on it hears of its end as well.
            let _ended = driver.await;
        }
    }
    drop(presence);
    place_waiting(&sender);
}

/// Takes a connection off the books when its task ends, however that is.
struct Presence<'a, S: Sender>(&'a Rc<S>, &'a Stem);

impl<S: Sender> Drop for Presence<'_, S> {
    fn drop(&mut self) {
        let transport = self.0.transport();
        transport.leave_stem(self.1);
        if std::thread::panicking() {
            transport.broken.set(true);
        }
    }
}

/// Makes a connection to the first endpoint that accepts.
async fn connect<E>(
    transport: &Transport<E>,
    stem: &Stem,
) -> Result<(SendRequest<Bytes>, Driver), ExchangeFailure> {
    let pools = transport.pools.current().to_vec();
    if let Some(failure) = transport.nowhere() {
        return Err(failure);
    }
    let wanted = stem.pool();
    let first = pools.iter().position(|pool| Rc::ptr_eq(pool, &wanted));
    let (front, back) = pools.split_at(first.unwrap_or(0));
    let mut last = None;
    for pool in back.iter().chain(front) {
        let endpoint = &pool.endpoint;
        let begun = Instant::now();
        let socket = match Socket::connect(endpoint).await {
            Ok(socket) => socket,
            Err(error) => {
                last = Some((endpoint, error));
                continue;
            }
        };
        let connected = Instant::now();
        let socket = Stamped::new(socket, Rc::clone(&stem.came));
        *stem.pool.borrow_mut() = Rc::clone(pool);
        let mut made = Made {
            begun,
            connected,
            encrypted: None,
        };
        let spoken = match &transport.connector.tls {
            None => begin(socket).await,
            Some(tls) => {
                let (config, name) = tls.parts();
                let shaken = TlsConnector::from(config).connect(name, socket).await;
                let stream = shaken.map_err(|error| {
                    let why = words(&error).unwrap_or_else(|| error.to_string());
                    let detail = format!("TLS handshake: {why}");
                    failure(BadKind::Tls, detail, endpoint)
                })?;
                made.encrypted = Some(Instant::now());
                if stream.get_ref().1.alpn_protocol() != Some(HTTP_2) {
                    let detail = "the target speaks no HTTP/2: it did not choose `h2`";
                    return Err(failure(BadKind::Malformed, detail.to_owned(), endpoint));
                }
                begin(stream).await
            }
        };
        let spoken = spoken.map_err(|error| {
            let detail = format!("HTTP/2 could not begin: {error}");
            failure(BadKind::Broken, detail, endpoint)
        })?;
        stem.made.set(Some(made));
        return Ok(spoken);
    }
    Err(match last {
        Some((endpoint, error)) => not_connected(endpoint, &error),
        None => ExchangeFailure::bad(BadKind::Connect, "no address".to_owned(), None),
    })
}

fn failure(kind: BadKind, detail: String, endpoint: &Endpoint) -> ExchangeFailure {
    ExchangeFailure::bad(kind, detail, Some(endpoint.clone()))
}

/// Begins to speak HTTP/2.
async fn begin<T>(io: T) -> Result<(SendRequest<Bytes>, Driver), h2::Error>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (requests, connection) = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_max_send_streams(CARRIED_AT_FIRST)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .enable_push(false)
        // Answers to requests that were given up come late, however many: who sends
        // them does nothing wrong.
        .max_local_error_reset_streams(None)
        .handshake(io)
        .await?;
    Ok((requests, Box::pin(connection)))
}
