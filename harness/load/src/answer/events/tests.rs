//! Streams of events, cut anywhere.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// So many milliseconds later, of which the sender stood still for none.
fn at(origin: Instant, ms: u64) -> Moment {
    Moment {
        at: origin + Duration::from_millis(ms),
        stalled: Duration::ZERO,
    }
}

fn answer(stay: Stay, sent: Instant) -> EventAnswer {
    let mut answer = EventAnswer::new(stay, at(sent, 0));
    answer
        .head(200, Some(b"text/event-stream;charset=utf-8"))
        .unwrap();
    answer
}

fn any_time() -> EventAnswer {
    answer(Stay::default(), Instant::now())
}

#[test]
fn events_are_timed_by_their_ends_and_the_last_by_who_leaves() {
    let sent = Instant::now();
    let at = |ms| at(sent, ms);
    let mut answer = answer(Stay::default(), sent);
    for (part, ms) in [
        ("data: a\n", 10),
        ("\n", 30),
        (": still there\n\n", 60),
        ("data: b\n\ndata: c\n\nda", 100),
    ] {
        answer.at(at(ms));
        assert_eq!(
            answer.data(part.as_bytes(), None),
            Ok(Taken::all(part.len()))
        );
    }
    let series = answer.series();
    assert_eq!(series.count, 3);
    assert_eq!(series.first, Some(Duration::from_millis(30)));
    assert_eq!(series.longest_gap, Duration::from_millis(70));
    answer.left(at(150));
    assert_eq!(answer.series().longest_gap, series.longest_gap);
    answer.left(at(250));
    assert_eq!(
        answer.series().longest_gap,
        Duration::from_millis(150),
        "silence at the end is a gap as well"
    );
    let mut silent = any_time();
    silent.left(at(9_000));
    assert_eq!(silent.series(), Series::default());
    // What squall itself stood still lies between no two of them.
    answer.at(Moment {
        stalled: Duration::from_millis(9_000),
        ..at(9_300)
    });
    answer.data(b"ta: d\n\n", None).unwrap();
    assert_eq!(answer.series().count, 4);
    assert_eq!(
        answer.series().longest_gap,
        Duration::from_millis(200),
        "of 9.2 s"
    );
}

#[test]
fn who_has_seen_enough_takes_no_more() {
    let stay = Stay {
        count: Some(2),
        time: None,
    };
    let mut answer = answer(stay, Instant::now());
    let stream = b"data: 1\r\n\r\ndata: 2\r\n\r\ndata: 3\r\n\r\n";
    // The line feed behind the end of the second belongs to it, and is not waited for.
    let taken = Taken {
        enough: true,
        ..Taken::all(21)
    };
    assert_eq!(answer.data(stream, None), Ok(taken));
    assert_eq!(answer.series().count, 2);
}

#[test]
fn what_is_no_stream_says_so() {
    let head = |status, media: Option<&[u8]>| any_time().head(status, media);
    assert_eq!(head(200, Some(b"Text/Event-Stream")), Ok(()));
    for media in [None, Some(&b"text/html"[..]), Some(b"text/event-streams")] {
        assert!(head(200, media).unwrap_err().contains("content-type"));
    }
    // What a status means that is no stream's is for others to say.
    assert_eq!(head(503, Some(b"text/html")), Ok(()));
    let mut page = any_time();
    page.head(503, Some(b"text/html")).unwrap();
    assert_eq!(page.data(b"data: 1\n\n", None), Ok(Taken::all(9)));
    assert_eq!(page.series().count, 0);
}

/// An event without an end, a line without one, and a comment without one.
#[test]
fn nothing_is_read_without_bound() {
    // A mebibyte of one line, or of many.
    let many = |field: &str| format!("{field}{}\n", "x".repeat(8 << 10)).repeat(128);
    let one = "x".repeat(1 << 20);
    for (begins, goes_on) in [
        ("", many("data: ")),
        ("", many("x: ")),
        ("", one.clone()),
        (":", one),
    ] {
        let mut answer = any_time();
        answer.data(begins.as_bytes(), None).unwrap();
        let ended = (0..65).find_map(|_| answer.data(goes_on.as_bytes(), None).err());
        assert!(ended.unwrap().contains("64 MiB"), "{begins:?}");
    }
    // Comments keep a stream alive for as long as it likes.
    let mut answer = any_time();
    let comments = many(":");
    for _ in 0..70 {
        assert!(answer.data(comments.as_bytes(), None).is_ok());
    }
}

/// Pieces that streams are made of, whole and broken.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "data", "data:", "data: x", "dat", "data: {\"a\":1}", "event: e", "id: 7", "id", "\0",
            "retry: 1", ":", ": c", "\r", "\n", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "\u{feff}", " ",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// However it is cut, the same events come at the same places; and they are those
    /// that checks look into, whatever the stream is.
    #[test]
    fn no_cut_changes_a_stream(stream in pieces(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let ends = |cuts: &[usize]| {
            let mut answer = any_time();
            let mut ends = Vec::new();
            for pair in cuts.windows(2) {
                let mut from = pair[0];
                while from < pair[1] {
                    let (taken, came) = answer.lines.take(&stream[from..pair[1]]).unwrap();
                    from += taken;
                    if came {
                        ends.push(from);
                    }
                }
            }
            ends
        };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let whole = ends(&[0, stream.len()]);
        prop_assert_eq!(&ends(&cuts), &whole);
        let bytewise: Vec<usize> = (0..=stream.len()).collect();
        prop_assert_eq!(&ends(&bytewise), &whole);
        let json: Value = serde_json::from_slice(&json_of_events(&stream).unwrap()).unwrap();
        prop_assert_eq!(json.as_array().unwrap().len(), whole.len());
    }
}
