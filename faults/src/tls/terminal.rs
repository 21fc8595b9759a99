//! The end of a TLS connection: handshakes with callers, and with targets that
//! want one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use squall_scenario::TlsTo;
use squall_scenario::inject::{TlsDone, TlsShows};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{
    Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert,
};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, ServerConfig, SignatureScheme,
};
use tokio_rustls::{LazyConfigAcceptor, TlsConnector, TlsStream};
use tokio_util::either::Either;

use super::authority::{Authority, NoCertificate};

/// How long a handshake may take, with the caller or with the target.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// What may be spoken behind a handshake whose other side is plain.
const HTTP: [&[u8]; 2] = [b"http/1.1", b"h2"];

/// One side of a link, with or without TLS.
pub(crate) type Side = Either<TcpStream, TlsStream<TcpStream>>;

/// A link's end of TLS; a cheap handle that can be cloned.
#[derive(Debug, Clone)]
pub struct Terminal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    authority: Arc<Authority>,
    provider: Arc<CryptoProvider>,
    to: TlsTo,
    /// The last one decides.
    faults: watch::Sender<Vec<Arc<Attached>>>,
}

/// A fault on the handshakes of a link.
#[derive(Debug)]
struct Attached {
    id: String,
    shows: TlsShows,
    totals: Totals,
}

#[derive(Debug, Default)]
struct Totals {
    met: AtomicU64,
    refused: AtomicU64,
    taken: AtomicU64,
}

/// Why a connection was not carried on.
#[derive(Debug)]
pub(crate) enum Unsecured {
    /// It is to be reset.
    Reset(TcpStream),
    /// It was closed, or no handshake came about.
    Closed,
}

impl Terminal {
    /// For one link: certificates come from `authority`, and `to` says what the
    /// target speaks.
    #[must_use]
    pub fn new(authority: Arc<Authority>, to: TlsTo) -> Self {
        Self(Arc::new(Inner {
            authority,
            provider: Arc::new(ring::default_provider()),
            to,
            faults: watch::channel(Vec::new()).0,
        }))
    }

    /// New handshakes meet this fault. Returns whether the id was free.
    pub(super) fn attach(&self, id: &str, shows: TlsShows) -> bool {
        self.0.faults.send_if_modified(|faults| {
            let free = faults.iter().all(|fault| fault.id != id);
            if free {
                faults.push(Arc::new(Attached {
                    id: id.to_owned(),
                    shows,
                    totals: Totals::default(),
                }));
            }
            free
        })
    }

    /// Takes a fault off, and what it had done; handshakes that it holds end.
    pub(super) fn detach(&self, id: &str) -> Option<TlsDone> {
        let mut done = None;
        self.0.faults.send_if_modified(|faults| {
            let at = faults.iter().position(|fault| fault.id == id);
            done = at.map(|at| faults.remove(at).totals.done());
            done.is_some()
        });
        done
    }

    /// What a fault that is attached has done.
    pub(super) fn done(&self, id: &str) -> Option<TlsDone> {
        let faults = self.0.faults.borrow();
        let fault = faults.iter().find(|fault| fault.id == id)?;
        Some(fault.totals.done())
    }

    /// Shakes hands with a caller, and with the target where that wants it.
    pub(crate) async fn secure(
        &self,
        client: TcpStream,
        upstream: TcpStream,
    ) -> Result<(Side, Side), Unsecured> {
        let fault = self.0.faults.borrow().last().cloned();
        if let Some(fault) = &fault {
            fault.totals.met.fetch_add(1, Ordering::Relaxed);
            match fault.shows {
                TlsShows::Stall => return Err(self.stall(client, fault).await),
                TlsShows::Reset => return Err(reset_on_hello(client).await),
                TlsShows::Expired
                | TlsShows::NotYetValid
                | TlsShows::WrongHost
                | TlsShows::SelfSigned => {}
            }
        }
        let shows = fault.as_ref().map(|fault| fault.shows);
        let shaken = timeout(HANDSHAKE_WITHIN, self.shake(client, upstream, shows)).await;
        let shaken = shaken.unwrap_or_else(|_late| Err(io::ErrorKind::TimedOut.into()));
        if let Some(fault) = &fault {
            let counter = match &shaken {
                Ok(_) => &fault.totals.taken,
                Err(_) => &fault.totals.refused,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        shaken.map_err(|error| {
            tracing::debug!(%error, "no TLS handshake");
            Unsecured::Closed
        })
    }

    async fn shake(
        &self,
        client: TcpStream,
        upstream: TcpStream,
        shows: Option<TlsShows>,
    ) -> io::Result<(Side, Side)> {
        let address = client.local_addr()?.ip().to_string();
        let start = LazyConfigAcceptor::new(Acceptor::default(), client).await?;
        let (host, offered) = asked(&start.client_hello(), &address);
        let (upstream, agreed) = match self.0.to {
            TlsTo::Plain => {
                let is_offered = |protocol: &&[u8]| offered.iter().any(|one| one == protocol);
                let http = HTTP.into_iter().find(is_offered);
                (Either::Left(upstream), http.map(<[u8]>::to_vec))
            }
            TlsTo::Tls => {
                let upstream = self.connect(&host, offered, upstream).await?;
                let agreed = upstream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                (Either::Right(upstream), agreed)
            }
        };
        let config = self
            .presents(&host, shows, agreed)
            .map_err(io::Error::other)?;
        let client = start.into_stream(Arc::new(config)).await?;
        Ok((Either::Right(TlsStream::Server(client)), upstream))
    }

    /// What is presented to one caller. No session is ever resumed: it would
    /// pass over the certificate.
    fn presents(
        &self,
        host: &str,
        shows: Option<TlsShows>,
        protocol: Option<Vec<u8>>,
    ) -> Result<ServerConfig, NoCertificate> {
        let certificate = self.0.authority.certificate(host, shows)?;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.0.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Always(certificate)));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = protocol.into_iter().collect();
        Ok(config)
    }

    async fn connect(
        &self,
        host: &str,
        protocols: Vec<Vec<u8>>,
        upstream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let verifier = Arc::new(Anybody(Arc::clone(&self.0.provider)));
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.0.provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = protocols;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connected = TlsConnector::from(Arc::new(config)).connect(name, upstream);
        Ok(TlsStream::Client(connected.await?))
    }

    /// Says nothing until the caller gives up or the fault is taken off.
    async fn stall(&self, mut client: TcpStream, fault: &Arc<Attached>) -> Unsecured {
        let mut faults = self.0.faults.subscribe();
        let is_off =
            |faults: &Vec<Arc<Attached>>| !faults.iter().any(|other| Arc::ptr_eq(other, fault));
        let gives_up = async {
            let mut swallowed = [0; 1024];
            while client.read(&mut swallowed).await.is_ok_and(|read| read > 0) {}
        };
        tokio::select! {
            _off = faults.wait_for(is_off) => {}
            () = gives_up => {}
        }
        Unsecured::Closed
    }
}

/// Ends a connection as soon as the caller has said hello.
async fn reset_on_hello(client: TcpStream) -> Unsecured {
    // Readiness alone may be told of a socket that has nothing to read.
    match timeout(HANDSHAKE_WITHIN, client.peek(&mut [0])).await {
        Ok(Ok(_)) => Unsecured::Reset(client),
        Ok(Err(_)) | Err(_) => Unsecured::Closed,
    }
}

/// Whom a caller wants, `address` where it names nobody, and what it would speak.
fn asked(hello: &ClientHello<'_>, address: &str) -> (String, Vec<Vec<u8>>) {
    let host = hello.server_name().unwrap_or(address).to_owned();
    let offered = hello.alpn().into_iter().flatten();
    (host, offered.map(<[u8]>::to_vec).collect())
}

impl Totals {
    fn done(&self) -> TlsDone {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TlsDone {
            met: get(&self.met),
            refused: get(&self.refused),
            taken: get(&self.taken),
        }
    }
}

/// One certificate, whatever is asked for.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Takes the certificate of any target: whom the link leads to is said by its
/// address, and what is tested is the caller.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
