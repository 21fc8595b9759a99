//! Base64 (RFC 4648 §4) of the end of a buffer, in place: a request is written
//! without memory of its own.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Puts the bytes from `start` on into base64.
pub fn encode_tail(bytes: &mut Vec<u8>, start: usize) {
    let plain = bytes.len().saturating_sub(start);
    let groups = plain.div_ceil(3);
    bytes.resize(start + groups * 4, b'=');
    // From the back: what a group becomes covers only what was read before.
    for group in (0..groups).rev() {
        let from = start + group * 3;
        let count = (plain - group * 3).min(3);
        let mut bits = 0_u32;
        for at in 0..3 {
            let byte = if at < count { bytes[from + at] } else { 0 };
            bits = bits << 8 | u32::from(byte);
        }
        for at in 0..4 {
            bytes[start + group * 4 + at] = match at <= count {
                true => DIGITS[(bits >> (18 - 6 * at)) as usize & 63],
                false => b'=',
            };
        }
    }
}

/// Length in base64 of so many bytes.
#[must_use]
pub const fn encoded_length(plain: u64) -> u64 {
    plain.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(before: &str, plain: &[u8]) -> String {
        let mut bytes = [before.as_bytes(), plain].concat();
        encode_tail(&mut bytes, before.len());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn it_is_that_of_the_standard() {
        // RFC 4648 §10, and RFC 7617 §2.
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ] {
            assert_eq!(encoded("", plain.as_bytes()), text);
        }
    }

    proptest! {
        #[test]
        fn it_can_be_read_back(before in "[a-z ]{0,5}", plain in prop::collection::vec(any::<u8>(), 0..70)) {
            let text = encoded(&before, &plain);
            let tail = text.strip_prefix(&before).unwrap();
            prop_assert_eq!(tail.len() as u64, encoded_length(plain.len() as u64));
            let mut read: Vec<u8> = Vec::new();
            for group in tail.as_bytes().chunks(4) {
                let bits = group.iter().fold(0_u32, |bits, digit| {
                    let value = DIGITS.iter().position(|known| known == digit).unwrap_or(0);
                    bits << 6 | value as u32
                });
                let padding = group.iter().filter(|digit| **digit == b'=').count();
                read.extend(&bits.to_be_bytes()[1..4 - padding]);
            }
            prop_assert_eq!(read, plain);
        }
    }
}
