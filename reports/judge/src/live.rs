//! Judging while the run goes on: pure state machines fed with its events.
//!
//! Gates are shown as they stand; only the judge decides, on the record.

mod board;
mod breakers;
mod guard;
mod reading;
mod steady;

pub use board::{GateBoard, LiveGate, LiveState};
pub use guard::{AbortGuard, AbortTrip};
pub use reading::ReadingGuard;
pub use steady::check_gates;
