//! What the engine does to the outside: the seam, the real side of it, and a
//! simulated one for tests.

mod injection;
mod made_of;
mod means;
mod monkeys;
mod reached;
pub(crate) mod real;
mod real_system;
pub(crate) mod seam;
#[cfg(test)]
pub(crate) mod simulated;
