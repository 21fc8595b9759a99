//! The memcached text protocol: requests as a node reads them, replies as a client reads them.
//!
//! Both parsers work on what has arrived so far and say how much of it they used. Nothing here
//! touches a socket. Source: memcached's `doc/protocol.txt`.

use bytes::Bytes;

/// Longest key, in bytes (memcached's limit).
pub(crate) const KEY_BYTES_MAX: usize = 250;
/// Longest value, in bytes (memcached's default item limit).
pub(crate) const VALUE_BYTES_MAX: usize = 1 << 20;
/// Longest request or reply line, in bytes: a multi-get of 64 of the longest keys fits.
pub(crate) const LINE_BYTES_MAX: usize = 16 << 10;
/// Keys one `get` may name.
pub(crate) const GET_KEYS_MAX: usize = 128;

/// A request to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// `get` and `gets`: the values of these keys; `gets` also wants their versions.
    Get {
        /// The keys.
        keys: Vec<Bytes>,
        /// Whether versions are wanted.
        versions: bool,
    },
    /// `set`: put a value.
    Set {
        /// The key.
        key: Bytes,
        /// Opaque to the node.
        flags: u32,
        /// Expiry as written, in seconds.
        exptime: i64,
        /// The value.
        value: Bytes,
        /// Whether to stay silent.
        noreply: bool,
    },
    /// `delete`: remove a key.
    Delete {
        /// The key.
        key: Bytes,
        /// Whether to stay silent.
        noreply: bool,
    },
    /// `touch`: a new expiry for a key.
    Touch {
        /// The key.
        key: Bytes,
        /// Expiry as written, in seconds.
        exptime: i64,
        /// Whether to stay silent.
        noreply: bool,
    },
    /// `flush_all`: remove everything.
    FlushAll {
        /// Whether to stay silent.
        noreply: bool,
    },
    /// `version`.
    Version,
    /// `stats`.
    Stats,
    /// `quit`: close the connection.
    Quit,
}

/// What the bytes so far amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// Not a whole request yet.
    Partial,
    /// A request and the bytes it took.
    Request(Request, usize),
    /// Something to answer with an error line, the bytes it took, and how many more to skip.
    Refused {
        /// The line to answer with, without its ending.
        reply: &'static str,
        /// Bytes used.
        used: usize,
        /// Bytes of a refused value still to come.
        skip: usize,
    },
    /// The stream cannot be understood any more; close it.
    Broken,
}

const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format";

/// Reads the next request.
pub(crate) fn parse_request(input: &[u8]) -> Parsed {
    let Some((line, used)) = line(input) else {
        return if input.len() > LINE_BYTES_MAX {
            Parsed::Broken
        } else {
            Parsed::Partial
        };
    };
    let mut words = line
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    let verb = words.next().unwrap_or_default();
    let words: Vec<&[u8]> = words.take(GET_KEYS_MAX + 1).collect();
    if verb == b"set" {
        return parse_set(&words, input, used);
    }
    let noreply = words.last().is_some_and(|word| *word == b"noreply");
    let request = match (verb, words.as_slice()) {
        (b"get" | b"gets", keys) => keys_of(keys).map(|keys| Request::Get {
            keys,
            versions: verb == b"gets",
        }),
        (b"delete", [key, ..]) => key_of(key).map(|key| Request::Delete { key, noreply }),
        (b"touch", [key, exptime, ..]) => {
            key_of(key)
                .zip(number(exptime))
                .map(|(key, exptime)| Request::Touch {
                    key,
                    exptime,
                    noreply,
                })
        }
        (b"flush_all", _) => Some(Request::FlushAll { noreply }),
        (b"version", []) => Some(Request::Version),
        (b"stats", []) => Some(Request::Stats),
        (b"quit", []) => Some(Request::Quit),
        (b"delete" | b"touch", _) => None,
        _ => return refused("ERROR", used),
    };
    request.map_or_else(
        || refused(BAD_FORMAT, used),
        |request| Parsed::Request(request, used),
    )
}

fn refused(reply: &'static str, used: usize) -> Parsed {
    Parsed::Refused {
        reply,
        used,
        skip: 0,
    }
}

fn parse_set(words: &[&[u8]], input: &[u8], used: usize) -> Parsed {
    let [key, flags, exptime, length, rest @ ..] = words else {
        return refused(BAD_FORMAT, used);
    };
    let (Some(flags), Some(exptime), Some(length)) =
        (number(flags), number(exptime), number::<usize>(length))
    else {
        return refused(BAD_FORMAT, used);
    };
    let key = key_of(key);
    // A value that is refused still follows its line and must not be read as requests.
    let skip = length.saturating_add(2);
    if length > VALUE_BYTES_MAX {
        return Parsed::Refused {
            reply: "SERVER_ERROR object too large for cache",
            used,
            skip,
        };
    }
    let Some(key) = key else {
        return Parsed::Refused {
            reply: BAD_FORMAT,
            used,
            skip,
        };
    };
    let Some(block) = input.get(used..used + skip) else {
        return Parsed::Partial;
    };
    if !block.ends_with(b"\r\n") {
        return refused("CLIENT_ERROR bad data chunk", used + skip);
    }
    let request = Request::Set {
        key,
        flags,
        exptime,
        value: Bytes::copy_from_slice(&block[..length]),
        noreply: rest.first().is_some_and(|word| *word == b"noreply"),
    };
    Parsed::Request(request, used + skip)
}

/// The first line without its ending, and the bytes it takes with it.
fn line(input: &[u8]) -> Option<(&[u8], usize)> {
    let window = &input[..input.len().min(LINE_BYTES_MAX)];
    let end = window.iter().position(|byte| *byte == b'\n')?;
    let line = &window[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

fn number<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn key_of(word: &[u8]) -> Option<Bytes> {
    let legal = !word.is_empty()
        && word.len() <= KEY_BYTES_MAX
        && word.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
    legal.then(|| Bytes::copy_from_slice(word))
}

fn keys_of(words: &[&[u8]]) -> Option<Vec<Bytes>> {
    let bounded = !words.is_empty() && words.len() <= GET_KEYS_MAX;
    bounded
        .then(|| words.iter().map(|word| key_of(word)).collect())
        .flatten()
}

/// Writes a `get` of these keys.
pub(crate) fn write_get(out: &mut Vec<u8>, keys: &[&str]) {
    out.extend(b"get");
    for key in keys {
        out.push(b' ');
        out.extend(key.as_bytes());
    }
    out.extend(b"\r\n");
}

/// Writes a `set`.
pub(crate) fn write_set(out: &mut Vec<u8>, key: &str, ttl_seconds: u32, value: &[u8]) {
    out.extend(format!("set {key} 0 {ttl_seconds} {}\r\n", value.len()).as_bytes());
    out.extend(value);
    out.extend(b"\r\n");
}

/// Writes one found value of a reply to `get`, with its version for `gets`.
pub(crate) fn write_value(
    out: &mut Vec<u8>,
    key: &[u8],
    flags: u32,
    value: &[u8],
    version: Option<u64>,
) {
    out.extend(b"VALUE ");
    out.extend(key);
    out.extend(format!(" {flags} {}", value.len()).as_bytes());
    if let Some(version) = version {
        out.extend(format!(" {version}").as_bytes());
    }
    out.extend(b"\r\n");
    out.extend(value);
    out.extend(b"\r\n");
}

/// A reply that is not what the protocol allows here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cache node answered `{0}`")]
pub(crate) struct BadReply(pub(crate) String);

impl BadReply {
    fn of(line: &[u8]) -> Self {
        let shown = &line[..line.len().min(64)];
        Self(shown.escape_ascii().to_string())
    }
}

/// One step of reading a reply to `get`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ValueStep {
    /// Not enough has arrived.
    Partial,
    /// A found value and the bytes it took.
    Value {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
        /// Bytes used.
        used: usize,
    },
    /// The end of the reply and the bytes it took.
    End(usize),
}

/// Reads the next part of a reply to `get`.
///
/// # Errors
/// The node sent an error line or something that is no reply at all.
pub(crate) fn parse_value(input: &[u8]) -> Result<ValueStep, BadReply> {
    let Some((line, used)) = line(input) else {
        return if input.len() > LINE_BYTES_MAX {
            Err(BadReply::of(input))
        } else {
            Ok(ValueStep::Partial)
        };
    };
    if line == b"END" {
        return Ok(ValueStep::End(used));
    }
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [b"VALUE", key, _flags, length, ..] = words.as_slice() else {
        return Err(BadReply::of(line));
    };
    let length = number(length)
        .filter(|length| *length <= VALUE_BYTES_MAX)
        .ok_or_else(|| BadReply::of(line))?;
    let Some(block) = input.get(used..used + length + 2) else {
        return Ok(ValueStep::Partial);
    };
    if !block.ends_with(b"\r\n") {
        return Err(BadReply::of(line));
    }
    Ok(ValueStep::Value {
        key: Bytes::copy_from_slice(key),
        value: Bytes::copy_from_slice(&block[..length]),
        used: used + length + 2,
    })
}

/// Reads one reply to `set`: the bytes it took, or none if it has not all arrived.
///
/// # Errors
/// The node did not store the value.
pub(crate) fn parse_stored(input: &[u8]) -> Result<Option<usize>, BadReply> {
    match line(input) {
        Some((b"STORED", used)) => Ok(Some(used)),
        Some((line, _)) => Err(BadReply::of(line)),
        None if input.len() > LINE_BYTES_MAX => Err(BadReply::of(input)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn requests_are_read_one_by_one() {
        let input = b"get a b\r\nset k 5 60 3\r\nxyz\r\ndelete k noreply\r\nversion\r\n";
        let mut rest = &input[..];
        let mut requests = Vec::new();
        while let Parsed::Request(request, used) = parse_request(rest) {
            requests.push(request);
            rest = &rest[used..];
        }
        assert_eq!(
            requests,
            [
                Request::Get {
                    keys: vec![bytes("a"), bytes("b")],
                    versions: false
                },
                Request::Set {
                    key: bytes("k"),
                    flags: 5,
                    exptime: 60,
                    value: bytes("xyz"),
                    noreply: false
                },
                Request::Delete {
                    key: bytes("k"),
                    noreply: true
                },
                Request::Version,
            ]
        );
        assert!(rest.is_empty());
    }

    #[test]
    fn a_value_may_hold_line_endings_and_requests() {
        let input = b"set k 0 0 12\r\nget a\r\nEND\r\n\r\n";
        let Parsed::Request(Request::Set { value, .. }, used) = parse_request(input) else {
            panic!("not a set");
        };
        assert_eq!((&value[..], used), (&b"get a\r\nEND\r\n"[..], input.len()));
    }

    #[test]
    fn what_is_refused_leaves_the_stream_readable() {
        let too_large = format!("set k 0 0 {}\r\n", VALUE_BYTES_MAX + 1);
        assert!(matches!(
            parse_request(too_large.as_bytes()),
            Parsed::Refused { skip, .. } if skip == VALUE_BYTES_MAX + 3
        ));
        assert!(matches!(
            parse_request(b"incr k 1\r\n"),
            Parsed::Refused {
                reply: "ERROR",
                used: 10,
                ..
            }
        ));
        assert!(matches!(
            parse_request(b"get\r\n"),
            Parsed::Refused {
                reply: BAD_FORMAT,
                ..
            }
        ));
        assert!(matches!(
            parse_request(b"set k 0 0 1\r\nxyz"),
            Parsed::Refused {
                reply: "CLIENT_ERROR bad data chunk",
                ..
            }
        ));
        assert_eq!(
            parse_request(&vec![b'a'; LINE_BYTES_MAX + 1]),
            Parsed::Broken
        );
    }

    #[test]
    fn a_reply_reads_back_what_was_written() {
        let mut wire = Vec::new();
        write_value(&mut wire, b"k", 0, b"a\r\nb", None);
        wire.extend(b"END\r\n");
        let ValueStep::Value { key, value, used } = parse_value(&wire).unwrap() else {
            panic!("no value");
        };
        assert_eq!((&key[..], &value[..]), (&b"k"[..], &b"a\r\nb"[..]));
        assert_eq!(parse_value(&wire[used..]), Ok(ValueStep::End(5)));
        assert!(parse_value(b"SERVER_ERROR out of memory\r\n").is_err());
        assert!(parse_stored(b"NOT_STORED\r\n").is_err());
    }

    proptest! {
        /// No bytes make a parser panic or claim more than there is.
        #[test]
        fn parsers_never_panic(input in prop::collection::vec(any::<u8>(), 0..400)) {
            match parse_request(&input) {
                Parsed::Request(_, used) | Parsed::Refused { used, .. } => prop_assert!(used <= input.len() && used > 0),
                Parsed::Partial | Parsed::Broken => {}
            }
            if let Ok(ValueStep::Value { used, .. } | ValueStep::End(used)) = parse_value(&input) {
                prop_assert!(used <= input.len() && used > 0);
            }
            let _ = parse_stored(&input);
        }

        /// Likewise for bytes that look almost right.
        #[test]
        fn parsers_never_panic_on_near_misses(input in "(get|gets|set|touch|delete|VALUE|END)( [a-z0-9 -]{0,30}){0,5}\r\n[a-z]{0,9}(\r\n)?") {
            let _ = parse_request(input.as_bytes());
            let _ = parse_value(input.as_bytes());
        }

        /// What a client writes, a node reads, whole or not at all.
        #[test]
        fn a_set_survives_any_cut(value in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..260) {
            let mut wire = Vec::new();
            write_set(&mut wire, "key", 9, &value);
            let expected = Request::Set { key: bytes("key"), flags: 0, exptime: 9, value: value.clone().into(), noreply: false };
            prop_assert_eq!(parse_request(&wire), Parsed::Request(expected, wire.len()));
            let cut = cut.min(wire.len() - 1);
            prop_assert_eq!(parse_request(&wire[..cut]), Parsed::Partial);
        }
    }
}
