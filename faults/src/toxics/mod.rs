//! The toxics there are, one file each: what becomes of the bytes. What else
//! there is to know about each stands in the file of the same name in
//! `squall-scenario`, whose list of faults on bytes is taken over here.

mod bandwidth;
mod corrupt;
mod cut;
mod delay;
mod limit_data;
mod reset;
mod slicer;
mod slow_close;
mod timeout;

use std::time::Duration;

use squall_scenario::{OnBytes, inject};

use crate::Toxic;

/// How long something is held that only a removal lets go.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a fault on bytes needs to act: implemented for its parameters, in its
/// own file.
trait Decides {
    /// Whether it may swallow bytes or end connections. All others conserve
    /// every byte and the end of the stream.
    const LOSSY: bool;
    /// Whether it may change bytes, though never how many there are.
    const ALTERS: bool = false;

    /// A typical one, acting on both directions.
    fn example() -> Self;

    /// The toxic for one direction of one connection; `seed` is that flow's
    /// own.
    fn toxic(&self, seed: u64) -> Box<dyn Toxic>;
}

/// A toxic, for the conformance suite.
#[derive(Debug, Clone, Copy)]
pub struct ToxicInfo {
    /// Whether it may swallow bytes or end connections. All others conserve
    /// every byte and the end of the stream.
    pub lossy: bool,
    /// Whether it may change bytes, though never how many there are.
    pub alters: bool,
    /// A typical instance, acting on both directions; what the conformance
    /// suite runs.
    pub example: fn() -> OnBytes,
}

impl ToxicInfo {
    /// The word in a scenario.
    #[must_use]
    pub fn keyword(&self) -> &'static str {
        (self.example)().about().keyword
    }
}

macro_rules! toxics {
    ($($kind:ident in $file:ident,)+ ; $($door:ident in $door_file:ident,)+) => {
        /// Every toxic there is.
        pub const ALL_TOXICS: &[ToxicInfo] = &[$(ToxicInfo {
            lossy: <inject::$kind as Decides>::LOSSY,
            alters: <inject::$kind as Decides>::ALTERS,
            example: || OnBytes::$kind(Decides::example()),
        },)+];

        /// Builds the toxic for one direction of one connection; `seed` is that
        /// flow's own. None for a fault that only acts before the first byte.
        #[must_use]
        pub fn build(fault: &OnBytes, seed: u64) -> Option<Box<dyn Toxic>> {
            match fault {
                $(OnBytes::$kind(fault) => Some(fault.toxic(seed)),)+
                $(OnBytes::$door(_) => None,)+
            }
        }
    };
}

squall_scenario::faults_on_bytes!(toxics);

#[cfg(test)]
mod tests {
    use super::*;
    use squall_scenario::inject::Direction;

    #[test]
    fn every_fault_on_bytes_has_a_toxic_that_acts_on_both_directions() {
        let toxics: Vec<_> = ALL_TOXICS.iter().map(ToxicInfo::keyword).collect();
        let faults: Vec<_> = OnBytes::KINDS.iter().map(|about| about.keyword).collect();
        // Behind them come those that act before the first byte.
        assert!(faults.starts_with(&toxics) && faults[toxics.len()] == "refuse");
        for info in ALL_TOXICS {
            assert_eq!((info.example)().direction(), Direction::Both);
        }
    }
}
