//! Sockets, cut anywhere and broken.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::answer::Looks;

const MASKS: u64 = 7;

fn talk(stay: Stay) -> Talk {
    let mut frames = Vec::new();
    write_frame(Opcode::Text, b"hello", Talk::mask(MASKS, 0), &mut frames);
    Talk {
        accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".into(),
        protocols: b"chat.v2, chat.v1".to_vec().into(),
        frames: frames.into(),
        masks: (MASKS, 1),
        stay,
    }
}

const UPGRADE: [(&str, &str); 3] = [
    ("Upgrade", "WebSocket"),
    ("connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
];

fn head(answer: &mut SocketAnswer, status: u16, fields: &[(&str, &str)]) -> Result<(), String> {
    let each = fields.iter().map(|(name, value)| Header {
        name,
        value: value.as_bytes(),
    });
    answer.head(status, &each.collect::<Vec<_>>())
}

fn now() -> Moment {
    Moment {
        at: Instant::now(),
        stalled: Duration::ZERO,
    }
}

fn open(stay: Stay) -> SocketAnswer {
    let mut answer = SocketAnswer::new(talk(stay), now());
    head(&mut answer, 101, &UPGRADE).unwrap();
    answer
}

/// A frame as servers send it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(length as u8),
        length => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// The frame of a client without its mask.
fn unmasked(bytes: &[u8]) -> (u8, Vec<u8>) {
    assert!(bytes[1] & 0x80 != 0, "clients mask");
    let length = usize::from(bytes[1] & 0x7f);
    let (mask, payload) = bytes[2..].split_at(4);
    assert_eq!(payload.len(), length);
    let masks = mask.iter().cycle();
    let payload = payload.iter().zip(masks).map(|(byte, mask)| byte ^ mask);
    (bytes[0], payload.collect())
}

#[test]
fn what_is_no_upgrade_says_so() {
    let told = |fields: &[(&str, &str)]| {
        let mut answer = SocketAnswer::new(talk(Stay::default()), now());
        head(&mut answer, 101, fields).unwrap_err()
    };
    assert!(told(&[]).contains("not upgraded"));
    assert!(told(&UPGRADE[..2]).contains("sec-websocket-accept"));
    assert!(told(&UPGRADE[1..]).contains("not upgraded"));
    let other = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO=");
    assert!(told(&[UPGRADE[0], UPGRADE[1], other]).contains("sec-websocket-accept"));
    let extended = ("sec-websocket-extensions", "permessage-deflate");
    let fields = [&UPGRADE[..], &[extended]].concat();
    assert!(told(&fields).contains("permessage-deflate"));
    for (chosen, fits) in [
        ("chat.v1", true),
        ("chat.v2", true),
        ("chat.v3", false),
        ("Chat.v1", false),
        ("chat.v1, chat.v2", false),
        ("", false),
    ] {
        let mut answer = SocketAnswer::new(talk(Stay::default()), now());
        let fields = [&UPGRADE[..], &[("sec-websocket-protocol", chosen)]].concat();
        let said = head(&mut answer, 101, &fields);
        assert_eq!(said.is_ok(), fits, "{chosen}: {said:?}");
    }
    let mut refused = SocketAnswer::new(talk(Stay::default()), now());
    head(&mut refused, 403, &[]).unwrap();
    assert_eq!(refused.data(b"<p>", None), Ok(Taken::all(3)));
    assert!(refused.may_end());
    assert_eq!(refused.says(), None, "nothing is said to who refused");
    assert!(refused.goodbye().is_none());
    let (code, told) = refused.end();
    assert_eq!(code, None);
    assert_eq!(
        told.as_deref(),
        Some("no socket was opened: HTTP status 403")
    );
}

#[test]
fn messages_are_timed_by_their_ends_and_pings_are_answered() {
    let sent = now();
    let at = |ms| Moment {
        at: sent.at + Duration::from_millis(ms),
        ..sent
    };
    let mut answer = SocketAnswer::new(talk(Stay::default()), sent);
    assert_eq!(answer.says(), None, "nobody listens yet");
    head(&mut answer, 101, &UPGRADE).unwrap();
    let hello = answer.says().unwrap();
    assert_eq!(unmasked(&hello), (0x81, b"hello".to_vec()));
    assert_eq!(answer.says(), None, "it is said once");
    for (part, ms, body) in [
        (frame(0x01, b"caf\xc3"), 10, 4),
        ([frame(0x89, b"1"), frame(0x89, b"2")].concat(), 20, 0),
        (frame(0x80, b"\xa9"), 30, 1),
        (
            [frame(0x8a, b""), frame(0x82, &[0xff; 200])].concat(),
            100,
            200,
        ),
    ] {
        answer.at(at(ms));
        let taken = Taken {
            bytes: part.len(),
            body,
            enough: false,
        };
        assert_eq!(answer.data(&part, None), Ok(taken));
    }
    let pong = answer.says().unwrap();
    assert_eq!(unmasked(&pong), (0x8a, b"2".to_vec()), "of the last ping");
    assert_ne!(pong[2..6], hello[2..6], "no two masks are the same");
    let series = answer.series();
    assert_eq!(series.count, 2);
    assert_eq!(series.first, Some(Duration::from_millis(30)));
    assert_eq!(series.longest_gap, Duration::from_millis(70));
    answer.left(at(300));
    assert_eq!(answer.series().longest_gap, Duration::from_millis(200));
    let (goodbye, mut closing) = answer.goodbye().unwrap();
    assert_eq!(unmasked(&goodbye), (0x88, vec![3, 0xe8]));
    closing.take(&frame(0x81, b"late"));
    assert!(!closing.is_over());
    closing.take(&frame(0x88, b""));
    assert!(closing.is_over());
    assert_eq!(answer.end(), (Some(1000), None));
}

#[test]
fn who_has_heard_enough_takes_no_more() {
    let stay = Stay {
        count: Some(1),
        time: None,
    };
    let mut answer = open(stay);
    let two = [frame(0x81, b"1"), frame(0x81, b"2")].concat();
    let taken = Taken {
        bytes: 3,
        body: 1,
        enough: true,
    };
    assert_eq!(answer.data(&two, None), Ok(taken));
    assert_eq!(answer.end(), (Some(1000), None));
}

#[test]
fn who_is_closed_to_knows_why() {
    for (payload, code, told, says) in [
        (&b""[..], 1005, None, &b""[..]),
        (b"\x03\xe8", 1000, None, b"\x03\xe8"),
        (b"\x03\xe9bye", 1001, None, b"\x03\xe9"),
        (
            b"\x03\xf3on fire",
            1011,
            Some("the server closed with 1011 (internal error): on fire"),
            b"\x03\xf3",
        ),
        (
            b"\x0f\xa1",
            4001,
            Some("the server closed with 4001"),
            b"\x0f\xa1",
        ),
    ] {
        let mut answer = open(Stay::default());
        let taken = answer.data(&frame(0x88, payload), None).unwrap();
        assert!(taken.enough);
        let (goodbye, closing) = answer.goodbye().unwrap();
        assert_eq!(unmasked(&goodbye), (0x88, says.to_vec()));
        assert!(closing.is_over());
        let (is, words) = answer.end();
        assert_eq!((is, words.as_deref()), (Some(code), told));
    }
}

#[test]
fn what_is_no_frame_says_why_and_is_told_so() {
    for (bytes, code, says) in [
        (vec![0xc1, 0], 1002, "reserved bit"),
        (vec![0x81, 0x80, 1, 2, 3, 4], 1002, "masked"),
        (vec![0x83, 0], 1002, "opcode"),
        (vec![0x8b, 0], 1002, "opcode"),
        (vec![0x09, 0], 1002, "control frame"),
        (vec![0x89, 126, 0, 126], 1002, "control frame"),
        (vec![0x80, 0], 1002, "has not begun"),
        (
            [frame(1, b"a"), frame(0x81, b"b")].concat(),
            1002,
            "within another",
        ),
        (frame(0x81, b"\xff"), 1007, "not UTF-8"),
        (frame(0x81, b"caf\xc3"), 1007, "not UTF-8"),
        (frame(0x88, b"\x03"), 1002, "half a code"),
        (frame(0x88, b"\x03\xed"), 1002, "1005"),
        (frame(0x88, b"\x03\xe8\xff"), 1007, "not UTF-8"),
        (vec![0x82, 127, 0, 0, 0, 0, 4, 0, 0, 1], 1009, "64 MiB"),
        (
            vec![0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            1002,
            "first bit of a frame's length",
        ),
        (vec![0x82, 126, 0, 125], 1002, "fewest bytes"),
        (vec![0x89, 126, 0, 1], 1002, "fewest bytes"),
        (
            vec![0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            1002,
            "fewest bytes",
        ),
    ] {
        let mut answer = open(Stay::default());
        let why = answer.data(&bytes, None).unwrap_err();
        assert!(why.contains(says), "{why}");
        let (first, payload) = unmasked(&answer.goodbye().unwrap().0);
        assert_eq!(
            (first, payload),
            (0x88, u16::to_be_bytes(code).to_vec()),
            "{says}"
        );
    }
    // Of many frames that are small.
    let mut answer = open(Stay::default());
    answer
        .data(&[0x02, 127, 0, 0, 0, 0, 4, 0, 0, 0], None)
        .unwrap();
    let part = vec![0; 1 << 20];
    for _ in 0..64 {
        answer.data(&part, None).unwrap();
    }
    assert!(
        answer
            .data(&frame(0, b"1"), None)
            .unwrap_err()
            .contains("64 MiB")
    );
}

#[test]
fn messages_are_a_list() {
    let looks = Looks {
        body: true,
        digest: false,
    };
    let mut keeper = Keeper::new(looks);
    let mut answer = open(Stay::default());
    let stream = [
        frame(0x01, b"{\"a\": "),
        frame(0x89, b"ping"),
        frame(0x80, b"1.50}"),
        frame(0x81, b"say \"hi\""),
        frame(0x82, b"\xff"),
        frame(0x81, b""),
        frame(0x01, b"never whole"),
    ];
    answer.data(&stream.concat(), Some(&mut keeper)).unwrap();
    let json = json_of_messages(&keeper.kept().body);
    let json = String::from_utf8(json).unwrap();
    assert_eq!(json, "[{\"a\": 1.50},\"say \\\"hi\\\"\",\"\u{fffd}\",\"\"]");
}

/// Frames that servers send, and others.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop::sample::select(vec![
        0x81_u8, 0x82, 0x01, 0x02, 0x80, 0x00, 0x89, 0x8a, 0x88, 0xc1, 0x09,
    ]);
    let payload = prop_oneof![
        prop::sample::select(vec!["", "a", "{}", "é", "\u{3e8}"])
            .prop_map(|it| it.as_bytes().to_vec()),
        Just(vec![3, 0xe8]),
        prop::collection::vec(any::<u8>(), 0..200),
    ];
    let one = (first, payload).prop_map(|(first, payload)| frame(first, &payload));
    prop::collection::vec(one, 0..12).prop_map(|frames| frames.concat())
}

proptest! {
    /// However they are cut, the same is made of them; and messages are those that
    /// checks look into.
    #[test]
    fn no_cut_changes_a_socket(
        bytes in frames(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        count in prop::option::of(1_u64..4),
    ) {
        let looks = Looks { body: true, digest: true };
        let read = |cuts: &[usize]| {
            let mut answer = open(Stay { count, time: None });
            let mut keeper = Keeper::new(looks);
            let (mut taken, mut body) = (0, 0);
            let mut ended = Ok(false);
            for pair in cuts.windows(2) {
                match answer.data(&bytes[pair[0]..pair[1]], Some(&mut keeper)) {
                    Ok(it) => {
                        taken += it.bytes;
                        body += it.body;
                        ended = Ok(it.enough);
                    }
                    Err(why) => ended = Err(why),
                }
                if ended != Ok(false) {
                    break;
                }
            }
            let goodbye = answer.goodbye().map(|(goodbye, _)| goodbye);
            let count = answer.series().count;
            let kept = ended.is_ok().then(|| (taken, body, keeper.kept()));
            (ended, goodbye, count, kept)
        };
        let whole = read(&[0, bytes.len()]);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        prop_assert_eq!(&read(&cuts), &whole);
        let bytewise: Vec<usize> = (0..=bytes.len()).collect();
        prop_assert_eq!(&read(&bytewise), &whole);
        if let Some((_, _, kept)) = whole.3 {
            let json: Value = serde_json::from_slice(&json_of_messages(&kept.body)).unwrap();
            prop_assert_eq!(json.as_array().unwrap().len() as u64, whole.2);
        }
    }
}
