//! Attributes of netlink: a length, a kind and a value, one behind the other, on
//! boundaries of four bytes, possibly one in another (`linux/netlink.h`).

/// Length and kind of an attribute, in bytes.
const HEADER_BYTES: usize = 4;
/// The value is attributes itself.
const NESTED: u16 = 0x8000;
/// Bits of the kind that say how the value is written.
const FLAGS: u16 = 0xc000;

/// Attributes that are being written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// None yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// With one of these bytes.
    pub(super) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        self.push(kind, value);
        self
    }

    /// With a number, in the order of the network as nftables has all of its own.
    pub(super) fn u32(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// The same with eight bytes.
    pub(super) fn u64(self, kind: u16, value: u64) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// With a text, which ends in a zero.
    pub(super) fn text(mut self, kind: u16, value: &str) -> Self {
        let mut value = value.as_bytes().to_vec();
        value.push(0);
        self.push(kind, &value);
        self
    }

    /// With attributes in one.
    pub(super) fn nest(mut self, kind: u16, inner: &Self) -> Self {
        self.push(kind | NESTED, &inner.0);
        self
    }

    fn push(&mut self, kind: u16, value: &[u8]) {
        // None of those written here is anywhere near 64 KiB.
        let length = (HEADER_BYTES + value.len()) as u16;
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// As they are sent.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Attributes that came, one after the other; ends at the first that is cut.
pub(super) fn read(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (header, _) = bytes.split_at_checked(HEADER_BYTES)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & !FLAGS;
        let value = bytes.get(HEADER_BYTES..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

/// The value of the first of that kind.
pub(super) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    read(bytes)
        .find(|(found, _)| *found == kind)
        .map(|(_, value)| value)
}

/// A number of eight bytes.
pub(super) fn read_u64(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let inner = Attributes::new().u64(2, 7).text(3, "lo");
        let all = Attributes::new().u32(1, 9).nest(4, &inner).bytes(5, b"abc");
        assert_eq!(all.as_bytes().len() % 4, 0);
        assert_eq!(find(all.as_bytes(), 1), Some(&[0, 0, 0, 9][..]));
        assert_eq!(find(all.as_bytes(), 5), Some(&b"abc"[..]));
        assert_eq!(find(all.as_bytes(), 6), None);
        let inner = find(all.as_bytes(), 4).unwrap();
        assert_eq!(find(inner, 2).and_then(read_u64), Some(7));
        assert_eq!(find(inner, 3), Some(&b"lo\0"[..]));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_fall_over(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(read(&bytes).count() <= bytes.len() / HEADER_BYTES + 1);
        }
    }
}
