//! Messages of DNS as far as a resolver for a few names needs them (RFC 1035):
//! one question in, and an answer with addresses or an error out.

use std::net::IpAddr;

/// Header of a message, in bytes.
const HEADER_BYTES: usize = 12;
/// The longest name on the wire, with the lengths of its labels.
const NAME_BYTES_MAX: usize = 255;
/// The longest label. Longer ones would be pointers, and a question has nothing
/// to point at.
const LABEL_BYTES_MAX: usize = 63;
/// This message is a response.
const RESPONSE: u8 = 0x80;
/// The kind of query, of which 0 is the only one in use.
const OPCODE: u8 = 0x78;
/// The sender has authority over the name.
const AUTHORITY: u8 = 0x04;
/// Recursion is wanted; copied into the response.
const RECURSION_WANTED: u8 = 0x01;
/// Recursion is to be had. Stub resolvers warn where it is not.
const RECURSION: u8 = 0x80;
/// The class of the internet.
const INTERNET: u16 = 1;
/// An address of four bytes.
const A: u16 = 1;
/// An address of sixteen bytes.
const AAAA: u16 = 28;
/// Whatever there is.
const ANY: u16 = 255;
/// Where the name of the question stands, as a pointer.
const POINTER_TO_QUESTION: [u8; 2] = [0xc0, HEADER_BYTES as u8];

/// What went well or wrong, as the last four bits of the header say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    NoError = 0,
    FormatError = 1,
    ServerFailure = 2,
    NoSuchName = 3,
    NotImplemented = 4,
    Refused = 5,
}

/// A question for one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    id: u16,
    recursion: bool,
    /// The question as it came: a response repeats it letter for letter, which
    /// some resolvers use to tell forgeries.
    raw: Vec<u8>,
    /// The name in lower case, labels with dots between them.
    pub name: String,
    kind: u16,
    class: u16,
}

/// What came is no question that could be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// It is no query at all; whoever answered could be made to answer himself.
    NoQuery,
    /// It is a query that says something unknown or nothing; the response that
    /// tells so.
    Answer(Vec<u8>),
}

impl Question {
    /// Reads a query. What follows the question (EDNS) is ignored, as a server
    /// may that knows no extensions.
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub fn read(message: &[u8]) -> Result<Self, Unreadable> {
        let (header, rest) = message
            .split_at_checked(HEADER_BYTES)
            .ok_or(Unreadable::NoQuery)?;
        if header[2] & RESPONSE != 0 {
            return Err(Unreadable::NoQuery);
        }
        let id = u16::from_be_bytes([header[0], header[1]]);
        let recursion = header[2] & RECURSION_WANTED != 0;
        let bad = |code| Unreadable::Answer(head(id, recursion, code, 0, 0));
        if header[2] & OPCODE != 0 {
            return Err(bad(Code::NotImplemented));
        }
        if u16::from_be_bytes([header[4], header[5]]) != 1 {
            return Err(bad(Code::FormatError));
        }
        let question = question(rest).ok_or_else(|| bad(Code::FormatError))?;
        let (name, length) = question;
        let (kind, class) = (word(rest, length), word(rest, length + 2));
        Ok(Self {
            id,
            recursion,
            raw: rest[..length + 4].to_vec(),
            name,
            kind,
            class,
        })
    }

    /// Whether this asks for an address like `address`.
    const fn wants(&self, address: &IpAddr) -> bool {
        let kind = match address {
            IpAddr::V4(_) => A,
            IpAddr::V6(_) => AAAA,
        };
        (self.kind == kind || self.kind == ANY) && (self.class == INTERNET || self.class == ANY)
    }

    /// The response with those of `addresses` that were asked for. Nobody may
    /// keep it: what is true changes when a fault begins or ends.
    pub(super) fn addresses(&self, addresses: &[IpAddr]) -> Vec<u8> {
        let wanted = addresses.iter().filter(|address| self.wants(address));
        let wanted: Vec<&IpAddr> = wanted.collect();
        let count = u16::try_from(wanted.len()).unwrap_or(u16::MAX);
        let mut message = self.begun(Code::NoError, count);
        for address in wanted.into_iter().take(usize::from(count)) {
            message.extend(POINTER_TO_QUESTION);
            let (kind, bytes) = match address {
                IpAddr::V4(address) => (A, address.octets().to_vec()),
                IpAddr::V6(address) => (AAAA, address.octets().to_vec()),
            };
            message.extend(kind.to_be_bytes());
            message.extend(INTERNET.to_be_bytes());
            // How long it may be kept, in seconds.
            message.extend([0; 4]);
            message.extend((bytes.len() as u16).to_be_bytes());
            message.extend(bytes);
        }
        message
    }

    /// The response that says what is wrong, and nothing else.
    pub(super) fn error(&self, code: Code) -> Vec<u8> {
        self.begun(code, 0)
    }

    fn begun(&self, code: Code, answers: u16) -> Vec<u8> {
        let mut message = head(self.id, self.recursion, code, 1, answers);
        message.extend(&self.raw);
        message
    }
}

fn head(id: u16, recursion: bool, code: Code, questions: u16, answers: u16) -> Vec<u8> {
    let mut message = Vec::with_capacity(64);
    message.extend(id.to_be_bytes());
    let recursion = if recursion { RECURSION_WANTED } else { 0 };
    message.push(RESPONSE | AUTHORITY | recursion);
    message.push(RECURSION | code as u8);
    message.extend(questions.to_be_bytes());
    message.extend(answers.to_be_bytes());
    message.extend([0; 4]);
    message
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The name of a question and how many bytes it takes; `None` where it is cut
/// short, too long, or no text.
fn question(bytes: &[u8]) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        if length > LABEL_BYTES_MAX || at + length >= NAME_BYTES_MAX {
            return None;
        }
        let label = std::str::from_utf8(bytes.get(at..at + length)?).ok()?;
        // A dot in a label would make another name of it.
        if label.contains('.') || label.contains(char::is_control) {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&label.to_ascii_lowercase());
        at += length;
    }
    // Its kind and class.
    bytes.get(at..at + 4)?;
    Some((name, at))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::lookup::{self, Family, Said};
    use super::*;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    fn ask(id: u16, name: &str, like: &IpAddr) -> Vec<u8> {
        lookup::question(id, name, Family::of(like)).unwrap()
    }

    #[test]
    fn a_question_is_answered_with_what_it_asks_for() {
        for (wanted, other) in [(V4, V6), (V6, V4)] {
            let query = ask(7, "payments.test", &wanted);
            let read = |answer: &[u8]| lookup::read(answer, &query, Family::of(&wanted));
            let addresses = |all| Some(Said::Addresses(all, Duration::ZERO));
            let question = Question::read(&query).unwrap();
            assert_eq!(question.name, "payments.test");
            let both = question.addresses(&[V4, V6]);
            assert_eq!(read(&both), addresses(vec![wanted]));
            // The name is there, and has no such address.
            let neither = question.addresses(&[other]);
            assert_eq!(read(&neither), addresses(vec![]));
            let error = question.error(Code::NoSuchName);
            assert_eq!(read(&error), Some(Said::NoSuchName));
            let error = question.error(Code::Refused);
            assert_eq!(read(&error), Some(Said::Failed(Code::Refused as u8)));
        }
    }

    /// Resolvers mix upper and lower case to tell forgeries (0x20).
    #[test]
    fn the_question_is_repeated_as_it_was_written() {
        let mut query = ask(7, "payments.test", &V4);
        query[13] = b'P';
        let question = Question::read(&query).unwrap();
        assert_eq!(question.name, "payments.test");
        let response = question.addresses(&[V4]);
        assert_eq!(response[HEADER_BYTES..query.len()], query[HEADER_BYTES..]);
    }

    /// The bytes that dig sends for `a.test`, with EDNS.
    #[test]
    fn extensions_are_passed_over() {
        let query = b"\x12\x34\x01\x20\0\x01\0\0\0\0\0\x01\x01a\x04test\0\0\x01\0\x01\
                      \0\0\x29\x04\xd0\0\0\0\0\0\0";
        let question = Question::read(query).unwrap();
        assert_eq!((question.id, question.name.as_str()), (0x1234, "a.test"));
        let expected = b"\x12\x34\x85\x80\0\x01\0\x01\0\0\0\0\x01a\x04test\0\0\x01\0\x01\
                         \xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x7f\0\0\x07";
        assert_eq!(question.addresses(&[V4]), expected);
    }

    #[test]
    fn what_is_no_good_query_is_told_so_and_what_is_none_is_not_answered() {
        let query = ask(7, "payments.test", &V4);
        let code = |message: &[u8]| match Question::read(message) {
            Err(Unreadable::Answer(answer)) => Some(answer[3] & 0x0f),
            Err(Unreadable::NoQuery) => None,
            Ok(question) => panic!("{question:?}"),
        };
        let with = |at: usize, byte: u8| {
            let mut query = query.clone();
            query[at] = byte;
            query
        };
        assert_eq!(code(&query[..11]), None, "cut in its head");
        assert_eq!(code(&with(2, 0x81)), None, "a response");
        assert_eq!(code(&with(2, 0x10)), Some(4), "another opcode");
        assert_eq!(code(&with(5, 0)), Some(1), "no question");
        assert_eq!(code(&with(5, 2)), Some(1), "two questions");
        assert_eq!(code(&query[..query.len() - 1]), Some(1), "cut");
        assert_eq!(code(&with(12, 0xc0)), Some(1), "a pointer");
        assert_eq!(code(&with(14, b'.')), Some(1), "a dot in a label");
        assert_eq!(code(&with(14, 0xff)), Some(1), "no text");
        let mut long = ask(7, &["a"; 127].join("."), &V4);
        assert!(Question::read(&long).is_ok());
        long.splice(HEADER_BYTES..HEADER_BYTES, *b"\x01a");
        assert_eq!(code(&long), Some(1), "257 bytes");
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_fall_over(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            head in any::<bool>(),
        ) {
            let mut message = bytes;
            if head {
                // Far enough in to be read.
                message.splice(0..0, *b"\0\x01\x01\0\0\x01\0\0\0\0\0\0");
            }
            if let Ok(question) = Question::read(&message) {
                let answer = question.addresses(&[V4, V6]);
                let asked = &message[..HEADER_BYTES + question.raw.len()];
                prop_assert!(lookup::read(&answer, asked, Family::V4).is_some());
            }
        }

        #[test]
        fn every_name_is_read_as_it_was_asked(
            name in "[a-z][a-z0-9-]{0,20}(\\.[a-z][a-z0-9-]{0,20}){0,5}",
            id: u16,
        ) {
            let query = ask(id, &name, &V4);
            let question = Question::read(&query).unwrap();
            prop_assert_eq!(&question.name, &name);
            let seen = lookup::read(&question.addresses(&[V4]), &query, Family::V4);
            prop_assert_eq!(seen, Some(Said::Addresses(vec![V4], Duration::ZERO)));
        }
    }
}
