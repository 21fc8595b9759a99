//! Personas: how the client of a user behaves when answers are slow or bad.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::format_duration;

/// How a client behaves: how long it waits, and whether it tries again.
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
}

/// Longest time between two attempts, whatever the doubling or the server says.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Most attempts behind the first one.
pub const RETRIES_MAX: u32 = 10;

impl Persona {
    /// A browser: patient, and it leaves trying again to its user.
    #[must_use]
    pub fn web() -> Self {
        Self::of("web", (30, 0, 0))
    }

    /// An app on a phone: networks come and go, so it tries again soon.
    #[must_use]
    pub fn mobile() -> Self {
        Self::of("mobile", (10, 2, 500))
    }

    /// An app on a television set: nobody sees why it waits, so it is impatient and
    /// stubborn.
    #[must_use]
    pub fn tv() -> Self {
        Self::of("tv", (8, 3, 1_000))
    }

    /// An app on a games console.
    #[must_use]
    pub fn console() -> Self {
        Self::of("console", (15, 2, 1_000))
    }

    /// The four that there are without being written.
    #[must_use]
    pub fn presets() -> [Self; 4] {
        [Self::web(), Self::mobile(), Self::tv(), Self::console()]
    }

    fn of(name: &str, (timeout_s, retries, backoff_ms): (u64, u32, u64)) -> Self {
        Self {
            name: name.to_owned(),
            timeout: Duration::from_secs(timeout_s),
            retries,
            backoff: Duration::from_millis(backoff_ms),
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
        if self.retries == 0 {
            return f.write_str(", no retries");
        }
        let noun = if self.retries == 1 {
            "retry"
        } else {
            "retries"
        };
        let backoff = format_duration(self.backoff);
        write!(f, ", {} {noun}, backoff {backoff}", self.retries)
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
    fn one_retry_is_one() {
        let of = |retries| Persona::of("kiosk", (4, retries, 250)).to_string();
        assert_eq!(of(0), "kiosk: timeout 4s, no retries");
        assert_eq!(of(1), "kiosk: timeout 4s, 1 retry, backoff 250ms");
        assert_eq!(of(2), "kiosk: timeout 4s, 2 retries, backoff 250ms");
    }
}
