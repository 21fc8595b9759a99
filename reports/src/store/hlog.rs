//! `intervals.hlog`: one line per histogram, HdrHistogram V2, deflated, base64.
//!
//! The format is the interval log of HdrHistogram (version 1.3), so other
//! tools can plot it. Times are seconds since time zero with six decimals,
//! which keeps the microsecond an interval was cut at; lengths likewise.

use std::fmt::Write as _;

use crate::{Record, Times};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

/// What a histogram counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Response,
    Unlagged,
    Lag,
    Wait,
}

const KINDS: [(Kind, &str); 4] = [
    (Kind::Response, "response"),
    (Kind::Unlagged, "unlagged"),
    (Kind::Lag, "lag"),
    (Kind::Wait, "wait"),
];

/// First lines of the file.
pub(super) const HEADER: &str = "#[Histogram log format version 1.3]\n\
    #[squall: microseconds; times are seconds since time zero; tags are kind|route]\n\
    \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// The same for a log that other tools are to read.
const LOG_HEADER: &str = "#[Histogram log format version 1.3]\n\
    #[squall: response times of good answers in microseconds; failures are in no histogram]\n\
    #[squall: times are seconds since time zero; tags are routes]\n\
    \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// A longer line than this is damage: a histogram of the widest range with
/// three digits stays well below it.
const LINE_BYTES_MAX: usize = 1 << 20;

/// One line of the log.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) kind: Kind,
    /// Empty for the kinds that span all routes.
    pub(super) route: String,
    pub(super) start_us: i64,
    pub(super) times: Times,
}

/// The response times of a record as a log for other tools: tags are routes.
pub(crate) fn response_log(record: &Record) -> String {
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

/// Appends one histogram to `text` as a line.
pub(super) fn write_line(
    text: &mut String,
    serializer: &mut V2DeflateSerializer,
    (kind, route): (Kind, &str),
    span: (i64, i64),
    times: &Times,
) -> Result<(), String> {
    let name = KINDS
        .iter()
        .find(|(k, _)| *k == kind)
        .map_or("", |(_, n)| n);
    let mut tag = format!("Tag={name}|");
    escape_tag(&mut tag, route);
    append(text, serializer, &tag, span, times)
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

/// Reads one line; `None` for headers and blank lines.
pub(super) fn read_line(line: &str) -> Result<Option<Line>, String> {
    if line.is_empty() || line.starts_with('#') || line.starts_with('"') {
        return Ok(None);
    }
    if line.len() > LINE_BYTES_MAX {
        return Err("the line is too long for a histogram".to_owned());
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
    let histogram: Histogram<u64> = Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| format!("not a histogram: {error}"))?;
    Ok(Some(Line {
        kind,
        route,
        start_us,
        times: Times::of(&histogram),
    }))
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
    for byte in route.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b',' | b'%' | b'|' | b'"') {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
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
        let mut text = String::new();
        let mut serializer = V2DeflateSerializer::new();
        let span = (start_us, start_us + 1_000_000);
        write_line(
            &mut text,
            &mut serializer,
            (Kind::Response, route),
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
            let read = read_line(text.trim_end()).unwrap().unwrap();
            assert_eq!((read.kind, read.route.as_str()), (Kind::Response, route));
            assert_eq!(read.start_us, -1_500_001);
            assert_eq!(read.times.len(), 4);
            assert_eq!(read.times.max_us(), 9_003_007);
        }
    }

    #[test]
    fn the_reader_of_the_histogram_library_accepts_the_log() {
        let log = format!(
            "{HEADER}{}{}",
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
