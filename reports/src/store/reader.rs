//! Reading a record back, as far as it goes.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::hlog::{self, Kind};
use super::{EVENTS_FILE, INTERVALS_FILE, MANIFEST_FILE, RecordError, SAMPLES_FILE};
use crate::{
    Interval, Manifest, Phase, RECORD_SCHEMA_VERSION, Record, RouteInterval, RunEvent, Stamped,
    Times,
};

/// The most complaints about one file; the rest is a count.
const DAMAGE_LINES_MAX: usize = 5;

impl Record {
    /// Reads the run directory `dir`. Truncated, corrupt or missing journals
    /// are listed in `damage` and everything else is kept; a run that did not
    /// reach its end is not `complete`.
    ///
    /// # Errors
    /// When there is no manifest, or it is foreign or newer than this squall.
    pub fn read(dir: &Path) -> Result<Self, RecordError> {
        let manifest = read_manifest(dir)?;
        let mut damage = Vec::new();
        let stamped: Vec<Stamped> = read_lines(dir, EVENTS_FILE, &mut damage)?;
        let samples = read_lines(dir, SAMPLES_FILE, &mut damage)?;
        let mut events = Vec::with_capacity(stamped.len());
        let mut intervals = Vec::new();
        for entry in stamped {
            if let Err(detail) = plausible(&entry) {
                damage.push(format!("{EVENTS_FILE}: {detail}"));
                continue;
            }
            match entry.event {
                RunEvent::Interval(interval) => intervals.push(interval),
                event => events.push(Stamped {
                    at_us: entry.at_us,
                    event,
                }),
            }
        }
        read_histograms(dir, &mut intervals, &mut damage)?;
        let complete = events
            .iter()
            .any(|stamped| matches!(stamped.event, RunEvent::Phase(Phase::Finished)));
        Ok(Self {
            manifest,
            events,
            intervals,
            samples,
            complete,
            damage,
        })
    }
}

pub(super) fn read_manifest(dir: &Path) -> Result<Manifest, RecordError> {
    let path = dir.join(MANIFEST_FILE);
    let bytes = fs::read(&path).map_err(|source| match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => RecordError::NotARun {
            dir: dir.to_owned(),
        },
        _ => RecordError::io(&path)(source),
    })?;
    let foreign = |detail: String| RecordError::Foreign {
        path: path.clone(),
        detail,
    };
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| foreign(error.to_string()))?;
    let found = value
        .get("schema_version")
        .and_then(serde_json::Value::as_u64)
        .ok_or_else(|| foreign("it has no schema_version".to_owned()))?;
    if found > u64::from(RECORD_SCHEMA_VERSION) {
        return Err(RecordError::Newer {
            path,
            found,
            known: RECORD_SCHEMA_VERSION,
        });
    }
    serde_json::from_value(value).map_err(|error| foreign(error.to_string()))
}

/// Times and counts beyond these are damage: 285 years, 280 million million.
const TIME_US_MAX: u64 = 1 << 53;
const COUNT_MAX: u64 = 1 << 48;

/// Keeps numbers that no run can produce from reaching the arithmetic.
fn plausible(stamped: &Stamped) -> Result<(), String> {
    let in_range = |us: i64| us.unsigned_abs() < TIME_US_MAX;
    if !in_range(stamped.at_us) {
        return Err(format!(
            "an event at {} us is beyond any run",
            stamped.at_us
        ));
    }
    let RunEvent::Interval(interval) = &stamped.event else {
        return Ok(());
    };
    let (start_us, end_us) = (interval.start_us, interval.end_us);
    if !in_range(start_us) || !in_range(end_us) || end_us <= start_us {
        return Err(format!(
            "an interval from {start_us} to {end_us} us cannot be"
        ));
    }
    let absurd = interval.routes.iter().find(|route| {
        let c = &route.counts;
        c.scheduled > COUNT_MAX || c.bytes > TIME_US_MAX || c.good > c.scheduled
    });
    match absurd {
        Some(route) => Err(format!(
            "the interval at {start_us} us has impossible counts for {}",
            route.route
        )),
        None => Ok(()),
    }
}

/// Collects complaints about one file and bounds their number.
struct Complaints<'a> {
    file: &'static str,
    count: usize,
    damage: &'a mut Vec<String>,
}

impl Complaints<'_> {
    fn add(&mut self, detail: &str) {
        self.count += 1;
        if self.count <= DAMAGE_LINES_MAX {
            self.damage.push(format!("{}: {detail}", self.file));
        }
    }
}

impl Drop for Complaints<'_> {
    fn drop(&mut self) {
        if self.count > DAMAGE_LINES_MAX {
            let more = self.count - DAMAGE_LINES_MAX;
            self.damage
                .push(format!("{}: {more} more lines like that", self.file));
        }
    }
}

/// Bytes of a journal; a missing one is damage, not an error.
fn read_journal(dir: &Path, complaints: &mut Complaints<'_>) -> Result<Vec<u8>, RecordError> {
    let path = dir.join(complaints.file);
    match fs::read(&path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            complaints.add("the file is missing");
            Ok(Vec::new())
        }
        Err(error) => Err(RecordError::io(path)(error)),
    }
}

/// Lines with their numbers from 1 and whether their newline is there.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8], bool)> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .enumerate()
        .map(|(index, line)| match line.split_last() {
            Some((b'\n', rest)) => (index + 1, rest, true),
            _ => (index + 1, line, false),
        })
        .filter(|(_, line, _)| !line.is_empty())
}

fn read_lines<T: DeserializeOwned>(
    dir: &Path,
    file: &'static str,
    damage: &mut Vec<String>,
) -> Result<Vec<T>, RecordError> {
    let mut complaints = Complaints {
        file,
        count: 0,
        damage,
    };
    let bytes = read_journal(dir, &mut complaints)?;
    let mut values = Vec::new();
    for (number, line, whole) in lines(&bytes) {
        match serde_json::from_slice(line) {
            Ok(value) => values.push(value),
            Err(_) if !whole => complaints.add(&format!("line {number} was cut off")),
            Err(error) => complaints.add(&format!("line {number} cannot be read: {error}")),
        }
    }
    Ok(values)
}

/// Reads the histograms and hangs them on the intervals they belong to.
fn read_histograms(
    dir: &Path,
    intervals: &mut [Interval],
    damage: &mut Vec<String>,
) -> Result<(), RecordError> {
    let mut complaints = Complaints {
        file: INTERVALS_FILE,
        count: 0,
        damage,
    };
    let bytes = read_journal(dir, &mut complaints)?;
    let mut found: HashMap<(i64, Kind, String), Times> = HashMap::new();
    for (number, line, _) in lines(&bytes) {
        let read = std::str::from_utf8(line)
            .map_err(|error| error.to_string())
            .and_then(hlog::read_line);
        match read {
            Ok(Some(line)) => {
                let key = (line.start_us, line.kind, line.route);
                found.insert(key, line.times);
            }
            Ok(None) => {}
            Err(detail) => complaints.add(&format!("line {number}: {detail}")),
        }
    }
    for interval in intervals {
        let start_us = interval.start_us;
        interval.lag = found.remove(&(start_us, Kind::Lag, String::new()));
        interval.wait = found.remove(&(start_us, Kind::Wait, String::new()));
        for route in &mut interval.routes {
            attach(start_us, route, &mut found, &mut complaints);
        }
    }
    Ok(())
}

fn attach(
    start_us: i64,
    route: &mut RouteInterval,
    found: &mut HashMap<(i64, Kind, String), Times>,
    complaints: &mut Complaints<'_>,
) {
    let mut take = |kind| found.remove(&(start_us, kind, route.route.clone()));
    let response = take(Kind::Response);
    let unlagged = take(Kind::Unlagged);
    let good = route.counts.good;
    let counted = response.as_ref().map_or(0, Times::len);
    if counted == good {
        route.response = response;
    } else {
        // A histogram that lost values would flatter, so it is not used.
        complaints.add(&format!(
            "the interval at {start_us} us has {good} good answers of {} but {counted} response times",
            route.route
        ));
    }
    route.unlagged = unlagged.filter(|times| times.len() == good);
}
