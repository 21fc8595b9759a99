//! Dates as header fields have them.

/// A date in seconds since 1970, of any of the spellings that are sent (RFC 6265
/// §5.1.1): `Wed, 09 Jun 2021 10:18:14 GMT`, `Wednesday, 09-Jun-21 10:18:14 GMT`.
pub(super) fn seconds(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for part in text.split(|c| !is_part(c)).filter(|part| !part.is_empty()) {
        let number = || part.parse::<i64>().ok();
        if time.is_none() && part.contains(':') {
            time = Some(time_of(part)?);
        } else if day.is_none() && part.len() <= 2 && number().is_some() {
            day = number();
        } else if month.is_none() && month_of(part).is_some() {
            month = month_of(part);
        } else if year.is_none() && matches!(part.len(), 2 | 4) && number().is_some() {
            year = number();
        }
    }
    let (time, day, month, year) = (time?, day?, month?, year?);
    let year = match year {
        0..=69 => year + 2000,
        70..=99 => year + 1900,
        _ => year,
    };
    let sound = (1..=31).contains(&day) && year >= 1601;
    sound.then(|| days(year, month, day) * 86_400 + time)
}

fn time_of(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let sound = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    (sound && parts.next().is_none()).then_some(hour * 3_600 + minute * 60 + second)
}

fn month_of(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let first = text.get(..3)?.to_ascii_lowercase();
    let index = MONTHS.iter().position(|month| *month == first)?;
    i64::try_from(index + 1).ok()
}

/// Days from 1970 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March end with the leap day.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Tue, 29 Feb 2000 12:00:00 GMT", Some(951_825_600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sun, 06 Nov 1994 25:49:37 GMT", None),
            ("soon", None),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text.as_bytes()), expected, "{text}");
        }
    }
}
