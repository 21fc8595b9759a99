//! `monkey`: now and then, one of many processes is killed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::{Absent, Kind};
use super::{
    About, Inject, Kill, Mistake, OnProcess, Parameter, ParameterKind, Problem, Signal, Surface,
    Value,
};
use crate::seed::{nth, sub_seed, unit_interval};
use crate::units::format_duration;

/// Shortest mean time between kills. Each is watched until whoever was killed
/// serves again, which takes longer than this.
const MEAN_MIN: Duration = Duration::from_millis(500);
/// Most kills of one monkey.
const KILLS_MAX: usize = 100_000;
/// Most survivors that may be asked for: no process has more instances.
const SURVIVORS_MAX: u32 = 1_000;

/// Chaos Monkey with seconds for days: as long as the fault lasts, instances are
/// killed at times that the seed draws, one at a time; their restart policy
/// brings them back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monkey {
    /// Mean time from one kill to the next.
    pub mean: Duration,
    /// Least time from one kill to the next.
    pub min: Duration,
    /// How many instances of the process must be left serving.
    pub survivors: u32,
    /// How they are ended.
    pub signal: Signal,
}

pub(super) static ABOUT: About = About {
    keyword: "monkey",
    surface: Surface::Process,
    about: "Now and then, one of the processes is killed.",
    also_called: &["chaos_monkey", "chaos-monkey"],
    noun: "a monkey",
    meaning: "Chaos Monkey with seconds for days: at times that the seed draws, an instance that the seed draws is killed, unless too few would be left.",
    reads: "monkey: { mean: 8s, min: 3s, survivors: 1 }",
    parameters: &[
        Parameter::needed(
            "mean",
            ParameterKind::Duration,
            "Mean time from one kill to the next.",
            &["every", "interval"],
        ),
        Parameter::no_time("min", "Least time from one kill to the next."),
        Parameter {
            name: "survivors",
            kind: ParameterKind::Count(0, SURVIVORS_MAX),
            absent: Absent::Means(Value::Count(1)),
            about: "Instances of a process that must be left serving, or there is no kill.",
            otherwise: &["min_survivors", "leave"],
        },
        Parameter::word(
            "signal",
            "kill",
            super::kill::SIGNALS,
            "The signal; kill when absent.",
        ),
    ],
    example: "- name: monkey
  at: 15s
  inject: { monkey: { mean: 8s, min: 3s, survivors: 1 } }
  into: payments
  for: 40s",
    verified: "Each kill as that of `kill`. One that is not made is in the record with its reason; where none was made, the run proves nothing.",
    undone: "The restart policy starts whoever was killed. It must be ready again.",
    read: |given| {
        Some(
            Monkey {
                mean: given.duration("mean")?,
                min: given.duration("min")?,
                survivors: given.count("survivors")?,
                signal: super::kill::signal(given)?,
            }
            .into(),
        )
    },
};

impl Monkey {
    /// When it kills, counted from its start, if it lasts that long. A function
    /// of the seed and the name of the fault.
    ///
    /// From one kill to the next it is `min`, and then an exponential time whose
    /// mean is what `min` leaves of `mean`: whatever `min` is, kills come `mean`
    /// apart on average, and a kill is no less likely for the last one being long
    /// ago. The first comes as if one had been `min` before the start.
    #[must_use]
    pub fn kills(&self, seed: u64, fault: &str, lasts: Duration) -> Vec<Duration> {
        let stream = sub_seed(seed, &format!("monkey/{fault}"));
        let free = self.mean.saturating_sub(self.min);
        let mut kills = Vec::new();
        let mut earliest = Duration::ZERO;
        for n in 0..KILLS_MAX as u64 {
            let gap = -(1.0 - unit_interval(nth(stream, n))).ln();
            // Whole milliseconds: more is no use to anybody who reads a plan.
            let gap = Duration::try_from_secs_f64(free.as_secs_f64() * gap).unwrap_or(lasts);
            let at = earliest + Duration::from_millis(gap.as_millis() as u64);
            if at >= lasts {
                break;
            }
            kills.push(at);
            earliest = at + self.min;
        }
        kills
    }

    /// Each of its kills.
    #[must_use]
    pub const fn kill(&self) -> Kill {
        Kill {
            signal: self.signal,
        }
    }
}

impl From<Monkey> for Inject {
    fn from(monkey: Monkey) -> Self {
        Self::Process(OnProcess::Monkey(monkey))
    }
}

impl Kind for Monkey {
    fn details(&self) -> String {
        let mut text = format!(" that kills every {}", format_duration(self.mean));
        text.push_str(" on average");
        if !self.min.is_zero() {
            text.push_str(&format!(", at least {} apart", format_duration(self.min)));
        }
        if self.signal != Signal::default() {
            text.push_str(&format!(", with {}", self.signal.name()));
        }
        text.push_str(&format!(", leaving {} of a process", self.survivors));
        text
    }

    fn brief(&self) -> String {
        format!(" every {} on average", format_duration(self.mean))
    }

    fn mistake(&self) -> Option<Mistake> {
        if self.mean < MEAN_MIN {
            return Some(Mistake {
                parameter: "mean",
                problem: Problem::OutOfRange,
                title: "a monkey needs time between its kills",
                label: format!("below {}", format_duration(MEAN_MIN)),
                help: "write for instance `mean: 8s`; to kill many at once, inject `kill`",
            });
        }
        (self.min > self.mean).then(|| Mistake {
            parameter: "min",
            problem: Problem::OutOfRange,
            title: "the least time between kills is above their mean",
            label: format!("above {}", format_duration(self.mean)),
            help: "lengthen `mean` or shorten `min`",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn monkey(mean_s: u64, min_s: u64) -> Monkey {
        Monkey {
            mean: Duration::from_secs(mean_s),
            min: Duration::from_secs(min_s),
            survivors: 1,
            signal: Signal::Kill,
        }
    }

    #[test]
    fn kills_have_the_mean_that_was_asked_for_whatever_the_minimum() {
        let lasts = Duration::from_secs(400_000);
        for (mean_s, min_s) in [(8, 0), (8, 3), (8, 7), (20, 19)] {
            let kills = monkey(mean_s, min_s).kills(2011, "monkey", lasts);
            assert!(kills.len() > 10_000, "{}", kills.len());
            let gaps = kills.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(gaps.min().unwrap() >= Duration::from_secs(min_s));
            let (first, last) = (kills[0], kills[kills.len() - 1]);
            let mean = (last - first).as_secs_f64() / (kills.len() - 1) as f64;
            assert!(
                (mean / mean_s as f64 - 1.0).abs() < 0.02,
                "{mean_s}/{min_s}: {mean}"
            );
        }
    }

    #[test]
    fn the_minimum_may_be_the_mean() {
        let kills = monkey(5, 5).kills(1, "monkey", Duration::from_secs(16));
        assert_eq!(kills, [0, 5, 10, 15].map(Duration::from_secs));
    }

    #[test]
    fn kills_depend_on_the_seed_and_the_name_and_end_with_the_fault() {
        let lasts = Duration::from_secs(60);
        let kills = |seed, name| monkey(8, 3).kills(seed, name, lasts);
        assert_eq!(kills(1, "a"), kills(1, "a"));
        assert_ne!(kills(1, "a"), kills(2, "a"));
        assert_ne!(kills(1, "a"), kills(1, "b"));
        let all = (0..200).flat_map(|seed| kills(seed, "a"));
        assert!(all.max().unwrap() < lasts);
        let longer = monkey(8, 3).kills(1, "a", lasts * 2);
        assert!(longer.starts_with(&kills(1, "a")));
        assert!(monkey(8, 3).kills(1, "a", Duration::ZERO).is_empty());
        // Not without end, however long a fault lasts.
        let endless = monkey(1, 0).kills(1, "a", Duration::MAX);
        assert_eq!(endless.len(), KILLS_MAX);
    }
}
