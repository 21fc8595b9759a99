//! Text to quantities: `1m30s`, `200/s`, `99.9%`, `64KiB`.

use std::str::FromStr;
use std::time::Duration;

use crate::units::{ByteCount, Rate, Share};
use crate::visible::quoted;

/// Longest duration that can be written; anything longer is a slip.
const DURATION_S_MAX: f64 = 30.0 * 24.0 * 3600.0;

/// Highest rate that can be written.
const RATE_PER_SECOND_MAX: f64 = 10_000_000.0;

/// What is wrong with a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantityProblem {
    /// A number without a unit.
    BareNumber,
    /// No number with a unit that fits.
    UnknownUnit,
    /// A number that nobody means.
    OutOfRange,
}

/// Why a text is no quantity of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantityError {
    /// The kind of mistake.
    pub problem: QuantityProblem,
    /// What is wrong.
    pub title: String,
    /// Short remark for the place.
    pub label: &'static str,
    /// What to write.
    pub help: String,
}

impl std::fmt::Display for QuantityError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.title, self.help)
    }
}

impl std::error::Error for QuantityError {}

type Parsed<T> = Result<T, QuantityError>;

/// Reads a duration as scenario files write it: `20s`, `1m30s`, `1.5s`.
///
/// # Errors
/// Says what is wrong and what to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let text = text.trim();
    let examples = |number: &str| format!("write `{number}s`, `{number}m` or `{number}ms`");
    if let Some(rest) = text.strip_prefix('-') {
        parse_duration(rest)?;
        return Err(out_of_range(text, "before time zero", "write 0s or later"));
    }
    let mut total_s = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let Some((number, after)) = leading_number(rest) else {
            return Err(unreadable(
                text,
                "a duration",
                "write `30s`, `1m30s` or `250ms`",
            ));
        };
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let digits = &rest[..rest.len() - after.len()];
        let size_s = match unit.trim() {
            "" => return Err(bare(text, "seconds or minutes?", examples(digits))),
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => {
                return Err(unknown_unit(
                    text,
                    "ns, us, ms, s, m and h",
                    examples(digits),
                ));
            }
        };
        total_s += number * size_s;
        rest = next;
    }
    if text.is_empty() {
        return Err(unreadable(
            text,
            "a duration",
            "write `30s`, `1m30s` or `250ms`",
        ));
    }
    if total_s > DURATION_S_MAX {
        return Err(out_of_range(
            text,
            "more than 30 days",
            "write a shorter duration",
        ));
    }
    // Whole nanoseconds: 0.3 s must not become 299.999999 ms.
    Ok(Duration::from_secs_f64((total_s * 1e9).round() / 1e9))
}

impl FromStr for Rate {
    type Err = QuantityError;

    fn from_str(text: &str) -> Parsed<Self> {
        const UNITS: &str = "/s, /m and /h";
        let text = text.trim();
        let examples = |number: &str| format!("write `{number}/s`");
        let Some((number, unit)) = leading_number(text) else {
            return Err(unreadable(text, "a rate", "write for instance `200/s`"));
        };
        let digits = &text[..text.len() - unit.len()];
        let unit = unit.trim().strip_prefix("per ").map_or_else(
            || unit.trim().strip_prefix('/').unwrap_or(unit.trim()),
            str::trim,
        );
        let per_second = match (text.len() > digits.len(), unit) {
            (false, _) => return Err(bare(text, "a second or a minute?", examples(digits))),
            (_, "s" | "second") if has_per(text) => number,
            (_, "m" | "minute") if has_per(text) => number / 60.0,
            (_, "h" | "hour") if has_per(text) => number / 3600.0,
            _ => return Err(unknown_unit(text, UNITS, examples(digits))),
        };
        Self::per_second(per_second)
            .filter(|rate| rate.as_per_second() <= RATE_PER_SECOND_MAX)
            .ok_or_else(|| out_of_range(text, "more than 10000000/s", "write a lower rate"))
    }
}

fn has_per(text: &str) -> bool {
    text.contains('/') || text.contains(" per ")
}

impl FromStr for Share {
    type Err = QuantityError;

    fn from_str(text: &str) -> Parsed<Self> {
        let text = text.trim();
        let Some((number, unit)) = leading_number(text) else {
            return Err(unreadable(text, "a share", "write for instance `5%`"));
        };
        let digits = &text[..text.len() - unit.len()];
        match unit.trim() {
            "%" => Self::new(number / 100.0)
                .ok_or_else(|| out_of_range(text, "more than the whole", "write at most `100%`")),
            "" if number <= 1.0 => {
                let percent = (number * 100.0 * 1e9).round() / 1e9;
                let help = format!("write `{percent}%`");
                Err(bare(text, "a share needs its %", help))
            }
            "" => Err(bare(
                text,
                "a share needs its %",
                format!("write `{digits}%`"),
            )),
            _ => Err(unknown_unit(text, "%", format!("write `{digits}%`"))),
        }
    }
}

impl FromStr for ByteCount {
    type Err = QuantityError;

    fn from_str(text: &str) -> Parsed<Self> {
        let text = text.trim();
        let Some((number, unit)) = leading_number(text) else {
            return Err(unreadable(text, "a size", "write for instance `64KiB`"));
        };
        let digits = &text[..text.len() - unit.len()];
        let help = format!("write `{digits}KiB`, `{digits}MiB` or `{digits}B`");
        let size = match unit.trim() {
            "B" => 1.0,
            "KiB" => 1024.0,
            "MiB" => 1_048_576.0,
            "GiB" => 1_073_741_824.0,
            "" => return Err(bare(text, "bytes or KiB?", help)),
            _ => return Err(unknown_unit(text, "B, KiB, MiB and GiB", help)),
        };
        let bytes = number * size;
        // Up to 2^53 every whole number of bytes is exact.
        if bytes > 9_007_199_254_740_992.0 {
            return Err(out_of_range(text, "too many bytes", "write a smaller size"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 2^53, checked above"
        )]
        Ok(Self(bytes.round() as u64))
    }
}

/// A number without sign at the start of a text, and what follows it.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let length = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'))
        .unwrap_or(text.len());
    let number: f64 = text[..length].replace('_', "").parse().ok()?;
    Some((number, &text[length..]))
}

fn bare(text: &str, label: &'static str, help: String) -> QuantityError {
    QuantityError {
        problem: QuantityProblem::BareNumber,
        title: format!("{} has no unit", quoted(text)),
        label,
        help,
    }
}

fn unknown_unit(text: &str, units: &str, help: String) -> QuantityError {
    QuantityError {
        problem: QuantityProblem::UnknownUnit,
        title: format!(
            "{} has a unit that does not fit; units here: {units}",
            quoted(text)
        ),
        label: "this unit?",
        help,
    }
}

fn unreadable(text: &str, wanted: &str, help: &str) -> QuantityError {
    QuantityError {
        problem: QuantityProblem::UnknownUnit,
        title: format!("{} is not {wanted}", quoted(text)),
        label: "a number with its unit goes here",
        help: help.to_owned(),
    }
}

fn out_of_range(text: &str, label: &'static str, help: &str) -> QuantityError {
    QuantityError {
        problem: QuantityProblem::OutOfRange,
        title: format!("{} is out of range", quoted(text)),
        label,
        help: help.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::QuantityProblem::{BareNumber, OutOfRange, UnknownUnit};
    use super::*;

    fn problem<T>(parsed: Parsed<T>) -> Option<QuantityProblem> {
        parsed.err().map(|error| error.problem)
    }

    #[test]
    fn durations() {
        let ms = |text| parse_duration(text).unwrap().as_millis();
        assert_eq!(ms("30s"), 30_000);
        assert_eq!(ms("1m30s"), 90_000);
        assert_eq!(ms("0.3s"), 300);
        assert_eq!(ms("250 ms"), 250);
        assert_eq!(parse_duration("50us").unwrap(), Duration::from_micros(50));
        assert_eq!(problem(parse_duration("30")), Some(BareNumber));
        assert_eq!(problem(parse_duration("1m30")), Some(BareNumber));
        assert_eq!(problem(parse_duration("30 secs")), Some(UnknownUnit));
        assert_eq!(problem(parse_duration("soon")), Some(UnknownUnit));
        assert_eq!(problem(parse_duration("-5s")), Some(OutOfRange));
        assert_eq!(problem(parse_duration("99999h")), Some(OutOfRange));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["1m30s", "300ms", "50us", "2h", "0s"] {
            let read = parse_duration(text).unwrap();
            assert_eq!(crate::units::format_duration(read), text);
        }
        for text in ["99.9%", "0.1%", "100%"] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
        }
        for text in ["200/s", "0.5/s"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for text in ["64KiB", "1000B", "3GiB"] {
            assert_eq!(text.parse::<ByteCount>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn rates() {
        let rate = |text: &str| text.parse::<Rate>().unwrap().as_per_second();
        assert!((rate("200/s") - 200.0).abs() < 1e-9);
        assert!((rate("120 per minute") - 2.0).abs() < 1e-9);
        assert_eq!(problem("200".parse::<Rate>()), Some(BareNumber));
        assert_eq!(problem("200s".parse::<Rate>()), Some(UnknownUnit));
        assert_eq!(problem("200/d".parse::<Rate>()), Some(UnknownUnit));
        assert_eq!(problem("99999999999/s".parse::<Rate>()), Some(OutOfRange));
    }

    #[test]
    fn shares_and_sizes() {
        assert_eq!(problem("5".parse::<Share>()), Some(BareNumber));
        let hint = "0.05".parse::<Share>().unwrap_err().help;
        assert_eq!(hint, "write `5%`");
        assert_eq!(problem("101%".parse::<Share>()), Some(OutOfRange));
        assert_eq!("1MiB".parse::<ByteCount>().unwrap().0, 1 << 20);
        assert_eq!(problem("1MB".parse::<ByteCount>()), Some(UnknownUnit));
        assert_eq!(problem("64".parse::<ByteCount>()), Some(BareNumber));
    }
}
