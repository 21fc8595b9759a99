//! Following a record while it is written.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;

use super::files::{self, Line, LineCutter};
use super::hlog::{self, Kind};
use super::plausible;
use super::reader::EVENT_BYTES_MAX;
use super::{EVENTS_FILE, INTERVALS_FILE, RecordError};
use crate::{Interval, Manifest, RunEvent, Stamped, Times};

/// Bytes that are read at once.
const CHUNK_BYTES: u64 = 256 << 10;
/// Histograms that may wait for their interval; a run writes them right before
/// it, so that more of them belong to none.
const WAITING_MAX: usize = 100_000;

/// Reads a record from its beginning and then what is appended to it. Memory
/// is bounded by what was read and not yet taken.
#[derive(Debug)]
pub struct RecordTail {
    events: Lines,
    histograms: Lines,
    found: HashMap<(i64, Kind, String), Times>,
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
        let tail = Self {
            events: lines(EVENTS_FILE, EVENT_BYTES_MAX)?,
            histograms: lines(INTERVALS_FILE, hlog::LINE_BYTES_MAX)?,
            found: HashMap::new(),
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
                        self.hang_histograms(interval)?;
                    }
                    events.push(stamped);
                }
                Err(_) => self.damaged += 1,
            }
        }
        Ok(events)
    }

    /// The histograms of an interval stand in their file before its event does.
    fn hang_histograms(&mut self, interval: &mut Interval) -> io::Result<()> {
        let start_us = interval.start_us;
        let last = interval
            .routes
            .iter()
            .rfind(|route| route.counts.good > 0)
            .map(|route| (start_us, Kind::Response, route.route.clone()));
        while last
            .as_ref()
            .is_some_and(|key| !self.found.contains_key(key))
        {
            if !self.read_histograms()? {
                break;
            }
        }
        for route in &mut interval.routes {
            let key = (start_us, Kind::Response, route.route.clone());
            // A histogram that lost values would flatter, so it is not used.
            let whole = |times: &Times| times.len() == route.counts.good;
            route.response = self.found.remove(&key).filter(whole);
        }
        // These follow those of the routes, in the same write.
        self.read_histograms()?;
        let mut take = |kind| self.found.remove(&(start_us, kind, String::new()));
        interval.lag = take(Kind::Lag);
        interval.wait = take(Kind::Wait);
        self.found.retain(|(start, _, _), _| *start > start_us);
        Ok(())
    }

    /// Whether there was anything to read.
    fn read_histograms(&mut self) -> io::Result<bool> {
        if self.histograms.is_empty() && !self.histograms.fill()? {
            return Ok(false);
        }
        while let Some(line) = self.histograms.next() {
            let read = std::str::from_utf8(&line).map_or(Ok(None), hlog::read_line);
            match read {
                Ok(Some(line)) if line.kind != Kind::Unlagged && self.found.len() < WAITING_MAX => {
                    let key = (line.start_us, line.kind, line.route);
                    self.found.insert(key, line.times);
                }
                Ok(_) => {}
                Err(_) => self.damaged += 1,
            }
        }
        Ok(true)
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
