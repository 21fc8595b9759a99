//! The rate that this machine can hold: measured once by `squall doctor`, kept, and
//! told to whoever plans more.

mod kept;
mod machine;
mod steps;

use std::fmt;

use serde::{Deserialize, Serialize};
use squall_judge::quantity::grouped;
use squall_scenario::Scenario;

pub use kept::{keep, kept};
use machine::Identity;
pub use steps::measure;

/// What it is called among what can be measured.
pub const NAME: &str = "load";

/// The highest rate that was held, and what kept the next one from being held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Requests per second to a server of squall's own on the same machine, which
    /// does a part of the work.
    pub per_second: f64,
    /// What was used up first.
    pub bounded_by: BoundedBy,
    /// Where it was measured.
    pub machine: Identity,
    /// On which day, in UTC.
    pub measured_utc: String,
}

/// What is used up first when a load grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoundedBy {
    /// No processor was idle.
    Processors,
    /// The same, and most of the work was that of other programs.
    OtherPrograms,
    /// Arrivals were sent late although processors were idle.
    Lag,
    /// Everything was sent in time, and the server was behind.
    Answers,
    /// Nothing: every rate that was tried was held.
    Nothing,
}

impl fmt::Display for BoundedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Processors => "above it no processor is idle",
            Self::OtherPrograms => {
                "other programs keep the processors busy: measure again when they do not"
            }
            Self::Lag => "above it requests are sent late although processors are idle",
            Self::Answers => "above it the server is behind",
            Self::Nothing => "no higher rate was tried",
        })
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/s held with the server on the same {}; {}",
            grouped(self.per_second as u64),
            self.machine,
            self.bounded_by
        )
    }
}

/// Says that a scenario asks for more than was held here, where it does and it was
/// measured.
pub fn remark(scenario: &Scenario) -> Option<String> {
    beyond(scenario.load.peak_of_all(), &kept()?)
}

fn beyond(peak: f64, held: &Held) -> Option<String> {
    (peak > held.per_second).then(|| {
        format!(
            "it asks for {}/s at its peak, and on {} this machine held {}/s (`squall doctor \
             --measure {NAME}`): what is beyond that is sent late or dropped, and a gate \
             that fails only by that is inconclusive",
            grouped(peak.ceil() as u64),
            held.measured_utc,
            grouped(held.per_second as u64),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_than_was_held_is_worth_a_word() {
        let held = Held {
            per_second: 20_000.0,
            bounded_by: BoundedBy::Processors,
            machine: Identity::of_this(),
            measured_utc: "2026-01-01".to_owned(),
        };
        assert_eq!(beyond(20_000.0, &held), None);
        let said = beyond(20_000.5, &held).unwrap();
        let rates = [20_001, 20_000].map(|rate| format!("{}/s", grouped(rate)));
        assert!(rates.iter().all(|rate| said.contains(rate)), "{said}");
        assert!(said.contains("on 2026-01-01 this machine"), "{said}");
    }
}
