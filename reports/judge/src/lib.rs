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
mod obstacles;
mod outage;
mod outcome;
mod parts;
mod process;
mod prove;
pub mod quantity;
mod ratio;
mod reading;
mod recovery;
mod relative;
mod ruling;
mod samples;
mod shortage;
mod slice;
mod sliding;
pub mod statistics;
mod summary;
mod summed;
mod users;
mod validity;
pub mod verdict;
mod viewing;
mod window;
mod window_stats;

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
