//! The engine of HTTP faults with virtual time: what goes through unharmed, what
//! each action does, what is left when a fault is taken away.
#![expect(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use squall_faults::{End, Exchanges};
use squall_scenario::inject::{Answer, Http, HttpAction, Matching, Message, Part};
use squall_scenario::{ByteCount, Share};

/// A connection whose clock the test moves, with what came out on both sides.
struct Bench {
    exchanges: Exchanges,
    start: Instant,
    now: Instant,
    /// To the target, and to the caller.
    out: [Vec<u8>; 2],
    eof: [bool; 2],
}

impl Bench {
    fn new(fresh: bool) -> Self {
        let now = Instant::now();
        Self {
            exchanges: Exchanges::new(7, 0, fresh),
            start: now,
            now,
            out: [Vec::new(), Vec::new()],
            eof: [false, false],
        }
    }

    fn with(action: HttpAction) -> Self {
        let mut bench = Self::new(true);
        bench.exchanges.attach("fault", &http(action));
        bench
    }

    fn push(&mut self, to_target: bool, bytes: &[u8]) {
        if self.exchanges.has_room(to_target) {
            let bytes = Bytes::copy_from_slice(bytes);
            self.exchanges.push(to_target, bytes, self.now);
        }
        self.collect();
    }

    fn ask(&mut self, text: &str) {
        self.push(true, text.as_bytes());
    }

    fn answer(&mut self, text: &str) {
        self.push(false, text.as_bytes());
    }

    fn eof(&mut self, to_target: bool) {
        self.exchanges.push_eof(to_target, self.now);
        self.collect();
    }

    fn collect(&mut self) {
        loop {
            let mut idle = true;
            for (side, to_target) in [(0, true), (1, false)] {
                while let Some(bytes) = self.exchanges.pull(to_target, self.now) {
                    idle = false;
                    assert!(!self.eof[side], "bytes behind the end");
                    self.eof[side] = bytes.is_empty();
                    self.out[side].extend_from_slice(&bytes);
                }
            }
            if idle {
                return;
            }
        }
    }

    /// Lets time pass, stopping wherever there is something to do.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0;
        while let Some(due) = self.exchanges.deadline(self.now).filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.exchanges.advance(self.now);
            self.collect();
            steps += 1;
            assert!(steps < 100_000, "it waits for a time that has come");
        }
        self.now = end;
        self.collect();
    }

    fn target_heard(&self) -> &str {
        std::str::from_utf8(&self.out[0]).unwrap()
    }

    fn caller_heard(&self) -> &str {
        std::str::from_utf8(&self.out[1]).unwrap()
    }
}

fn http(action: HttpAction) -> Http {
    Http {
        when: Matching::default(),
        share: Share::WHOLE,
        at_most: None,
        scoped: false,
        message: Message::Answer,
        action,
    }
}

fn delay(ms: u64) -> HttpAction {
    HttpAction::Delay {
        by: Duration::from_millis(ms),
        jitter: Duration::ZERO,
    }
}

fn unavailable() -> HttpAction {
    HttpAction::Answer(Answer {
        status: 503,
        headers: vec![("retry-after".to_owned(), "2".to_owned())],
        body: "no".to_owned(),
    })
}

const GET: &str = "GET /titles/1 HTTP/1.1\r\nHost: x\r\n\r\n";
const POST: &str = "POST /titles HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";
const OK: &str = "HTTP/1.1 200 OK\r\nETag: 1\r\nContent-Length: 10\r\n\r\n0123456789";
const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n4\r\nghij\r\n0\r\n\r\n";
const NO: &str =
    "HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-length: 2\r\n\r\nno";
const LONG: Duration = Duration::from_secs(600);

#[test]
fn an_answer_of_squalls_own_keeps_the_order_and_the_target_sees_nothing() {
    let mut bench = Bench::with(unavailable());
    bench.ask(GET);
    assert_eq!((bench.target_heard(), bench.caller_heard()), ("", NO));
    // A body is swallowed with its request, and the connection goes on.
    let (head, body) = POST.split_at(POST.len() - 2);
    bench.ask(head);
    assert_eq!(bench.caller_heard(), NO, "answered once it is complete");
    bench.ask(body);
    assert_eq!(bench.caller_heard(), NO.repeat(2));
    assert_eq!((bench.target_heard(), bench.exchanges.ended()), ("", None));
}

#[test]
fn an_answer_of_squalls_own_waits_for_the_answers_before_it() {
    let mut bench = Bench::new(true);
    let when = Matching {
        method: Some("POST".to_owned()),
        ..Matching::default()
    };
    let fault = Http {
        when,
        ..http(unavailable())
    };
    bench.exchanges.attach("fault", &fault);
    bench.ask(&format!("{GET}{POST}{GET}"));
    assert_eq!(bench.target_heard(), GET.repeat(2));
    assert_eq!(bench.caller_heard(), "");
    bench.answer(&OK[..50]);
    bench.answer(&OK[50..]);
    assert_eq!(bench.caller_heard(), format!("{OK}{NO}"));
    bench.answer(CHUNKED);
    assert_eq!(bench.caller_heard(), format!("{OK}{NO}{CHUNKED}"));
}

#[test]
fn a_caller_who_waits_to_send_a_body_or_wants_no_more_is_answered_and_left() {
    for request in [
        "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let mut bench = Bench::with(unavailable());
        bench.ask(request);
        let heard = bench.caller_heard();
        assert!(
            heard.contains("connection: close\r\n\r\nno"),
            "{request}: {heard}"
        );
        assert_eq!(bench.exchanges.ended(), Some(End::Close), "{request}");
        assert_eq!(bench.target_heard(), "");
    }
}

#[test]
fn a_late_answer_is_whole_and_in_order() {
    for (message, side) in [(Message::Answer, 1), (Message::Request, 0)] {
        let mut bench = Bench::new(true);
        let fault = Http {
            message,
            ..http(delay(300))
        };
        bench.exchanges.attach("fault", &fault);
        bench.ask(POST);
        bench.answer(OK);
        let said = [POST, OK];
        assert_eq!(bench.out[1 - side], said[1 - side].as_bytes());
        bench.pass(Duration::from_millis(299));
        assert_eq!(bench.out[side], b"");
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.out[side], said[side].as_bytes());
    }
}

#[test]
fn an_abort_lets_so_much_of_the_body_pass() {
    let abort = |after| HttpAction::Abort {
        after: ByteCount(after),
    };
    let head = OK.len() - 10;
    for (after, answer, heard) in [
        (0, OK, ""),
        (4, OK, &OK[..head + 4]),
        (10, OK, OK),
        (7, CHUNKED, &CHUNKED[..CHUNKED.find("hij").unwrap()]),
    ] {
        let mut bench = Bench::with(abort(after));
        bench.ask(GET);
        bench.answer(answer);
        assert_eq!(bench.caller_heard(), heard);
        assert_eq!(bench.exchanges.ended(), Some(End::Reset));
    }
    let mut bench = Bench::with(abort(11));
    bench.ask(GET);
    bench.answer(OK);
    assert_eq!((bench.caller_heard(), bench.exchanges.ended()), (OK, None));
}

#[test]
fn a_request_can_be_aborted_as_well() {
    let after = ByteCount(2);
    let fault = Http {
        message: Message::Request,
        ..http(HttpAction::Abort { after })
    };
    let mut bench = Bench::new(true);
    bench.exchanges.attach("fault", &fault);
    bench.ask(POST);
    assert_eq!(bench.target_heard(), &POST[..POST.len() - 2]);
    assert_eq!(bench.exchanges.ended(), Some(End::Reset));
}

#[test]
fn a_truncated_body_announces_what_never_comes() {
    let share = Part::Share(Share::new(0.5).unwrap());
    for (part, answer, cut) in [
        (share, OK, "56789"),
        (Part::Bytes(ByteCount(3)), OK, "3456789"),
        (Part::Bytes(ByteCount(0)), OK, "0123456789"),
        // Half of the first chunk: nobody said how long it all is.
        (share, CHUNKED, "def\r\n4"),
    ] {
        let mut bench = Bench::with(HttpAction::Truncate(part));
        bench.ask(GET);
        bench.answer(answer);
        let heard = &answer[..answer.find(cut).unwrap()];
        assert_eq!(bench.caller_heard(), heard);
        assert_eq!(bench.exchanges.ended(), Some(End::Close));
    }
    let mut whole = Bench::with(HttpAction::Truncate(Part::Bytes(ByteCount(10))));
    whole.ask(GET);
    whole.answer(OK);
    assert_eq!((whole.caller_heard(), whole.exchanges.ended()), (OK, None));
}

#[test]
fn corruption_changes_bodies_and_nothing_that_frames_them() {
    for answer in [OK, CHUNKED] {
        for share in [0.0001, 1.0] {
            let share = Share::new(share).unwrap();
            let mut bench = Bench::with(HttpAction::Corrupt(share));
            bench.ask(GET);
            bench.answer(answer);
            let heard = &bench.out[1];
            let differ = heard.iter().zip(answer.bytes());
            let differ = differ.filter(|(heard, said)| **heard != *said).count();
            let changed = if share == Share::WHOLE { 10 } else { 1 };
            assert_eq!((heard.len(), differ), (answer.len(), changed));
        }
    }
}

#[test]
fn headers_are_set_and_removed_on_either_message() {
    let set = HttpAction::SetHeaders(vec![("etag".to_owned(), "2".to_owned())]);
    let mut bench = Bench::with(set);
    bench.ask(GET);
    bench.answer(OK);
    let expected = OK
        .replace("ETag: 1\r\n", "")
        .replace("10\r\n", "10\r\netag: 2\r\n");
    assert_eq!(bench.caller_heard(), expected);

    let remove = Http {
        message: Message::Request,
        ..http(HttpAction::RemoveHeaders(vec!["host".to_owned()]))
    };
    let mut bench = Bench::new(true);
    bench.exchanges.attach("fault", &remove);
    bench.ask(GET);
    bench.answer(OK);
    assert_eq!(bench.target_heard(), GET.replace("Host: x\r\n", ""));
    assert_eq!(bench.caller_heard(), OK);
}

#[test]
fn a_throttled_body_takes_its_time() {
    let mut bench = Bench::with(HttpAction::Throttle(ByteCount(20)));
    bench.ask(GET);
    bench.answer(OK);
    let head = OK.len() - 10;
    assert_eq!(bench.out[1].len(), head, "the head is not held");
    bench.pass(Duration::from_millis(250));
    assert_eq!(bench.out[1].len(), head + 5);
    bench.pass(Duration::from_millis(250));
    assert_eq!(bench.caller_heard(), OK);
}

#[test]
fn a_live_connection_is_followed_from_its_second_request_on() {
    let mut bench = Bench::new(false);
    bench.exchanges.attach("fault", &http(unavailable()));
    // The end of an exchange that began before, then a whole one.
    bench.ask("rest of a body");
    bench.answer("rest of an answer");
    bench.ask(GET);
    bench.answer(OK);
    assert!(bench.target_heard().ends_with(GET) && bench.caller_heard().ends_with(OK));
    bench.ask(GET);
    assert!(bench.caller_heard().ends_with(NO));
    assert_eq!(bench.target_heard().matches("GET").count(), 1);
}

#[test]
fn what_is_not_http_passes_untouched_for_good() {
    for (request, answer) in [
        ("*1\r\n$4\r\nPING\r\n", "+PONG\r\n"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0\0"),
        ("CONNECT a:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
        (
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            OK,
        ),
        ("", "220 ready\r\n"),
    ] {
        let mut bench = Bench::with(unavailable());
        bench.ask(request);
        bench.answer(answer);
        bench.ask(GET);
        bench.answer(OK);
        assert_eq!(bench.target_heard(), format!("{request}{GET}"));
        assert_eq!(bench.caller_heard(), format!("{answer}{OK}"));
    }
}

#[test]
fn another_protocol_takes_over_where_both_agree() {
    let mut bench = Bench::with(delay(10));
    bench.ask("GET / HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
    bench.answer("HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 ");
    bench.ask("GET ");
    assert!(bench.target_heard().ends_with("\r\n\r\nGET "));
    assert!(bench.caller_heard().ends_with("\r\n\r\nHTTP/1.1 "));
}

#[test]
fn the_beginning_of_a_head_is_not_held_for_ever() {
    let mut bench = Bench::with(unavailable());
    bench.ask("HELO x");
    bench.pass(Duration::from_millis(9_999));
    assert_eq!(bench.target_heard(), "");
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.target_heard(), "HELO x");
}

#[test]
fn an_answer_before_the_request_is_complete_and_one_in_two_parts_are_followed() {
    let mut bench = Bench::with(delay(10));
    bench.ask(&POST[..POST.len() - 1]);
    bench.answer("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(bench.caller_heard(), "HTTP/1.1 100 Continue\r\n\r\n");
    bench.answer(OK);
    bench.ask(&POST[POST.len() - 1..]);
    bench.pass(Duration::from_millis(10));
    assert!(bench.caller_heard().ends_with(OK));
    bench.ask("HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    bench.answer(&OK[..OK.len() - 10]);
    bench.answer(OK);
    bench.pass(Duration::from_millis(10));
    assert_eq!(bench.caller_heard().matches("200 OK").count(), 3);
    assert_eq!(bench.start + Duration::from_millis(20), bench.now);
}

/// Messages, parts of messages and what is neither, both ways.
fn words() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let asked = prop_oneof![
        Just(GET.to_owned()),
        Just(POST.to_owned()),
        Just("HEAD / HTTP/1.1\r\n\r\n".to_owned()),
        Just(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a\r\nabc\r\n0\r\nx: y\r\n\r\n"
                .to_owned()
        ),
        Just("GET / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n".to_owned()),
        "[ -~\r\n]{0,40}",
    ];
    let answered = prop_oneof![
        Just(OK.to_owned()),
        Just(CHUNKED.to_owned()),
        Just("HTTP/1.1 100 Continue\r\n\r\n".to_owned()),
        Just("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n".to_owned()),
        Just("HTTP/1.0 200 OK\r\n\r\nuntil the end".to_owned()),
        Just("HTTP/1.1 101 Switching\r\n\r\n".to_owned()),
        "[ -~\r\n]{0,40}",
    ];
    let word = prop_oneof![
        4 => asked.prop_map(|text| (true, text.into_bytes())),
        4 => answered.prop_map(|text| (false, text.into_bytes())),
        1 => (any::<bool>(), prop::collection::vec(any::<u8>(), 0..30)),
    ];
    prop::collection::vec(word, 0..12)
}

/// The same words in pieces of any size, in the same order.
fn pieces(words: Vec<(bool, Vec<u8>)>, sizes: &[usize]) -> Vec<(bool, Vec<u8>)> {
    let mut sizes = sizes.iter().copied().cycle();
    let mut pieces = Vec::new();
    for (to_target, mut word) in words {
        while !word.is_empty() {
            let rest = word.split_off(sizes.next().unwrap_or(1).min(word.len()));
            pieces.push((to_target, std::mem::replace(&mut word, rest)));
        }
    }
    pieces
}

fn said(pieces: &[(bool, Vec<u8>)]) -> [Vec<u8>; 2] {
    [true, false].map(|side| {
        let of_side = pieces.iter().filter(|(to_target, _)| *to_target == side);
        of_side.flat_map(|(_, bytes)| bytes.clone()).collect()
    })
}

/// Faults that change no byte: one that fits no request, a late one, a slow one.
fn harmless() -> impl Strategy<Value = Http> {
    let nobody = Matching {
        path: Some("/nobody".to_owned()),
        ..Matching::default()
    };
    let nobody = Http {
        when: nobody,
        ..http(unavailable())
    };
    let message = prop_oneof![Just(Message::Answer), Just(Message::Request)];
    let slow = prop_oneof![
        (0..400_u64).prop_map(delay),
        (10..5_000_u64).prop_map(|rate| HttpAction::Throttle(ByteCount(rate))),
    ];
    let slow = (slow, message).prop_map(|(action, message)| Http {
        message,
        ..http(action)
    });
    prop_oneof![Just(nobody), slow]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// Whatever passes, valid or not, in pieces of any size, on a new connection
    /// or a live one, while faults that change no byte come and go.
    #[test]
    fn every_byte_passes_in_order(
        words in words(),
        sizes in prop::collection::vec(1..40_usize, 1..6),
        faults in prop::collection::vec((0..40_usize, harmless()), 1..3),
        taken_at in 0..60_usize,
        fresh in any::<bool>(),
        rest_ms in 0..50_u64,
    ) {
        let pieces = pieces(words, &sizes);
        let mut bench = Bench::new(fresh);
        bench.exchanges.attach("first", &faults[0].1);
        for (n, (to_target, bytes)) in pieces.iter().enumerate() {
            for (at, fault) in &faults[1..] {
                if *at == n {
                    bench.exchanges.attach("later", fault);
                }
            }
            if taken_at == n {
                bench.exchanges.detach_all();
            }
            // Who sends waits for room.
            while !bench.exchanges.has_room(*to_target) {
                bench.pass(Duration::from_secs(1));
            }
            bench.push(*to_target, bytes);
            bench.pass(Duration::from_millis(rest_ms));
        }
        bench.eof(true);
        bench.eof(false);
        bench.pass(LONG);
        prop_assert_eq!(&bench.out, &said(&pieces));
        prop_assert_eq!(bench.eof, [true, true]);
        prop_assert_eq!(bench.exchanges.ended(), None);
    }

    /// Nothing that happens to messages makes a panic, holds bytes for ever or
    /// lets through what was not said, whatever passes.
    #[test]
    fn no_action_gets_stuck(
        words in words(),
        sizes in prop::collection::vec(1..40_usize, 1..6),
        action in prop_oneof![
            Just(unavailable()),
            (0..20_u64).prop_map(|after| HttpAction::Abort { after: ByteCount(after) }),
            (0..20_u64).prop_map(|part| HttpAction::Truncate(Part::Bytes(ByteCount(part)))),
            Just(HttpAction::Corrupt(Share::WHOLE)),
            Just(HttpAction::SetHeaders(vec![("a".to_owned(), "b".to_owned())])),
            Just(HttpAction::RemoveHeaders(vec!["host".to_owned()])),
        ],
        taken_at in 0..60_usize,
    ) {
        let pieces = pieces(words, &sizes);
        let mut bench = Bench::with(action);
        for (n, (to_target, bytes)) in pieces.iter().enumerate() {
            if taken_at == n {
                bench.exchanges.detach_all();
            }
            bench.push(*to_target, bytes);
        }
        if bench.exchanges.ended().is_none() {
            bench.eof(true);
            bench.eof(false);
        }
        bench.pass(LONG);
        prop_assert!(bench.exchanges.ended().is_some() || bench.eof == [true, true]);
        prop_assert_eq!(bench.exchanges.deadline(bench.now), None);
    }
}
