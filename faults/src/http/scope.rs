//! Scopes: a signed header by which a request says that faults may hit it, and how
//! much less than the scenario allows.
//!
//! `x-fault-scope: v1;fault=slow%20catalog;share=20%;magnitude=50%;sig=…`. Each part
//! between the version and the signature may be left out; `fault` may stand more
//! than once. The signature is the HMAC-SHA256, in hex, of everything before `;sig=`.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use squall_scenario::inject::SCOPE_HEADER;
use squall_scenario::{Share, is_unreserved, percent_encoded};
use tokio_rustls::rustls::crypto::ring;

const VERSION: &str = "v1";
const SIGNATURE: &str = ";sig=";

/// The key of a run, by which scopes are signed. It comes from the operating
/// system and ends with the run, and the scopes that it signed with it.
#[derive(Clone)]
pub struct ScopeKey(Arc<Inner>);

struct Inner {
    key: [u8; 32],
    mac: Hmac<Sha256>,
}

/// There are no random numbers for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers for the key of fault scopes")]
pub struct NoScopeKey;

/// What a request allows at most; by default all that the scenario does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// The faults that may hit it, by their names in the scenario; all where
    /// there are none.
    pub faults: Vec<String>,
    /// The share of such requests that a fault hits at most.
    pub share: Option<Share>,
    /// The part of a fault's magnitude at most: of a delay, of the bytes that are
    /// corrupted, of the time that a throttled body takes. Others have none.
    pub magnitude: Option<Share>,
}

/// What a request says of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be hit: at most so large a share of such requests, with at most so
    /// large a part of the fault's magnitude.
    Within { share: Share, magnitude: Share },
    /// It is not to be hit.
    Outside,
    /// Its scope was not signed with the key, or cannot be read.
    Invalid,
}

impl ScopeKey {
    /// A new key.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn generate() -> Result<Self, NoScopeKey> {
        let mut key = [0; 32];
        let random = ring::default_provider().secure_random;
        random.fill(&mut key).map_err(|_failed| NoScopeKey)?;
        Ok(Self::of(key))
    }

    /// One that is known.
    #[must_use]
    pub fn of(key: [u8; 32]) -> Self {
        // As HMAC has it: a short key is followed by zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&key);
        let mac = Hmac::new(&block.into());
        Self(Arc::new(Inner { key, mac }))
    }

    /// The key in hex, for those who sign scopes themselves.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(&self.0.key)
    }

    /// The value of the header for a scope.
    #[must_use]
    pub fn sign(&self, scope: &Scope) -> String {
        let text = scope.to_string();
        let mac = self.0.mac.clone().chain_update(&text);
        let signature = hex(&mac.finalize().into_bytes());
        format!("{text}{SIGNATURE}{signature}")
    }

    /// What a request with these headers says of the fault of this name.
    pub(super) fn standing<'h>(
        &self,
        fault: &str,
        headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    ) -> Standing {
        let mut values = headers.filter(|(name, _)| name.eq_ignore_ascii_case(SCOPE_HEADER));
        let Some((_, value)) = values.next() else {
            return Standing::Outside;
        };
        // Which of two would count nobody can say.
        let only = values.next().is_none();
        let text = std::str::from_utf8(value).ok().filter(|_| only);
        let Some(scope) = text.and_then(|text| self.read(text)) else {
            return Standing::Invalid;
        };
        if !scope.faults.is_empty() && scope.faults.iter().all(|named| named != fault) {
            return Standing::Outside;
        }
        Standing::Within {
            share: scope.share.unwrap_or(Share::WHOLE),
            magnitude: scope.magnitude.unwrap_or(Share::WHOLE),
        }
    }

    fn read(&self, value: &str) -> Option<Scope> {
        let (text, signature) = value.trim().rsplit_once(SIGNATURE)?;
        let signature = unhex(signature)?;
        let mac = self.0.mac.clone().chain_update(text);
        mac.verify_slice(&signature).ok()?;
        Scope::read(text)
    }
}

/// A key is not for logs.
impl fmt::Debug for ScopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScopeKey")
    }
}

impl Scope {
    /// What stands before the signature; `None` where any of it is not known, as it
    /// may be what lowers most.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        if parts.next() != Some(VERSION) {
            return None;
        }
        let mut scope = Self::default();
        for part in parts {
            match part.split_once('=')? {
                ("fault", name) => scope.faults.push(decoded(name)?),
                ("share", value) if scope.share.is_none() => scope.share = Some(at_most(value)?),
                ("magnitude", value) if scope.magnitude.is_none() => {
                    scope.magnitude = Some(at_most(value)?);
                }
                _ => return None,
            }
        }
        Some(scope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(VERSION)?;
        for fault in &self.faults {
            write!(f, ";fault={}", encoded(fault))?;
        }
        if let Some(share) = self.share {
            write!(f, ";share={share}")?;
        }
        if let Some(magnitude) = self.magnitude {
            write!(f, ";magnitude={magnitude}")?;
        }
        Ok(())
    }
}

/// A percentage; more than all of it is all of it.
fn at_most(text: &str) -> Option<Share> {
    let percent: f64 = text.strip_suffix('%')?.parse().ok()?;
    let finite = percent.is_finite() && percent >= 0.0;
    Share::new((percent / 100.0).min(1.0)).filter(|_| finite)
}

/// A name as it may stand in a header.
fn encoded(name: &str) -> String {
    percent_encoded(name, |byte| is_unreserved(byte) && byte != b'~')
}

fn decoded(text: &str) -> Option<String> {
    let mut name = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    name.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (byte, rest) = part.split_at_checked(2)?;
        name.extend(unhex(byte)?);
        name.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(name).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ScopeKey {
        ScopeKey::of([7; 32])
    }

    fn share(share: f64) -> Option<Share> {
        Share::new(share)
    }

    fn standing(values: &[&str], fault: &str) -> Standing {
        let values = values
            .iter()
            .map(|value| ("X-Fault-Scope", value.as_bytes()));
        key().standing(fault, values)
    }

    /// A value that says `text`, rightly signed.
    fn saying(text: &str) -> String {
        let mac = key().0.mac.clone().chain_update(text);
        format!(
            "{text}{SIGNATURE}{}",
            hex(&mac.finalize().into_bytes()).to_uppercase()
        )
    }

    fn within(share: f64, magnitude: f64) -> Standing {
        Standing::Within {
            share: Share::new(share).unwrap(),
            magnitude: Share::new(magnitude).unwrap(),
        }
    }

    #[test]
    fn a_scope_that_was_signed_is_read_again() {
        let scope = Scope {
            faults: vec!["slow catalog; 50%".to_owned(), "größer".to_owned()],
            share: share(0.2),
            magnitude: share(0.125),
        };
        assert_eq!(
            scope.to_string(),
            "v1;fault=slow%20catalog%3B%2050%25;fault=gr%C3%B6%C3%9Fer;share=20%;magnitude=12.5%"
        );
        let signed = key().sign(&scope);
        assert_eq!(standing(&[&signed], "größer"), within(0.2, 0.125));
        assert_eq!(
            standing(&[&signed], "slow catalog; 50%"),
            within(0.2, 0.125)
        );
        assert_eq!(standing(&[&signed], "other"), Standing::Outside);
        let all = key().sign(&Scope::default());
        assert_eq!(standing(&[&all], "other"), within(1.0, 1.0));
        assert_eq!(standing(&[], "other"), Standing::Outside);
    }

    #[test]
    fn the_signature_is_the_one_that_everybody_else_makes() {
        // printf v1 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…07
        assert_eq!(
            key().sign(&Scope::default()),
            "v1;sig=3b0e996d57694c93828ad8b716c2f15af12bfa23db33975fc5ec5283202a8e50"
        );
        assert_eq!(key().hex(), "07".repeat(32));
    }

    #[test]
    fn what_was_not_signed_with_the_key_is_invalid() {
        let good = key().sign(&Scope::default());
        let other = ScopeKey::generate().unwrap().sign(&Scope::default());
        let raised = good.replace("v1", "v1;share=100%");
        for forged in [
            &other,
            &raised,
            "",
            "v1",
            "v1;sig=",
            "v1;sig=0",
            &good[..good.len() - 2],
        ] {
            assert_eq!(standing(&[forged], "f"), Standing::Invalid, "{forged}");
        }
        assert_eq!(standing(&[&good, &good], "f"), Standing::Invalid);
    }

    #[test]
    fn only_what_is_understood_counts_and_nothing_raises() {
        for (text, is) in [
            ("v1;share=250%;magnitude=1000%", within(1.0, 1.0)),
            ("v1;share=0%", within(0.0, 1.0)),
            ("v1;share=-1%", Standing::Invalid),
            ("v1;share=nan%", Standing::Invalid),
            ("v1;share=inf%", Standing::Invalid),
            ("v1;share=20", Standing::Invalid),
            ("v1;share=1%;share=99%", Standing::Invalid),
            ("v1;only=after-noon", Standing::Invalid),
            ("v1;fault=%", Standing::Invalid),
            ("v1;fault=%FF", Standing::Invalid),
            ("v1;fault=%é1", Standing::Invalid),
            ("v2", Standing::Invalid),
        ] {
            assert_eq!(standing(&[&saying(text)], "f"), is, "{text}");
        }
    }
}
