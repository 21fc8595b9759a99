//! Measured values with their unit, and how every report writes them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A measured value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// A time in microseconds.
    Micros(u64),
    /// A time longer than any: the arrival failed.
    Never,
    /// A share of a whole from 0 to 1.
    Share(f64),
    /// Events per second.
    PerSecond(f64),
    /// A number of things.
    Count(u64),
    /// A multiple of something else.
    Times(f64),
    /// CPU time per time.
    Cores(f64),
    /// A size in bytes.
    Bytes(u64),
    /// A number whose unit is known to who asked for it.
    Number(f64),
    /// A bit rate in kilobits per second.
    KbitPerSecond(f64),
}

impl Quantity {
    /// The number alone, in the unit of its kind; a time longer than any is
    /// infinite.
    #[expect(clippy::cast_precision_loss, reason = "thresholds are far below 2^52")]
    pub(crate) fn as_number(self) -> f64 {
        match self {
            Quantity::Micros(us) => us as f64,
            Quantity::Never => f64::INFINITY,
            Quantity::Share(share) => share,
            Quantity::PerSecond(rate) => rate,
            Quantity::Count(count) | Quantity::Bytes(count) => count as f64,
            Quantity::Cores(number)
            | Quantity::Number(number)
            | Quantity::KbitPerSecond(number) => number,
            Quantity::Times(factor) => factor,
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match *self {
            Self::Micros(us) => micros(us),
            Self::Never => "failed".to_owned(),
            Self::Share(share) => percent(share),
            Self::PerSecond(rate) => format!("{}/s", significant(rate)),
            Self::Count(count) => grouped(count),
            Self::Times(factor) => format!("{}x", significant(factor)),
            Self::Cores(cores) => format!("{} cores", significant(cores)),
            Self::Bytes(count) => bytes(count),
            Self::Number(value) => number(value),
            Self::KbitPerSecond(kbps) => format!("{}kbit/s", significant(kbps)),
        })
    }
}

/// A size with three significant digits and the unit that fits: `412MiB`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(size, _)| count >= *size) {
        Some((size, unit)) => {
            format!("{}{unit}", significant(count as f64 / *size as f64))
        }
        None => format!("{count}B"),
    }
}

/// A number with at most six digits after its point.
#[must_use]
pub fn number(value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    if value.abs() >= 1e15 || (rounded == 0.0 && value != 0.0) {
        return format!("{value:e}");
    }
    // Adding zero turns a negative zero into zero.
    format!("{}", rounded + 0.0)
}

/// A time with three significant digits and the unit that fits: `84.2ms`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub fn micros(us: u64) -> String {
    match us {
        0 => "0s".to_owned(),
        1..1_000 => format!("{us}\u{b5}s"),
        1_000..1_000_000 => format!("{}ms", significant(us as f64 / 1e3)),
        1_000_000..60_000_000 => format!("{}s", significant(us as f64 / 1e6)),
        _ => {
            let seconds = us / 1_000_000;
            format!("{}m{:02}s", seconds / 60, seconds % 60)
        }
    }
}

/// A point in the run in seconds with one decimal: `20.0s`, `-3.0s`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub fn clock(us: i64) -> String {
    let text = format!("{:.1}s", us as f64 / 1e6);
    if text == "-0.0s" {
        "0.0s".to_owned()
    } else {
        text
    }
}

/// A share as a percentage that never rounds up to 100 %, nor down to 0 %.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 100.0 {
        return "100%".to_owned();
    }
    if percent <= 0.0 {
        return "0%".to_owned();
    }
    // Cut, not rounded: 99.996 % must not read as 100 %.
    if percent > 99.0 {
        for digits in 2..7 {
            let scale = 10_f64.powi(digits);
            let cut = (percent * scale + 1e-6).floor() / scale;
            if cut < 100.0 && (digits == 6 || 100.0 - cut >= 10.0 / scale || cut > percent - 1e-9) {
                return format!("{}%", trimmed(cut, digits));
            }
        }
    }
    if percent < 0.01 {
        return format!("{percent:.4}%");
    }
    format!("{}%", trimmed(percent, 2))
}

fn trimmed(value: f64, digits: i32) -> String {
    let text = format!("{value:.*}", usize::try_from(digits).unwrap_or(2));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Three significant digits without an exponent.
#[must_use]
pub fn significant(value: f64) -> String {
    let magnitude = value.abs();
    let digits = if magnitude >= 99.95 {
        0
    } else if magnitude >= 9.995 {
        1
    } else {
        2
    };
    if digits == 0 {
        return format!("{value:.0}");
    }
    trimmed(value, digits)
}

/// A number with thin groups of three: `16 959`.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    if digits.len() <= 4 {
        return digits;
    }
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            // A no-break space: a number never breaks over two lines.
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_well() {
        let cases = [
            (Quantity::Micros(84), "84µs"),
            (Quantity::Micros(84_230), "84.2ms"),
            (Quantity::Micros(361_500), "362ms"),
            (Quantity::Micros(1_200_000), "1.2s"),
            (Quantity::Micros(75_000_000), "1m15s"),
            (Quantity::Share(0.999), "99.9%"),
            (Quantity::Share(0.9987), "99.87%"),
            (Quantity::Share(0.99996), "99.996%"),
            (Quantity::Share(0.999_999), "99.9999%"),
            (Quantity::Share(1.0), "100%"),
            (Quantity::Share(0.5), "50%"),
            (Quantity::Share(0.000_01), "0.0010%"),
            (Quantity::PerSecond(199.6), "200/s"),
            (Quantity::PerSecond(4.0), "4/s"),
            (Quantity::Count(16_959), "16\u{a0}959"),
            (Quantity::Cores(1.254), "1.25 cores"),
            (Quantity::Bytes(432_013_312), "412MiB"),
            (Quantity::Bytes(512), "512B"),
            (Quantity::Number(17.0), "17"),
            (Quantity::Number(-0.25), "-0.25"),
            (Quantity::Number(0.000_000_1), "1e-7"),
        ];
        for (quantity, expected) in cases {
            assert_eq!(quantity.to_string(), expected);
        }
        assert_eq!(clock(-40_000), "0.0s");
    }
}
