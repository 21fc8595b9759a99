//! The quota of the processor in a cgroup, and what the kernel counts of it.

use std::time::{Duration, Instant};

use squall_scenario::{Measured, Share};

use super::cgroup::{Version, number};
use super::inverse::Pen;
use crate::process::stat;
use crate::{FaultError, Member, ProcessIdentity};

/// The period of a quota, which is the kernel's own default.
const PERIOD_US: u64 = 100_000;
/// What the kernel counts of a quota.
const COUNTS: &str = "cpu.stat";

/// The processor as a cgroup deals it out.
pub(super) struct Processor;

/// What processes have used so far, and how often they were held back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    at: Instant,
    used: Duration,
    periods: u64,
    held: u64,
    held_us: u64,
}

impl Processor {
    /// The files of which one must be there, by version.
    pub(super) const FILES: &[&str] = &["cpu.cfs_quota_us", "cpu.max"];

    /// A share of one processor as microseconds of each period.
    pub(super) fn quota_us(share: Share) -> u64 {
        (share.get() * PERIOD_US as f64).round() as u64
    }

    /// Leaves so many microseconds of each period.
    pub(super) fn set(pen: &Pen, quota_us: u64) -> Result<(), FaultError> {
        match pen.version {
            Version::V1 => {
                pen.set("cpu.cfs_period_us", &PERIOD_US.to_string())?;
                pen.set("cpu.cfs_quota_us", &quota_us.to_string())
            }
            Version::V2 => pen.set("cpu.max", &format!("{quota_us} {PERIOD_US}")),
        }
    }

    /// What is left now; `None` where that is not limited, or not in the period
    /// that was set.
    pub(super) fn stands(pen: &Pen) -> Result<Option<u64>, FaultError> {
        let (quota, period) = match pen.version {
            Version::V1 => (pen.get("cpu.cfs_quota_us")?, pen.get("cpu.cfs_period_us")?),
            Version::V2 => {
                let both = pen.get("cpu.max")?;
                let (quota, period) = both.split_once(' ').unwrap_or((&both, ""));
                (quota.to_owned(), period.to_owned())
            }
        };
        let period: Option<u64> = period.trim().parse().ok();
        let period = period.filter(|period| *period == PERIOD_US);
        Ok(period.and_then(|_| quota.trim().parse().ok()))
    }

    /// What the kernel has counted.
    pub(super) fn used(pen: &Pen, inside: &[Member]) -> Result<Use, FaultError> {
        let text = pen.get(COUNTS)?;
        let count = |name| number(&text, name).unwrap_or_default();
        let held_us = match pen.version {
            Version::V1 => count("throttled_time") / 1000,
            Version::V2 => count("throttled_usec"),
        };
        Ok(Use {
            at: Instant::now(),
            used: inside
                .iter()
                .filter_map(|member| ran(member.identity))
                .sum(),
            periods: count("nr_periods"),
            held: count("nr_throttled"),
            held_us,
        })
    }
}

/// How long a process and those of its children that have ended have run. Where
/// the controller counts that itself depends on the version; `/proc` always does.
pub(super) fn ran(who: ProcessIdentity) -> Option<Duration> {
    let stat = stat(who.pid).ok()?;
    let ended = u64::try_from(stat.cutime + stat.cstime).unwrap_or_default();
    let ticks = stat.utime + stat.stime + ended;
    let seconds = ticks as f64 / procfs::ticks_per_second() as f64;
    (stat.starttime == who.start_time).then(|| Duration::from_secs_f64(seconds))
}

impl Use {
    /// What became of it since an earlier look.
    pub(super) fn since(self, begun: Self) -> Measured {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Measured::Processor {
            used_us: micros(self.used.saturating_sub(begun.used)),
            over_us: micros(self.at.saturating_duration_since(begun.at)),
            periods: self.periods.saturating_sub(begun.periods),
            held: self.held.saturating_sub(begun.held),
            held_us: self.held_us.saturating_sub(begun.held_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_part_of_each_period() {
        let quota = |share| Processor::quota_us(Share::new(share).unwrap());
        assert_eq!([0.2, 1.0, 0.01].map(quota), [20_000, 100_000, 1_000]);
    }
}
