//! Reading the times of arrivals that stand in files beside the scenario.

use std::sync::Arc;
use std::time::Duration;

use csv::{ReaderBuilder, StringRecord};
use jiff::Timestamp;
use serde_json::{Map, Value};
use squall_scenario::quoted;

use crate::body_file::read_body;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::digest::sha256;

/// Digits of a second behind its point that count: nanoseconds.
const DIGITS: usize = 9;

/// The arrivals that a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArrivalFile {
    /// As the scenario writes it.
    pub(crate) path: String,
    /// The column that was read, of a table.
    pub(crate) column: Option<String>,
    /// SHA-256 of the file, in hexadecimal digits.
    pub(crate) sha256: String,
    /// When they were, counted from the first; in order, and never none.
    pub(crate) times: Arc<[Duration]>,
}

/// Reads the arrivals at a path that the scenario called `scenario` writes.
///
/// # Errors
/// A diagnostic without a place: the file cannot be read, or holds no times in order.
pub(crate) fn read_arrivals(
    path: &str,
    column: Option<&str>,
    scenario: &str,
) -> Result<ArrivalFile, Box<Diagnostic>> {
    let content = read_body(path, scenario)?.content;
    let kind = path.rsplit_once('.').map(|(_, kind)| kind);
    let mut times = Times::default();
    let read = match (kind, column) {
        (Some("csv"), Some(column)) => of_csv(&content, column, &mut times),
        (Some("jsonl" | "ndjson"), Some(column)) => of_json_lines(&content, column, &mut times),
        (Some("csv" | "jsonl" | "ndjson"), None) => {
            Err("which of its columns? write `column: NAME`".to_owned())
        }
        (_, Some(_)) => Err("only .csv and .jsonl have columns; leave `column` out".to_owned()),
        (_, None) => of_lines(&content, &mut times),
    };
    let read = read.and_then(|()| match times.since_first.is_empty() {
        true => Err("nothing stands in it".to_owned()),
        false => Ok(()),
    });
    match read {
        Ok(()) => Ok(ArrivalFile {
            path: path.to_owned(),
            column: column.map(str::to_owned),
            sha256: sha256(&content),
            times: times.since_first.into(),
        }),
        Err(why) => {
            let title = format!("{} is no list of arrivals: {why}", quoted(path));
            let help = "arrivals are times in order, one a line: seconds as `12.25`, or \
                        `2026-11-30T12:00:00.25Z`; or a column of CSV or JSON Lines";
            let diagnostic = Diagnostic::error(codes::UNREADABLE, title).help(help);
            Err(Box::new(diagnostic))
        }
    }
}

/// A moment as a file writes it, in nanoseconds from some origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Seconds(i128),
    Date(i128),
}

/// The times of a file as far as it was read.
#[derive(Debug, Default)]
struct Times {
    first: Option<(Moment, u64)>,
    last: Duration,
    last_line: u64,
    since_first: Vec<Duration>,
}

impl Times {
    /// Takes the time that stands in a line.
    fn take(&mut self, text: &str, line: u64) -> Result<(), String> {
        let moment = moment(text.trim())
            .ok_or_else(|| format!("line {line}: {} is no time", quoted(text.trim())))?;
        let (first, first_line) = *self.first.get_or_insert((moment, line));
        let since = match (first, moment) {
            (Moment::Seconds(first), Moment::Seconds(now))
            | (Moment::Date(first), Moment::Date(now)) => now - first,
            (Moment::Seconds(_), Moment::Date(_)) => {
                return Err(format!(
                    "line {line} is a date, and line {first_line} seconds"
                ));
            }
            (Moment::Date(_), Moment::Seconds(_)) => {
                return Err(format!(
                    "line {line} is seconds, and line {first_line} a date"
                ));
            }
        };
        let since = u64::try_from(since).map(Duration::from_nanos);
        match since {
            Ok(since) if since >= self.last => {
                (self.last, self.last_line) = (since, line);
                self.since_first.push(since);
                Ok(())
            }
            // Before it, or centuries behind it.
            _ if self.last_line == 0 => Err(format!("line {line} is out of order")),
            _ => Err(format!(
                "line {line} is earlier than line {}; sort it",
                self.last_line
            )),
        }
    }
}

/// `12.25`, or a date with a time and an offset (RFC 3339).
fn moment(text: &str) -> Option<Moment> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(whole) && digits(part) {
        let part = &part[..part.len().min(DIGITS)];
        let nanos: i128 = format!("{part:0<DIGITS$}").parse().ok()?;
        // A date of any calendar is far below.
        let whole: u64 = whole.parse().ok()?;
        return Some(Moment::Seconds(i128::from(whole) * 1_000_000_000 + nanos));
    }
    let date: Timestamp = text.parse().ok()?;
    Some(Moment::Date(date.as_nanosecond()))
}

/// One a line; `#` begins a remark.
fn of_lines(content: &[u8], times: &mut Times) -> Result<(), String> {
    let text = std::str::from_utf8(content).map_err(|error| error.to_string())?;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        if !line.trim().is_empty() {
            times.take(line, number)?;
        }
    }
    Ok(())
}

fn of_csv(content: &[u8], column: &str, times: &mut Times) -> Result<(), String> {
    let mut reader = ReaderBuilder::new().from_reader(content);
    let names = reader.headers().map_err(|error| error.to_string())?;
    let index = names.iter().position(|name| name.trim() == column);
    let index = index.ok_or_else(|| format!("it has no column {}", quoted(column)))?;
    let mut record = StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| error.to_string())?
    {
        let line = record.position().map_or(0, csv::Position::line);
        times.take(record.get(index).unwrap_or_default(), line)?;
    }
    Ok(())
}

fn of_json_lines(content: &[u8], column: &str, times: &mut Times) -> Result<(), String> {
    let text = std::str::from_utf8(content).map_err(|error| error.to_string())?;
    let lines = (1..).zip(text.lines());
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let object: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?;
        match object.get(column) {
            Some(Value::String(text)) => times.take(text, number)?,
            Some(value) => times.take(&value.to_string(), number)?,
            None => return Err(format!("line {number} has no {}", quoted(column))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arrivals of a file of this name and text in milliseconds, or what is wrong.
    fn read(name: &str, column: Option<&str>, text: &str) -> Result<Vec<u128>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        let scenario = folder.path().join("shop.yaml").display().to_string();
        let file = read_arrivals(name, column, &scenario).map_err(|problem| problem.title)?;
        Ok(file.times.iter().map(Duration::as_millis).collect())
    }

    #[test]
    fn times_may_be_seconds_or_dates_in_lines_or_in_a_column() {
        let seconds = "# recorded\n1700000000.0005\n\n1700000000.2505 # late\n1700000001\n";
        assert_eq!(read("a.txt", None, seconds).unwrap(), [0, 250, 999]);
        let dates = "2026-11-30T12:00:00Z\n2026-11-30T14:00:00.5+02:00\n";
        assert_eq!(read("a.log", None, dates).unwrap(), [0, 500]);
        let csv = "path,at\n\"/a\n\",3\n/b,3\n/c,4.25\n";
        assert_eq!(read("a.csv", Some("at"), csv).unwrap(), [0, 0, 1_250]);
        let lines = "{\"at\":0.5}\n\n{\"at\":\"2.5\",\"x\":[]}\n";
        assert_eq!(read("a.jsonl", Some("at"), lines).unwrap(), [0, 2_000]);
    }

    #[test]
    fn no_nanosecond_is_lost_in_seconds_since_1970() {
        let Some(Moment::Seconds(nanos)) = moment("1700000000.1234567891") else {
            panic!("no seconds");
        };
        assert_eq!(nanos, 1_700_000_000_123_456_789);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (name, column, text, why) in [
            (
                "a.txt",
                None,
                "1\n2\n\n1.5\n",
                "line 4 is earlier than line 2; sort it",
            ),
            ("a.txt", None, "1\nsoon\n", "line 2: `soon` is no time"),
            ("a.txt", None, "1e3\n", "line 1: `1e3` is no time"),
            ("a.txt", None, "-1\n", "line 1: `-1` is no time"),
            (
                "a.txt",
                None,
                "1\n2026-11-30T12:00:00Z\n",
                "line 2 is a date, and line 1 seconds",
            ),
            (
                "a.txt",
                None,
                "2026-11-30T12:00:00Z\n1\n",
                "line 2 is seconds, and line 1 a date",
            ),
            ("a.txt", None, "# none\n", "nothing stands in it"),
            ("a.txt", Some("at"), "1\n", "leave `column` out"),
            ("a.csv", None, "at\n1\n", "write `column: NAME`"),
            ("a.csv", Some("on"), "at\n1\n", "it has no column `on`"),
            (
                "a.csv",
                Some("at"),
                "at,x\n\"2\",\"a\nb\"\n1,b\n",
                "line 4 is earlier than line 2",
            ),
            (
                "a.jsonl",
                Some("at"),
                "{\"at\":1}\n{\"on\":2}\n",
                "line 2 has no `at`",
            ),
            (
                "a.jsonl",
                Some("at"),
                "{\"at\":true}\n",
                "line 1: `true` is no time",
            ),
        ] {
            let said = read(name, column, text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
