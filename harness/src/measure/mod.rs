//! From settled arrivals to intervals and samples.

mod recorder;
mod samples;

pub use recorder::{Recorder, Settled};
