//! Personas: how the client of a user behaves when answers are slow or bad, and
//! whether it keeps them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::format_duration;

/// How a client behaves: how long it waits, whether it tries again, and whether it
/// keeps what it got.
///
/// A user's response time spans all attempts; the record counts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persona {
    /// Its name.
    pub name: String,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Attempts behind the first one, where that fails in a way that may pass.
    pub retries: u32,
    /// Between the first two attempts, at most; twice as long before each later one.
    /// The seed draws from the upper half of it.
    pub backoff: Duration,
    /// Whether it keeps answers that may be used again, as servers say with
    /// `cache-control` and `etag`, for as long as its journey goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cache: bool,
}

/// Longest time between two attempts, whatever the doubling or the server says.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Most attempts behind the first one.
pub const RETRIES_MAX: u32 = 10;

impl Persona {
    /// A browser: patient, it leaves trying again to its user, and has a cache.
    #[must_use]
    pub fn web() -> Self {
        Self::of("web", (30, 0, 0), true)
    }

    /// An app on a phone: networks come and go, so it tries again soon. The clients of
    /// its platforms have a cache of their own.
    #[must_use]
    pub fn mobile() -> Self {
        Self::of("mobile", (10, 2, 500), true)
    }

    /// An app on a television set: nobody sees why it waits, so it is impatient and
    /// stubborn. There is little room in it, and no cache.
    #[must_use]
    pub fn tv() -> Self {
        Self::of("tv", (8, 3, 1_000), false)
    }

    /// An app on a games console: mostly a page in a browser without a frame, and its
    /// cache is that of one.
    #[must_use]
    pub fn console() -> Self {
        Self::of("console", (15, 2, 1_000), true)
    }

    /// The four that there are without being written.
    #[must_use]
    pub fn presets() -> [Self; 4] {
        [Self::web(), Self::mobile(), Self::tv(), Self::console()]
    }

    fn of(name: &str, (timeout_s, retries, backoff_ms): (u64, u32, u64), cache: bool) -> Self {
        Self {
            name: name.to_owned(),
            timeout: Duration::from_secs(timeout_s),
            retries,
            backoff: Duration::from_millis(backoff_ms),
            cache,
        }
    }

    /// How long to wait before the nth attempt behind the first, counted from 0:
    /// `place` from 0 to 1 says where in the upper half of the backoff. A server that
    /// `asked` for more gets it.
    #[must_use]
    pub fn wait(&self, nth: u32, place: f64, asked: Option<Duration>) -> Duration {
        let doubled = 2_u32.saturating_pow(nth.min(RETRIES_MAX));
        let longest = self.backoff.saturating_mul(doubled).min(BACKOFF_MAX);
        let own = longest.mul_f64(0.5 + place.clamp(0.0, 1.0) / 2.0);
        own.max(asked.unwrap_or_default()).min(BACKOFF_MAX)
    }
}

impl fmt::Display for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: timeout {}",
            self.name,
            format_duration(self.timeout)
        )?;
        let backoff = format_duration(self.backoff);
        match self.retries {
            0 => f.write_str(", no retries")?,
            1 => write!(f, ", 1 retry, backoff {backoff}")?,
            retries => write!(f, ", {retries} retries, backoff {backoff}")?,
        }
        f.write_str(if self.cache { ", a cache" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_further_apart_each_time_and_never_too_far() {
        let tv = Persona::tv();
        let ms = |nth, place| tv.wait(nth, place, None).as_millis();
        assert_eq!(
            [ms(0, 0.0), ms(0, 1.0), ms(1, 0.0), ms(2, 1.0)],
            [500, 1_000, 1_000, 4_000]
        );
        assert_eq!(tv.wait(60, 1.0, None), BACKOFF_MAX);
        let asked = |s| tv.wait(0, 0.0, Some(Duration::from_secs(s))).as_secs_f64();
        assert_eq!([asked(0), asked(7), asked(9_999)], [0.5, 7.0, 30.0]);
    }

    #[test]
    fn one_retry_is_one_and_a_cache_is_told() {
        let of = |retries| Persona::of("kiosk", (4, retries, 250), false).to_string();
        assert_eq!(of(0), "kiosk: timeout 4s, no retries");
        assert_eq!(of(1), "kiosk: timeout 4s, 1 retry, backoff 250ms");
        assert_eq!(of(2), "kiosk: timeout 4s, 2 retries, backoff 250ms");
        let web = Persona::web();
        assert_eq!(web.to_string(), "web: timeout 30s, no retries, a cache");
        let written = serde_json::to_string(&Persona::tv()).unwrap();
        assert!(!written.contains("cache"), "as before: {written}");
        assert_eq!(
            serde_json::from_str::<Persona>(&written).unwrap(),
            Persona::tv()
        );
    }
}
