//! Answers as they come, whole, in pieces and broken.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;

/// What is made of an answer that comes in these pieces: status, bytes of
/// the body, whether the connection is kept and what is left over.
fn read(pieces: &[&[u8]], bodiless: bool) -> Result<Option<(u16, u64, bool, usize)>, Malformed> {
    let mut reader = AnswerReader::new(bodiless);
    let mut received = Vec::new();
    for piece in pieces {
        received.extend_from_slice(piece);
        let taken = reader.read(&received)?;
        received.drain(..taken);
    }
    let done = reader.is_done() || reader.close();
    let kept = reader.keeps_alive();
    let (head, body, _) = reader.into_parts();
    Ok(head
        .filter(|_| done)
        .map(|head| (head.status, body, kept, received.len())))
}

fn whole(text: &str) -> Result<Option<(u16, u64, bool, usize)>, Malformed> {
    read(&[text.as_bytes()], false)
}

type Read = (u16, u64, bool, usize);

/// Name, text, and what is made of it.
const TAKEN: &[(&str, &str, Read)] = &[
    (
        "plain",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        (200, 2, true, 0),
    ),
    (
        "no reason",
        "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n",
        (200, 0, true, 0),
    ),
    (
        "bare LF",
        "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        (200, 2, true, 0),
    ),
    (
        "line break first",
        "\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        (200, 0, true, 0),
    ),
    (
        "HTTP/1.0",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        (200, 2, false, 0),
    ),
    (
        "HTTP/1.0 keep-alive",
        "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok",
        (200, 2, true, 0),
    ),
    (
        "close",
        "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 0\r\n\r\n",
        (200, 0, false, 0),
    ),
    (
        "until the end",
        "HTTP/1.1 200 OK\r\n\r\nuntil the end",
        (200, 13, false, 0),
    ),
    (
        "same length twice",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2, 2\r\n\r\nok",
        (200, 2, true, 0),
    ),
    (
        "space before the colon",
        "HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok",
        (200, 2, true, 0),
    ),
    (
        "folded",
        "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok",
        (200, 2, true, 0),
    ),
    (
        "odd field",
        "HTTP/1.1 200 OK\r\nno colon\r\ncontent-length: 2\r\n\r\nok",
        (200, 2, true, 0),
    ),
    (
        "204 with a length",
        "HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n",
        (204, 0, true, 0),
    ),
    (
        "304 with a length",
        "HTTP/1.1 304 No\r\ncontent-length: 5\r\n\r\n",
        (304, 0, true, 0),
    ),
    (
        "interim",
        "HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 100\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        (200, 2, true, 0),
    ),
    (
        "chunks",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n2;a=b\r\nok\r\n0A \r\n0123456789\r\n0\r\nx: y\r\n\r\n",
        (200, 12, true, 0),
    ),
    (
        "chunks and a length",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        (200, 2, false, 0),
    ),
    (
        "two answers",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
        (200, 2, true, 17),
    ),
];

#[test]
fn answers_that_clients_take_are_taken() {
    for (name, text, expected) in TAKEN {
        assert_eq!(whole(text), Ok(Some(*expected)), "{name}");
    }
    let fields = "set-cookie: a=1\r\n".repeat(5_000);
    let large = format!("x: {}\r\n", "y".repeat(900_000));
    for head in [fields, large] {
        let text = format!("HTTP/1.1 200 OK\r\n{head}content-length: 2\r\n\r\nok");
        assert_eq!(whole(&text), Ok(Some((200, 2, true, 0))));
    }
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
    assert_eq!(read(&[head], true), Ok(Some((200, 0, true, 0))));
}

#[test]
fn what_is_no_answer_says_why() {
    let fields = "a: b\r\n".repeat(FIELDS_MAX + 1);
    let large = "y".repeat(HEAD_BYTES_MAX);
    for (text, why) in [
        ("<html>", "begins with \"<html>\""),
        ("SSH-2.0-x\r\n", "no HTTP/1 answer"),
        ("HTTP/2 200\r\n\r\n", "no HTTP/1 answer"),
        ("HTTP/1.1 abc\r\n\r\n", "status"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "\"x\" is no number",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "\"-1\" is no number",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "two different",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "no valid size",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+2\r\n",
            "no valid size",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
            "longer than the size",
        ),
        (
            &format!("HTTP/1.1 200 OK\r\n{fields}\r\n"),
            "16384 header fields",
        ),
        ("\r\rHTTP/1.1 200 OK\r\n\r\n", "no HTTP/1 answer"),
        (&"\n".repeat(HEAD_BYTES_MAX + 1), "1024 KiB"),
        (&format!("HTTP/1.1 200 OK\r\nx: {large}"), "1024 KiB"),
    ] {
        let said = whole(text).unwrap_err().0;
        assert!(said.contains(why), "{why}: {said}");
    }
}

/// A server that sends byte by byte must not make squall look at all of it again
/// with every byte.
#[test]
fn what_says_nothing_is_taken_as_it_comes() {
    let mut reader = AnswerReader::new(false);
    assert_eq!(reader.read(b"\r\n\n\r\n"), Ok(5));
    assert_eq!(reader.read(b"\r"), Ok(0), "its other half may follow");
    assert_eq!(reader.read(b"\r\n"), Ok(2));
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(reader.read(head), Ok(head.len()));
    assert_eq!(reader.read(b"0\r\nx: a long"), Ok(12));
    assert_eq!(reader.read(b" field\r"), Ok(7));
    assert_eq!(
        reader.read(b"\n\r"),
        Ok(1),
        "this one may be the blank line"
    );
    assert!(!reader.is_done());
    assert_eq!(reader.read(b"\r\n"), Ok(2));
    assert!(reader.is_done());
}

#[test]
fn an_answer_that_is_cut_is_none() {
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        assert_eq!(whole(text), Ok(None), "{text}");
    }
}

const LOOKS: Looks = Looks {
    body: true,
    digest: true,
};

/// What is kept is what was said, however it was framed and cut.
#[test]
fn an_answer_is_kept_as_it_is_read() {
    let text = "HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\n\
                transfer-encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nabc\r\n0\r\n\r\n";
    for size in [1, 2, 7, text.len()] {
        let mut reader = AnswerReader::keeping(false, LOOKS);
        let mut received = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            received.extend_from_slice(piece);
            let taken = reader.read(&received).unwrap();
            received.drain(..taken);
        }
        let (_, body_bytes, kept) = reader.into_parts();
        let kept = kept.unwrap();
        let names: Vec<_> = kept.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["X-A", "transfer-encoding"]);
        assert_eq!(kept.sha256, Some(Sha256::digest(b"okabc").into()));
        assert_eq!(
            (body_bytes, &kept.body[..], kept.cut),
            (5, &b"okabc"[..], false)
        );
    }
    let (_, _, none) = AnswerReader::new(false).into_parts();
    assert!(none.is_none(), "nothing is kept unless it is asked for");
    let mut fields = AnswerReader::keeping(false, Looks::default());
    fields.read(text.as_bytes()).unwrap();
    let kept = fields.into_parts().2.unwrap();
    let is = (kept.fields.len(), kept.body.len(), kept.sha256);
    assert_eq!(is, (2, 0, None));
}

#[test]
fn of_a_large_body_the_beginning_is_kept() {
    let mut reader = AnswerReader::keeping(false, LOOKS);
    let length = KEPT_BODY_BYTES_MAX + 3;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    reader.read(head.as_bytes()).unwrap();
    for piece in vec![b'x'; length].chunks(1 << 20) {
        reader.read(piece).unwrap();
    }
    let (_, body_bytes, kept) = reader.into_parts();
    let kept = kept.unwrap();
    assert_eq!(
        (body_bytes, kept.body.len()),
        (length as u64, KEPT_BODY_BYTES_MAX)
    );
    assert!(kept.cut);
}

proptest! {
    /// However the network cuts an answer, it is the same answer.
    #[test]
    fn cuts_change_nothing(
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6), which in 0..6_usize,
    ) {
        let text = [
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP",
            "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
            "HTTP/1.1 100 C\r\n\r\n\r\nHTTP/1.1 404 No\r\nx: a\r\n b\r\n\r\nend",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x\r\nok\r\n3\nabc\n0\r\na: b\r\n\r\nX",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
            "HTTP/1.1 204 No\r\n\r\n",
        ][which].as_bytes();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([text.len()]) {
            pieces.push(&text[from..cut]);
            from = cut;
        }
        prop_assert_eq!(read(&pieces, false), read(&[text], false));
    }

    #[test]
    fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&[&data], false);
        let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        answer.extend(&data);
        let _ = read(&[&answer], false);
    }
}

fn now() -> Moment {
    Moment {
        at: Instant::now(),
        stalled: Duration::ZERO,
    }
}

/// In the middle of a chunk, or at the end of one; and by its own end.
#[test]
fn a_connection_that_a_client_left_carries_nothing_else() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let ends = "9\r\ndata: a\n\n\r\n9\r\ndata: b\n\n\r\n0\r\n\r\n";
    let read = |count, body: &str| {
        let stay = Stay { count, time: None };
        let mut reader = AnswerReader::keeping(false, LOOKS).with_events(stay, now());
        let text = [head, body].concat();
        let left = text.len() - reader.read(text.as_bytes()).unwrap();
        let (done, kept) = (reader.is_done(), reader.keeps_alive());
        (done, kept, left, reader.into_parts().1)
    };
    assert_eq!(read(None, ends), (true, true, 0, 18));
    assert_eq!(read(Some(3), ends), (true, true, 0, 18));
    assert_eq!(read(Some(1), &ends[..12]), (true, false, 0, 9));
    assert_eq!(read(Some(1), ends), (true, false, 21, 9));
    assert_eq!(read(Some(2), ends), (true, false, 7, 18));
    let mut reader = AnswerReader::keeping(false, LOOKS).with_events(Stay::default(), now());
    assert!(!reader.leave(now()), "no answer has come");
    reader
        .read(&[head, ends].concat().as_bytes()[..head.len() + 20])
        .unwrap();
    assert!(reader.leave(now()));
    assert!(!reader.keeps_alive());
}
