//! HTTP/1.1 connections to the target, with the timings of each exchange.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustix::io::Errno;
use squall_reports::{BadKind, Outcome};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::requests::PreparedRequest;

/// Header by which a system says that an answer is a fallback.
pub const FALLBACK_HEADER: &str = "x-fallback";

/// A pool of connections to one target, which may have several addresses.
///
/// Nothing is retried, redirected or decoded behind the caller's back. The one
/// exception is what every HTTP client does: a request that was never written,
/// because a kept-alive connection had just been closed or an address refused
/// the connection, goes to a fresh connection or the next address.
#[derive(Debug)]
pub struct Transport {
    addresses: Vec<SocketAddr>,
    host: HeaderValue,
    idle: Mutex<Vec<VecDeque<Connection>>>,
    permits: Option<Arc<Semaphore>>,
    connections_max: usize,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    address: usize,
    /// Whether it has carried a request before.
    pooled: bool,
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
    /// Value of [`FALLBACK_HEADER`], if there is one.
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
    /// When the request was handed to a connection, if it was.
    pub written: Option<Instant>,
    /// The error in words.
    pub detail: String,
    /// Where the request went.
    pub address: Option<SocketAddr>,
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
            idle: Mutex::new(idle),
            permits: connections.map(|max| Arc::new(Semaphore::new(max as usize))),
            connections_max: connections.map_or(usize::MAX, |max| max as usize),
        })
    }

    /// Sends one request and reads its whole answer. `turn` chooses the
    /// address to start with. `written` is also stored through
    /// `written_at`, so that a caller who gives up knows how far it came.
    ///
    /// # Errors
    /// The connection could not be made or broke.
    pub async fn exchange(
        self: &Arc<Self>,
        request: PreparedRequest,
        turn: u64,
        written_at: &std::cell::Cell<Option<Instant>>,
    ) -> Result<Exchange, ExchangeFailure> {
        let permit = self.permit().await;
        let mut message = self.message(request);
        // Addresses that accepted a fresh connection and closed it unread.
        let mut refused = 0;
        loop {
            let mut connection = self.connection(turn.wrapping_add(refused)).await?;
            let address = self.addresses[connection.address];
            let written = Instant::now();
            written_at.set(Some(written));
            let mut error = match connection.sender.try_send_request(message).await {
                Ok(response) => {
                    let exchange = Self::read(response, written, address).await?;
                    self.give_back(connection, permit);
                    return Ok(exchange);
                }
                Err(error) => error,
            };
            let unsent = error.take_message();
            refused += u64::from(!connection.pooled);
            match unsent {
                // Never written: a kept-alive connection had been closed, or
                // there are addresses left.
                Some(unsent) if connection.pooled || refused < self.addresses.len() as u64 => {
                    written_at.set(None);
                    message = unsent;
                }
                _ => {
                    return Err(ExchangeFailure {
                        outcome: Outcome::Bad(BadKind::Broken),
                        written: Some(written),
                        detail: chain(&error.into_error()),
                        address: Some(address),
                    });
                }
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

    fn message(&self, request: PreparedRequest) -> Request<Full<Bytes>> {
        let mut message = Request::new(Full::new(request.body));
        *message.method_mut() = request.method;
        // The path was checked when the load was prepared; a value drawn for
        // it that breaks it would show as the target's 404 for `/`.
        *message.uri_mut() = request.path.parse().unwrap_or_default();
        let headers = message.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        for (name, value) in request.headers {
            headers.insert(name, value);
        }
        message
    }

    /// An idle connection, or a fresh one to the first address that accepts.
    async fn connection(&self, turn: u64) -> Result<Connection, ExchangeFailure> {
        let count = self.addresses.len();
        let mut last = None;
        for step in 0..count {
            let address = (turn as usize).wrapping_add(step) % count;
            if let Some(connection) = self.take_idle(address) {
                return Ok(connection);
            }
            match self.connect(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some((address, error)),
            }
        }
        let refused = Outcome::Bad(BadKind::Connect);
        let (address, outcome, detail) = match last {
            Some((address, failure)) => {
                let address = self.addresses.get(address).copied();
                let outcome = if failure.ours {
                    Outcome::Dropped
                } else {
                    refused
                };
                (address, outcome, failure.detail)
            }
            None => (None, refused, "the target has no address".to_owned()),
        };
        Err(ExchangeFailure {
            outcome,
            written: None,
            detail,
            address,
        })
    }

    fn take_idle(&self, address: usize) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = &mut idle[address];
        // Last in, first out keeps few connections warm and lets others age.
        while let Some(connection) = pool.pop_back() {
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    async fn connect(&self, address: usize) -> Result<Connection, NoConnection> {
        self.make_room();
        let target = self.addresses[address];
        let failed = |error: &dyn std::error::Error, ours| NoConnection {
            ours,
            detail: format!("connect to {target}: {}", chain(error)),
        };
        let stream = TcpStream::connect(target)
            .await
            .map_err(|error| failed(&error, is_ours(&error)))?;
        stream
            .set_nodelay(true)
            .map_err(|error| failed(&error, false))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error, false))?;
        // Its errors reach the request that is under way on it.
        tokio::spawn(connection);
        Ok(Connection {
            sender,
            address,
            pooled: false,
        })
    }

    /// Closes an idle connection to another address when the cap is reached.
    fn make_room(&self) {
        let Some(permits) = &self.permits else { return };
        let busy = self.connections_max - permits.available_permits();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = idle.iter().map(VecDeque::len).sum::<usize>() + busy;
        for pool in idle.iter_mut() {
            while open > self.connections_max && pool.pop_front().is_some() {
                open -= 1;
            }
        }
    }

    async fn read(
        response: http::Response<Incoming>,
        written: Instant,
        address: SocketAddr,
    ) -> Result<Exchange, ExchangeFailure> {
        let (head, mut body) = response.into_parts();
        let mut body_bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| ExchangeFailure {
                outcome: Outcome::Bad(BadKind::Broken),
                written: Some(written),
                detail: format!("after status {}: {}", head.status, chain(&error)),
                address: Some(address),
            })?;
            body_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        let done = Instant::now();
        Ok(Exchange {
            written,
            done,
            status: head.status.as_u16(),
            body_bytes,
            fallback: head
                .headers
                .get(FALLBACK_HEADER)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            address,
        })
    }

    /// Keeps a connection for the next request once it is ready again, which
    /// takes a turn of its task; the answer does not wait for that.
    fn give_back(
        self: &Arc<Self>,
        mut connection: Connection,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            // An error means that the server closed it.
            if connection.sender.ready().await.is_ok() {
                connection.pooled = true;
                let mut idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle[connection.address].push_back(connection);
            }
            drop(permit);
        });
    }
}

/// Why an address cannot be used.
struct NoConnection {
    /// Whether this machine is at its limits, and not the target.
    ours: bool,
    detail: String,
}

/// Whether a socket could not be had on this side: no descriptor, no free port,
/// no memory. The target has not even been asked then.
fn is_ours(error: &std::io::Error) -> bool {
    let own = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::ADDRNOTAVAIL,
        Errno::NOBUFS,
        Errno::NOMEM,
    ];
    Errno::from_io_error(error).is_some_and(|errno| own.contains(&errno))
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
