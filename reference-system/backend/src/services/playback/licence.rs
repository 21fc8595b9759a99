//! DRM licences: the signed right to be sent the segments of one title for a while.
//!
//! Playback issues them and an edge checks them without asking anyone, as both know the key. A
//! licence names the title, who it was made for and, if the player said so, the device; whoever
//! shows it has to say the same. A real player would prove that it is that device; here it only
//! says so.

use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::platform::reply::Failure;
use crate::platform::token::{Expiring, Signer, TokenError, bearer};
use crate::service::ServeError;

/// How long a licence holds.
pub(crate) const LICENCE_SECONDS: u64 = 4 * 60 * 60;
/// Longest name of a device, in bytes.
const DEVICE_BYTES_MAX: usize = 64;

/// Whose screen it is, as the query of a play and of a segment says: both parts are optional.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Viewer {
    /// Who watches; nobody for a preview.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<u32>,
    /// On what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
}

impl Viewer {
    /// The query that says the same again, with its `?`; empty for nobody.
    pub(crate) fn query(&self) -> String {
        let profile = self.profile.map(|profile| format!("profile={profile}"));
        let device = self
            .device
            .as_ref()
            .map(|device| format!("device={device}"));
        let parts: Vec<String> = profile.into_iter().chain(device).collect();
        if parts.is_empty() {
            String::new()
        } else {
            format!("?{}", parts.join("&"))
        }
    }

    /// Refuses a device whose name could not stand in a query as it is.
    ///
    /// # Errors
    /// 400: letters, digits, `-`, `_` and `.`, at most 64 of them.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let Some(device) = &self.device else {
            return Ok(());
        };
        if !device.is_empty() && device.len() <= DEVICE_BYTES_MAX && device.bytes().all(legal) {
            return Ok(());
        }
        Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "device: 1 to 64 letters, digits, `-`, `_` or `.`",
        ))
    }
}

/// What a licence says.
#[derive(Debug, Serialize, Deserialize)]
struct Licence {
    title: u32,
    viewer: Viewer,
    expires_unix_seconds: u64,
}

impl Expiring for Licence {
    fn expires_unix_seconds(&self) -> u64 {
        self.expires_unix_seconds
    }
}

/// Why a segment is not handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LicenceError {
    /// There is none.
    #[error("show the licence of a play: `Authorization: Bearer LICENCE`")]
    Missing,
    /// It is not to be trusted.
    #[error("licence: {0}")]
    Token(#[from] TokenError),
    /// It is good, but not for this.
    #[error("the licence is for another {0}")]
    Other(&'static str),
}

impl From<LicenceError> for Failure {
    fn from(error: LicenceError) -> Self {
        let status = match error {
            LicenceError::Missing | LicenceError::Token(_) => StatusCode::UNAUTHORIZED,
            LicenceError::Other(_) => StatusCode::FORBIDDEN,
        };
        Self::new(status, error.to_string())
    }
}

/// Issues and checks licences.
pub(crate) struct Licences(Signer);

impl Licences {
    /// With the key of this backend.
    ///
    /// # Errors
    /// The key is not accepted.
    pub(crate) fn new(seed: u64) -> Result<Self, ServeError> {
        Ok(Self(Signer::new(seed, "drm")?))
    }

    /// A licence that begins now.
    pub(crate) fn issue(&self, title: u32, viewer: Viewer, now_unix_seconds: u64) -> String {
        self.0.sign(&Licence {
            title,
            viewer,
            expires_unix_seconds: now_unix_seconds + LICENCE_SECONDS,
        })
    }

    /// Whether the request with these headers shows a licence for this title and this viewer.
    ///
    /// # Errors
    /// It shows none, one that this backend did not sign, one whose time is over, or that of
    /// another title, profile or device.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        title: u32,
        viewer: &Viewer,
        now_unix_seconds: u64,
    ) -> Result<(), LicenceError> {
        let token = bearer(headers).ok_or(LicenceError::Missing)?;
        let licence: Licence = self.0.verify(token, now_unix_seconds)?;
        if licence.title != title {
            Err(LicenceError::Other("title"))
        } else if licence.viewer.profile != viewer.profile {
            Err(LicenceError::Other("profile"))
        } else if licence.viewer.device != viewer.device {
            Err(LicenceError::Other("device"))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;

    const NOW: u64 = 1_000_000;

    fn viewer(profile: Option<u32>, device: Option<&str>) -> Viewer {
        Viewer {
            profile,
            device: device.map(str::to_owned),
        }
    }

    fn shown(licence: &str) -> HeaderMap {
        let value = format!("Bearer {licence}").parse().unwrap();
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    fn licences() -> Licences {
        Licences::new(7).unwrap()
    }

    #[test]
    fn a_licence_opens_its_title_for_its_viewer_until_its_time_is_over() {
        for viewer in [
            viewer(None, None),
            viewer(Some(3), None),
            viewer(Some(3), Some("tv-1")),
        ] {
            let headers = shown(&licences().issue(5, viewer.clone(), NOW));
            let check = |now| licences().check(&headers, 5, &viewer, now);
            assert_eq!(check(NOW + LICENCE_SECONDS - 1), Ok(()));
            let expired = Err(LicenceError::Token(TokenError::Expired));
            assert_eq!(check(NOW + LICENCE_SECONDS), expired);
        }
    }

    #[test]
    fn a_licence_opens_nothing_else() {
        let made_for = viewer(Some(3), Some("tv-1"));
        let headers = shown(&licences().issue(5, made_for.clone(), NOW));
        let other = |what| Err(LicenceError::Other(what));
        let check = |title, viewer| licences().check(&headers, title, &viewer, NOW);
        assert_eq!(check(6, made_for.clone()), other("title"));
        assert_eq!(check(5, viewer(Some(4), Some("tv-1"))), other("profile"));
        assert_eq!(check(5, viewer(None, Some("tv-1"))), other("profile"));
        assert_eq!(check(5, viewer(Some(3), Some("tv-2"))), other("device"));
        assert_eq!(check(5, viewer(Some(3), None)), other("device"));
        let preview = shown(&licences().issue(5, viewer(None, None), NOW));
        let by_3 = licences().check(&preview, 5, &viewer(Some(3), None), NOW);
        assert_eq!(by_3, other("profile"));
    }

    #[test]
    fn what_is_missing_forged_or_for_another_purpose_is_401_and_what_is_for_another_is_403() {
        let nobody = viewer(None, None);
        let check = |headers: &HeaderMap| licences().check(headers, 5, &nobody, NOW);
        let status = |error: LicenceError| {
            use axum::response::IntoResponse;
            Failure::from(error).into_response().status().as_u16()
        };
        assert_eq!(check(&HeaderMap::new()), Err(LicenceError::Missing));
        let basic = HeaderMap::from_iter([(header::AUTHORIZATION, "Basic eDp5".parse().unwrap())]);
        assert_eq!(check(&basic), Err(LicenceError::Missing));
        let foreign = shown(&Licences::new(8).unwrap().issue(5, nobody.clone(), NOW));
        let forged = check(&foreign).unwrap_err();
        assert_eq!(forged, LicenceError::Token(TokenError::Forged));
        let session = Signer::new(7, "session").unwrap().sign(&Licence {
            title: 5,
            viewer: nobody.clone(),
            expires_unix_seconds: NOW + 1,
        });
        assert_eq!(check(&shown(&session)), Err(forged));
        assert_eq!((status(LicenceError::Missing), status(forged)), (401, 401));
        assert_eq!(status(LicenceError::Other("title")), 403);
    }

    #[test]
    fn a_viewer_stands_in_a_query_as_it_was_read() {
        assert_eq!(viewer(None, None).query(), "");
        assert_eq!(viewer(Some(3), None).query(), "?profile=3");
        assert_eq!(
            viewer(Some(3), Some("tv-1")).query(),
            "?profile=3&device=tv-1"
        );
        assert!(viewer(None, Some("tv-1")).check().is_ok());
        for bad in ["", "a b", "a&profile=1", "ä", &"x".repeat(65)] {
            assert!(viewer(None, Some(bad)).check().is_err(), "{bad:?}");
        }
    }
}
