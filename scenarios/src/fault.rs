//! What is broken, where, when and for how long.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::inject::Inject;
use crate::seed::{nth, sub_seed};
use crate::span::Located;
use crate::units::{Share, format_duration};

/// One entry of a scenario's `faults`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultSpec {
    /// Name of the fault and of its window; unique in a scenario.
    pub name: Located<String>,
    /// When it is injected, counted from time zero.
    pub at: Duration,
    /// What is done.
    pub inject: Inject,
    /// To whom.
    pub into: Located<FaultTarget>,
    /// Which share of the connections it hits; all when absent. Only for faults
    /// on bytes. The seed decides for each connection, see
    /// [`FaultSpec::share`].
    #[serde(default)]
    pub share: Option<Share>,
    /// How long each injection lasts; of a monkey, how long it is awake. `None`
    /// only for faults that are a point in time (`kill`: the restart policy brings
    /// the process back).
    pub duration: Option<Duration>,
    /// Repetition.
    pub repeat: Option<Repeat>,
    /// Where the whole entry stands.
    pub span: crate::span::Span,
}

impl FaultSpec {
    /// Start of every injection, counted from time zero; with cycles of every
    /// period. Those of a monkey are its kills, which the seed of the run draws.
    pub fn injections(&self, seed: u64) -> impl Iterator<Item = Duration> + use<> {
        let (monkey, lasts) = (self.inject.monkey(), self.duration.unwrap_or_default());
        let by_the_clock = monkey.is_none().then(|| self.repeats());
        let kills = monkey.map(|monkey| monkey.kills(seed, &self.name.value, lasts));
        let at = self.at;
        let drawn = kills.unwrap_or_default().into_iter();
        let drawn = drawn.map(move |kill| at.saturating_add(kill));
        drawn.chain(by_the_clock.into_iter().flatten())
    }

    /// Start of every injection of a fault that is injected by the clock; of a
    /// monkey, when it wakes up.
    pub fn repeats(&self) -> impl Iterator<Item = Duration> + use<> {
        let (every, times) = self
            .repeat
            .map_or((Duration::ZERO, 1), |r| (r.every, r.times));
        let at = self.at;
        (0..times).map(move |n| at + every * n)
    }

    /// How long each injection lasts; `None` for those that are points in time.
    #[must_use]
    pub fn each_lasts(&self) -> Option<Duration> {
        match self.inject.monkey() {
            Some(_kills) => None,
            None => self.duration,
        }
    }

    /// How many cycles there are, each of a period with the fault and one
    /// without; `None` for a fault that is injected every time.
    #[must_use]
    pub fn cycles(&self) -> Option<u32> {
        let repeat = self.repeat.filter(|repeat| repeat.control)?;
        Some(repeat.times / 2)
    }

    /// Whether the period `number`, from 0, is a control period of its cycle:
    /// nothing is injected in it. A fair coin of the run's seed decides for each
    /// cycle which of its two periods it is, so that neither drift nor the order
    /// can be mistaken for the fault.
    #[must_use]
    pub fn is_control(&self, number: u32, seed: u64) -> bool {
        if self.cycles().is_none() {
            return false;
        }
        let stream = sub_seed(seed, &format!("cycles/{}", self.name.value));
        let control_first = nth(stream, u64::from(number / 2)) >> 63 == 1;
        number.is_multiple_of(2) == control_first
    }

    /// How it comes again, as it follows a sentence: `, every 4s, 8 times`;
    /// empty for a fault that does not.
    #[must_use]
    pub fn rhythm(&self) -> String {
        let Some(repeat) = self.repeat else {
            return String::new();
        };
        let every = format_duration(repeat.every);
        self.cycles().map_or_else(
            || format!(", every {every}, {} times", repeat.times),
            |cycles| {
                format!(
                    ", in {cycles} cycles with and without it in random order, \
                     a period every {every}"
                )
            },
        )
    }

    /// The share of connections it hits.
    #[must_use]
    pub fn share(&self) -> Share {
        self.share.unwrap_or(Share::WHOLE)
    }

    /// That it hits a share only, as it follows what is injected:
    /// ` (20% of connections)`; empty for a fault that hits all.
    #[must_use]
    pub fn scope(&self) -> String {
        let share = self.share.map(|share| format!(" ({share} of connections)"));
        share.unwrap_or_default()
    }

    /// When the last injection's removal is asked for, counted from time zero.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.repeats().last().unwrap_or(self.at) + self.duration.unwrap_or_default()
    }
}

/// A fault that is injected more than once; its window runs from the first
/// injection to the end of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// From one injection to the next.
    pub every: Duration,
    /// Number of injections, at least 1; with `control` of periods, two for
    /// each cycle.
    pub times: u32,
    /// Whether the periods come in cycles of two, one with the fault and one
    /// without: `repeat: 5`.
    #[serde(default)]
    pub control: bool,
}

/// Most cycles of one fault. The test of their effect visits two to the power
/// of so many orders.
pub const CYCLES_MAX: u32 = 16;

/// The smallest p a test of so many cycles can come to: of the equally likely
/// orders within them, one is the most extreme.
#[must_use]
pub fn smallest_p(cycles: u32) -> f64 {
    0.5_f64.powi(i32::try_from(cycles).unwrap_or(i32::MAX))
}

/// The p at which an effect counts as shown.
pub const P_SHOWN: f64 = 0.05;

/// What a fault is aimed at. All names are checked against the system.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FaultTarget {
    /// Every instance of a process.
    Process(String),
    /// One instance, for instance `catalog-0`.
    Instance {
        /// The process.
        process: String,
        /// Its number, from 0.
        index: u32,
    },
    /// A process that squall did not start.
    Existing(String),
    /// A named link.
    Link(String),
    /// Every member of a group.
    Group(String),
    /// A name that the run's resolver answers, for instance `payments.test`.
    Name(String),
    /// `any N of X`: that many instances or links of X, chosen by the seed
    /// for each injection.
    Any {
        /// How many, at least 1.
        count: u32,
        /// A process or a group.
        of: Box<FaultTarget>,
    },
}

impl fmt::Display for FaultTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(name)
            | Self::Existing(name)
            | Self::Link(name)
            | Self::Group(name)
            | Self::Name(name) => f.write_str(name),
            Self::Instance { process, index } => write!(f, "{process}-{index}"),
            Self::Any { count, of } => write!(f, "any {count} of {of}"),
        }
    }
}
