//! Which bit rate the next segment has: the highest that both the network and
//! the buffer bear.
//!
//! The network bears what is below its throughput with a margin (the
//! throughput rule of dash.js). The buffer bears more the fuller it is: the
//! lowest rate up to a reservoir, the highest when it is full, and in between
//! in proportion (BBA-0: Huang et al., "A Buffer-Based Approach to Rate
//! Adaptation", SIGCOMM 2014, section 4). The lower of the two counts, so that
//! neither an estimate that is too high nor a full buffer alone empties it.

use std::time::Duration;

/// Share of the estimated throughput that a bit rate may take, as in dash.js.
const SAFETY: f64 = 0.9;

/// Bit rates in kilobits per second, lowest first; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ladder(Vec<u32>);

/// How full a buffer is, and how full it may become before no segment is asked
/// for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    pub(super) buffered: Duration,
    pub(super) full: Duration,
}

impl Ladder {
    /// A ladder of these rates in any order; none of nothing or with a rate of
    /// zero.
    pub(super) fn new(mut kbps: Vec<u32>) -> Option<Self> {
        kbps.sort_unstable();
        kbps.dedup();
        (kbps.first()? > &0).then_some(Self(kbps))
    }

    /// The bit rate of a rung; the highest for one that is too high.
    pub(super) fn kbps(&self, rung: usize) -> u32 {
        self.0.get(rung).or(self.0.last()).copied().unwrap_or(1)
    }

    /// The rung for the next segment; the lowest while nothing is known.
    pub(super) fn choose(&self, throughput_kbps: Option<f64>, level: Level) -> usize {
        let Some(throughput) = throughput_kbps else {
            return 0;
        };
        let bearable = (throughput * SAFETY).min(self.buffer_bears(level));
        let above = self.0.partition_point(|kbps| f64::from(*kbps) <= bearable);
        above.saturating_sub(1)
    }

    /// The bit rate that a buffer bears.
    fn buffer_bears(&self, level: Level) -> f64 {
        let (lowest, highest) = (self.kbps(0), self.kbps(usize::MAX));
        let (lowest, highest) = (f64::from(lowest), f64::from(highest));
        let full = level.full.as_secs_f64();
        let reservoir = full / 4.0;
        let cushion = full - reservoir;
        if cushion <= 0.0 {
            return lowest;
        }
        let share = (level.buffered.as_secs_f64() - reservoir) / cushion;
        lowest + (highest - lowest) * share.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder() -> Ladder {
        Ladder::new(vec![3_000, 235, 750, 1_750, 750]).unwrap()
    }

    fn at(buffered_s: u64) -> Level {
        Level {
            buffered: Duration::from_secs(buffered_s),
            full: Duration::from_secs(16),
        }
    }

    #[test]
    fn ladders_are_sorted_and_have_rungs() {
        assert_eq!(ladder(), Ladder(vec![235, 750, 1_750, 3_000]));
        assert_eq!(Ladder::new(Vec::new()), None);
        assert_eq!(Ladder::new(vec![0, 5]), None);
        assert_eq!((ladder().kbps(1), ladder().kbps(9)), (750, 3_000));
    }

    #[test]
    fn a_full_buffer_takes_what_the_network_bears() {
        for (kbps, rung) in [
            (100.0, 0),
            (262.0, 0),
            (834.0, 1),
            (1_944.0, 1),
            (1_945.0, 2),
            (1e9, 3),
        ] {
            assert_eq!(ladder().choose(Some(kbps), at(16)), rung, "{kbps} kbit/s");
        }
        assert_eq!(ladder().choose(None, at(16)), 0, "nothing is known");
    }

    #[test]
    fn a_fast_network_waits_for_the_buffer() {
        // From 4 s to 16 s the rate goes from 235 to 3000 kbit/s.
        for (buffered_s, rung) in [
            (0, 0),
            (4, 0),
            (6, 0),
            (7, 1),
            (10, 1),
            (11, 2),
            (15, 2),
            (16, 3),
            (99, 3),
        ] {
            assert_eq!(
                ladder().choose(Some(1e9), at(buffered_s)),
                rung,
                "{buffered_s} s"
            );
        }
    }
}
