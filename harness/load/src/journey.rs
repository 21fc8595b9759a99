//! Journeys: what comes behind a step, for whom, and when. All of it is a function
//! of the seed, the journey, the number of the arrival and the step.

use std::time::Duration;

use squall_record::JourneyEnds;
use squall_scenario::seed::{nth, sub_seed, unit_interval};
use squall_scenario::{Load, Share, Think};

/// The journeys of a load.
#[derive(Debug)]
pub(crate) struct Journeys {
    journeys: Vec<Itinerary>,
}

#[derive(Debug)]
struct Itinerary {
    name: String,
    /// Route of its first step; those of the others follow.
    first: usize,
    steps: Vec<Stop>,
}

/// One step, and what its user does before and behind it.
#[derive(Debug)]
struct Stop {
    think: Option<(Think, u64)>,
    leave: Option<(Share, u64)>,
}

/// A journey under way: at which step it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walk {
    pub(crate) journey: u32,
    pub(crate) step: u32,
}

/// What comes behind a step that went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Onward {
    /// Its next step, when its user has thought for so long.
    Next(Duration),
    /// Nothing, as it was the last one.
    Completed,
    /// Nothing, as the user leaves.
    Left,
}

/// How journeys ended, by their number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(Vec<Ends>);

/// How those of one journey ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ends {
    started: u64,
    completed: u64,
    left: u64,
    failed: u64,
}

/// How a journey ends before the load does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    Left,
    Failed,
}

impl Journeys {
    pub(crate) fn new(load: &Load, seed: u64) -> Self {
        let mut first = load.requests.len();
        let journeys = load.journeys.iter().map(|journey| {
            let steps = journey.steps.iter().map(|step| {
                let name = &step.request.name;
                let stream = |what: &str| sub_seed(seed, &format!("{what}/{name}"));
                Stop {
                    think: step.think.map(|think| (think, stream("think"))),
                    leave: step.leave.map(|leave| (leave, stream("leave"))),
                }
            });
            let own = first;
            first += journey.steps.len();
            Itinerary {
                name: journey.name.clone(),
                first: own,
                steps: steps.collect(),
            }
        });
        Self {
            journeys: journeys.collect(),
        }
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.journeys.is_empty()
    }

    /// The route of a step.
    pub(crate) fn route(&self, journey: u32, step: u32) -> usize {
        let journey = self.journeys.get(journey as usize);
        journey.map_or(0, |journey| journey.first) + step as usize
    }

    /// What comes behind a step of arrival `number` that went well.
    pub(crate) fn onward(&self, walk: Walk, number: u64) -> Onward {
        let Some(journey) = self.journeys.get(walk.journey as usize) else {
            return Onward::Completed;
        };
        let step = walk.step as usize;
        let leaves = journey.steps.get(step).and_then(|stop| stop.leave);
        let Some(next) = journey.steps.get(step + 1) else {
            return Onward::Completed;
        };
        if leaves.is_some_and(|(share, seed)| unit_interval(nth(seed, number)) < share.get()) {
            return Onward::Left;
        }
        let think = next.think;
        let thought = think.map(|(think, seed)| think.at(unit_interval(nth(seed, number))));
        Onward::Next(thought.unwrap_or_default())
    }

    /// How all of them ended: what has no other end is unfinished.
    pub(crate) fn ends(&self, tally: &Tally) -> Vec<JourneyEnds> {
        let each = self.journeys.iter().enumerate();
        each.map(|(index, journey)| {
            let ends = tally.0.get(index).copied().unwrap_or_default();
            JourneyEnds {
                journey: journey.name.clone(),
                started: ends.started,
                completed: ends.completed,
                left: ends.left,
                failed: ends.failed,
                unfinished: ends.started - ends.completed - ends.left - ends.failed,
            }
        })
        .collect()
    }
}

impl Walk {
    /// At the first step.
    pub(crate) const fn new(journey: u32) -> Self {
        Self { journey, step: 0 }
    }

    /// At the next step.
    pub(crate) const fn next(self) -> Self {
        Self {
            journey: self.journey,
            step: self.step + 1,
        }
    }
}

impl Tally {
    /// A journey was started.
    pub(crate) fn start(&mut self, journey: u32) {
        self.of(journey).started += 1;
    }

    /// A journey ended.
    pub(crate) fn end(&mut self, journey: u32, end: End) {
        let ends = self.of(journey);
        match end {
            End::Completed => ends.completed += 1,
            End::Left => ends.left += 1,
            End::Failed => ends.failed += 1,
        }
    }

    fn of(&mut self, journey: u32) -> &mut Ends {
        let index = journey as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, Ends::default());
        }
        &mut self.0[index]
    }
}
