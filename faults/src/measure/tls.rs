//! Faults on TLS: whether a caller that checks certificates refuses them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use squall_scenario::TlsTo;
use squall_scenario::inject::{Tls, TlsShows};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::stage::{Pair, Stage, echo};
use super::{Amount, Measured, NotMeasured, Observed};
use crate::{Authority, Fault, Proxy, Terminal, TlsFault};

/// Handshakes of each measurement.
const TIMES: usize = 10;
const HOST: &str = "measured.test";
/// How long a handshake that is to hang is waited for.
const SILENCE: Duration = Duration::from_millis(50);
/// The same for one that is not.
const SHAKEN_WITHIN: Duration = Duration::from_secs(10);

/// What a caller saw of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Saw {
    Secure,
    Refused,
    Reset,
    Nothing,
}

pub(super) async fn all(stage: &Stage) -> Result<Vec<Measured>, NotMeasured> {
    let authority = Arc::new(Authority::new().map_err(io::Error::other)?);
    let pair = Pair::start(echo).await?;
    for link in [&pair.link, &pair.beside] {
        link.speak_tls(Terminal::new(Arc::clone(&authority), TlsTo::Plain));
    }
    let caller = trusting(&authority)?;
    let mut measured = Vec::new();
    for (what, shows, wanted) in [
        ("tls expired", TlsShows::Expired, Saw::Refused),
        ("tls not_yet_valid", TlsShows::NotYetValid, Saw::Refused),
        ("tls wrong_host", TlsShows::WrongHost, Saw::Refused),
        ("tls self_signed", TlsShows::SelfSigned, Saw::Refused),
        ("tls reset", TlsShows::Reset, Saw::Reset),
        ("tls stall", TlsShows::Stall, Saw::Nothing),
    ] {
        let fault = Fault::Tls(TlsFault {
            proxies: vec![pair.link.clone()],
            inject: Tls { shows },
        });
        let mut guard = fault.inject(stage.context()).await?;
        let (mut observed, mut beside) = (0, 0);
        for _ in 0..TIMES {
            let within = match wanted {
                Saw::Nothing => SILENCE,
                Saw::Secure | Saw::Refused | Saw::Reset => SHAKEN_WITHIN,
            };
            observed += usize::from(shake(&caller, &pair.link, within).await? == wanted);
            let spared = shake(&caller, &pair.beside, SHAKEN_WITHIN).await?;
            beside += usize::from(spared != Saw::Secure);
        }
        guard.remove().await?;
        let happened = |times| Observed::Happened { times, of: TIMES };
        measured.push(Measured {
            fault: what.to_owned(),
            requested: Amount::Always,
            observed: happened(observed),
            beside: happened(beside),
        });
    }
    pair.clear().await;
    Ok(measured)
}

/// A caller that trusts this authority and nobody else.
fn trusting(authority: &Authority) -> io::Result<TlsConnector> {
    let trusted = CertificateDer::from_pem_slice(authority.pem().as_bytes());
    let mut roots = RootCertStore::empty();
    roots
        .add(trusted.map_err(io::Error::other)?)
        .map_err(io::Error::other)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn shake(caller: &TlsConnector, link: &Proxy, within: Duration) -> io::Result<Saw> {
    let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
    let stream = TcpStream::connect(link.address()).await?;
    let shaken = tokio::time::timeout(within, caller.connect(name, stream));
    Ok(match shaken.await {
        Ok(Ok(_)) => Saw::Secure,
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Saw::Refused,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => Saw::Reset,
        Ok(Err(error)) => return Err(error),
        Err(_) => Saw::Nothing,
    })
}
