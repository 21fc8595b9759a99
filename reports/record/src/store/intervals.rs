//! `intervals.times`: the times of every interval, in half the room of any text.
//!
//! A line is the base64 of a zlib stream, whose checksum tells what became wrong. In it
//! stands the start of an interval in microseconds (ZigZag); then a block for each kind
//! of time of each route: the kind, the number of the route, and how many buckets hold
//! something; then the distance of each such bucket from the one before it; then how
//! many times lie in each. All are LEB128. Buckets are those of an
//! [HdrHistogram](https://hdrhistogram.org) of three digits from 1 µs. An interval of
//! many routes takes several lines. Kinds that a reader does not know are passed over.
//!
//! `squall report --report hlog` writes the interval log of HdrHistogram from it.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::{Interval, RouteInterval, Times};

/// First line of the file.
pub(super) const HEADER: &str = "# squall: how long answers took; see reports/README.md\n";

/// Blocks are divided among lines after so many bytes.
const BLOCKS_BYTES: usize = 256 << 10;
/// The largest block: each bucket there is, with a count of ten bytes, and its head.
const BLOCK_BYTES_MAX: usize = BUCKETS * 13 + 32;
/// A longer line than this is damage.
pub(super) const LINE_BYTES_MAX: usize = 2 * (BLOCKS_BYTES + BLOCK_BYTES_MAX);
/// How many buckets there are up to the longest time that is told apart.
const BUCKETS: usize = 1 + Times::bucket_of(u32::MAX) as usize;

/// What is told of arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Response,
    Unlagged,
    Lag,
    Wait,
    Connect,
    Tls,
    FirstByte,
    FirstMessage,
    FirstUnlagged,
    Gap,
    GapUnlagged,
}

/// In the order of their numbers in the file.
const KINDS: [Kind; 11] = [
    Kind::Response,
    Kind::Unlagged,
    Kind::Lag,
    Kind::Wait,
    Kind::Connect,
    Kind::Tls,
    Kind::FirstByte,
    Kind::FirstMessage,
    Kind::FirstUnlagged,
    Kind::Gap,
    Kind::GapUnlagged,
];

/// Whose times they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Of {
    /// Those of the interval's nth route; of all routes for the kinds that span them.
    Nth(usize),
    /// Those of the route of that name; empty for all.
    Named(String),
}

/// Times of one kind in one interval.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) start_us: i64,
    pub(super) kind: Kind,
    pub(super) of: Of,
    pub(super) times: Times,
}

impl Found {
    /// Bytes of memory that its times take, roughly.
    pub(super) fn bytes(&self) -> usize {
        const OWN: usize = 64;
        OWN + self.times.iter().count() * (size_of::<u32>() + size_of::<u64>())
    }
}

/// The lines of an interval.
///
/// # Errors
/// What could not be deflated, in words.
pub(super) fn lines(interval: &Interval) -> Result<String, String> {
    let mut text = String::new();
    let mut blocks = Vec::new();
    let routes = interval.routes.iter().enumerate();
    let routes = routes.flat_map(|(nth, route)| own(route).map(|(kind, times)| (kind, nth, times)));
    let all = spanning(interval).map(|(kind, times)| (kind, 0, times));
    for (kind, nth, times) in routes.chain(all) {
        if let Some(times) = times.as_ref().filter(|times| !times.is_empty()) {
            write_block(&mut blocks, (kind, nth), times);
        }
        if blocks.len() >= BLOCKS_BYTES {
            write_line(&mut text, interval.start_us, &blocks)?;
            blocks.clear();
        }
    }
    if !blocks.is_empty() {
        write_line(&mut text, interval.start_us, &blocks)?;
    }
    Ok(text)
}

/// The times of one route.
const fn own(route: &RouteInterval) -> [(Kind, &Option<Times>); 6] {
    [
        (Kind::Response, &route.response),
        (Kind::Unlagged, &route.unlagged),
        (Kind::FirstMessage, &route.messages.first),
        (Kind::FirstUnlagged, &route.messages.first_unlagged),
        (Kind::Gap, &route.messages.between),
        (Kind::GapUnlagged, &route.messages.between_unlagged),
    ]
}

/// The times that span all routes.
const fn spanning(interval: &Interval) -> [(Kind, &Option<Times>); 5] {
    [
        (Kind::Lag, &interval.lag),
        (Kind::Wait, &interval.wait),
        (Kind::Connect, &interval.parts.connect),
        (Kind::Tls, &interval.parts.tls),
        (Kind::FirstByte, &interval.parts.first_byte),
    ]
}

fn write_line(text: &mut String, start_us: i64, blocks: &[u8]) -> Result<(), String> {
    let mut start = Vec::new();
    let zigzag = (start_us << 1) ^ (start_us >> 63);
    write_number(&mut start, zigzag.cast_unsigned());
    let mut deflated = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = deflated.write_all(&start);
    let written = written.and_then(|()| deflated.write_all(blocks));
    let deflated = written.and_then(|()| deflated.finish());
    let deflated = deflated.map_err(|error| error.to_string())?;
    STANDARD_NO_PAD.encode_string(deflated, text);
    text.push('\n');
    Ok(())
}

fn write_block(blocks: &mut Vec<u8>, (kind, nth): (Kind, usize), times: &Times) {
    let kind = KINDS.iter().position(|it| *it == kind).unwrap_or_default();
    for number in [kind, nth, times.iter().count()] {
        write_number(blocks, number as u64);
    }
    let mut last = 0;
    for bucket in times.buckets() {
        write_number(blocks, u64::from(bucket - last));
        last = bucket;
    }
    for (_, count) in times.iter() {
        write_number(blocks, count);
    }
}

fn write_number(blocks: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        blocks.push(number as u8 | 0x80);
        number >>= 7;
    }
    blocks.push(number as u8);
}

/// Reads one line; nothing of the header.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read_line(line: &str) -> Result<Vec<Found>, String> {
    if line.starts_with('#') {
        return Ok(Vec::new());
    }
    let deflated = STANDARD_NO_PAD
        .decode(line)
        .map_err(|error| format!("not base64: {error}"))?;
    let mut blocks = Vec::new();
    let blocks_max = BLOCKS_BYTES + BLOCK_BYTES_MAX;
    ZlibDecoder::new(deflated.as_slice())
        .take(blocks_max as u64 + 1)
        .read_to_end(&mut blocks)
        .map_err(|error| format!("it cannot be inflated: {error}"))?;
    if blocks.len() > blocks_max {
        return Err("it holds more than a line can".to_owned());
    }
    let (mut found, mut rest) = (Vec::new(), blocks.as_slice());
    let zigzag = read_number(&mut rest).ok_or("it has no start")?;
    let start_us = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
    while !rest.is_empty() {
        let (kind, nth, times) = read_block(&mut rest).ok_or("it holds what are no times")?;
        found.extend(kind.map(|kind| Found {
            start_us,
            kind,
            of: Of::Nth(nth),
            times,
        }));
    }
    Ok(found)
}

/// The kind is missing where a later squall has one more.
fn read_block(rest: &mut &[u8]) -> Option<(Option<Kind>, usize, Times)> {
    let kind = usize::try_from(read_number(rest)?).ok()?;
    let kind = KINDS.get(kind).copied();
    let nth = usize::try_from(read_number(rest)?).ok()?;
    let length = usize::try_from(read_number(rest)?).ok()?;
    // Each takes a byte at least, and another one for its count.
    if length > rest.len() / 2 {
        return None;
    }
    let (mut tops, mut bucket) = (Vec::with_capacity(length), 0_u32);
    for nth in 0..length {
        let apart = u32::try_from(read_number(rest)?).ok()?;
        if apart == 0 && nth > 0 {
            return None;
        }
        bucket = bucket.checked_add(apart)?;
        tops.push(Times::top_of(bucket)?);
    }
    let mut counts = Vec::with_capacity(length);
    for _ in 0..length {
        counts.push(read_number(rest)?);
    }
    Some((kind, nth, Times::from_columns(tops, counts)))
}

fn read_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        let seven = u64::from(byte & 0x7f);
        let shifted = seven << shift;
        if shifted >> shift != seven {
            return None;
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::histogram::{new_histogram, record_us};
    use crate::{IntervalParts, RouteMessages};

    fn times() -> impl Strategy<Value = Option<Times>> {
        let value = prop_oneof![1..3_000_u64, 1..4_000_000_u64, 1..5_000_000_000_u64];
        let values = prop::collection::vec((value, 1..5_u64), 1..60);
        prop::option::of(values.prop_map(|values| {
            let mut histogram = new_histogram();
            for (value, count) in values {
                (0..count).for_each(|_| record_us(&mut histogram, value));
            }
            Times::of(&histogram)
        }))
    }

    fn interval() -> impl Strategy<Value = Interval> {
        let route = (times(), times(), [times(), times(), times(), times()]);
        let routes = prop::collection::vec(route, 0..8);
        let all = (times(), times(), times(), times(), times());
        (any::<i64>(), routes, all).prop_map(|(start_us, routes, all)| {
            let (lag, wait, connect, tls, first_byte) = all;
            let routes = routes.into_iter().map(|(response, unlagged, messages)| {
                let [first, first_unlagged, between, between_unlagged] = messages;
                RouteInterval {
                    response,
                    unlagged,
                    messages: RouteMessages {
                        first,
                        first_unlagged,
                        between,
                        between_unlagged,
                        ..RouteMessages::default()
                    },
                    ..RouteInterval::default()
                }
            });
            Interval {
                start_us,
                end_us: i64::MAX,
                routes: routes.collect(),
                lag,
                wait,
                parts: IntervalParts {
                    connect,
                    tls,
                    first_byte,
                },
                users: None,
            }
        })
    }

    fn found(text: &str) -> Vec<Found> {
        let lines = text.lines().map(|line| read_line(line).unwrap());
        lines.flatten().collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(interval in interval()) {
            let text = lines(&interval).unwrap();
            let mut found = found(&text).into_iter();
            let routes = interval.routes.iter().enumerate().flat_map(|(nth, route)| [
                (Kind::Response, nth, &route.response),
                (Kind::Unlagged, nth, &route.unlagged),
                (Kind::FirstMessage, nth, &route.messages.first),
                (Kind::FirstUnlagged, nth, &route.messages.first_unlagged),
                (Kind::Gap, nth, &route.messages.between),
                (Kind::GapUnlagged, nth, &route.messages.between_unlagged),
            ]);
            let all = spanning(&interval).map(|(kind, times)| (kind, 0, times));
            for (kind, nth, times) in routes.chain(all) {
                let Some(times) = times else { continue };
                let read = found.next().expect("one for each");
                prop_assert_eq!((read.start_us, read.kind), (interval.start_us, kind));
                prop_assert_eq!(read.of, Of::Nth(nth));
                prop_assert_eq!(&read.times, times);
            }
            prop_assert!(found.next().is_none());
        }

        #[test]
        fn numbers_are_read_as_they_were_written(number: u64, behind: u8) {
            let mut bytes = Vec::new();
            write_number(&mut bytes, number);
            bytes.push(behind);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(read_number(&mut rest), Some(number));
            prop_assert_eq!(rest, &[behind]);
        }

        #[test]
        fn anything_is_read_or_refused(blocks in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut text = String::new();
            write_line(&mut text, 0, &blocks).unwrap();
            if let Ok(found) = read_line(text.trim_end()) {
                for one in found {
                    prop_assert!(one.times.buckets().is_sorted());
                }
            }
        }
    }

    #[test]
    fn many_routes_take_several_lines_each_of_which_can_be_read() {
        let mut histogram = new_histogram();
        (1..2_000_000)
            .step_by(50)
            .for_each(|us| record_us(&mut histogram, us));
        let route = RouteInterval {
            response: Some(Times::of(&histogram)),
            ..RouteInterval::default()
        };
        let interval = Interval {
            start_us: -5,
            end_us: 0,
            routes: vec![route; 100],
            lag: None,
            wait: None,
            parts: IntervalParts::default(),
            users: None,
        };
        let text = lines(&interval).unwrap();
        assert!(text.lines().count() > 1);
        assert!(text.lines().all(|line| line.len() <= LINE_BYTES_MAX));
        let nths = found(&text).into_iter().map(|one| one.of);
        assert!(nths.eq((0..100).map(Of::Nth)));
    }

    #[test]
    fn a_kind_that_came_later_costs_nothing_but_itself() {
        let mut text = String::new();
        let later = KINDS.len() as u8;
        write_line(&mut text, -5, &[later, 0, 1, 9, 1, 0, 3, 1, 9, 2]).unwrap();
        let found = read_line(text.trim_end()).unwrap();
        let known: Vec<_> = found
            .iter()
            .map(|one| (one.start_us, one.kind, &one.of))
            .collect();
        assert_eq!(known, [(-5, Kind::Response, &Of::Nth(3))]);
    }

    #[test]
    fn one_wrong_character_is_damage_and_never_another_time() {
        let mut histogram = new_histogram();
        (1..90_000)
            .step_by(997)
            .for_each(|us| record_us(&mut histogram, us));
        let mut blocks = Vec::new();
        write_block(&mut blocks, (Kind::Response, 0), &Times::of(&histogram));
        let mut text = String::new();
        write_line(&mut text, 1_000_000, &blocks).unwrap();
        let line = text.trim_end();
        let mut read = 0;
        for at in 0..line.len() {
            for other in ["A", "b", "7", "/"] {
                let mut wrong = line.to_owned();
                wrong.replace_range(at..=at, other);
                if let Ok(found) = read_line(&wrong) {
                    assert_eq!(wrong, line, "{found:?}");
                    read += 1;
                }
            }
        }
        assert!(read > 0, "some characters were those already");
    }

    #[test]
    fn what_is_no_line_is_refused_in_bounded_memory() {
        let why = |line: &str| read_line(line).unwrap_err();
        assert!(why("!").contains("base64"));
        assert!(why("AAAA").contains("inflated"));
        let line = |blocks: &[u8]| {
            let mut text = String::new();
            write_line(&mut text, 5, blocks).unwrap();
            text.trim_end().to_owned()
        };
        assert!(why(&line(&vec![0; 200 << 20])).contains("more than a line can"));
        // A kind, a route, and two buckets that are the same, with their counts.
        assert!(read_line(&line(&[0, 0, 2, 7, 1, 1, 1])).is_ok());
        for blocks in [
            [0, 0, 2, 7, 0, 1, 1].as_slice(),
            // More buckets than bytes; a bucket beyond the last; a count too large.
            &[0, 0, 100, 7, 1],
            &[0, 0, 1, 0xff, 0xff, 0x7f, 1],
            &[
                0, 0, 1, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
            ],
        ] {
            assert!(why(&line(blocks)).contains("no times"), "{blocks:?}");
        }
    }
}
