//! A world for tests that does as its script says, on paused time: every answer
//! takes the time it is given, fails, or never comes.

mod load;
mod script;
mod system;

pub(crate) use load::Traffic;
pub(crate) use script::{Answer, Call};
pub(crate) use system::SimulatedWorld;
