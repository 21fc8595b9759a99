//! The interval log of HdrHistogram (version 1.3): one line per histogram, V2,
//! deflated, base64, which other tools can plot.
//!
//! Response times are written as one; the first records hold their times in one. Times are seconds since time zero with six decimals,
//! which keeps the microsecond an interval was cut at; lengths likewise.

use std::fmt::Write as _;
use std::io::Read as _;

use super::intervals::{Found, Kind, Of};
use crate::histogram::SIGNIFICANT_DIGITS;
use crate::{Record, Times};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use squall_scenario::percent_encode;

const KINDS: [(Kind, &str); 4] = [
    (Kind::Response, "response"),
    (Kind::Unlagged, "unlagged"),
    (Kind::Lag, "lag"),
    (Kind::Wait, "wait"),
];

/// First lines of a log that other tools are to read.
const LOG_HEADER: &str = "#[Histogram log format version 1.3]\n\
    #[squall: response times of good answers in microseconds; failures are in no histogram]\n\
    #[squall: times are seconds since time zero; tags are routes]\n\
    \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// A longer line than this is damage: a histogram of the widest range with
/// three digits stays well below it.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;

/// What a line may hold before it was deflated; 57 344 counters of at most nine
/// bytes are less.
const HISTOGRAM_BYTES_MAX: usize = 1 << 20;
/// Of a histogram before its counters, and where its digits are told.
const HEAD_BYTES: usize = 40;
const DIGITS: std::ops::Range<usize> = 12..16;
/// A counter without a value: its negation has no place in 64 bits.
const NO_COUNTER: [u8; 9] = [0xff; 9];

/// The response times of a record as a log for other tools: tags are routes.
#[must_use]
pub fn response_log(record: &Record) -> String {
    let mut text = LOG_HEADER.to_owned();
    let mut serializer = V2DeflateSerializer::new();
    for interval in &record.intervals {
        for route in &interval.routes {
            let Some(times) = route.response.as_ref().filter(|times| !times.is_empty()) else {
                continue;
            };
            let mut tag = String::from("Tag=");
            escape_tag(&mut tag, &route.route);
            let span = (interval.start_us, interval.end_us);
            // Only a histogram beyond any machine's memory cannot be written;
            // the line that says so is a comment to every reader.
            if let Err(error) = append(&mut text, &mut serializer, &tag, span, times) {
                let _ = writeln!(text, "#[{tag} at {}: {error}]", seconds(span.0));
            }
        }
    }
    text
}

fn append(
    text: &mut String,
    serializer: &mut V2DeflateSerializer,
    tag: &str,
    (start_us, end_us): (i64, i64),
    times: &Times,
) -> Result<(), String> {
    let mut bytes = Vec::new();
    serializer
        .serialize(&times.to_histogram(), &mut bytes)
        .map_err(|error| error.to_string())?;
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{tag},{},{},{},{}",
        seconds(start_us),
        seconds(end_us.saturating_sub(start_us)),
        times.max_us(),
        STANDARD.encode(&bytes)
    );
    Ok(())
}

/// Reads one line of the first records; nothing of headers.
pub(super) fn read_line(line: &str) -> Result<Vec<Found>, String> {
    if line.is_empty() || line.starts_with('#') || line.starts_with('"') {
        return Ok(Vec::new());
    }
    let mut fields = line.splitn(5, ',');
    let mut field = |name: &str| fields.next().ok_or_else(|| format!("no {name}"));
    let tag = field("tag")?;
    let start = field("start")?;
    let _length = field("length")?;
    let _max = field("max")?;
    let encoded = field("histogram")?;
    let (kind, route) = read_tag(tag)?;
    let start_us = microseconds(start).ok_or_else(|| format!("`{start}` is no time"))?;
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|error| format!("not base64: {error}"))?;
    let histogram = histogram(&bytes).map_err(|why| format!("not a histogram: {why}"))?;
    Ok(vec![Found {
        start_us,
        kind,
        of: Of::Named(route),
        times: Times::of(&histogram),
    }])
}

/// Looks at the bytes before the library does: it believes the lengths and the
/// digits they tell of, and takes the memory for them.
fn histogram(bytes: &[u8]) -> Result<Histogram<u64>, String> {
    // A cookie and the length of what follows.
    let deflated = bytes.get(8..).ok_or("it is too short")?;
    let mut plain = Vec::new();
    ZlibDecoder::new(deflated)
        .take(HISTOGRAM_BYTES_MAX as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|error| error.to_string())?;
    let (head, counters) = plain
        .split_at_checked(HEAD_BYTES)
        .filter(|_| plain.len() <= HISTOGRAM_BYTES_MAX)
        .ok_or("it has no length that a histogram can have")?;
    let word = |at: std::ops::Range<usize>| {
        let bytes: [u8; 4] = head[at].try_into().unwrap_or_default();
        u32::from_be_bytes(bytes)
    };
    if usize::try_from(word(4..8)) != Ok(counters.len()) {
        return Err("it has not the length it tells of".to_owned());
    }
    if word(DIGITS) > u32::from(SIGNIFICANT_DIGITS) {
        return Err(format!("it has {} digits", word(DIGITS)));
    }
    if counters
        .windows(NO_COUNTER.len())
        .any(|nine| nine == NO_COUNTER)
    {
        return Err("it holds a counter without a value".to_owned());
    }
    Deserializer::new()
        .deserialize(&mut plain.as_slice())
        .map_err(|error| error.to_string())
}

fn read_tag(tag: &str) -> Result<(Kind, String), String> {
    let text = tag.strip_prefix("Tag=").ok_or("no tag")?;
    let (name, route) = text.split_once('|').ok_or("no kind in the tag")?;
    let (kind, _) = KINDS
        .iter()
        .find(|(_, known)| *known == name)
        .ok_or_else(|| format!("`{name}` is no kind of histogram"))?;
    Ok((*kind, unescape_tag(route)?))
}

/// Seconds with six decimals; exact for every whole number of microseconds.
fn seconds(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "" };
    let magnitude = us.unsigned_abs();
    format!(
        "{sign}{}.{:06}",
        magnitude / 1_000_000,
        magnitude % 1_000_000
    )
}

fn microseconds(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.')?;
    if fraction.len() != 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = fraction.parse().ok()?;
    let us = whole.checked_mul(1_000_000)?.checked_add(fraction)?;
    Some(if negative { -us } else { us })
}

/// Tags may hold neither commas nor white space; those bytes are written as
/// `%XX`, like in a URL.
fn escape_tag(text: &mut String, route: &str) {
    let keep = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'%' | b'|' | b'"');
    percent_encode(route, keep, text);
}

fn unescape_tag(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|d| char::from(d).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err("a % in the tag is not followed by two hex digits".to_owned());
        };
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    String::from_utf8(bytes).map_err(|_| "the tag is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::{new_histogram, record_us};
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    fn line(route: &str, start_us: i64) -> String {
        let mut histogram = new_histogram();
        for value in [120, 3_000, 250_000, 9_000_000] {
            record_us(&mut histogram, value);
        }
        let mut tag = "Tag=response|".to_owned();
        escape_tag(&mut tag, route);
        let (mut text, mut serializer) = (String::new(), V2DeflateSerializer::new());
        let span = (start_us, start_us + 1_000_000);
        append(
            &mut text,
            &mut serializer,
            &tag,
            span,
            &Times::of(&histogram),
        )
        .unwrap();
        text
    }

    #[test]
    fn a_line_survives_the_round_trip() {
        for route in ["homepage", "a, b|c %41 ü\n", ""] {
            let text = line(route, -1_500_001);
            let read = read_line(text.trim_end()).unwrap().remove(0);
            assert_eq!(
                (read.kind, read.of),
                (Kind::Response, Of::Named(route.into()))
            );
            assert_eq!(read.start_us, -1_500_001);
            assert_eq!(read.times.len(), 4);
            assert_eq!(read.times.max_us(), 9_003_007);
        }
    }

    /// A line whose histogram, before it is deflated, was changed by `change`.
    fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<Found>, String> {
        let text = line("homepage", 0);
        let (before, encoded) = text.trim_end().rsplit_once(',').unwrap();
        let bytes = STANDARD.decode(encoded).unwrap();
        let mut plain = Vec::new();
        ZlibDecoder::new(&bytes[8..])
            .read_to_end(&mut plain)
            .unwrap();
        change(&mut plain);
        let mut deflated = Vec::new();
        flate2::read::ZlibEncoder::new(plain.as_slice(), flate2::Compression::fast())
            .read_to_end(&mut deflated)
            .unwrap();
        let mut bytes = bytes[..4].to_vec();
        bytes.extend(u32::try_from(deflated.len()).unwrap().to_be_bytes());
        bytes.extend(deflated);
        read_line(&format!("{before},{}", STANDARD.encode(&bytes)))
    }

    #[test]
    fn a_histogram_that_asks_for_more_memory_than_it_needs_is_damage() {
        let why = |change: fn(&mut Vec<u8>)| changed(change).unwrap_err();
        assert_eq!(changed(|_| {}).unwrap().len(), 1);
        let length = why(|plain| plain[4..8].fill(0xf0));
        assert!(length.contains("length it tells of"), "{length}");
        let digits = why(|plain| plain[15] = 5);
        assert!(digits.contains("5 digits"), "{digits}");
        let bomb = why(|plain| plain.resize(200 << 20, 0));
        assert!(bomb.contains("no length"), "{bomb}");
        let overflow = why(|plain| {
            plain.truncate(HEAD_BYTES);
            plain[4..8].copy_from_slice(&9_u32.to_be_bytes());
            plain.extend(NO_COUNTER);
        });
        assert!(overflow.contains("without a value"), "{overflow}");
        assert!(why(Vec::clear).contains("no length"));
    }

    #[test]
    fn the_reader_of_the_histogram_library_accepts_the_log() {
        let log = format!(
            "{LOG_HEADER}{}{}",
            line("homepage", 0),
            line("play it", 1_000_000)
        );
        let entries: Vec<_> = IntervalLogIterator::new(log.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap();
        let tags: Vec<_> = entries
            .iter()
            .filter_map(|entry| match entry {
                LogEntry::Interval(interval) => Some(interval.tag().unwrap().as_str().to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(tags, ["response|homepage", "response|play%20it"]);
    }
}
