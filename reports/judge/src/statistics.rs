//! The statistics behind gates: exact binomial bounds, which serve shares and
//! quantiles alike.

mod beta;
mod binomial;
mod bootstrap;
mod chi_square;
mod difference;
mod estimate;
mod permutation;
mod sequential;

pub use binomial::{
    binomial_quantile, lower_bound, samples_to_prove, surely_above, surely_at_most, upper_bound,
};
pub use bootstrap::BlockBootstrap;
pub(crate) use chi_square::chi_square_quantile;
pub use difference::{difference_interval, score_interval};
pub use estimate::Estimate;
pub use permutation::SignFlips;
pub use sequential::{ln_evidence_above, ln_evidence_since};
