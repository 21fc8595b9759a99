//! The certificates of a run: an authority of its own, made when it begins and
//! gone with it, and what it issues, good and bad.

use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use squall_scenario::inject::TlsShows;
use tokio_rustls::rustls::crypto::ring::sign::any_ecdsa_type;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

/// What a certificate is for that is for somebody else.
const WRONG_HOST: &str = "wrong.host.invalid";
/// Certificates that are kept: hosts times kinds.
const KEPT_MAX: usize = 256;
/// Long before and long after any run.
const ALWAYS: [i32; 2] = [2000, 2099];
const PAST: [i32; 2] = [2000, 2001];
const FUTURE: [i32; 2] = [2098, 2099];

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum NoCertificate {
    /// It could not be made.
    #[error("making a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// It could not be used.
    #[error("using a certificate: {0}")]
    Use(#[from] tokio_rustls::rustls::Error),
}

/// The certificate authority of one run. Its keys come from the system's random
/// numbers, never from the seed, and are nowhere but in memory.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    issued: Mutex<Vec<Issued>>,
}

/// What was issued.
#[derive(Debug)]
struct Issued {
    host: String,
    shows: Option<TlsShows>,
    certificate: Arc<CertifiedKey>,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// Keys cannot be made.
    pub fn new() -> Result<Self, NoCertificate> {
        let key = KeyPair::generate()?;
        let mut params = params("squall", ALWAYS)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
            issued: Mutex::default(),
        })
    }

    /// Its own certificate, for whoever is to trust it: PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for `host`, a name or an address; wrong as `shows` says.
    ///
    /// # Errors
    /// `host` cannot stand in one.
    pub(super) fn certificate(
        &self,
        host: &str,
        shows: Option<TlsShows>,
    ) -> Result<Arc<CertifiedKey>, NoCertificate> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let known = issued
            .iter()
            .find(|issued| issued.host == host && issued.shows == shows);
        if let Some(known) = known {
            return Ok(Arc::clone(&known.certificate));
        }
        let certificate = Arc::new(self.issue(host, shows)?);
        // Whoever asks for many names gets them made again.
        issued.truncate(KEPT_MAX - 1);
        issued.push(Issued {
            host: host.to_owned(),
            shows,
            certificate: Arc::clone(&certificate),
        });
        Ok(certificate)
    }

    fn issue(&self, host: &str, shows: Option<TlsShows>) -> Result<CertifiedKey, NoCertificate> {
        let key = KeyPair::generate()?;
        let made = |host: &str, years: [i32; 2]| -> Result<CertificateParams, NoCertificate> {
            let mut params = params(host, years)?;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            Ok(params)
        };
        let signed = |params: CertificateParams| params.signed_by(&key, &self.issuer);
        let certificate = match shows {
            Some(TlsShows::Expired) => signed(made(host, PAST)?)?,
            Some(TlsShows::NotYetValid) => signed(made(host, FUTURE)?)?,
            Some(TlsShows::WrongHost) => signed(made(WRONG_HOST, ALWAYS)?)?,
            Some(TlsShows::SelfSigned) => made(host, ALWAYS)?.self_signed(&key)?,
            // These end a handshake before any certificate.
            None | Some(TlsShows::Stall | TlsShows::Reset) => signed(made(host, ALWAYS)?)?,
        };
        let chain = vec![CertificateDer::from(certificate)];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(CertifiedKey::new(chain, any_ecdsa_type(&key)?))
    }
}

fn params(host: &str, [from, to]: [i32; 2]) -> Result<CertificateParams, NoCertificate> {
    let mut params = CertificateParams::new(vec![host.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, host);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    Ok(params)
}
