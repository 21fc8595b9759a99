//! The errors of the API: their texts and statuses are part of it.

use std::fmt::Display;

use super::json::push_text;

/// An error as a client gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    /// What is wrong.
    pub(super) message: String,
    /// The HTTP status.
    pub(super) status: u16,
}

impl ApiError {
    fn new(message: impl Into<String>, status: u16) -> Self {
        let message = message.into();
        Self { message, status }
    }

    pub(super) fn proxy_not_found() -> Self {
        Self::new("proxy not found", 404)
    }

    pub(super) fn proxy_exists() -> Self {
        Self::new("proxy already exists", 409)
    }

    pub(super) fn toxic_not_found() -> Self {
        Self::new("toxic not found", 404)
    }

    pub(super) fn connection_not_found() -> Self {
        Self::new("connection not found", 404)
    }

    pub(super) fn toxic_exists() -> Self {
        Self::new("toxic already exists", 409)
    }

    pub(super) fn invalid_stream() -> Self {
        let message = "stream was invalid, can be either upstream or downstream";
        Self::new(message, 400)
    }

    pub(super) fn invalid_toxic_type() -> Self {
        Self::new("invalid toxic type", 400)
    }

    pub(super) fn missing(field: impl Display) -> Self {
        Self::new(format!("missing required field: {field}"), 400)
    }

    pub(super) fn bad_body(why: impl Display) -> Self {
        Self::new(format!("bad request body: {why}"), 400)
    }

    /// Whatever else went wrong.
    pub(super) fn internal(why: impl Display) -> Self {
        Self::new(why.to_string(), 500)
    }

    pub(super) fn forbidden(why: impl Display) -> Self {
        Self::new(why.to_string(), 403)
    }

    /// The same with a remark on where it is.
    pub(super) fn at(mut self, place: impl Display) -> Self {
        self.message = format!("{} at {place}", self.message);
        self
    }

    /// Its two members, without braces.
    pub(super) fn members(&self) -> String {
        let mut out = "\"error\":".to_owned();
        push_text(&mut out, &self.message);
        out + &format!(",\"status\":{}", self.status)
    }
}
