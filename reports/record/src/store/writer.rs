//! Writing a record while the run goes on: append-only, flushed line by line.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{
    EVENTS_FILE, INTERVALS_FILE, MANIFEST_FILE, RecordError, SAMPLES_FILE, VERDICT_FILE, files,
    intervals,
};
use crate::json_text::{json_document, json_line};
use crate::{Interval, Manifest, Record, RunEvent, Sample, Stamped};

/// Appends a run to its directory. Every line goes to the operating system in
/// one write together with its newline, so a run that is killed can still be
/// read up to its last event.
#[derive(Debug)]
pub struct RecordWriter {
    dir: PathBuf,
    events: Appender,
    intervals: Appender,
    samples: Appender,
}

#[derive(Debug)]
struct Appender {
    file: File,
    path: PathBuf,
}

impl Appender {
    fn create(path: PathBuf) -> Result<Self, RecordError> {
        let file = files::create_new(&path).map_err(RecordError::io(&path))?;
        Ok(Self { file, path })
    }

    fn append(&mut self, text: &str) -> Result<(), RecordError> {
        self.file
            .write_all(text.as_bytes())
            .map_err(RecordError::io(&self.path))
    }

    fn append_json(&mut self, value: &impl Serialize) -> Result<(), RecordError> {
        let mut line = json_line(value).map_err(|error| RecordError::Encode {
            path: self.path.clone(),
            detail: error.to_string(),
        })?;
        line.push('\n');
        self.append(&line)
    }
}

impl RecordWriter {
    /// Creates `dir` (and its parents), for its owner alone, and starts a record in it.
    ///
    /// # Errors
    /// When the directory cannot be created or already holds a record: a run
    /// is never overwritten.
    pub fn create(dir: &Path, manifest: &Manifest) -> Result<Self, RecordError> {
        let mut private = fs::DirBuilder::new();
        private.recursive(true).mode(0o700);
        private.create(dir).map_err(RecordError::io(dir))?;
        let mut times = Appender::create(dir.join(INTERVALS_FILE))?;
        times.append(intervals::HEADER)?;
        let writer = Self {
            dir: dir.to_owned(),
            events: Appender::create(dir.join(EVENTS_FILE))?,
            intervals: times,
            samples: Appender::create(dir.join(SAMPLES_FILE))?,
        };
        // Last, so that a directory with a manifest has all its files.
        write_json(&dir.join(MANIFEST_FILE), manifest)?;
        Ok(writer)
    }

    /// The run directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Appends an event; the times of an interval go to their own file first, so
    /// that an interval in the journal always has them.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn event(&mut self, stamped: &Stamped) -> Result<(), RecordError> {
        if let RunEvent::Interval(interval) = &stamped.event {
            let lines = intervals::lines(interval).map_err(|detail| RecordError::Encode {
                path: self.intervals.path.clone(),
                detail,
            })?;
            self.intervals.append(&lines)?;
        }
        self.events.append_json(stamped)
    }

    /// Appends an arrival kept as evidence.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn sample(&mut self, sample: &Sample) -> Result<(), RecordError> {
        self.samples.append_json(sample)
    }

    /// Writes a record that is whole already, and its verdict, into `dir`.
    ///
    /// # Errors
    /// When the directory cannot be created, already holds a record, or cannot
    /// be written.
    pub fn write_whole(
        dir: &Path,
        record: &Record,
        verdict: &impl Serialize,
    ) -> Result<(), RecordError> {
        let mut writer = Self::create(dir, &record.manifest)?;
        let mut intervals = record.intervals.iter().peekable();
        for stamped in &record.events {
            while let Some(interval) = intervals.next_if(|i| i.end_us <= stamped.at_us) {
                writer.event(&settled(interval))?;
            }
            writer.event(stamped)?;
        }
        for interval in intervals {
            writer.event(&settled(interval))?;
        }
        for sample in &record.samples {
            writer.sample(sample)?;
        }
        writer.finish(verdict)
    }

    /// Ends the record: writes `verdict.json` and hands everything to the disk.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn finish(self, verdict: &impl Serialize) -> Result<(), RecordError> {
        write_json(&self.dir.join(VERDICT_FILE), verdict)?;
        for appender in [&self.events, &self.intervals, &self.samples] {
            appender
                .file
                .sync_all()
                .map_err(RecordError::io(&appender.path))?;
        }
        Ok(())
    }
}

/// The event of an interval, at its end.
fn settled(interval: &Interval) -> Stamped {
    Stamped {
        at_us: interval.end_us,
        event: RunEvent::Interval(interval.clone()),
    }
}

/// Replaces `path` by the JSON of `value`.
fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RecordError> {
    let mut text = json_document(value).map_err(|error| RecordError::Encode {
        path: path.to_owned(),
        detail: error.to_string(),
    })?;
    text.push('\n');
    files::replace(path, text.as_bytes()).map_err(RecordError::io(path))
}
