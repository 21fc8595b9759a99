//! What the toxics do to bytes, on injected time: the figures that Toxiproxy's
//! own tests pin down.

use std::time::{Duration, Instant};

use bytes::Bytes;
use squall_scenario::inject::Direction;

use super::json::{Place, first_value};
use super::kind::{Attributes, KINDS};
use crate::{Chain, End, Output, build};

fn attributes(kind: &str, given: &str) -> Attributes {
    let mut attributes = Attributes::of(kind).unwrap();
    let given = first_value(given.as_bytes()).unwrap();
    attributes.merge(given, Place::Whole).unwrap();
    attributes
}

/// One direction of a connection under these toxics.
struct Stream {
    chain: Chain,
    out: Output,
    start: Instant,
}

impl Stream {
    fn new(toxics: &[(&str, &str)]) -> Self {
        let mut stream = Self {
            chain: Chain::default(),
            out: Output::default(),
            start: Instant::now(),
        };
        for (nth, (kind, given)) in toxics.iter().enumerate() {
            stream.add(&nth.to_string(), kind, given);
        }
        stream
    }

    fn add(&mut self, id: &str, kind: &str, given: &str) {
        let attributes = attributes(kind, given);
        attributes.check().unwrap();
        if let Some(inject) = attributes.inject(Direction::From) {
            let toxic = build(&inject, 7).unwrap();
            self.chain
                .attach(id, toxic, false, self.start, &mut self.out);
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn push(&mut self, length: usize) {
        let bytes = Bytes::from(vec![0; length]);
        self.chain.push(bytes, self.start, &mut self.out);
    }

    /// Bytes that are out so far, at `ms` from the start.
    fn out_at(&mut self, ms: u64) -> usize {
        let now = self.at(ms);
        while let Some(due) = self.chain.deadline().filter(|due| *due <= now) {
            self.chain.advance(due, &mut self.out);
        }
        self.out.bytes.iter().map(Bytes::len).sum()
    }
}

#[test]
fn latencies_add_up_and_take_nothing_from_throughput() {
    let latency = r#"{"latency":500}"#;
    let mut stream = Stream::new(&[("latency", latency), ("latency", latency)]);
    for _ in 0..1000 {
        stream.push(32 * 1024);
    }
    assert_eq!(stream.out_at(999), 0);
    assert_eq!(stream.out_at(1000), 1000 * 32 * 1024);
}

#[test]
fn jitter_stays_within_its_bounds_and_bytes_in_order() {
    let mut stream = Stream::new(&[("latency", r#"{"latency":100,"jitter":20}"#)]);
    for _ in 0..200 {
        stream.push(1);
    }
    assert_eq!(stream.out_at(79), 0);
    assert_eq!(stream.out_at(120), 200);
    let mut negative = Stream::new(&[("latency", r#"{"latency":-5,"jitter":-5}"#)]);
    negative.push(1);
    assert_eq!(negative.out_at(0), 1);
}

#[test]
fn bandwidth_is_in_thousands_of_bytes_and_delays_the_end_as_well() {
    let mut stream = Stream::new(&[("bandwidth", r#"{"rate":1000}"#)]);
    stream.push(480_000);
    stream.chain.push_eof(stream.start, &mut stream.out);
    let halfway = stream.out_at(240);
    assert!((190_000..=240_000).contains(&halfway), "{halfway}");
    assert!(stream.out_at(479) < 480_000);
    assert!(!stream.out.eof);
    assert_eq!(stream.out_at(480), 480_000);
    assert!(stream.out.eof);
}

#[test]
fn a_slow_close_lets_bytes_pass() {
    let mut stream = Stream::new(&[("slow_close", r#"{"delay":300}"#)]);
    stream.push(5);
    stream.chain.push_eof(stream.start, &mut stream.out);
    assert_eq!((stream.out_at(299), stream.out.eof), (5, false));
    stream.out_at(300);
    assert!(stream.out.eof);
}

#[test]
fn without_a_rate_nothing_leaves_and_nothing_is_lost() {
    let mut stream = Stream::new(&[("bandwidth", "{}")]);
    stream.push(5);
    stream.push(5);
    assert_eq!(stream.out_at(1_000_000_000), 0);
    stream.chain.detach("0", stream.start, &mut stream.out);
    assert_eq!(stream.out_at(0), 10);
}

#[test]
fn a_slicer_cuts_into_as_many_pieces_as_toxiproxys() {
    let given = r#"{"average_size":1024,"size_variation":512,"delay":10}"#;
    let mut stream = Stream::new(&[("slicer", given)]);
    for _ in 0..15 {
        stream.push(32 * 1024);
    }
    assert_eq!(stream.out_at(1000), 480 * 1024);
    let pieces = stream.out.bytes.len();
    assert!((240..=720).contains(&pieces), "{pieces}");
    let mut bytewise = Stream::new(&[("slicer", r#"{"average_size":1}"#)]);
    bytewise.push(24);
    assert_eq!((bytewise.out_at(0), bytewise.out.bytes.len()), (24, 24));
    // The delay is in microseconds, behind every piece.
    let given = r#"{"average_size":1,"delay":100000}"#;
    let mut slow = Stream::new(&[("slicer", given)]);
    slow.push(3);
    assert_eq!([0, 99, 100, 200].map(|ms| slow.out_at(ms)), [1, 1, 2, 3]);
}

#[test]
fn a_data_limit_closes_behind_its_last_byte() {
    for (limit, sent, passed, closed) in [
        (100, &[100][..], 100, true),
        (100, &[50, 49], 99, false),
        (100, &[60, 60, 60], 100, true),
        (0, &[1], 0, true),
        (-1, &[1], 0, true),
    ] {
        let mut stream = Stream::new(&[("limit_data", &format!("{{\"bytes\":{limit}}}"))]);
        sent.iter().for_each(|length| stream.push(*length));
        let seen = (stream.out_at(0), stream.out.end == Some(End::Close));
        assert_eq!(seen, (passed, closed), "{sent:?} within {limit}");
    }
}

#[test]
fn a_timeout_counts_from_the_last_chunk_and_ends_with_the_stream() {
    let mut stream = Stream::new(&[("timeout", r#"{"timeout":100}"#)]);
    stream.push(5);
    assert_eq!((stream.out_at(99), stream.out.end), (0, None));
    stream.out_at(100);
    assert_eq!(stream.out.end, Some(End::Close));
    let mut silent = Stream::new(&[("timeout", "{}")]);
    silent.push(5);
    assert_eq!((silent.out_at(1_000_000_000), silent.out.end), (0, None));
    silent.chain.push_eof(silent.start, &mut silent.out);
    assert_eq!(silent.out.end, Some(End::Close));
}

#[test]
fn a_reset_comes_so_long_after_the_first_chunk_and_none_passes() {
    let mut stream = Stream::new(&[("reset_peer", r#"{"timeout":100}"#)]);
    assert_eq!(stream.chain.deadline(), None);
    stream.push(5);
    assert_eq!((stream.out_at(99), stream.out.end), (0, None));
    assert_eq!((stream.out_at(100), stream.out.end), (0, Some(End::Reset)));
}

#[test]
fn what_made_toxiproxy_crash_is_refused() {
    for (kind, given, why) in [
        ("slicer", "{}", "average_size must be at least 1"),
        (
            "slicer",
            r#"{"average_size":-1}"#,
            "average_size must be at least 1",
        ),
        (
            "slicer",
            r#"{"average_size":5,"size_variation":-1}"#,
            "size_variation cannot be negative",
        ),
        ("bandwidth", r#"{"rate":-1}"#, "rate cannot be negative"),
    ] {
        let error = attributes(kind, given).check().unwrap_err();
        let told = (error.status, error.message);
        assert_eq!(told, (400, format!("bad request body: {why}")), "{given}");
    }
}

#[test]
fn no_number_of_any_type_is_too_much() {
    for kind in &KINDS {
        for number in [
            "0",
            "1",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
        ] {
            let given = ["latency", "jitter", "rate", "delay", "timeout", "bytes"];
            let given = given.iter().chain(&["average_size", "size_variation"]);
            let given: Vec<_> = given.map(|key| format!("\"{key}\":{number}")).collect();
            let attributes = attributes(kind.word, &format!("{{{}}}", given.join(",")));
            let Some(inject) = attributes.inject(Direction::To) else {
                continue;
            };
            if attributes.check().is_err() {
                assert!(
                    matches!(number, "-1" | "0" | "-9223372036854775808"),
                    "{number}"
                );
                continue;
            }
            let mut stream = Stream::new(&[]);
            let toxic = build(&inject, 1).unwrap();
            let now = stream.start;
            stream.chain.attach("t", toxic, true, now, &mut stream.out);
            stream.push(100_000);
            stream.chain.push_eof(now, &mut stream.out);
            stream.out_at(1);
            stream.chain.detach("t", now, &mut stream.out);
        }
    }
}
