//! Requested against observed: what each fault does on this machine, measured on
//! loopback with nothing of the user's involved.
//!
//! Each kind has a row in [`ALL`]. Beside every measurement runs the same traffic
//! on a link without the fault (`beside`): what a fault does to others has to be
//! nothing, and what the machine does by itself has to be known.

mod bytes;
mod calls;
mod doors;
mod http;
mod names;
mod packets;
mod process;
mod resource;
mod stage;
mod tls;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::time::Duration;

use serde::Serialize;
use squall_scenario::{ByteCount, Share, format_duration};

/// How long one measurement may take.
const WITHIN: Duration = Duration::from_secs(20);

/// What was measured of one fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// The fault with what matters of its parameters: `delay 20ms`.
    pub fault: String,
    /// What was asked for.
    pub requested: Amount,
    /// What was observed.
    pub observed: Observed,
    /// What happened on a link or a process without the fault, meanwhile.
    pub beside: Observed,
}

/// Something that a fault is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    /// So much later, or within that.
    Time(Duration),
    /// So many bytes per second.
    Rate(ByteCount),
    /// So many bytes.
    Bytes(ByteCount),
    /// That it happens to such a share.
    Share(Share),
    /// That it happens, every time.
    Always,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observed {
    /// Times, their median and 99th percentile.
    Times {
        /// How many.
        n: usize,
        /// Half of them are at most this.
        p50: Duration,
        /// Ninety-nine of a hundred are at most this.
        p99: Duration,
    },
    /// Bytes per second.
    Rate(ByteCount),
    /// Sizes in bytes, their median and extremes.
    Sizes {
        /// How many.
        n: usize,
        /// The smallest.
        min: ByteCount,
        /// Half of them are at most this.
        p50: ByteCount,
        /// The largest.
        max: ByteCount,
    },
    /// How often it happened.
    Happened {
        /// So often.
        times: usize,
        /// Of so many.
        of: usize,
    },
    /// Time of the processor that was used.
    Processor {
        /// In percent of the time that one processor had.
        percent: f64,
    },
}

/// Why a fault could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum NotMeasured {
    /// The traffic of the measurement failed where it should not.
    #[error("the traffic of the measurement failed: {0}")]
    Io(#[from] io::Error),
    /// The fault could not be injected or removed.
    #[error(transparent)]
    Fault(#[from] crate::FaultError),
    /// This machine cannot do the fault.
    #[error("this machine cannot do it: {0}")]
    Missing(String),
    /// It took too long.
    #[error("it was not done within {}", format_duration(WITHIN))]
    TooLong,
}

/// How a measurement is taken.
type Take = for<'a> fn(&'a stage::Stage) -> stage::Taking<'a>;

/// Every measurement there is, by the fault it is about, in order.
const ALL: &[(&str, Take)] = &[
    ("timer", |_| Box::pin(bytes::timer())),
    ("delay", |stage| Box::pin(bytes::delay(stage))),
    ("bandwidth", |stage| Box::pin(bytes::bandwidth(stage))),
    ("slow_close", |stage| Box::pin(bytes::slow_close(stage))),
    ("cut", |stage| Box::pin(bytes::cut(stage))),
    ("reset", |stage| Box::pin(bytes::reset(stage))),
    ("timeout", |stage| Box::pin(bytes::timeout(stage))),
    ("limit_data", |stage| Box::pin(bytes::limit_data(stage))),
    ("slicer", |stage| Box::pin(bytes::slicer(stage))),
    ("corrupt", |stage| Box::pin(bytes::corrupt(stage))),
    ("share", |stage| Box::pin(bytes::share(stage))),
    ("refuse", |stage| Box::pin(doors::refuse(stage))),
    ("stall", |stage| Box::pin(doors::stall(stage))),
    ("accept_reset", |stage| Box::pin(doors::accept_reset(stage))),
    ("slow_connect", |stage| Box::pin(doors::slow_connect(stage))),
    ("connection_limit", |stage| {
        Box::pin(doors::connection_limit(stage))
    }),
    ("http", |stage| Box::pin(http::all(stage))),
    ("grpc", |stage| Box::pin(calls::status(stage))),
    ("tls", |stage| Box::pin(tls::all(stage))),
    ("dns", |stage| Box::pin(names::all(stage))),
    ("partition", |stage| Box::pin(packets::partition(stage))),
    ("loss", |stage| Box::pin(packets::loss(stage))),
    ("reject", |stage| Box::pin(packets::reject(stage))),
    ("rate", |stage| Box::pin(packets::rate(stage))),
    ("pause", |stage| Box::pin(process::pause(stage))),
    ("kill", |stage| Box::pin(process::kill(stage))),
    ("limit", |stage| Box::pin(process::limit(stage))),
    ("cpu", |stage| Box::pin(resource::cpu(stage))),
    ("freeze", |stage| Box::pin(resource::freeze(stage))),
    ("cpu_burn", |stage| Box::pin(resource::burn(stage))),
    ("memory", |stage| Box::pin(resource::memory(stage))),
    ("memory_pressure", |stage| {
        Box::pin(resource::pressure(stage))
    }),
    ("disk", |stage| Box::pin(resource::disk(stage))),
];

/// The names of all measurements: of faults, and `timer` for how late this
/// machine itself is.
#[must_use]
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|(name, _)| *name).collect()
}

/// Takes the measurement of this name, on loopback and on processes of its own;
/// all of it is gone afterwards. `journal` is where undos are written first;
/// some faults need a guardian, which is started by `guardian`: program and arguments.
///
/// # Errors
/// See [`NotMeasured`]; `None` where there is none of this name.
pub async fn measure(
    name: &str,
    journal: std::sync::Arc<crate::Journal>,
    guardian: &[OsString],
) -> Option<Result<Vec<Measured>, NotMeasured>> {
    let (_, take) = ALL.iter().find(|(known, _)| *known == name)?;
    let taken = async {
        let stage = stage::Stage::set_up(journal, guardian).await?;
        let measured = take(&stage).await;
        stage.clear().await;
        measured
    };
    let taken = tokio::time::timeout(WITHIN, taken).await;
    Some(taken.unwrap_or(Err(NotMeasured::TooLong)))
}

impl Observed {
    /// Of `times`; none of them would be no measurement.
    fn times(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        // The nearest rank.
        let rank = |percent: usize| (times.len() * percent).div_ceil(100).saturating_sub(1);
        let at = |percent| times.get(rank(percent)).copied().unwrap_or_default();
        Self::Times {
            n: times.len(),
            p50: at(50),
            p99: at(99),
        }
    }

    /// Of sizes in bytes; none of them would be no measurement.
    fn sizes(sizes: &[usize]) -> Self {
        let mut sizes: Vec<_> = sizes.iter().map(|size| ByteCount(*size as u64)).collect();
        sizes.sort_unstable();
        let at = |index: usize| sizes.get(index).copied().unwrap_or(ByteCount(0));
        Self::Sizes {
            n: sizes.len(),
            min: at(0),
            p50: at(sizes.len().div_ceil(2).saturating_sub(1)),
            max: at(sizes.len().saturating_sub(1)),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => f.write_str(&format_duration(*time)),
            Self::Rate(rate) => write!(f, "{rate}/s"),
            Self::Bytes(bytes) => bytes.fmt(f),
            Self::Share(share) => share.fmt(f),
            Self::Always => f.write_str("every time"),
        }
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times { n, p50, p99 } => {
                let ms = |time: &Duration| time.as_secs_f64() * 1e3;
                write!(f, "p50 {:.2} ms, p99 {:.2} ms of {n}", ms(p50), ms(p99))
            }
            Self::Rate(rate) => write!(f, "{:.1} KiB/s", rate.0 as f64 / 1024.0),
            Self::Sizes { n, min, p50, max } => write!(f, "p50 {p50}, {min} to {max} of {n}"),
            Self::Happened { times, of } => write!(f, "{times} of {of}"),
            Self::Processor { percent } => write!(f, "{percent:.1}% of a processor"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let ms = Duration::from_millis;
        let observed = Observed::times((1..=200).rev().map(ms).collect());
        let expected = Observed::Times {
            n: 200,
            p50: ms(100),
            p99: ms(198),
        };
        assert_eq!(observed, expected);
        assert_eq!(observed.to_string(), "p50 100.00 ms, p99 198.00 ms of 200");
        let one = Observed::times(vec![ms(3)]);
        assert_eq!(one.to_string(), "p50 3.00 ms, p99 3.00 ms of 1");
    }
}
