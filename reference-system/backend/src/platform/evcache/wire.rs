//! How cache nodes are reached: in the clear, or by TLS for which one authority vouches.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::platform::remote::CONNECT_TIMEOUT;
use crate::service::ServeError;

/// A connection to a node.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Makes connections to nodes.
#[derive(Clone, Default)]
pub(crate) struct Reach {
    /// With it TLS is spoken.
    tls: Option<TlsConnector>,
}

impl Reach {
    /// TLS where an authority is given: a file in PEM. A node is whom that has signed the
    /// address of.
    ///
    /// # Errors
    /// The file cannot be read, or there is no certificate in it.
    pub(crate) fn new(authority: Option<&Path>) -> Result<Self, ServeError> {
        let Some(authority) = authority else {
            return Ok(Self::default());
        };
        let config = trusting(authority).map_err(|error| ServeError::Setup {
            what: "TLS with the cache",
            reason: format!("{}: {error}", authority.display()),
        })?;
        let tls = Some(TlsConnector::from(Arc::new(config)));
        Ok(Self { tls })
    }

    /// A new connection, on which all hands are shaken.
    ///
    /// # Errors
    /// The node cannot be reached in time, or is none whom the authority vouches for.
    pub(super) async fn connect(&self, node: SocketAddr) -> io::Result<Box<dyn Wire>> {
        let connected = async {
            let stream = TcpStream::connect(node).await?;
            stream.set_nodelay(true)?;
            Ok(match &self.tls {
                None => Box::new(stream) as Box<dyn Wire>,
                Some(tls) => {
                    let name = ServerName::IpAddress(node.ip().into());
                    Box::new(tls.connect(name, stream).await?)
                }
            })
        };
        timeout(CONNECT_TIMEOUT, connected)
            .await
            .unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Every connection shakes hands in full, so that a certificate is looked at each time.
fn trusting(authority: &Path) -> Result<ClientConfig, Box<dyn std::error::Error>> {
    let mut trusted = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority)? {
        trusted.add(certificate?)?;
    }
    if trusted.is_empty() {
        return Err("there is no certificate in it".into());
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    use super::*;

    /// However slow a machine is, this is a hang.
    const HANG: std::time::Duration = std::time::Duration::from_secs(60);

    /// An authority, and the issuer that signs for it.
    fn authority() -> (String, Issuer<'static, KeyPair>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        (pem, Issuer::new(params, key))
    }

    /// A node that says one byte, behind a certificate that is good until then.
    async fn node(issuer: &Issuer<'static, KeyPair>, until: i32) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let signed = params.signed_by(&key, issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(signed)], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                stream.write_all(b"!").await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn a_node_is_whom_the_authority_vouches_for_today() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let (pem, issuer) = authority();
        std::fs::write(&path, pem).unwrap();
        let reach = Reach::new(Some(&path)).unwrap();
        let mut said = reach.connect(node(&issuer, 2099).await).await.unwrap();
        let byte = timeout(HANG, said.read_u8()).await.expect("must not hang");
        assert_eq!(byte.unwrap(), b'!');

        let why = async |address| reach.connect(address).await.err().unwrap().to_string();
        let expired = why(node(&issuer, 2001).await).await;
        assert!(expired.contains("expired"), "{expired}");
        let (_, stranger) = authority();
        let unknown = why(node(&stranger, 2099).await).await;
        assert!(unknown.contains("invalid peer certificate"), "{unknown}");
    }

    #[test]
    fn a_file_without_a_certificate_vouches_for_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let refused = |path| Reach::new(Some(path)).err().unwrap().to_string();
        assert!(refused(&path).contains("ca.pem"));
        std::fs::write(&path, "nothing\n").unwrap();
        let why = refused(&path);
        assert!(why.ends_with("there is no certificate in it"), "{why}");
    }
}
