//! The absolute time by which the caller stops caring, and its form on the wire.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The longest deadline accepted from the wire, in milliseconds (one hour). Anything longer is
/// taken for a mistake of units.
pub const DEADLINE_MS_MAX: u64 = 3_600_000;

/// The instant at which the caller of a call gives up.
///
/// On the wire it is `x-deadline-ms`: the milliseconds that remain when the request is written.
/// A remainder needs no clock agreement between machines; the time on the network is lost to the
/// callee's view, which is why the caller still enforces its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

impl Deadline {
    /// The header that carries a deadline to the next service.
    pub const HEADER: HeaderName = HeaderName::from_static("x-deadline-ms");

    /// The deadline at this very instant.
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The deadline `budget` after `now`. A budget beyond [`DEADLINE_MS_MAX`] is cut to it.
    pub fn after(now: Instant, budget: Duration) -> Self {
        Self(now + budget.min(Duration::from_millis(DEADLINE_MS_MAX)))
    }

    /// The instant of this deadline.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// What is left at `now`; zero once it has passed.
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether nothing is left at `now`.
    pub fn is_expired(self, now: Instant) -> bool {
        self.0 <= now
    }

    /// The earlier of this deadline and `now + limit`: what an inner call may use.
    #[must_use]
    pub fn tightened(self, now: Instant, limit: Duration) -> Self {
        Self(self.0.min(Self::after(now, limit).0))
    }

    /// The header value at `now`: whole milliseconds, rounded down so that a callee never believes
    /// it has more time than its caller.
    pub fn header_value(self, now: Instant) -> HeaderValue {
        let remaining_ms =
            u64::try_from(self.remaining(now).as_millis()).unwrap_or(DEADLINE_MS_MAX);
        HeaderValue::from(remaining_ms)
    }

    /// Writes the deadline into the headers of a request about to be sent.
    pub fn insert_into(self, headers: &mut HeaderMap, now: Instant) {
        headers.insert(Self::HEADER, self.header_value(now));
    }

    /// Reads the deadline of a request that arrived at `now`; `None` if the caller sent none.
    ///
    /// # Errors
    /// The header is not a whole number of milliseconds up to [`DEADLINE_MS_MAX`].
    pub fn from_headers(headers: &HeaderMap, now: Instant) -> Result<Option<Self>, DeadlineError> {
        let Some(value) = headers.get(Self::HEADER) else {
            return Ok(None);
        };
        let remaining_ms = value
            .to_str()
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
            .filter(|ms| *ms <= DEADLINE_MS_MAX)
            .ok_or(DeadlineError)?;
        Ok(Some(Self::after(now, Duration::from_millis(remaining_ms))))
    }
}

/// A deadline header that cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("x-deadline-ms must be the remaining whole milliseconds, 0 to {DEADLINE_MS_MAX}")]
pub struct DeadlineError;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn remaining_counts_down_and_stops_at_zero() {
        let now = Instant::now();
        let deadline = Deadline::after(now, ms(100));
        assert_eq!(deadline.remaining(now + ms(30)), ms(70));
        assert!(!deadline.is_expired(now + ms(99)));
        assert!(deadline.is_expired(now + ms(100)));
        assert_eq!(deadline.remaining(now + ms(500)), Duration::ZERO);
    }

    #[test]
    fn an_inner_call_gets_the_smaller_budget() {
        let now = Instant::now();
        let deadline = Deadline::after(now, ms(1000));
        assert_eq!(
            deadline
                .tightened(now + ms(100), ms(300))
                .remaining(now + ms(100)),
            ms(300)
        );
        assert_eq!(
            deadline
                .tightened(now + ms(900), ms(300))
                .remaining(now + ms(900)),
            ms(100)
        );
    }

    #[test]
    fn the_header_rounds_down_and_comes_back() {
        let now = Instant::now();
        let mut headers = HeaderMap::new();
        Deadline::after(now, Duration::from_micros(250_900)).insert_into(&mut headers, now);
        assert_eq!(headers[Deadline::HEADER], "250");
        let later = now + ms(5);
        assert_eq!(
            Deadline::from_headers(&headers, later),
            Ok(Some(Deadline::after(later, ms(250))))
        );
    }

    #[test]
    fn a_header_that_is_no_number_of_milliseconds_is_an_error() {
        let now = Instant::now();
        assert_eq!(Deadline::from_headers(&HeaderMap::new(), now), Ok(None));
        for bad in ["", "-1", "1.5", "soon", "3600001", "99999999999999999999"] {
            let mut headers = HeaderMap::new();
            headers.insert(Deadline::HEADER, HeaderValue::from_static(bad));
            assert_eq!(
                Deadline::from_headers(&headers, now),
                Err(DeadlineError),
                "{bad:?}"
            );
        }
    }
}
