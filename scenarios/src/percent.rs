//! Percent encoding, in one place for all who write it.

use std::fmt::Write as _;

/// Whether a byte stands for itself wherever it is in a URL (RFC 3986).
#[must_use]
pub const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Appends `text`, with every byte that `keep` does not keep as `%XX`; it keeps ASCII only.
pub fn percent_encode(text: impl AsRef<[u8]>, keep: fn(u8) -> bool, into: &mut String) {
    for &byte in text.as_ref() {
        if byte.is_ascii() && keep(byte) {
            into.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

/// The same as a text of its own.
#[must_use]
pub fn percent_encoded(text: impl AsRef<[u8]>, keep: fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.as_ref().len());
    percent_encode(text, keep, &mut encoded);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_written_byte_by_byte() {
        let keep = |byte: u8| byte.is_ascii_lowercase();
        assert_eq!(percent_encoded("a%B✓", keep), "a%25%42%E2%9C%93");
        let mut text = "x=".to_owned();
        percent_encode("y ", keep, &mut text);
        assert_eq!(text, "x=y%20");
    }
}
