//! Bit rates, as those of video are written.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kilobits (1000) per second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct BitRate(pub f64);

impl BitRate {
    /// Reads `1500kbit/s` or `1.5Mbit/s`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, scale) = match text.strip_suffix("kbit/s") {
            Some(number) => (number, 1.0),
            None => (text.strip_suffix("Mbit/s")?, 1_000.0),
        };
        let digits = number.starts_with(|c: char| c.is_ascii_digit());
        let kbps = number.trim().parse::<f64>().ok()? * scale;
        (digits && kbps.is_finite()).then_some(Self(kbps))
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kbps = self.0;
        if kbps >= 1_000.0 && kbps % 100.0 == 0.0 {
            write!(f, "{}Mbit/s", kbps / 1_000.0)
        } else {
            write!(f, "{kbps}kbit/s")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_rates_are_read_as_they_are_written() {
        for (text, kbps) in [
            ("235kbit/s", 235.0),
            ("1.5Mbit/s", 1_500.0),
            ("0.5kbit/s", 0.5),
        ] {
            let rate = BitRate::parse(text).unwrap();
            assert_eq!((rate, rate.to_string().as_str()), (BitRate(kbps), text));
        }
        for wrong in [
            "235",
            "kbit/s",
            "-1kbit/s",
            "1KiB/s",
            "infkbit/s",
            "1e400kbit/s",
        ] {
            assert_eq!(BitRate::parse(wrong), None, "{wrong}");
        }
    }
}
