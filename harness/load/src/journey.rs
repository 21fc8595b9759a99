//! Journeys: what comes behind a step, for whom, when and with what. What is drawn is
//! a function of the seed, the journey, the number of the arrival and the step; what
//! is carried from one step to the next, of the answers.

use std::time::Duration;

use squall_record::JourneyEnds;
use squall_scenario::seed::{nth, sub_seed, unit_interval};
use squall_scenario::{Journey, Load, Persona, Share, Slot, Step, Think, Watching};

use crate::answer::Kept;
use crate::player::Manifest;
use crate::viewing::{Segment, Viewer};
pub(crate) use cache::{Asking, Cache, Came, Recalled};
use capture::{Capture, captured};
pub(crate) use cookies::{Asked, Jar};

mod cache;
mod capture;
mod cookies;
mod dates;

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
    /// Names of all that its steps take.
    names: Vec<String>,
    /// How its user's client behaves.
    persona: Option<Persona>,
    steps: Vec<Stop>,
}

/// One step, and what its user does before and behind it.
#[derive(Debug)]
struct Stop {
    think: Option<(Think, u64)>,
    player: Option<Watching>,
    leave: Option<(Share, u64)>,
    captures: Vec<Capture>,
    /// For the times between attempts.
    again: u64,
}

/// A journey under way: at which step it is, and with what.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) journey: u32,
    pub(crate) step: u32,
    pub(crate) carried: Carried,
    /// What its last step brought for the player behind it.
    pub(crate) manifest: Option<Manifest>,
    /// Who watches, in a step that plays.
    pub(crate) viewer: Option<Box<Viewer>>,
}

/// What a user has from the answers so far.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// What was taken, by its place among the names of the journey.
    taken: Vec<Option<String>>,
    pub(crate) jar: Jar,
    /// What its client keeps, where it has a cache and has asked for something.
    pub(crate) cache: Option<Box<Cache>>,
}

/// A step takes something that cannot be taken.
#[derive(Debug)]
pub(crate) struct BadTake {
    /// The route of the step.
    pub(crate) route: String,
    /// What is wrong, in words.
    pub(crate) why: String,
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
    /// # Errors
    /// A step takes something by what is no regular expression.
    pub(crate) fn new(load: &Load, seed: u64) -> Result<Self, BadTake> {
        let mut first = load.requests.len();
        let journeys = load.journeys.iter().map(|journey| {
            let own = first;
            first += journey.steps.len();
            Itinerary::new(journey, own, seed)
        });
        Ok(Self {
            journeys: journeys.collect::<Result<_, _>>()?,
        })
    }

    /// Names of all that the journey takes to which a route belongs, if it belongs
    /// to one.
    pub(crate) fn names(&self, route: usize) -> Option<&[String]> {
        let is = |it: &&Itinerary| (it.first..it.first + it.steps.len()).contains(&route);
        self.journeys.iter().find(is).map(|it| it.names.as_slice())
    }

    /// Whether the step of a route takes something from the body of its answer.
    pub(crate) fn takes_body(&self, route: usize) -> bool {
        self.journeys.iter().any(|it| {
            let own = route
                .checked_sub(it.first)
                .and_then(|nth| it.steps.get(nth));
            own.is_some_and(|stop| stop.captures.iter().any(Capture::reads_body))
        }) || self.player_routes().any(|player| player == route + 1)
    }

    /// How a step watches what the step before it brought, where it does.
    pub(crate) fn player(&self, journey: u32, step: u32) -> Option<Watching> {
        let journey = self.journeys.get(journey as usize)?;
        journey.steps.get(step as usize)?.player
    }

    /// Whether what a step brings is watched.
    pub(crate) fn brings_manifest(&self, walk: &Walk) -> bool {
        self.player(walk.journey, walk.step + 1).is_some()
    }

    /// Whether the step of a route plays.
    pub(crate) fn plays(&self, route: usize) -> bool {
        self.player_routes().any(|player| player == route)
    }

    /// The routes of steps that play, behind those that bring a manifest.
    pub(crate) fn player_routes(&self) -> impl Iterator<Item = usize> {
        self.journeys.iter().flat_map(|journey| {
            let steps = journey.steps.iter().enumerate();
            let players = steps.filter(|(_, stop)| stop.player.is_some());
            players.map(|(step, _)| journey.first + step)
        })
    }

    /// Whether a value is taken by a step before that of a route.
    pub(crate) fn is_taken_before(&self, name: &str, route: usize) -> bool {
        let earlier = |it: &Itinerary| {
            let before = route
                .checked_sub(it.first)
                .filter(|nth| *nth < it.steps.len());
            let steps = before.map_or(&[][..], |nth| &it.steps[..nth]);
            let mut captures = steps.iter().flat_map(|stop| &stop.captures);
            captures.any(|capture| it.names[capture.index] == name)
        };
        self.journeys.iter().any(earlier)
    }

    /// What a user has taken under a name.
    pub(crate) fn value<'w>(&self, walk: &'w Walk, name: &str) -> Option<&'w str> {
        let names = &self.journeys.get(walk.journey as usize)?.names;
        let index = names.iter().position(|known| known == name)?;
        walk.carried.value(index)
    }

    /// Takes what a step takes from its answer.
    ///
    /// # Errors
    /// What is not there, or cannot be sent where it is used; in words. Nothing is
    /// taken then.
    pub(crate) fn take(&self, walk: &mut Walk, kept: &Kept) -> Result<(), String> {
        let captures = self.captures(walk);
        for (index, value) in captured(captures, kept)? {
            let taken = &mut walk.carried.taken;
            taken.resize(taken.len().max(index + 1), None);
            taken[index] = Some(value);
        }
        Ok(())
    }

    fn captures(&self, walk: &Walk) -> &[Capture] {
        let journey = self.journeys.get(walk.journey as usize);
        let stop = journey.and_then(|it| it.steps.get(walk.step as usize));
        stop.map_or(&[], |stop| &stop.captures)
    }

    /// How the client of a user behaves.
    pub(crate) fn persona(&self, walk: &Walk) -> Option<&Persona> {
        let journey = self.journeys.get(walk.journey as usize)?;
        journey.persona.as_ref()
    }

    /// Whether the client of a route's journey has a cache.
    pub(crate) fn caches(&self, route: usize) -> bool {
        let is = |it: &&Itinerary| (it.first..it.first + it.steps.len()).contains(&route);
        let persona = self.journeys.iter().find(is);
        let persona = persona.and_then(|it| it.persona.as_ref());
        persona.is_some_and(|persona| persona.cache)
    }

    /// How long a client waits before the nth attempt behind the first, where it
    /// makes one at all. A server may have asked it to wait.
    pub(crate) fn wait(
        &self,
        walk: &Walk,
        (number, attempt): (u64, u32),
        asked: Option<Duration>,
    ) -> Option<Duration> {
        let journey = self.journeys.get(walk.journey as usize)?;
        let persona = journey.persona.as_ref()?;
        let seed = journey.steps.get(walk.step as usize)?.again;
        let place = unit_interval(nth(nth(seed, number), u64::from(attempt)));
        (attempt < persona.retries).then(|| persona.wait(attempt, place, asked))
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
    pub(crate) fn onward(&self, walk: &Walk, number: u64) -> Onward {
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

impl Itinerary {
    fn new(journey: &Journey, first: usize, seed: u64) -> Result<Self, BadTake> {
        let mut names: Vec<String> = Vec::new();
        let taken = journey.steps.iter().flat_map(|step| &step.take);
        for (name, _) in taken {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let steps = journey.steps.iter().enumerate().map(|(nth, step)| {
            let later = &journey.steps[nth + 1..];
            Stop::new(step, later, &names, seed).map_err(|why| BadTake {
                route: step.request.name.clone(),
                why,
            })
        });
        Ok(Self {
            name: journey.name.clone(),
            first,
            steps: steps.collect::<Result<_, _>>()?,
            names,
            persona: journey.persona.clone(),
        })
    }
}

impl Stop {
    fn new(step: &Step, later: &[Step], names: &[String], seed: u64) -> Result<Self, String> {
        let stream = |what: &str| sub_seed(seed, &format!("{what}/{}", step.request.name));
        let captures = step.take.iter().map(|(name, take)| {
            let index = names.iter().position(|known| known == name);
            let slots = slots(later, name);
            Capture::new((index.unwrap_or_default(), name), take, slots)
        });
        Ok(Self {
            think: step.think.map(|think| (think, stream("think"))),
            player: step.player,
            leave: step.leave.map(|leave| (leave, stream("leave"))),
            captures: captures.collect::<Result<_, _>>()?,
            again: stream("again"),
        })
    }
}

/// Where steps write a value.
fn slots(steps: &[Step], name: &str) -> Vec<Slot> {
    let mut slots = Vec::new();
    for (_, text) in steps.iter().flat_map(|step| step.request.texts()) {
        for (used, slot) in text.values() {
            if used == name && !slots.contains(&slot) {
                slots.push(slot);
            }
        }
    }
    slots
}

impl Walk {
    /// At the first step.
    pub(crate) fn new(journey: u32) -> Self {
        Self {
            journey,
            step: 0,
            carried: Carried::default(),
            manifest: None,
            viewer: None,
        }
    }

    /// What is asked for, where it is a segment.
    pub(crate) fn segment(&self) -> Option<Segment<'_>> {
        self.viewer.as_ref()?.segment()
    }

    /// Whether it is in the hands of a viewer who asks for nothing.
    pub(crate) fn waits(&self) -> bool {
        let viewer = self.viewer.as_ref();
        viewer.is_some_and(|viewer| viewer.segment().is_none())
    }
}

impl Carried {
    /// What was taken, by its place among the names of the journey.
    pub(crate) fn value(&self, index: usize) -> Option<&str> {
        self.taken.get(index)?.as_deref()
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
