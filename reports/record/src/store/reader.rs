//! Reading a record back, as far as it goes, in bounded memory: a record may
//! come from elsewhere and be anything.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::files::{self, Bounds, Line, each_line};
use super::intervals::{Found, Kind, Of};
use super::times_file::TimesFile;
use super::{EVENTS_FILE, MANIFEST_FILE, RecordError, SAMPLES_FILE, VERDICT_FILE, plausible};
use crate::{
    Interval, Manifest, Phase, RECORD_SCHEMA_VERSION, Record, RouteInterval, RunEvent, Sample,
    Stamped, Times,
};

/// The most complaints about one file; the rest is a count.
const DAMAGE_LINES_MAX: usize = 5;
/// The largest manifest and the largest verdict, in bytes.
const JSON_BYTES_MAX: u64 = 32 << 20;
/// The longest line of a journal: an interval of ten thousand routes.
pub(crate) const EVENT_BYTES_MAX: usize = 4 << 20;
/// What is read of a journal: weeks of a run.
const JOURNAL_BYTES_MAX: u64 = 512 << 20;
/// What is read of the times of intervals.
const TIMES_BYTES_MAX: u64 = 4 << 30;
/// Lines of a file that cannot be read before it is no journal of anything.
const BROKEN_LINES_MAX: usize = 10_000;
/// Lines of times beyond those that intervals need: the file's head, and intervals
/// whose event was lost.
const TIMES_LINES_SPARE: usize = 100_000;
/// What is kept of a journal, in bytes of memory, roughly.
const KEPT_BYTES_MAX: usize = 256 << 20;
/// What is kept of times: five hours of 50 routes with 2 000 answers a second.
const TIMES_KEPT_BYTES_MAX: usize = 1 << 30;

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
        let mut samples: Vec<Sample> = read_lines(dir, SAMPLES_FILE, &mut damage)?;
        let read = samples.len();
        samples.retain(plausible::sample);
        if let absurd @ 1.. = read - samples.len() {
            damage.push(format!(
                "{SAMPLES_FILE}: {absurd} samples are beyond any run"
            ));
        }
        let mut events = Vec::with_capacity(stamped.len());
        let mut intervals = Vec::new();
        for entry in stamped {
            if let Err(detail) = plausible::event(&entry) {
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
        read_times(dir, &mut intervals, &mut damage)?;
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

/// What every manifest has, whatever its version.
#[derive(Deserialize)]
struct Versioned {
    schema_version: u64,
}

/// The manifest in the run directory `dir`.
///
/// # Errors
/// When there is none, or it is foreign or newer than this squall.
pub fn read_manifest(dir: &Path) -> Result<Manifest, RecordError> {
    let path = dir.join(MANIFEST_FILE);
    let bytes = files::read(&path, JSON_BYTES_MAX).map_err(|source| match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => RecordError::NotARun {
            dir: dir.to_owned(),
        },
        _ => RecordError::io(&path)(source),
    })?;
    let foreign = |error: serde_json::Error| RecordError::Foreign {
        path: path.clone(),
        detail: error.to_string(),
    };
    // Not through a tree of values: that takes ten times the memory and forgets
    // the lines.
    let found = serde_json::from_slice::<Versioned>(&bytes)
        .map_err(foreign)?
        .schema_version;
    if found > u64::from(RECORD_SCHEMA_VERSION) {
        return Err(RecordError::Newer {
            path,
            found,
            known: RECORD_SCHEMA_VERSION,
        });
    }
    serde_json::from_slice(&bytes).map_err(foreign)
}

/// The verdict in the run directory `dir`, as `V`, the judge's type for it;
/// `None` when there is none that can be read.
#[must_use]
pub fn read_verdict<V: DeserializeOwned>(dir: &Path) -> Option<V> {
    let bytes = files::read(&dir.join(VERDICT_FILE), JSON_BYTES_MAX).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Collects complaints about one file and bounds their number.
struct Complaints<'a> {
    file: &'static str,
    count: usize,
    damage: &'a mut Vec<String>,
}

impl Complaints<'_> {
    /// What is told whatever was told before.
    fn tell(&mut self, detail: &str) {
        self.damage.push(format!("{}: {detail}", self.file));
    }

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

/// Gives every line of a file of the record; a missing file, and one that is
/// larger than any run's, is damage and not an error.
fn read_file(
    dir: &Path,
    complaints: &mut Complaints<'_>,
    bounds: Bounds,
    mut each: impl FnMut(usize, Line<'_>, &mut Complaints<'_>) -> ControlFlow<&'static str>,
) -> Result<(), RecordError> {
    let path = dir.join(complaints.file);
    let file = match files::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            complaints.add("the file is missing");
            return Ok(());
        }
        Err(error) => return Err(RecordError::io(path)(error)),
    };
    let each = |number, line: Line<'_>| {
        let mut enough = each(number, line, complaints).break_value();
        if line == Line::TooLong {
            enough = Some("a line is too long");
        } else if complaints.count > BROKEN_LINES_MAX {
            enough = Some("it holds too much that cannot be read");
        }
        let Some(why) = enough else {
            return ControlFlow::Continue(());
        };
        complaints.tell(&format!("nothing was read from line {number} on: {why}"));
        ControlFlow::Break(())
    };
    let whole = each_line(file, bounds, each).map_err(RecordError::io(path))?;
    if !whole {
        let read = bounds.file_bytes >> 20;
        complaints.tell(&format!("only its first {read} MiB were read"));
    }
    Ok(())
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
    let bounds = Bounds {
        line_bytes: EVENT_BYTES_MAX,
        file_bytes: JOURNAL_BYTES_MAX,
    };
    let mut values = Vec::new();
    let mut kept = Room(KEPT_BYTES_MAX);
    read_file(dir, &mut complaints, bounds, |number, line, complaints| {
        let (text, whole) = match line {
            Line::Whole(text) => (text, true),
            Line::CutOff(text) => (text, false),
            Line::TooLong => return ControlFlow::Continue(()),
        };
        match serde_json::from_slice(text) {
            Ok(value) => {
                kept.take(size_of::<T>() + text.len())?;
                values.push(value);
            }
            Err(_) if !whole => complaints.add(&format!("line {number} was cut off")),
            Err(error) => complaints.add(&format!("line {number} cannot be read: {error}")),
        }
        ControlFlow::Continue(())
    })?;
    Ok(values)
}

/// How much memory may be taken for what is still to be read, in bytes, roughly.
struct Room(usize);

impl Room {
    /// Takes room for so many bytes more, if there is any.
    fn take(&mut self, bytes: usize) -> ControlFlow<&'static str> {
        let Some(left) = self.0.checked_sub(bytes) else {
            return ControlFlow::Break("it holds more than any run leaves");
        };
        self.0 = left;
        ControlFlow::Continue(())
    }
}

/// Reads the times and hangs them on the intervals they belong to.
fn read_times(
    dir: &Path,
    intervals: &mut [Interval],
    damage: &mut Vec<String>,
) -> Result<(), RecordError> {
    let times_file = TimesFile::of(dir);
    let mut complaints = Complaints {
        file: times_file.name,
        count: 0,
        damage,
    };
    let bounds = Bounds {
        line_bytes: times_file.line_bytes_max,
        file_bytes: TIMES_BYTES_MAX,
    };
    // Lines that intervals have, and a few. One that belongs to none is not kept.
    let needed = |interval: &Interval| 2 * interval.routes.len() + 2;
    let lines_max = TIMES_LINES_SPARE + intervals.iter().map(needed).sum::<usize>();
    let places: HashMap<i64, usize> = intervals
        .iter()
        .enumerate()
        .map(|(index, interval)| (interval.start_us, index))
        .collect();
    let mut kept = Room(TIMES_KEPT_BYTES_MAX);
    read_file(dir, &mut complaints, bounds, |number, line, complaints| {
        if number > lines_max {
            return ControlFlow::Break("it has more lines than the run has intervals for");
        }
        let read = match line {
            Line::Whole(text) | Line::CutOff(text) => times_file.read_line(text),
            Line::TooLong => Ok(Vec::new()),
        };
        match read {
            Ok(found) => {
                for one in found {
                    let bytes = one.bytes();
                    let place = places.get(&one.start_us);
                    let belongs = place.is_some_and(|place| hang(&mut intervals[*place], one));
                    kept.take(if belongs { bytes } else { 0 })?;
                }
            }
            Err(detail) => complaints.add(&format!("line {number}: {detail}")),
        }
        ControlFlow::Continue(())
    })?;
    for interval in intervals {
        let start_us = interval.start_us;
        for route in &mut interval.routes {
            keep_whole(start_us, route, &mut complaints);
        }
    }
    Ok(())
}

/// Hangs times on their interval, whether that has such a route.
pub(super) fn hang(interval: &mut Interval, found: Found) -> bool {
    let routes = &mut interval.routes;
    let route = match &found.of {
        Of::Nth(nth) => routes.get_mut(*nth),
        Of::Named(name) => routes.iter_mut().find(|route| route.route == *name),
    };
    let place = match (found.kind, route) {
        (Kind::Lag, _) => &mut interval.lag,
        (Kind::Wait, _) => &mut interval.wait,
        (Kind::Connect, _) => &mut interval.parts.connect,
        (Kind::Tls, _) => &mut interval.parts.tls,
        (Kind::FirstByte, _) => &mut interval.parts.first_byte,
        (Kind::Response, Some(route)) => &mut route.response,
        (Kind::Unlagged, Some(route)) => &mut route.unlagged,
        (Kind::FirstMessage, Some(route)) => &mut route.messages.first,
        (Kind::FirstUnlagged, Some(route)) => &mut route.messages.first_unlagged,
        (Kind::Gap, Some(route)) => &mut route.messages.between,
        (Kind::GapUnlagged, Some(route)) => &mut route.messages.between_unlagged,
        (
            Kind::Response
            | Kind::Unlagged
            | Kind::FirstMessage
            | Kind::FirstUnlagged
            | Kind::Gap
            | Kind::GapUnlagged,
            None,
        ) => return false,
    };
    *place = Some(found.times);
    true
}

/// Takes away times that are not as many as were counted: they would flatter.
fn keep_whole(start_us: i64, route: &mut RouteInterval, complaints: &mut Complaints<'_>) {
    let good = route.counts.good;
    let counted = route.response.as_ref().map_or(0, Times::len);
    if counted != good {
        route.response = None;
        complaints.add(&format!(
            "the interval at {start_us} us has {good} good answers of {} but {counted} response times",
            route.route
        ));
    }
    route.unlagged = route.unlagged.take().filter(|times| times.len() == good);
    if let Some((there, counted)) = route.messages.keep_whole() {
        complaints.add(&format!(
            "the interval at {start_us} us has {counted} times of messages of {} but {there} of \
             them are there",
            route.route
        ));
    }
}
