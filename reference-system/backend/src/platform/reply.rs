//! How services answer: failures with a reason, degraded answers with a mark.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::platform::read_through::Unreadable;
use crate::platform::remote::{CallError, RemoteError};

/// Says which dependency was replaced by what: `recommendations=cached`.
pub(crate) const FALLBACK: HeaderName = HeaderName::from_static("x-fallback");
/// Says whether a cache had the answer: `hit` or `miss`.
pub(crate) const CACHE: HeaderName = HeaderName::from_static("x-cache");

/// A request that cannot be answered as asked.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    reason: String,
    retry_after_seconds: Option<u64>,
}

impl Failure {
    /// A failure with a reason for the reader of a log.
    pub(crate) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
            retry_after_seconds: None,
        }
    }

    /// The service cannot do it now; 503.
    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        Self {
            retry_after_seconds: Some(1),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, reason)
        }
    }

    /// Whether it is the service's, and not the caller's.
    pub(crate) fn is_servers(&self) -> bool {
        self.status.is_server_error()
    }

    /// A dependency that nothing can replace failed. A refusal that concerns the caller is handed
    /// on; everything else is 503, whatever went wrong behind it.
    pub(crate) fn of(dependency: &str, error: &CallError) -> Self {
        if let CallError::BadRequest(RemoteError::Refused { status, message }) = error {
            return Self::new(*status, message.clone());
        }
        Self {
            retry_after_seconds: error.retry_after_secs().or(Some(1)),
            ..Self::unavailable(format!("{dependency}: {error}"))
        }
    }
}

impl From<Unreadable> for Failure {
    fn from(error: Unreadable) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::debug!(status = %self.status, reason = %self.reason, "request failed");
        }
        let mut headers = HeaderMap::new();
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        (self.status, headers, self.reason + "\n").into_response()
    }
}

/// What had to be replaced while answering, in the order in which it happened.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Degraded(Vec<&'static str>);

impl Degraded {
    /// Notes a replacement, such as `recommendations=popular`.
    pub(crate) fn note(&mut self, replacement: &'static str) {
        self.0.push(replacement);
    }

    /// Says in an answer that was made elsewhere what was replaced before it was asked for.
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        let elsewhere = headers.get(FALLBACK).and_then(|said| said.to_str().ok());
        let mut said = self.0.join(", ");
        if let (Some(elsewhere), false) = (elsewhere, self.0.is_empty()) {
            said = format!("{said}, {elsewhere}");
        }
        if let Ok(value) = HeaderValue::from_str(&said)
            && !self.0.is_empty()
        {
            headers.insert(FALLBACK, value);
        }
    }

    /// The headers of the answer: none if nothing was replaced.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&self.0.join(", "))
            && !self.0.is_empty()
        {
            headers.insert(FALLBACK, value);
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_stand_in_one_header_and_nothing_leaves_none() {
        let mut degraded = Degraded::default();
        assert!(degraded.headers().is_empty());
        degraded.note("profile=default");
        degraded.note("recommendations=popular");
        assert_eq!(
            degraded.headers()[FALLBACK],
            "profile=default, recommendations=popular"
        );
    }

    #[test]
    fn an_answer_made_elsewhere_says_both_what_was_replaced_here_and_there() {
        let mut headers = HeaderMap::new();
        Degraded::default().add_to(&mut headers);
        assert!(headers.is_empty());
        headers.insert(FALLBACK, HeaderValue::from_static("resume=beginning"));
        Degraded::default().add_to(&mut headers);
        assert_eq!(headers[FALLBACK], "resume=beginning");
        let mut degraded = Degraded::default();
        degraded.note("profile=session");
        degraded.clone().add_to(&mut headers);
        assert_eq!(headers[FALLBACK], "profile=session, resume=beginning");
        let mut headers = HeaderMap::new();
        degraded.add_to(&mut headers);
        assert_eq!(headers[FALLBACK], "profile=session");
    }

    #[test]
    fn a_refusal_is_handed_on_and_a_breakdown_is_503() {
        let refused = CallError::BadRequest(RemoteError::Refused {
            status: StatusCode::NOT_FOUND,
            message: "no such title".to_owned(),
        });
        assert_eq!(
            Failure::of("catalog", &refused).into_response().status(),
            404
        );
        let broken = CallError::Failure(RemoteError::NoInstance("catalog"));
        let response = Failure::of("catalog", &broken).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
