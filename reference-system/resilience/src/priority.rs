//! What a call is worth, so that the least of them go first when there is too much (Netflix's
//! prioritised load shedding).

use http::{HeaderMap, HeaderName, HeaderValue};

/// What the user loses with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum Priority {
    /// Nothing: logs, prefetching, what is done in the background.
    NonCritical,
    /// Something: a row of the page, a picture.
    Degraded,
    /// What the user came for. Calls that say nothing are that.
    #[default]
    Critical,
}

impl Priority {
    /// The header that carries it to the next service.
    pub const HEADER: HeaderName = HeaderName::from_static("x-priority");

    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::NonCritical, Self::Degraded, Self::Critical];

    /// `non-critical`, `degraded` or `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NonCritical => "non-critical",
            Self::Degraded => "degraded",
            Self::Critical => "critical",
        }
    }

    /// What a request says of itself; critical if it says nothing that is understood.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let said = headers.get(Self::HEADER).map(HeaderValue::as_bytes);
        Self::ALL
            .into_iter()
            .find(|priority| said == Some(priority.as_str().as_bytes()))
            .unwrap_or_default()
    }

    /// Writes it into the headers of a request about to be sent.
    pub fn insert_into(self, headers: &mut HeaderMap) {
        headers.insert(Self::HEADER, HeaderValue::from_static(self.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_travels_and_silence_is_critical() {
        let mut headers = HeaderMap::new();
        assert_eq!(Priority::from_headers(&headers), Priority::Critical);
        for priority in Priority::ALL {
            priority.insert_into(&mut headers);
            assert_eq!(Priority::from_headers(&headers), priority);
        }
        headers.insert(Priority::HEADER, HeaderValue::from_static("urgent"));
        assert_eq!(Priority::from_headers(&headers), Priority::Critical);
    }
}
