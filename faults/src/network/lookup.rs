//! Messages of DNS as whoever asks for the addresses of a name sees them (RFC 1035):
//! squall's faults on names, to see what is answered, and its load, to follow a name.

use std::net::IpAddr;
use std::time::Duration;

/// Header of a message, in bytes.
const HEADER_BYTES: usize = 12;
/// The longest name on the wire, with the lengths of its labels.
const NAME_BYTES_MAX: usize = 255;
/// The longest label.
const LABEL_BYTES_MAX: usize = 63;
/// The two bits of a length that make a pointer of it.
const POINTER: u8 = 0xc0;
/// This message is a response.
const RESPONSE: u8 = 0x80;
/// What did not fit was left out.
const CUT: u8 = 0x02;
/// The last four bits of the header: all went well, or there is no such name.
const NO_ERROR: u8 = 0;
const NO_SUCH_NAME: u8 = 3;
/// The class of the internet.
const INTERNET: u16 = 1;
/// The name is called otherwise: what is asked for stands under that one.
const CNAME: u16 = 5;
/// Kind and class, time to live, and the length of what follows.
const RECORD_BYTES: usize = 10;

/// Which addresses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Those of version 4.
    V4,
    /// Those of version 6.
    V6,
}

impl Family {
    /// That of an address.
    #[must_use]
    pub const fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The kind of its records: A, AAAA.
    const fn kind(self) -> u16 {
        match self {
            Self::V4 => 1,
            Self::V6 => 28,
        }
    }

    fn address(self, bytes: &[u8]) -> Option<IpAddr> {
        match self {
            Self::V4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
            Self::V6 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        }
    }
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The addresses, and how long they may be kept. None: the name is there, and has
    /// no such address.
    Addresses(Vec<IpAddr>, Duration),
    /// There is no such name.
    NoSuchName,
    /// More than fits: it is to be asked over TCP.
    Cut,
    /// It could not or would not say, by this code.
    Failed(u8),
}

/// A question for the addresses of a name; `None` where that is no name.
#[must_use]
pub fn question(id: u16, name: &str, family: Family) -> Option<Vec<u8>> {
    // One question, and recursion is wanted.
    let mut message = [&id.to_be_bytes()[..], b"\x01\0\0\x01\0\0\0\0\0\0"].concat();
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        if label.is_empty() || label.len() > LABEL_BYTES_MAX {
            return None;
        }
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.push(0);
    if message.len() - HEADER_BYTES > NAME_BYTES_MAX {
        return None;
    }
    message.extend(family.kind().to_be_bytes());
    message.extend(INTERNET.to_be_bytes());
    Some(message)
}

/// What a message says to `question`; `None` where it is no answer to it.
#[must_use]
pub fn read(message: &[u8], question: &[u8], family: Family) -> Option<Said> {
    let (header, rest) = message.split_at_checked(HEADER_BYTES)?;
    let (asked, asked_for) = question.split_at_checked(HEADER_BYTES)?;
    let ours = header[..2] == asked[..2] && header[2] & RESPONSE != 0 && word(header, 4)? == 1;
    // Servers may write a name in other letters than it was asked with.
    let repeated = rest.get(..asked_for.len())?;
    if !ours || !repeated.eq_ignore_ascii_case(asked_for) {
        return None;
    }
    match header[3] & 0x0f {
        NO_SUCH_NAME => return Some(Said::NoSuchName),
        NO_ERROR => {}
        code => return Some(Said::Failed(code)),
    }
    if header[2] & CUT != 0 {
        return Some(Said::Cut);
    }
    let mut at = question.len();
    let (mut addresses, mut ttl) = (Vec::new(), u32::MAX);
    for _ in 0..word(header, 6)? {
        at = behind_name(message, at)?;
        let record = message.get(at..at + RECORD_BYTES)?;
        let (kind, class) = (word(record, 0)?, word(record, 2)?);
        let length = usize::from(word(record, 8)?);
        at += RECORD_BYTES;
        let bytes = message.get(at..at + length)?;
        at += length;
        if class != INTERNET || (kind != family.kind() && kind != CNAME) {
            continue;
        }
        if kind != CNAME {
            addresses.push(family.address(bytes)?);
        }
        ttl = ttl.min(time_to_live(record)?);
    }
    if addresses.is_empty() {
        ttl = 0;
    }
    Some(Said::Addresses(addresses, Duration::from_secs(ttl.into())))
}

/// In seconds. What is said with the highest bit is 0 (RFC 2181 §8).
fn time_to_live(record: &[u8]) -> Option<u32> {
    let bytes = record.get(4..8)?.try_into().ok()?;
    let ttl = u32::from_be_bytes(bytes);
    Some(if ttl > i32::MAX as u32 { 0 } else { ttl })
}

/// Where that begins which stands behind a name.
fn behind_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = *message.get(at)?;
        match length {
            0 => return Some(at + 1),
            length if length & POINTER == POINTER => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let both = bytes.get(at..at + 2)?;
    both.try_into().ok().map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "shop.test";

    fn asked() -> Vec<u8> {
        question(7, NAME, Family::V4).unwrap()
    }

    /// An answer with these records behind the question: kind, seconds, bytes.
    fn answer(flags: [u8; 2], records: &[(u16, u32, &[u8])]) -> Vec<u8> {
        let mut message = asked();
        message[2..4].copy_from_slice(&flags);
        message[7] = records.len() as u8;
        for (kind, ttl, bytes) in records {
            // The name of the question, as a pointer.
            message.extend([0xc0, 12]);
            message.extend(kind.to_be_bytes());
            message.extend(INTERNET.to_be_bytes());
            message.extend(ttl.to_be_bytes());
            message.extend((bytes.len() as u16).to_be_bytes());
            message.extend(*bytes);
        }
        message
    }

    fn said(message: &[u8]) -> Option<Said> {
        read(message, &asked(), Family::V4)
    }

    const WELL: [u8; 2] = [0x81, 0x80];

    #[test]
    fn a_question_is_what_every_server_understands() {
        let expected = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x04shop\x04test\0\0\x01\0\x01";
        assert_eq!(asked(), expected);
        assert_eq!(question(7, "shop.test.", Family::V4), Some(asked()));
        for no_name in ["", ".", "a..b", &"a".repeat(64), &["a"; 128].join(".")] {
            assert_eq!(question(7, no_name, Family::V6), None, "{no_name}");
        }
    }

    #[test]
    fn addresses_may_be_kept_for_the_shortest_time_that_is_said() {
        let alias: (u16, u32, &[u8]) = (CNAME, 60, b"\x01b\0");
        let signature: (u16, u32, &[u8]) = (46, 1, b"not looked at");
        let one: (u16, u32, &[u8]) = (1, 300, &[127, 0, 0, 1]);
        let two: (u16, u32, &[u8]) = (1, 90, &[127, 0, 0, 2]);
        let addresses = vec![[127, 0, 0, 1].into(), [127, 0, 0, 2].into()];
        let message = answer(WELL, &[alias, one, signature, two]);
        let minute = Duration::from_secs(60);
        assert_eq!(said(&message), Some(Said::Addresses(addresses, minute)));
        let absurd = answer(WELL, &[(1, 1 << 31, &[127, 0, 0, 1])]);
        let once = Said::Addresses(vec![[127, 0, 0, 1].into()], Duration::ZERO);
        assert_eq!(said(&absurd), Some(once));
    }

    #[test]
    fn what_went_wrong_is_told_apart() {
        let none = Said::Addresses(vec![], Duration::ZERO);
        assert_eq!(said(&answer(WELL, &[])), Some(none));
        assert_eq!(said(&answer([0x81, 0x83], &[])), Some(Said::NoSuchName));
        assert_eq!(said(&answer([0x81, 0x82], &[])), Some(Said::Failed(2)));
        assert_eq!(said(&answer([0x83, 0x80], &[])), Some(Said::Cut));
    }

    #[test]
    fn only_an_answer_to_the_question_is_one() {
        let good = answer(WELL, &[(1, 1, &[127, 0, 0, 1])]);
        assert!(said(&good).is_some());
        let with = |at: usize, byte: u8| {
            let mut message = good.clone();
            message[at] = byte;
            said(&message)
        };
        assert_eq!(with(1, 8), None, "to another one");
        assert_eq!(with(2, 1), None, "a question");
        assert_eq!(with(13, b'x'), None, "of another name");
        assert_eq!(with(22, 28), None, "for another kind");
        assert!(with(13, b'S').is_some(), "in other letters");
        assert_eq!(said(&good[..good.len() - 1]), None, "cut short");
        let long = answer(WELL, &[(1, 1, &[127, 0, 0, 1, 0])]);
        assert_eq!(said(&long), None, "five bytes are no address");
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_fall_over(
            rest in prop::collection::vec(any::<u8>(), 0..80),
            records: u8,
            whole: bool,
        ) {
            let mut message = answer(WELL, &[]);
            message[7] = records;
            message.extend(&rest);
            let _ = said(if whole { &message } else { &rest });
        }
    }
}
