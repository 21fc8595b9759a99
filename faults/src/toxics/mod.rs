//! The toxics there are, one file each.

mod bandwidth;
mod cut;
mod delay;
mod reset;

use std::time::Duration;

use squall_scenario::{Bandwidth, ByteCount, Cut, Delay, Direction, Inject, Reset};

use crate::Toxic;

/// A row of the table of toxics.
#[derive(Debug, Clone, Copy)]
pub struct ToxicInfo {
    /// The word in a scenario.
    pub keyword: &'static str,
    /// One sentence for people.
    pub about: &'static str,
    /// Whether it may swallow bytes or end connections. All others conserve
    /// every byte and the end of the stream.
    pub lossy: bool,
    /// A typical instance, acting on both directions; what the conformance
    /// suite runs.
    pub example: fn() -> Inject,
}

/// Every toxic, for documentation and for the conformance suite.
pub const ALL_TOXICS: &[ToxicInfo] = &[
    ToxicInfo {
        keyword: "delay",
        about: "Bytes arrive later, in order, at full throughput.",
        lossy: false,
        example: || {
            Inject::Delay(Delay {
                by: Duration::from_millis(20),
                jitter: Duration::from_millis(10),
                direction: Direction::Both,
            })
        },
    },
    ToxicInfo {
        keyword: "cut",
        about: "Bytes stop arriving; connections stay up, silent, and are closed on removal.",
        lossy: true,
        example: || {
            Inject::Cut(Cut {
                direction: Direction::Both,
            })
        },
    },
    ToxicInfo {
        keyword: "reset",
        about: "Live connections end with a TCP reset at once, new ones at their first bytes.",
        lossy: true,
        example: || {
            Inject::Reset(Reset {
                after: Duration::from_millis(5),
            })
        },
    },
    ToxicInfo {
        keyword: "bandwidth",
        about: "At most so many bytes per second pass on each connection.",
        lossy: false,
        example: || {
            Inject::Bandwidth(Bandwidth {
                rate: ByteCount(1 << 20),
                direction: Direction::Both,
            })
        },
    },
];

/// Builds the toxic for one direction of one connection; `seed` is that
/// flow's own. `None` when the fault does not act on bytes.
#[must_use]
pub fn build(inject: &Inject, seed: u64) -> Option<Box<dyn Toxic>> {
    match inject {
        Inject::Delay(delay) => Some(Box::new(delay::DelayToxic::new(*delay, seed))),
        Inject::Cut(_) => Some(Box::new(cut::CutToxic)),
        Inject::Reset(reset) => Some(Box::new(reset::ResetToxic::new(*reset))),
        Inject::Bandwidth(bandwidth) => Some(Box::new(bandwidth::BandwidthToxic::new(*bandwidth))),
        Inject::Kill(_) | Inject::Pause => None,
    }
}

/// Whether `inject` acts on bytes towards the target (`to_target`) or from it.
#[must_use]
pub fn acts_on(inject: &Inject, to_target: bool) -> bool {
    let direction = match inject {
        Inject::Delay(delay) => delay.direction,
        Inject::Cut(cut) => cut.direction,
        Inject::Bandwidth(bandwidth) => bandwidth.direction,
        Inject::Reset(_) => Direction::Both,
        Inject::Kill(_) | Inject::Pause => return false,
    };
    match direction {
        Direction::Both => true,
        Direction::To => to_target,
        Direction::From => !to_target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_builder_agree() {
        let mut keywords: Vec<_> = ALL_TOXICS.iter().map(|info| info.keyword).collect();
        for info in ALL_TOXICS {
            let example = (info.example)();
            assert_eq!(example.keyword(), info.keyword);
            assert!(build(&example, 0).is_some(), "{}", info.keyword);
            assert!(acts_on(&example, true) && acts_on(&example, false));
            assert!(info.about.ends_with('.'));
        }
        keywords.sort_unstable();
        keywords.dedup();
        assert_eq!(keywords.len(), ALL_TOXICS.len());
        assert!(build(&Inject::Pause, 0).is_none());
    }
}
