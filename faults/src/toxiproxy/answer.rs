//! What goes back over HTTP.

use std::fmt::Write;

use super::error::ApiError;

const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";

/// An answer; whoever carries HTTP adds what every answer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Content-Type`, where there is one.
    pub content_type: Option<&'static str>,
    /// Whether it has `X-Content-Type-Options: nosniff`.
    pub nosniff: bool,
    /// `Location`, where there is one.
    pub location: Option<String>,
    /// Whether it has an `X-Toxiproxy-Request-Id`: where the path is known and
    /// the method fits.
    pub numbered: bool,
    /// The body.
    pub body: String,
}

impl Answer {
    fn new(status: u16, content_type: Option<&'static str>, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type,
            nosniff: false,
            location: None,
            numbered: true,
            body: body.into(),
        }
    }

    /// What Go's `http.Error` sends.
    fn plain_error(status: u16, message: &str) -> Self {
        Self {
            nosniff: true,
            ..Self::new(status, Some(PLAIN), format!("{message}\n"))
        }
    }

    pub(super) fn json(status: u16, body: impl Into<String>) -> Self {
        Self::new(status, Some(JSON), body)
    }

    pub(super) fn no_content() -> Self {
        Self::new(204, None, "")
    }

    pub(super) fn error(error: &ApiError) -> Self {
        Self::plain_error(error.status, &format!("{{{}}}", error.members()))
    }

    /// The answer of `/populate`: what was done, even if it ended early.
    pub(super) fn populated(done: &[String], error: Option<&ApiError>) -> Self {
        let mut body = "{".to_owned();
        if let Some(error) = error {
            body += &error.members();
            body.push(',');
        }
        // An empty list is nil in Go.
        let list = match done.is_empty() {
            true => "null".to_owned(),
            false => format!("[{}]", done.join(",")),
        };
        // Writing to a string never fails.
        let _ = write!(body, "\"proxies\":{list}}}");
        Self::json(error.map_or(201, |error| error.status), body)
    }

    pub(super) fn version(version: &str) -> Self {
        let body = format!("{{\"version\": \"{version}\"}}\n");
        Self::new(200, Some("application/json;charset=utf-8"), body)
    }

    pub(super) fn metrics(text: String) -> Self {
        const KIND: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
        Self::new(200, Some(KIND), text)
    }

    pub(super) fn browser() -> Self {
        Self::plain_error(403, "User agent not allowed")
    }

    /// Whoever has no token.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self {
            numbered: false,
            ..Self::plain_error(401, "send the token: Authorization: Bearer TOKEN")
        }
    }

    /// A body beyond every measure.
    #[must_use]
    pub fn too_large() -> Self {
        Self {
            numbered: false,
            ..Self::plain_error(413, "request body too large")
        }
    }

    /// Work that took too long.
    #[must_use]
    pub fn timeout() -> Self {
        const PAGE: &str =
            "<html><head><title>Timeout</title></head><body><h1>Timeout</h1></body></html>";
        Self::new(503, None, PAGE)
    }

    pub(super) fn unknown_path() -> Self {
        Self {
            numbered: false,
            ..Self::plain_error(404, "404 page not found")
        }
    }

    pub(super) fn wrong_method() -> Self {
        Self {
            numbered: false,
            ..Self::new(405, None, "")
        }
    }

    pub(super) fn bad_request() -> Self {
        Self {
            numbered: false,
            ..Self::new(400, Some(PLAIN), "400 Bad Request")
        }
    }

    pub(super) fn moved(location: String) -> Self {
        Self {
            location: Some(location),
            numbered: false,
            ..Self::new(301, None, "")
        }
    }
}
