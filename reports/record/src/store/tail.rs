//! Following a record while it is written.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;

use super::files::{self, Line, LineCutter};
use super::intervals::{Found, Kind};
use super::reader::{EVENT_BYTES_MAX, hang};
use super::times_file::TimesFile;
use super::{EVENTS_FILE, RecordError, plausible};
use crate::{Interval, Manifest, RunEvent, Stamped, Times};

/// Bytes that are read at once.
const CHUNK_BYTES: u64 = 256 << 10;
/// Times that may wait for their interval; a run writes them right before it, so
/// that more of them belong to none.
const WAITING_MAX: usize = 100_000;

/// Reads a record from its beginning and then what is appended to it. Memory
/// is bounded by what was read and not yet taken.
#[derive(Debug)]
pub struct RecordTail {
    events: Lines,
    times_file: TimesFile,
    times: Lines,
    /// Times by the start of their interval.
    found: BTreeMap<i64, Vec<Found>>,
    waiting: usize,
    /// Lines that could not be read.
    pub damaged: u64,
}

impl RecordTail {
    /// Opens the record in `dir`.
    ///
    /// # Errors
    /// It is no record, or cannot be read.
    pub fn open(dir: &Path) -> Result<(Manifest, Self), RecordError> {
        let manifest = super::reader::read_manifest(dir)?;
        let lines = |name: &str, line_bytes_max| {
            let path = dir.join(name);
            files::open(&path)
                .map(|file| Lines::new(file, line_bytes_max))
                .map_err(RecordError::io(&path))
        };
        let times_file = TimesFile::of(dir);
        let tail = Self {
            events: lines(EVENTS_FILE, EVENT_BYTES_MAX)?,
            times: lines(times_file.name, times_file.line_bytes_max)?,
            times_file,
            found: BTreeMap::new(),
            waiting: 0,
            damaged: 0,
        };
        Ok((manifest, tail))
    }

    /// The next events, at most those of one chunk; none where nothing new was
    /// written.
    ///
    /// # Errors
    /// The files cannot be read any more.
    pub fn read(&mut self) -> io::Result<Vec<Stamped>> {
        let mut events = Vec::new();
        self.events.fill()?;
        while let Some(line) = self.events.next() {
            match serde_json::from_slice::<Stamped>(&line) {
                Ok(stamped) if plausible::event(&stamped).is_err() => self.damaged += 1,
                Ok(mut stamped) => {
                    if let RunEvent::Interval(interval) = &mut stamped.event {
                        self.hang_times(interval)?;
                    }
                    events.push(stamped);
                }
                Err(_) => self.damaged += 1,
            }
        }
        Ok(events)
    }

    /// The times of an interval stand in their file before its event does.
    fn hang_times(&mut self, interval: &mut Interval) -> io::Result<()> {
        let start_us = interval.start_us;
        let good = interval.routes.iter().filter(|it| it.counts.good > 0);
        let needed = good.count();
        let of_routes = |found: &Vec<Found>| {
            let found = found.iter();
            found.filter(|one| one.kind == Kind::Response).count()
        };
        while self.found.get(&start_us).map_or(0, of_routes) < needed {
            if !self.read_times()? {
                break;
            }
        }
        // Those of all routes follow, in the same write; behind times of later intervals
        // stands nothing more of this one.
        let last = self.found.keys().next_back();
        if last.is_none_or(|last| *last <= start_us) {
            self.read_times()?;
        }
        let later = self.found.split_off(&start_us.saturating_add(1));
        let earlier = std::mem::replace(&mut self.found, later);
        self.waiting -= earlier.values().map(Vec::len).sum::<usize>();
        for found in earlier.into_iter().filter(|(start, _)| *start == start_us) {
            for one in found.1 {
                hang(interval, one);
            }
        }
        for route in &mut interval.routes {
            // Times that lost some would flatter, so they are not used.
            let whole = |times: &Times| times.len() == route.counts.good;
            route.response = route.response.take().filter(whole);
        }
        Ok(())
    }

    /// Whether there was anything to read.
    fn read_times(&mut self) -> io::Result<bool> {
        if self.times.is_empty() && !self.times.fill()? {
            return Ok(false);
        }
        while let Some(line) = self.times.next() {
            let Ok(found) = self.times_file.read_line(&line) else {
                self.damaged += u64::from(!line.is_empty());
                continue;
            };
            let found = found.into_iter().filter(|one| is_shown(one.kind));
            for one in found.take(WAITING_MAX.saturating_sub(self.waiting)) {
                self.waiting += 1;
                self.found.entry(one.start_us).or_default().push(one);
            }
        }
        Ok(true)
    }
}

/// Whether whoever follows a run looks at times of this kind.
const fn is_shown(kind: Kind) -> bool {
    match kind {
        Kind::Response | Kind::Lag | Kind::Wait | Kind::Connect | Kind::Tls | Kind::FirstByte => {
            true
        }
        Kind::Unlagged
        | Kind::FirstMessage
        | Kind::FirstUnlagged
        | Kind::Gap
        | Kind::GapUnlagged => false,
    }
}

/// Whole lines of a file that grows; one that is too long is an empty one, which
/// nobody can read.
#[derive(Debug)]
struct Lines {
    file: File,
    at: u64,
    cutter: LineCutter,
    whole: VecDeque<Vec<u8>>,
}

impl Lines {
    fn new(file: File, line_bytes_max: usize) -> Self {
        Self {
            file,
            at: 0,
            cutter: LineCutter::new(line_bytes_max),
            whole: VecDeque::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.whole.is_empty()
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        self.whole.pop_front()
    }

    /// Reads a chunk; whether there was one.
    fn fill(&mut self) -> io::Result<bool> {
        self.file.seek(SeekFrom::Start(self.at))?;
        let mut chunk = Vec::new();
        let read = (&self.file).take(CHUNK_BYTES).read_to_end(&mut chunk)?;
        self.at += read as u64;
        let whole = &mut self.whole;
        let _ = self.cutter.cut(&chunk, |_, line| {
            whole.push_back(match line {
                Line::Whole(line) => line.to_vec(),
                Line::CutOff(_) | Line::TooLong => Vec::new(),
            });
            ControlFlow::Continue(())
        });
        Ok(read > 0)
    }
}
