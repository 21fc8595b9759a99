//! Signed tokens: what an instance hands out, any other instance can trust without asking.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::service::ServeError;

/// Longest token accepted, in bytes.
const TOKEN_BYTES_MAX: usize = 1_024;

/// A token that is not to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// It is not of the form `payload.signature`.
    #[error("the token is malformed")]
    Malformed,
    /// Somebody else made it, or it was changed.
    #[error("the token's signature does not match")]
    Forged,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// Something that holds until a moment, in seconds since 1970.
pub(crate) trait Expiring {
    /// The moment.
    fn expires_unix_seconds(&self) -> u64;
}

/// Signs and checks tokens of one purpose with HMAC-SHA256.
pub(crate) struct Signer {
    key: Hmac<Sha256>,
}

impl Signer {
    /// The signer of a purpose. All instances of a backend share its seed and so the key; a real
    /// service would fetch the key from a vault.
    ///
    /// # Errors
    /// The key is not accepted.
    pub(crate) fn new(seed: u64, purpose: &'static str) -> Result<Self, ServeError> {
        let mut material = Sha256::new();
        material.update(seed.to_le_bytes());
        material.update(purpose);
        match Hmac::new_from_slice(&material.finalize()) {
            Ok(key) => Ok(Self { key }),
            Err(error) => Err(ServeError::Setup {
                what: purpose,
                reason: error.to_string(),
            }),
        }
    }

    /// A token of this payload.
    pub(crate) fn sign(&self, payload: &impl Serialize) -> String {
        // Our own payloads have no maps with keys that are not text, the one thing that fails.
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(payload).unwrap_or_default());
        let signature = self
            .key
            .clone()
            .chain_update(&payload)
            .finalize()
            .into_bytes();
        format!("{payload}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The payload of a token that this signer made and that holds at this moment.
    ///
    /// # Errors
    /// The token is malformed, forged or expired.
    pub(crate) fn verify<T: DeserializeOwned + Expiring>(
        &self,
        token: &str,
        now_unix_seconds: u64,
    ) -> Result<T, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (payload, signature) = token.split_once('.').ok_or(TokenError::Malformed)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TokenError::Malformed)?;
        self.key
            .clone()
            .chain_update(payload)
            .verify_slice(&signature)
            .map_err(|_| TokenError::Forged)?;
        let json = URL_SAFE_NO_PAD
            .decode(payload)
            .map_err(|_| TokenError::Malformed)?;
        let payload: T = serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)?;
        if payload.expires_unix_seconds() <= now_unix_seconds {
            return Err(TokenError::Expired);
        }
        Ok(payload)
    }
}

/// The token after `Bearer`, whose case does not matter.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pass {
        until: u64,
    }

    impl Expiring for Pass {
        fn expires_unix_seconds(&self) -> u64 {
            self.until
        }
    }

    #[test]
    fn any_instance_of_the_same_backend_trusts_a_token_until_it_expires() {
        let token = Signer::new(1, "drm").unwrap().sign(&Pass { until: 100 });
        let other_instance = Signer::new(1, "drm").unwrap();
        assert_eq!(other_instance.verify(&token, 99), Ok(Pass { until: 100 }));
        assert_eq!(
            other_instance.verify::<Pass>(&token, 100),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn another_purpose_another_backend_and_a_changed_token_are_not_trusted() {
        let signer = Signer::new(1, "drm").unwrap();
        let token = signer.sign(&Pass { until: 100 });
        for other in [
            Signer::new(1, "session").unwrap(),
            Signer::new(2, "drm").unwrap(),
        ] {
            assert_eq!(other.verify::<Pass>(&token, 1), Err(TokenError::Forged));
        }
        let (_, signature) = token.split_once('.').unwrap();
        let longer = URL_SAFE_NO_PAD.encode(br#"{"until":999}"#);
        let forged = format!("{longer}.{signature}");
        assert_eq!(signer.verify::<Pass>(&forged, 1), Err(TokenError::Forged));
    }

    proptest! {
        #[test]
        fn no_text_makes_verification_panic_or_succeed(text in ".{0,80}") {
            let signer = Signer::new(1, "drm").unwrap();
            prop_assert!(signer.verify::<Pass>(&text, 1).is_err());
        }
    }
}
