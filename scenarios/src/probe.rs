//! Probes: numbers that are read beside the load, again and again.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::template::Template;
use crate::units::format_duration;

/// A number and how it is read. It is read on time whatever the load does, and
/// a reading that fails is recorded as such.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Name; gates write `probe NAME < 100`.
    pub name: String,
    /// From the start of one reading to the next.
    pub every: Duration,
    /// Deadline of one reading.
    pub within: Duration,
    /// Where the number comes from.
    pub read: ProbeRead,
}

/// Where a probe's number comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ProbeRead {
    /// An HTTP GET. Without `json` 1 when the status is the expected one and 0
    /// for any other answer; with it the number there, and another status is a
    /// reading that failed.
    Http {
        /// The URL.
        get: Template,
        /// Status expected.
        status: u16,
        /// JSON pointer (RFC 6901) to a number or a truth value.
        json: Option<String>,
    },
    /// A command; the number stands on the last line of its output.
    Command {
        /// Program and arguments.
        run: Vec<Template>,
    },
    /// An instant query to a Prometheus server that gives a scalar or a vector
    /// of one sample.
    Prometheus {
        /// Base URL of the server.
        at: Template,
        /// The query.
        query: String,
    },
    /// A metric in the exposition text of every instance of a process, summed
    /// over series and instances.
    Metrics {
        /// The process.
        of: String,
        /// Path of the exposition.
        path: String,
        /// Name of the metric.
        name: String,
        /// Labels that a series must have.
        labels: Vec<(String, String)>,
    },
    /// Lines that match in the output of all instances of a process, since the
    /// run began.
    Log {
        /// The process.
        of: String,
        /// Regular expression of a line.
        pattern: String,
    },
}

impl fmt::Display for ProbeRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { get, json, .. } => {
                write!(f, "GET {}", get.source())?;
                json.as_ref().map_or(Ok(()), |at| write!(f, ", {at}"))
            }
            Self::Command { run } => {
                f.write_str("run")?;
                run.iter()
                    .try_for_each(|part| write!(f, " {}", part.source()))
            }
            Self::Prometheus { at, query } => write!(f, "query {query} at {}", at.source()),
            Self::Metrics { of, path, name, .. } => write!(f, "{name} in {path} of {of}"),
            Self::Log { of, pattern } => write!(f, "lines of {of} that match {pattern}"),
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} every {}: {}",
            self.name,
            format_duration(self.every),
            self.read
        )
    }
}
