//! Sessions: what a signed-in user shows, and any service can trust without asking.
//!
//! A session says which profiles its account had when it was made, and what each might see. While
//! the user service answers, that is only who is asking; while it does not, it is all there is.

use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::dataset::model::Profile;
use crate::platform::reply::Failure;
use crate::platform::token::{Expiring, Signer, TokenError, bearer};
use crate::service::ServeError;
use crate::stores::users::model::UserId;

/// How long a session holds. What it says of a profile is at most as old.
pub(crate) const SESSION_SECONDS: u64 = 60 * 60;

/// What a session says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The account.
    #[serde(rename = "u")]
    pub(crate) user: UserId,
    /// Its country.
    #[serde(rename = "c")]
    country: String,
    /// Its profiles, and the oldest age each may see titles for.
    #[serde(rename = "p")]
    profiles: Vec<(u32, u8)>,
    #[serde(rename = "e")]
    expires_unix_seconds: u64,
}

impl Expiring for Claims {
    fn expires_unix_seconds(&self) -> u64 {
        self.expires_unix_seconds
    }
}

impl Claims {
    /// What was known of this profile.
    ///
    /// # Errors
    /// 403 if it was none of the account's.
    pub(crate) fn profile(&self, id: u32) -> Result<Profile, Failure> {
        let found = self.profiles.iter().find(|(profile, _)| *profile == id);
        let (id, maturity_age_max) = found.copied().ok_or_else(|| {
            let reason = "the session is of another account, or from before there was this \
                          profile: sign in again";
            Failure::new(StatusCode::FORBIDDEN, reason)
        })?;
        Ok(Profile {
            id,
            country: self.country.clone(),
            maturity_age_max,
        })
    }
}

/// Why a session that is shown is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionError {
    /// None is shown.
    #[error("sign in, and show the session: `Authorization: Bearer SESSION`")]
    Missing,
    /// It is not to be trusted.
    #[error("session: {0}; sign in again")]
    Token(#[from] TokenError),
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, error.to_string())
    }
}

/// Makes and checks sessions.
pub(crate) struct Sessions(Signer);

impl Sessions {
    /// With the key of this backend.
    ///
    /// # Errors
    /// The key is not accepted.
    pub(crate) fn new(seed: u64) -> Result<Self, ServeError> {
        Ok(Self(Signer::new(seed, "account")?))
    }

    /// A session that begins now, and what it says.
    pub(crate) fn begin(
        &self,
        user: UserId,
        country: &str,
        profiles: &[Profile],
        now_unix_seconds: u64,
    ) -> (String, u64) {
        let expires_unix_seconds = now_unix_seconds + SESSION_SECONDS;
        let claims = Claims {
            user,
            country: country.to_owned(),
            profiles: profiles
                .iter()
                .map(|profile| (profile.id, profile.maturity_age_max))
                .collect(),
            expires_unix_seconds,
        };
        (self.0.sign(&claims), expires_unix_seconds)
    }

    /// What the session says that these headers show, if they show anything.
    ///
    /// # Errors
    /// It was not made here, or its time is over.
    pub(crate) fn shown(
        &self,
        headers: &HeaderMap,
        now_unix_seconds: u64,
    ) -> Result<Option<Claims>, SessionError> {
        match bearer(headers) {
            Some(token) => Ok(Some(self.0.verify(token, now_unix_seconds)?)),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;
    use http::header;

    const NOW: u64 = 1_000_000;

    fn profile(id: u32, maturity_age_max: u8) -> Profile {
        Profile {
            id,
            country: "JP".to_owned(),
            maturity_age_max,
        }
    }

    fn shown(token: &str) -> HeaderMap {
        let value = format!("Bearer {token}").parse().unwrap();
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    #[test]
    fn a_session_says_what_its_account_had_until_its_time_is_over() {
        let sessions = Sessions::new(7).unwrap();
        let profiles = [profile(3, 18), profile(4, 7)];
        let (token, until) = sessions.begin(1, "JP", &profiles, NOW);
        let elsewhere = Sessions::new(7).unwrap();
        let claims = elsewhere.shown(&shown(&token), until - 1).unwrap().unwrap();
        assert_eq!(claims.user, 1);
        for profile in profiles {
            assert_eq!(claims.profile(profile.id).unwrap(), profile);
        }
        let refused = claims.profile(5).unwrap_err().into_response();
        assert_eq!(refused.status(), 403);
        let expired = Err(SessionError::Token(TokenError::Expired));
        assert_eq!(elsewhere.shown(&shown(&token), until), expired);
        let other = Sessions::new(8).unwrap().shown(&shown(&token), NOW);
        assert_eq!(other, Err(SessionError::Token(TokenError::Forged)));
    }

    #[test]
    fn the_largest_session_is_still_a_token_and_none_is_none() {
        let sessions = Sessions::new(7).unwrap();
        let profiles: Vec<Profile> = (0..5).map(|n| profile(u32::MAX - n, 18)).collect();
        let (token, _) = sessions.begin(i64::MAX, "USA", &profiles, NOW);
        assert!(sessions.shown(&shown(&token), NOW).unwrap().is_some());
        assert_eq!(sessions.shown(&HeaderMap::new(), NOW), Ok(None));
        let failure = Failure::from(SessionError::Missing).into_response();
        assert_eq!(failure.status(), 401);
        assert_eq!(failure.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
