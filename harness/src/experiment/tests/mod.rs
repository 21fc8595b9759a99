//! Lives of runs on paused time, in a world that does as it is told.

mod phases;
mod stage;
mod unanswered;
