//! The Huffman code of HPACK (RFC 7541, appendix B). It is canonical: its lengths
//! say all of it.

use std::sync::LazyLock;

/// Bits of the code of each byte.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
     6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
     5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
    13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
     7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
    15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
     6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// Of the longest code.
const BITS_MAX: usize = 30;
/// Bits that may be left over behind the last code, all of them ones.
const PADDING_MAX: usize = 7;

static CODE: LazyLock<Code> = LazyLock::new(Code::new);

/// The code by length.
struct Code {
    /// Of each length: its first code, and where its bytes begin.
    first: [(u32, usize); BITS_MAX + 2],
    /// Bytes by the length of their codes.
    bytes: Vec<u8>,
}

impl Code {
    fn new() -> Self {
        let mut first = [(0, 0); BITS_MAX + 2];
        let mut bytes = Vec::with_capacity(LENGTHS.len());
        let mut code = 0;
        for (length, first) in first.iter_mut().enumerate() {
            *first = (code, bytes.len());
            let has_length = |byte: &u8| usize::from(LENGTHS[usize::from(*byte)]) == length;
            bytes.extend((0..=u8::MAX).filter(has_length));
            code = (code + (bytes.len() - first.1) as u32) << 1;
        }
        Self { first, bytes }
    }

    fn byte(&self, code: u32, length: usize) -> Option<u8> {
        let (first, from) = self.first[length];
        let at = from + code.checked_sub(first)? as usize;
        (at < self.first[length + 1].1).then(|| self.bytes[at])
    }
}

/// What `text` stands for; `None` where it is no such code.
pub(super) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 2);
    let (mut code, mut length) = (0_u32, 0);
    for byte in text {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            if let Some(byte) = CODE.byte(code, length) {
                bytes.push(byte);
                (code, length) = (0, 0);
            } else if length == BITS_MAX {
                return None;
            }
        }
    }
    let ones = (1 << length) - 1;
    (length <= PADDING_MAX && code == ones).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_the_standard_are_read() {
        // RFC 7541, C.4.1, C.4.3 and C.6.1.
        for (hex, text) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("25a849e95bb8e8b4bf", "custom-value"),
            (
                "d07abe941054d444a8200595040b8166e082a62d1bff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
        ] {
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
            assert_eq!(decoded(&bytes), Some(text.as_bytes().to_vec()), "{text}");
        }
    }

    #[test]
    fn every_byte_has_a_code_and_what_is_left_over_is_ones() {
        assert_eq!(CODE.bytes.len(), 256);
        assert_eq!(decoded(&[]), Some(vec![]));
        // `0` is five zeros; three bits are left.
        assert_eq!(decoded(&[0b0000_0111]), Some(b"0".to_vec()));
        for wrong in [
            &[0b0000_0110][..],
            &[0xff],
            &[0xff; 4],
            &[0b0000_0111, 0xff],
        ] {
            assert_eq!(decoded(wrong), None, "{wrong:?}");
        }
    }
}
