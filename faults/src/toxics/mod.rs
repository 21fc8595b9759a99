//! The toxics there are, one file each.

use squall_scenario::{Direction, Inject};

use crate::Toxic;

/// A row of the table of toxics.
#[derive(Debug, Clone, Copy)]
pub struct ToxicInfo {
    /// The word in a scenario.
    pub keyword: &'static str,
    /// One sentence for people.
    pub about: &'static str,
    /// Whether it may swallow bytes. All others conserve every byte.
    pub loses_bytes: bool,
}

/// Every toxic, for documentation and for the conformance suite.
pub const ALL_TOXICS: &[ToxicInfo] = &[];

/// Builds the toxic for one direction of one connection; `seed` is that
/// flow's own. `None` when the fault does not act on bytes.
#[must_use]
pub fn build(inject: &Inject, seed: u64) -> Option<Box<dyn Toxic>> {
    let _ = (inject, seed);
    None
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
