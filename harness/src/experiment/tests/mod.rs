//! Lives of runs on paused time, in a world that does as it is told.

mod monkeys;
mod phases;
mod stage;
mod unanswered;
