//! The sockets of a run's resolver. What is said is decided in `names`.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::lookup::{Family, Said, question, read};
use super::names::{Names, Reply};

/// Where resolvers listen: `resolv.conf` knows no other port.
const PORT: u16 = 53;
/// Loopback addresses that are tried before giving up.
const ADDRESSES_TRIED: u16 = 64;
/// The longest query over UDP.
const QUERY_BYTES_MAX: usize = 4096;
/// Answers that may be due later, all together; a query beyond that is lost, as
/// queries over UDP may be.
const LATE_MAX: usize = 1024;
/// Connections at a time.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may say nothing.
const IDLE_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer to squall itself may take before it asks again.
const ANSWER_WITHIN: Duration = Duration::from_millis(200);
/// Pause after a socket that failed.
const RETRY: Duration = Duration::from_millis(50);

/// The resolver of a run; cheap to clone. It ends with its last handle.
#[derive(Debug, Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
    _stop: Arc<DropGuard>,
}

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    names: Mutex<Names>,
    /// Sockets with which squall itself asks.
    own: Mutex<HashSet<SocketAddr>>,
    stop: CancellationToken,
    late: Semaphore,
    connections: Semaphore,
    tasks: TaskTracker,
}

/// Why there is no resolver.
#[derive(Debug, Error)]
pub enum ResolverError {
    /// Port 53 is not for everybody.
    #[error(
        "the run's resolver cannot listen on port 53 of {address}: {source}; run as root, or \
         allow it with `sysctl net.ipv4.ip_unprivileged_port_start=53`"
    )]
    NotAllowed {
        /// The first address that was tried.
        address: IpAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// It cannot listen.
    #[error("the run's resolver cannot listen on {address}: {source}")]
    Listen {
        /// The last address that was tried.
        address: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Resolver {
    /// Starts a resolver for `names` on port 53 of a loopback address that
    /// nobody else has.
    ///
    /// # Errors
    /// See [`ResolverError`].
    pub async fn start(names: Names) -> Result<Self, ResolverError> {
        let own = std::process::id();
        let mut failed = None;
        for nth in 0..ADDRESSES_TRIED {
            // Runs that start together do not try the same addresses in the
            // same order.
            let [_, _, high, low] = own.wrapping_add(u32::from(nth) * 7919).to_be_bytes();
            let ip = IpAddr::V4(Ipv4Addr::new(127, 64 + high % 64, low, 53));
            let address = SocketAddr::new(ip, PORT);
            match listen(address).await {
                Ok((udp, tcp)) => return Ok(Self::serve(names, address, udp, tcp)),
                Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                    let address = ip;
                    return Err(ResolverError::NotAllowed { address, source });
                }
                Err(source) => failed = Some(ResolverError::Listen { address, source }),
            }
        }
        let address = SocketAddr::from(([127, 0, 0, 1], PORT));
        Err(failed.unwrap_or_else(|| ResolverError::Listen {
            address,
            source: io::ErrorKind::AddrInUse.into(),
        }))
    }

    /// Starts a resolver on any free port of 127.0.0.1, which `resolv.conf`
    /// cannot name; for whoever is told the port.
    ///
    /// # Errors
    /// See [`ResolverError`].
    pub async fn start_on_any_port(names: Names) -> Result<Self, ResolverError> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let failed = |source| ResolverError::Listen {
            address: any,
            source,
        };
        let tcp = TcpListener::bind(any).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        let udp = UdpSocket::bind(address).await.map_err(failed)?;
        Ok(Self::serve(names, address, udp, tcp))
    }

    fn serve(names: Names, address: SocketAddr, udp: UdpSocket, tcp: TcpListener) -> Self {
        let stop = CancellationToken::new();
        let inner = Arc::new(Inner {
            address,
            names: Mutex::new(names),
            own: Mutex::default(),
            stop: stop.clone(),
            late: Semaphore::new(LATE_MAX),
            connections: Semaphore::new(CONNECTIONS_MAX),
            tasks: TaskTracker::new(),
        });
        inner.tasks.spawn(until_stopped(
            stop.clone(),
            serve_udp(Arc::clone(&inner), Arc::new(udp)),
        ));
        inner.tasks.spawn(until_stopped(
            stop.clone(),
            serve_tcp(Arc::clone(&inner), tcp),
        ));
        Self {
            inner,
            _stop: Arc::new(stop.drop_guard()),
        }
    }

    /// Where it listens, over UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    /// Ends it; returns when its sockets are closed.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    pub(super) fn names(&self) -> MutexGuard<'_, Names> {
        lock(&self.inner.names)
    }

    /// Asks for a name over UDP, as squall and not as one of the processes; the
    /// code and the addresses of the answer. Asks again until there is one.
    ///
    /// # Errors
    /// There was none within that time, or no socket to ask with.
    pub(super) async fn ask(&self, name: &str, within: Duration) -> io::Result<Said> {
        let Some(address) = self.names().address(name) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let socket = UdpSocket::bind((self.inner.address.ip(), 0)).await?;
        let own = socket.local_addr()?;
        lock(&self.inner.own).insert(own);
        let asked = timeout(within, self.ask_on(&socket, name, &address)).await;
        lock(&self.inner.own).remove(&own);
        asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn ask_on(&self, socket: &UdpSocket, name: &str, address: &IpAddr) -> io::Result<Said> {
        socket.connect(self.inner.address).await?;
        let mut buffer = [0; QUERY_BYTES_MAX];
        let family = Family::of(address);
        for id in 1.. {
            let asked = question(id, name, family).ok_or(io::ErrorKind::InvalidInput)?;
            socket.send(&asked).await?;
            let heard = timeout(ANSWER_WITHIN, socket.recv(&mut buffer)).await;
            let Ok(length) = heard else { continue };
            if let Some(said) = read(&buffer[..length?], &asked, family) {
                return Ok(said);
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl Inner {
    fn answer(&self, query: &[u8], from: SocketAddr) -> Reply {
        let own = lock(&self.own).contains(&from);
        lock(&self.names).answer(query, own)
    }
}

async fn listen(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let udp = UdpSocket::bind(address).await?;
    Ok((udp, TcpListener::bind(address).await?))
}

async fn until_stopped(stop: CancellationToken, work: impl Future<Output = ()>) {
    stop.run_until_cancelled(work).await;
}

async fn serve_udp(inner: Arc<Inner>, socket: Arc<UdpSocket>) {
    let mut buffer = [0; QUERY_BYTES_MAX];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "a query was not received");
                sleep(RETRY).await;
                continue;
            }
        };
        let Reply { message, after } = inner.answer(&buffer[..length], from);
        let Some(message) = message else { continue };
        if after.is_zero() {
            // One that does not take it asks again.
            let _ = socket.send_to(&message, from).await;
            continue;
        }
        let (inner_, socket) = (Arc::clone(&inner), Arc::clone(&socket));
        let later = async move {
            let Ok(_place) = inner_.late.try_acquire() else {
                return;
            };
            sleep(after).await;
            let _ = socket.send_to(&message, from).await;
        };
        let stop = inner.stop.clone();
        inner.tasks.spawn(until_stopped(stop, later));
    }
}

async fn serve_tcp(inner: Arc<Inner>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let connection = converse(Arc::clone(&inner), stream, from);
                let stop = inner.stop.clone();
                inner.tasks.spawn(until_stopped(stop, connection));
            }
            Err(error) => {
                tracing::debug!(%error, "a connection to the resolver was not accepted");
                sleep(RETRY).await;
            }
        }
    }
}

/// Answers queries on one connection, each behind its length, until the other
/// side ends it or says nothing more.
async fn converse(inner: Arc<Inner>, mut stream: TcpStream, from: SocketAddr) {
    let Ok(_place) = inner.connections.try_acquire() else {
        return;
    };
    while let Ok(Ok(query)) = timeout(IDLE_WITHIN, query(&mut stream)).await {
        let Reply { message, after } = inner.answer(&query, from);
        let Some(mut message) = message else { continue };
        sleep(after).await;
        let Ok(length) = u16::try_from(message.len()) else {
            return;
        };
        message.splice(0..0, length.to_be_bytes());
        match timeout(IDLE_WITHIN, stream.write_all(&message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

async fn query(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut query = vec![0; usize::from(length)];
    stream.read_exact(&mut query).await?;
    Ok(query)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
