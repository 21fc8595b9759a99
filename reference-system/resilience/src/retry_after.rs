//! When a dependency says to come back, and how long a retry waits for that.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, header};

use crate::chance::Draws;

/// Retries that are told the same come back within a quarter more of that, not all at once.
const JITTER_DIVISOR: u32 = 4;

/// What a retry needs of its time when it is sent; timers are no finer.
const LEFT_MIN: Duration = Duration::from_millis(1);

/// How long the sender of these headers asks to be left alone, counted from `unix_ms` (milliseconds
/// since the Unix epoch): `Retry-After` as RFC 9110 has it, whole seconds or the date, of which one
/// that has passed is no time at all. None if there is no such header, or it says neither.
pub fn retry_after(headers: &HeaderMap, unix_ms: u64) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits to count is longer than anybody waits.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since_epoch = date.duration_since(UNIX_EPOCH).ok()?;
    Some(since_epoch.saturating_sub(Duration::from_millis(unix_ms)))
}

/// How long a retry waits that is told to wait `told`, may wait `longest` and has `left` until its
/// deadline; none if that does not fit. Never less than it is told.
pub(crate) fn pause(
    told: Duration,
    longest: Duration,
    left: Duration,
    mut draws: Draws,
) -> Option<Duration> {
    let room = left.saturating_sub(LEFT_MIN).min(longest);
    let spare = room.checked_sub(told)?;
    let jitter_max = spare.min(told / JITTER_DIVISOR);
    let jitter_max_us = u64::try_from(jitter_max.as_micros()).unwrap_or(0);
    Some(told + Duration::from_micros(draws.below(jitter_max_us + 1)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::chance::Chance;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const THEN_MS: u64 = 784_111_777_000;

    fn told(value: &'static str, unix_ms: u64) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(value));
        retry_after(&headers, unix_ms)
    }

    #[test]
    fn seconds_and_dates_are_understood() {
        assert_eq!(told("120", 0), Some(Duration::from_secs(120)));
        assert_eq!(told("0", 0), Some(Duration::ZERO));
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            let left = Duration::from_millis(2500);
            assert_eq!(told(date, THEN_MS - 2500), Some(left), "{date}");
            assert_eq!(told(date, THEN_MS + 1), Some(Duration::ZERO), "{date}");
        }
        let endless = told("99999999999999999999", 0);
        assert_eq!(endless, Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn what_is_neither_says_nothing() {
        assert_eq!(retry_after(&HeaderMap::new(), 0), None);
        for wrong in ["", "-1", "+1", "1.5", " 1", "soon", "Sun, 06 Nov 1994"] {
            assert_eq!(told(wrong, 0), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_pause_is_what_it_is_told_or_a_little_more_and_fits(
            told_us in 0_u64..10_000_000,
            longest_us in 0_u64..10_000_000,
            left_us in 0_u64..10_000_000,
            seed: u64,
        ) {
            let micros = Duration::from_micros;
            let (told, longest, left) = (micros(told_us), micros(longest_us), micros(left_us));
            let draws = Chance::new(seed, "pause").next();
            match pause(told, longest, left, draws) {
                Some(pause) => {
                    prop_assert!(told <= pause && pause <= told + told / 4, "{pause:?}");
                    prop_assert!(pause <= longest && pause + LEFT_MIN <= left.max(LEFT_MIN));
                }
                None => prop_assert!(told > longest || told + LEFT_MIN > left),
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses_and_another_others() {
        let second = Duration::from_secs(1);
        let pauses = |seed| {
            let chance = Chance::new(seed, "catalog");
            let one = || pause(second, second * 9, second * 9, chance.next());
            [one(), one(), one()]
        };
        assert_eq!(pauses(7), pauses(7));
        assert_ne!(pauses(7), pauses(8));
        let [first, second, _] = pauses(7);
        assert_ne!(first, second);
    }
}
