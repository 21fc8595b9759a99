//! Calls of gRPC frame by frame: whatever way the streams of bytes are cut, the same
//! comes of them, and whatever a caller sends, no more of it is kept than may be.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::time::Instant;

use bytes::Bytes;
use proptest::prelude::*;
use squall_faults::{Calls, End};
use squall_scenario::Share;
use squall_scenario::inject::{GrpcAnswer, GrpcStatus, Http, HttpAction, Matching, Message};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// What a target says is told by it from what squall says.
const TARGETS: u32 = 0x10_0000;
/// More than a lane and whatever waits for its turn hold together, with one read.
const KEPT_MAX: usize = 1 << 20;

type Frame = (u8, u8, u32, Vec<u8>);

fn bytes_of((kind, flags, stream, payload): &Frame) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([*kind, *flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn joined(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(bytes_of).collect()
}

/// The frames of what was heard, which ends with the last of them.
fn frames_of(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at(9);
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        let (payload, rest) = rest.split_at(length);
        frames.push((head[3], head[4], stream, payload.to_vec()));
        bytes = rest;
    }
    frames
}

fn text(name: u8, value: &str) -> Vec<u8> {
    // A literal that goes into the table, its name from the standard's.
    let length = u8::try_from(value.len()).unwrap();
    [&[0x40 | name, length], value.as_bytes()].concat()
}

/// The headers of a call; in short from the second on, as callers have them: the
/// type of the first is all that stands in the table.
fn headers(path: &str, is_first: bool) -> Vec<u8> {
    let kind = match is_first {
        true => text(31, "application/grpc"),
        false => vec![0x80 | 62],
    };
    let length = u8::try_from(path.len()).unwrap();
    [&[0x83, 0x86], &*kind, &[4, length], path.as_bytes()].concat()
}

fn grpc(path: Option<&str>) -> Http {
    Http {
        when: Matching {
            path: path.map(str::to_owned),
            ..Matching::default()
        },
        share: Share::WHOLE,
        at_most: None,
        scoped: false,
        message: Message::Answer,
        action: HttpAction::Grpc(GrpcAnswer {
            status: GrpcStatus::Unavailable,
            message: "closed".to_owned(),
        }),
    }
}

/// A connection whose caller and target take at once whatever comes for them.
struct Bench {
    calls: Calls,
    now: Instant,
    /// To the target, and to the caller.
    out: [Vec<u8>; 2],
    eofs: [bool; 2],
}

impl Bench {
    fn new(path: Option<&str>) -> Self {
        let mut calls = Calls::new(7, 0);
        calls.attach("closed", &grpc(path));
        Self {
            calls,
            now: Instant::now(),
            out: [Vec::new(), Vec::new()],
            eofs: [false, false],
        }
    }

    fn push(&mut self, to_target: bool, bytes: &[u8]) {
        self.calls.push(to_target, Bytes::copy_from_slice(bytes));
        self.collect();
    }

    fn eof(&mut self, to_target: bool) {
        self.calls.push_eof(to_target);
        self.collect();
    }

    fn collect(&mut self) {
        for (side, to_target) in [(0, true), (1, false), (0, true)] {
            while let Some(bytes) = self.calls.pull(to_target, self.now) {
                assert!(!self.eofs[side], "bytes behind the end");
                self.eofs[side] = bytes.is_empty();
                self.out[side].extend_from_slice(&bytes);
            }
        }
    }
}

/// What a caller does next.
#[derive(Debug, Clone)]
enum Act {
    /// It calls; in so many frames of headers, with padding, and sends no more.
    Call {
        hit: bool,
        parts: usize,
        padded: bool,
        ends: bool,
    },
    /// It sends so many bytes on one of its calls.
    Send(usize, usize, bool),
    Reset(usize),
    Room(usize),
    Ping,
}

fn act() -> impl Strategy<Value = Act> {
    let call = (any::<bool>(), 1..4_usize, any::<bool>(), any::<bool>());
    prop_oneof![
        3 => call.prop_map(|(hit, parts, padded, ends)| Act::Call { hit, parts, padded, ends }),
        3 => (0..8_usize, 0..40_usize, any::<bool>()).prop_map(|(n, l, e)| Act::Send(n, l, e)),
        1 => (0..8_usize).prop_map(Act::Reset),
        1 => (0..8_usize).prop_map(Act::Room),
        1 => Just(Act::Ping),
    ]
}

/// What the caller sends, and the streams that are hit.
fn asked(acts: &[Act]) -> (Vec<Frame>, Vec<u32>) {
    let mut frames = vec![(SETTINGS, 0, 0, vec![])];
    let (mut hit_streams, mut open, mut next) = (Vec::new(), Vec::new(), 1);
    for act in acts {
        let one = |n: &usize| open.get(n % open.len().max(1)).copied();
        match act {
            Act::Call {
                hit,
                parts,
                padded,
                ends,
            } => {
                let path = if *hit { "/hit/a" } else { "/let/b" };
                let mut block = headers(path, next == 1);
                let size = block.len().div_ceil(*parts);
                let mut flags = if *ends { END_STREAM } else { 0 };
                let mut kind = HEADERS;
                while !block.is_empty() {
                    let rest = block.split_off(size.min(block.len()));
                    if rest.is_empty() {
                        flags |= END_HEADERS;
                    }
                    let payload = match *padded && kind == HEADERS {
                        true => {
                            flags |= PADDED;
                            [&[2], &*block, &[0, 0]].concat()
                        }
                        false => block,
                    };
                    frames.push((kind, flags, next, payload));
                    (kind, flags, block) = (CONTINUATION, 0, rest);
                }
                if *hit {
                    hit_streams.push(next);
                }
                if !ends {
                    open.push(next);
                }
                next += 2;
            }
            Act::Send(n, length, ends) => {
                if let Some(stream) = one(n) {
                    let flags = u8::from(*ends);
                    frames.push((DATA, flags, stream, vec![7; *length]));
                    if *ends {
                        open.retain(|other| *other != stream);
                    }
                }
            }
            Act::Reset(n) => {
                if let Some(stream) = one(n) {
                    frames.push((RST_STREAM, 0, stream, vec![0, 0, 0, 8]));
                    open.retain(|other| *other != stream);
                }
            }
            Act::Room(n) => {
                let payload = vec![0, 0, 1, 0];
                frames.push((WINDOW_UPDATE, 0, one(n).unwrap_or(0), payload));
            }
            Act::Ping => frames.push((PING, 0, 0, vec![1; 8])),
        }
    }
    (frames, hit_streams)
}

/// What a target says, in frames: whatever, but its settings come first.
fn told() -> impl Strategy<Value = Vec<Frame>> {
    let stream = (0..50_u32).prop_map(|n| TARGETS + n);
    let data = (stream.clone(), 0..60_usize).prop_map(|(s, l)| vec![(DATA, 0, s, vec![1; l])]);
    let head = (stream, 0..9_usize, 0..3_usize).prop_map(|(stream, length, more)| {
        let last = |n| if n == more { END_HEADERS } else { 0 };
        let kind = |n| if n == 0 { HEADERS } else { CONTINUATION };
        let frame = |n| (kind(n), last(n), stream, vec![0x82; length]);
        (0..=more).map(frame).collect()
    });
    let ping = Just(vec![(PING, 1, 0, vec![9; 8])]);
    let groups = prop::collection::vec(prop_oneof![data, head, ping], 0..12);
    groups.prop_map(|groups| {
        let settings = (SETTINGS, 0, 0, vec![0, 4, 0, 1, 0, 0]);
        std::iter::once(settings).chain(groups.concat()).collect()
    })
}

/// Whether a frame of the target's stream is squall's own.
fn is_own((kind, _, stream, _): &Frame) -> bool {
    *stream < TARGETS && matches!(*kind, HEADERS | WINDOW_UPDATE)
}

proptest! {
    #[test]
    fn whatever_way_bytes_are_cut_the_same_comes_of_them(
        acts in prop::collection::vec(act(), 1..20),
        said in told(),
        cuts in prop::collection::vec((any::<bool>(), 1..30_usize), 0..200),
    ) {
        let (frames, hit) = asked(&acts);
        let sent = [PREFACE, &joined(&frames)].concat();
        let answered = joined(&said);
        let mut whole = Bench::new(Some("/hit/**"));
        whole.push(true, &sent);
        whole.push(false, &answered);
        let mut bench = Bench::new(Some("/hit/**"));
        let (mut to, mut from) = (&sent[..], &answered[..]);
        for (to_target, length) in cuts {
            let rest = if to_target { &mut to } else { &mut from };
            let (now, later) = rest.split_at(length.min(rest.len()));
            *rest = later;
            bench.push(to_target, now);
        }
        bench.push(true, to);
        bench.push(false, from);

        // The target hears the same, and nothing of what was hit.
        prop_assert_eq!(&bench.out[0], &whole.out[0]);
        let heard = bench.out[0].strip_prefix(PREFACE).unwrap();
        let plain = |frame: &&Frame| !matches!(frame.0, HEADERS | CONTINUATION);
        let mine = |frame: &&Frame| !hit.contains(&frame.2);
        let heard = frames_of(heard);
        let passed: Vec<_> = frames.iter().filter(mine).filter(plain).collect();
        prop_assert_eq!(heard.iter().filter(plain).collect::<Vec<_>>(), passed);
        let opened = |frames: &[Frame]| -> Vec<(u32, u8)> {
            let opening = frames.iter().filter(mine).filter(|frame| frame.0 == HEADERS);
            opening.map(|frame| (frame.2, frame.1 & END_STREAM)).collect()
        };
        prop_assert_eq!(opened(&heard), opened(&frames));
        // Before the first that was hit, byte by byte.
        let first = frames.iter().position(|frame| hit.contains(&frame.2));
        let before = joined(&frames[..first.unwrap_or(frames.len())]);
        prop_assert!(bench.out[0][PREFACE.len()..].starts_with(&before));

        // The caller hears all that the target said, frame by frame, and a status
        // for every call that was hit, in the same order.
        let parted = |out: &[u8]| -> (Vec<Frame>, Vec<Frame>) {
            frames_of(out).into_iter().partition(is_own)
        };
        let (own, others) = parted(&bench.out[1]);
        prop_assert_eq!(others, said);
        prop_assert_eq!(&own, &parted(&whole.out[1]).0);
        let statuses: Vec<u32> = own.iter().filter(|own| own.0 == HEADERS).map(|own| own.2).collect();
        prop_assert_eq!(statuses, hit);
        // Never before the settings, and never within a header block.
        let mut is_within = true;
        for frame in frames_of(&bench.out[1]) {
            prop_assert!(!is_own(&frame) || !is_within, "{:?} in between", frame);
            match frame.0 {
                SETTINGS => is_within = false,
                HEADERS | CONTINUATION => is_within = frame.1 & END_HEADERS == 0,
                _ => {}
            }
        }
    }

    #[test]
    fn where_nothing_is_hit_every_byte_passes_to_the_last(
        acts in prop::collection::vec(act(), 1..12),
        cut in 0..400_usize,
        size in 1..40_usize,
    ) {
        let mut sent = [PREFACE, &joined(&asked(&acts).0)].concat();
        sent.truncate(PREFACE.len() + cut);
        let mut bench = Bench::new(Some("/nobody"));
        sent.chunks(size).for_each(|piece| bench.push(true, piece));
        bench.eof(true);
        bench.eof(false);
        prop_assert_eq!((&bench.out[0], bench.eofs), (&sent, [true, true]));
    }
}

/// A call that is over, as short as it can be said; the type of the first is long.
fn short_call(stream: u32, block: Vec<u8>) -> Frame {
    (HEADERS, END_STREAM | END_HEADERS, stream, block)
}

#[test]
fn a_flood_of_empty_continuations_is_followed_no_more() {
    let mut bench = Bench::new(None);
    bench.push(true, PREFACE);
    bench.push(true, &bytes_of(&(HEADERS, 0, 1, vec![])));
    let more = bytes_of(&(CONTINUATION, 0, 1, vec![])).repeat(1000);
    for _ in 0..100 {
        bench.push(true, &more);
    }
    // Nothing was answered, so it goes on as it is.
    assert_eq!(bench.out[0].len(), PREFACE.len() + 9 + 100 * more.len());
}

#[test]
fn a_flood_behind_an_answered_call_ends_the_connection() {
    let mut bench = Bench::new(None);
    bench.push(true, PREFACE);
    bench.push(true, &bytes_of(&short_call(1, headers("/hit/a", true))));
    bench.push(true, &bytes_of(&(HEADERS, 0, 3, vec![])));
    let more = bytes_of(&(CONTINUATION, 0, 3, vec![])).repeat(1000);
    for _ in 0..100 {
        bench.push(true, &more);
    }
    assert_eq!(bench.calls.ended_behind(), Some((End::Close, true)));
    assert_eq!(bench.out[0], PREFACE);
}

#[test]
fn callers_that_never_read_are_not_answered_without_end() {
    // Each of them says a long type in one byte.
    let long = format!("application/grpc+{}", "x".repeat(100));
    let first = [&[0x83, 0x86][..], &text(4, "/hit/a"), &text(31, &long)].concat();
    let short = vec![0x83, 0x86, 0x80 | 63, 0x80 | 62];
    let settings = bytes_of(&(SETTINGS, 0, 0, vec![]));
    for says_settings in [false, true] {
        let mut calls = Calls::new(7, 0);
        calls.attach("closed", &grpc(None));
        calls.push(true, Bytes::from_static(PREFACE));
        if says_settings {
            calls.push(false, settings.clone().into());
        }
        let mut sent = bytes_of(&short_call(1, first.clone()));
        for n in 1..20_000 {
            sent.extend(bytes_of(&short_call(2 * n + 1, short.clone())));
        }
        calls.push(true, sent.into());
        assert!(!calls.has_room(true));
        if !says_settings {
            calls.push(false, settings.clone().into());
        }
        // What waits is bounded at any time; once it is taken the rest is answered.
        let now = Instant::now();
        let (mut heard, mut most) = (Vec::new(), 0);
        while let Some(bytes) = calls.pull(false, now) {
            most = most.max(bytes.len());
            heard.extend_from_slice(&bytes);
        }
        assert!(most < KEPT_MAX, "{most} bytes at once");
        let statuses = frames_of(&heard).into_iter().filter(is_own);
        assert_eq!(statuses.count(), 20_000);
        assert!(calls.has_room(true));
        assert!(!String::from_utf8_lossy(&heard).contains("xxxx"));
    }
}

#[test]
fn nothing_comes_behind_the_end_of_a_target_and_nobody_waits_for_it() {
    let mut bench = Bench::new(Some("/hit/**"));
    bench.push(true, PREFACE);
    bench.eof(false);
    bench.push(true, &bytes_of(&short_call(1, headers("/hit/a", true))));
    let mut calls = Vec::new();
    for n in 1..10_000 {
        calls.extend(bytes_of(&short_call(2 * n + 1, headers("/hit/a", false))));
    }
    bench.push(true, &calls);
    assert!(bench.calls.has_room(true), "the caller may go on");
    assert_eq!((&bench.out[1], bench.eofs), (&vec![], [false, true]));
}

#[test]
fn sizes_of_the_table_that_a_target_missed_come_as_two() {
    let mut bench = Bench::new(Some("/hit/**"));
    bench.push(true, PREFACE);
    bench.push(true, &bytes_of(&short_call(1, headers("/hit/a", true))));
    // Sizes of 4096, 100, 2000 in blocks that go nowhere, and 4096 in one that goes on.
    let sizes: [&[u8]; 3] = [&[0x3f, 0xe1, 0x1f], &[0x3f, 0x45], &[0x3f, 0xb1, 0x0f]];
    for (n, size) in (1..).zip(sizes) {
        let block = [size, &headers("/hit/a", true)].concat();
        bench.push(true, &bytes_of(&short_call(2 * n + 1, block)));
    }
    let block = [&[0x3f, 0xe1, 0x1f], &*headers("/let/b", true)].concat();
    bench.push(true, &bytes_of(&short_call(9, block)));
    let heard = frames_of(bench.out[0].strip_prefix(PREFACE).unwrap());
    assert_eq!(heard.len(), 1);
    let said = &heard[0].3;
    // 100, then 4096, then a header.
    assert_eq!(said[..6], [0x3f, 0x45, 0x3f, 0xe1, 0x1f, 0]);
}
