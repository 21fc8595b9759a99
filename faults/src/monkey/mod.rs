//! Chaos Monkey: kills one of a group now and then, in working hours.
//!
//! What is drawn is a function of the seed, the group and the day
//! ([`day`], [`preview`]); what becomes of it is decided by checks that all fail
//! safe ([`checks`]); every decision is on record before anything is killed
//! ([`decision`], [`history`]). The [`daemon`] goes through the days; it knows
//! the outside, the clock included, through [`Hands`] only.

mod checks;
mod daemon;
mod decision;
mod hands;
mod history;
mod schedule;
#[cfg(test)]
mod tests;

pub use checks::eligible;
pub use daemon::{LATE_AFTER, run};
pub use decision::{Decision, Entry, NotMade};
pub use hands::{Hands, Instance};
pub use history::{History, HistoryError, Last};
pub use schedule::{Day, PreviewedDay, day, preview};
