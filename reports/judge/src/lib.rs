//! What a run proves.
//!
//! The judge turns a [`Record`] and objectives into a [`Verdict`]: windows are
//! cut, gates decided, and what stands behind every decision is kept. Nothing
//! here opens a socket, reads a clock or prints. [`live`] holds the state
//! machines that watch gates and guards while a run goes on.
//!
//! [`Record`]: squall_record::Record

mod baseline;
mod breaker;
pub mod calibrate;
mod case;
mod conservation;
mod detection;
mod dispersion;
mod effect;
mod ending;
mod errors;
mod fault;
mod gate;
mod generator;
mod judge;
pub mod live;
mod metric;
mod outage;
mod outcome;
mod process;
mod prove;
pub mod quantity;
mod ratio;
mod reading;
mod recovery;
mod relative;
mod ruling;
mod slice;
mod sliding;
pub mod statistics;
mod summary;
mod users;
mod validity;
pub mod verdict;
mod window;

pub use dispersion::{Bin, dispersion, spread};
pub use errors::Origins;
pub use judge::{judge, judge_with};
pub use outcome::{OUTCOMES, OutcomeRow, RunOutcome, exit_code_table};
pub use prove::{VariantOutcome, variant_outcome};
pub use slice::Slice;
pub use summary::RunSummary;
pub use users::UserImpact;
pub use verdict::Verdict;
pub use window::{Window, windows};

/// Confidence of every bound that is shown, and of the sample sizes a
/// quantile needs.
pub(crate) const CONFIDENCE: f64 = 0.95;

pub(crate) use breaker::{
    Asked, Course, Instances, after_on, change_on, is_told_by_lines, reached_by, state_on,
};
pub(crate) use case::Case;
pub(crate) use gate::unit_threshold;
pub(crate) use metric::rule_slice;
pub(crate) use ratio::{Claim, Inference, claim_of};
pub(crate) use reading::live as reading_live;
pub(crate) use ruling::Ruling;
pub(crate) use window::hold_ranges;
