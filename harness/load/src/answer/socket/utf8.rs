//! Whether bytes that come in parts are UTF-8 (RFC 6455, §8.1), without holding them.

/// Most bytes of a character.
const CHARACTER_BYTES_MAX: usize = 4;

/// What came so far.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character whose end is to come.
    begun: Vec<u8>,
}

impl Utf8 {
    /// Takes a part; whether all can still be UTF-8.
    pub(super) fn take(&mut self, mut part: &[u8]) -> bool {
        while !self.begun.is_empty() {
            let Some((byte, rest)) = part.split_first() else {
                return true;
            };
            part = rest;
            self.begun.push(*byte);
            match std::str::from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) if error.error_len().is_some() => return false,
                Err(_) if self.begun.len() >= CHARACTER_BYTES_MAX => return false,
                Err(_) => {}
            }
        }
        match std::str::from_utf8(part) {
            Ok(_) => true,
            Err(error) if error.error_len().is_some() => false,
            Err(error) => {
                self.begun.extend_from_slice(&part[error.valid_up_to()..]);
                true
            }
        }
    }

    /// Whether it ends with a whole character.
    pub(super) fn is_whole(&self) -> bool {
        self.begun.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_utf8(parts: &[&[u8]]) -> bool {
        let mut utf8 = Utf8::default();
        parts.iter().all(|part| utf8.take(part)) && utf8.is_whole()
    }

    proptest! {
        /// Whatever it is and however it is cut, it is what the standard library says.
        #[test]
        fn no_cut_changes_it(
            text in "[a\u{e9}\u{20ac}\u{1d11e}]{0,6}",
            noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = text.into_bytes();
            for (at, byte) in noise {
                let at = at.index(bytes.len() + 1);
                bytes.insert(at, byte);
            }
            let expected = std::str::from_utf8(&bytes).is_ok();
            let (front, back) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(is_utf8(&[front, back]), expected);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(is_utf8(&single), expected);
        }
    }
}
