//! How TLS is spoken to the target: whom clients trust and what they show.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};
use squall_scenario::{BodyFile, ClientTls, HttpVersion};

/// What is spoken inside (ALPN, RFC 7301).
const HTTP_1: &[u8] = b"http/1.1";
/// The same for HTTP/2.
pub(super) const HTTP_2: &[u8] = b"h2";

/// How TLS is spoken to one target. A clone of it speaks likewise.
///
/// Every connection shakes hands in full, as that of a new user does: none goes on
/// where another one ended.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Why TLS cannot be spoken as the scenario says.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The target's name is none that a certificate can prove.
    #[error(
        "{0:?} is no name that a certificate can prove; give one by `tls: {{ server_name: … }}`"
    )]
    Name(String),
    /// A file holds no certificate, or one that cannot be used.
    #[error("{file}: {why}")]
    File {
        /// The file, as the scenario writes it.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The system has no certificates of whom to trust.
    #[error("this machine trusts nobody ({0}); name whom to trust in `tls: {{ ca: FILE }}`")]
    NobodyTrusted(String),
    /// What the library says.
    #[error(transparent)]
    Library(#[from] TlsError),
}

impl Tls {
    /// Speaks TLS to a target that proves to be `host`, or whom the settings name, to
    /// speak this version of HTTP inside.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub fn new(settings: &ClientTls, host: &str, http: HttpVersion) -> Result<Self, TlsSetupError> {
        let name = settings.server_name.as_deref().unwrap_or(host);
        // A zone says where an address is, and is no part of what is proven.
        let (bare, _zone) = name.split_once('%').unwrap_or((name, ""));
        let proven = ServerName::try_from(bare.to_owned())
            .map_err(|_| TlsSetupError::Name(name.to_owned()))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = if settings.insecure {
            let anybody = Arc::new(Anybody(provider));
            builder
                .dangerous()
                .with_custom_certificate_verifier(anybody)
        } else {
            builder.with_root_certificates(trusted(settings.ca.as_ref())?)
        };
        let mut config = match &settings.shows {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let key = PrivateKeyDer::from_pem_slice(&shown.key.content);
                let key = key.map_err(|error| unusable(&shown.key, &error))?;
                builder.with_client_auth_cert(certificates(&shown.certificate)?, key)?
            }
        };
        config.resumption = Resumption::disabled();
        let spoken = match http {
            HttpVersion::One => HTTP_1,
            HttpVersion::Two => HTTP_2,
        };
        config.alpn_protocols = vec![spoken.to_vec()];
        Ok(Self {
            config: Arc::new(config),
            name: proven,
        })
    }

    /// What a connector of the library is made of.
    pub(super) fn parts(&self) -> (Arc<ClientConfig>, ServerName<'static>) {
        (Arc::clone(&self.config), self.name.clone())
    }

    /// The client's end of a new connection.
    pub(super) fn begin(&self) -> Result<ClientConnection, TlsError> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
    }
}

/// Whom clients trust: those in a file, else those of this machine.
fn trusted(ca: Option<&BodyFile>) -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = ca {
        for certificate in certificates(file)? {
            let added = roots.add(certificate);
            added.map_err(|error| unusable(file, &error))?;
        }
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(ToString::to_string);
        let why = why.unwrap_or_else(|| "it has no certificates".to_owned());
        return Err(TlsSetupError::NobodyTrusted(why));
    }
    Ok(roots)
}

/// The certificates of a file, at least one.
fn certificates(file: &BodyFile) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let all = CertificateDer::pem_slice_iter(&file.content);
    let all: Vec<_> = all
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(file, &error))?;
    match all.is_empty() {
        true => Err(unusable(file, &"no certificate is in it")),
        false => Ok(all),
    }
}

fn unusable(file: &BodyFile, why: &dyn std::fmt::Display) -> TlsSetupError {
    TlsSetupError::File {
        file: file.path.clone(),
        why: why.to_string(),
    }
}

/// Takes anybody's certificate, if it is theirs: for `insecure`.
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
