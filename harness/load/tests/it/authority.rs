//! Certificates for tests of TLS: whoever is to be trusted, and who they vouch for.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use squall_scenario::{BodyFile, ClientIdentity, ClientTls};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{WantsServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::{ConfigBuilder, RootCertStore, ServerConfig};

/// Vouches for servers and clients.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    itself: Identity,
}

/// A certificate and the key to it, in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::called("authority")
    }

    pub(crate) fn called(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        // Some show the certificate of an authority as their own.
        let mut params = CertificateParams::new(vec!["shop.test".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        let itself = Identity {
            certificate: pem.clone(),
            key: key.serialize_pem(),
        };
        let issuer = Issuer::new(params, key);
        Self {
            issuer,
            pem,
            itself,
        }
    }

    /// For a server or a client that is called `name`.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// Clients that trust it.
    pub(crate) fn trusted(&self) -> ClientTls {
        ClientTls {
            ca: Some(file("ca.pem", &self.pem)),
            ..ClientTls::default()
        }
    }

    /// A server that is called `name`, and asks clients who they are or not.
    pub(crate) fn server(&self, name: &str, asks: bool) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if asks {
            let mut roots = RootCertStore::empty();
            let own = CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap();
            roots.add(own).unwrap();
            let roots = Arc::new(roots);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        Self::shows(builder, &self.identity(name))
    }

    /// A server that shows the certificate of the authority as its own.
    pub(crate) fn itself(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Self::shows(builder.with_no_client_auth(), &self.itself)
    }

    fn shows(
        builder: ConfigBuilder<ServerConfig, WantsServerCert>,
        identity: &Identity,
    ) -> Arc<ServerConfig> {
        let chain = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        Arc::new(builder.with_single_cert(vec![chain], key).unwrap())
    }
}

impl Identity {
    pub(crate) fn shown(&self) -> ClientIdentity {
        ClientIdentity {
            certificate: file("client.pem", &self.certificate),
            key: file("client.key", &self.key),
        }
    }
}

pub(crate) fn file(path: &str, content: &str) -> BodyFile {
    BodyFile {
        path: path.to_owned(),
        bytes: content.len() as u64,
        content: content.as_bytes().into(),
    }
}
