//! Passwords: what is kept instead of them, and the threads on which that is made.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use http::StatusCode;
use squall_resilience::{Classify, Command, CommandError, Deadline};

use crate::platform::host::Host;
use crate::platform::reply::Failure;
use crate::service::ServeError;

/// Memory and passes of a new hash: a few milliseconds of a core, so that a small machine can sign
/// in the users of an experiment. OWASP's first advice for real users, 19 MiB and two passes, costs
/// five times as much. Each hash names its own, so these may be raised while old ones hold.
const MEMORY_KIB: u32 = 4 * 1024;
const PASSES: u32 = 2;

/// Shortest and longest password, in characters. The longest keeps one request from costing more
/// than another.
const CHARACTERS: std::ops::RangeInclusive<usize> = 8..=128;

/// Who has no account is compared with this, so that it takes as long as a wrong password.
const NOBODYS: &str = "nobody's password";

/// Something is wrong with the machine, not with the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("argon2: {0}")]
pub(crate) struct HashError(String);

impl Classify for HashError {}

/// Makes and compares hashes, on threads of its own: hashing is work for a processor, and the
/// instance's only other thread has everyone else to serve.
pub(crate) struct Passwords {
    command: Command,
    nobodys: Arc<str>,
}

fn argon2() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None);
    let params = params.map_err(|error| HashError(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The hash of a password under this salt, or a new one.
///
/// # Errors
/// The machine has no memory for it, or the salt is not of 8 to 64 bytes.
pub(crate) fn hash(password: &str, salt: Option<&[u8]>) -> Result<String, HashError> {
    let (argon2, password) = (argon2()?, password.as_bytes());
    let hash = match salt {
        Some(salt) => argon2.hash_password_with_salt(password, salt),
        None => argon2.hash_password(password),
    };
    hash.map(|hash| hash.to_string())
        .map_err(|error| HashError(error.to_string()))
}

fn is_of(password: &str, hash: &str) -> Result<bool, HashError> {
    use argon2::password_hash::Error;
    match argon2()?.verify_password(password.as_bytes(), hash) {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(HashError(error.to_string())),
    }
}

impl Passwords {
    /// With the command `passwords` of this instance.
    ///
    /// # Errors
    /// The service does not declare it, or nothing can be hashed.
    pub(crate) fn new(host: &Host) -> Result<Self, ServeError> {
        let nobodys = hash(NOBODYS, None).map_err(|error| ServeError::Setup {
            what: "passwords",
            reason: error.to_string(),
        })?;
        Ok(Self {
            command: host.command("passwords")?.0,
            nobodys: nobodys.into(),
        })
    }

    /// What is kept of a new password.
    ///
    /// # Errors
    /// 400 if it is too short or too long, 503 if there was no time for it.
    pub(crate) async fn hash(
        &self,
        password: String,
        deadline: Deadline,
    ) -> Result<String, Failure> {
        if !CHARACTERS.contains(&password.chars().count()) {
            let reason = "password: write 8 to 128 characters";
            return Err(Failure::new(StatusCode::BAD_REQUEST, reason));
        }
        let work = move |_| hash(&password, None);
        let hashed = self.command.execute_blocking(deadline, work).await;
        hashed.map_err(failure)
    }

    /// Whether this is the password of an account that keeps `hash`, or of one that does not exist,
    /// whose is nobody's.
    ///
    /// # Errors
    /// 503 if there was no time for it.
    pub(crate) async fn check(
        &self,
        password: String,
        hash: Option<String>,
        deadline: Deadline,
    ) -> Result<bool, Failure> {
        if password.chars().count() > *CHARACTERS.end() {
            return Ok(false);
        }
        let exists = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobodys.as_ref().to_owned());
        let work = move |_| is_of(&password, &hash);
        let checked = self.command.execute_blocking(deadline, work).await;
        Ok(checked.map_err(failure)? && exists)
    }
}

fn failure(error: CommandError<HashError>) -> Failure {
    Failure::unavailable(format!("passwords: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_password_alone_and_never_the_same_twice() {
        let kept = hash("correct horse", None).unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=4096,t=2,p=1$"), "{kept}");
        assert!(kept.len() <= 255, "the column holds it");
        assert_eq!(is_of("correct horse", &kept), Ok(true));
        assert_eq!(is_of("correct house", &kept), Ok(false));
        assert_ne!(hash("correct horse", None).unwrap(), kept);
        let salt: &[u8] = b"of the seed";
        let salted = hash("correct horse", Some(salt)).unwrap();
        assert_eq!(hash("correct horse", Some(salt)).unwrap(), salted);
        assert!(is_of("correct horse", "not a hash").is_err());
    }

    #[test]
    fn a_hash_of_other_costs_still_holds() {
        let params = Params::new(64, 1, 1, None).unwrap();
        let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let kept = cheap.hash_password(b"correct horse").unwrap().to_string();
        assert_eq!(is_of("correct horse", &kept), Ok(true));
    }
}
