//! Joins what the threads of a load tell into what one thread would have told.

use std::collections::VecDeque;
use std::time::Instant;

use squall_record::{JourneyEnds, Sample, Viewings};

use crate::gauges::{BoardReading, Gauges, LastSecond};
use crate::protocol::LoadOutput;
use crate::samples::Samples;
use crate::stretch::{Stretch, interval};
use crate::told::Told;

const SECOND_US: i64 = 1_000_000;

/// What is known of all threads so far.
#[derive(Debug)]
pub(crate) struct Merge {
    routes: Vec<String>,
    parts: Vec<Part>,
    /// Samples of seconds that are not over in all parts.
    samples: Samples,
    /// Edges that came too late for some part and have been told.
    late_cuts: Vec<Instant>,
    draining_told: bool,
    /// A part was heard twice since screens were shown something: another hangs.
    gauges_overdue: bool,
    last_second: LastSecond,
}

/// What is known of one thread.
#[derive(Debug)]
struct Part {
    /// Before time zero, not joined yet.
    lead: VecDeque<Stretch>,
    /// Not joined yet, in order and without a gap.
    stretches: VecDeque<Stretch>,
    draining: bool,
    finished: Option<(u64, u64)>,
    /// How its journeys ended.
    journeys: Vec<JourneyEnds>,
    /// What its viewers saw.
    viewings: Vec<Viewings>,
    /// What it has counted.
    reading: BoardReading,
    /// Whether that is news.
    heard: bool,
}

impl Part {
    fn new() -> Self {
        Self {
            lead: VecDeque::new(),
            stretches: VecDeque::new(),
            draining: false,
            finished: None,
            journeys: Vec::new(),
            viewings: Vec::new(),
            reading: BoardReading::nothing(),
            heard: false,
        }
    }

    /// What is not joined before time zero, and whether nothing follows.
    const fn lead(&mut self) -> (&mut VecDeque<Stretch>, bool) {
        (&mut self.lead, false)
    }

    /// The same of the measured load.
    const fn measured(&mut self) -> (&mut VecDeque<Stretch>, bool) {
        (&mut self.stretches, self.finished.is_some())
    }
}

impl Merge {
    pub(crate) fn new(routes: Vec<String>, parts: usize) -> Self {
        let samples = Samples::new(routes.len());
        Self {
            routes,
            parts: (0..parts).map(|_| Part::new()).collect(),
            samples,
            late_cuts: Vec::new(),
            draining_told: false,
            gauges_overdue: false,
            last_second: LastSecond::default(),
        }
    }

    /// Takes what a part told; what can be told of all of them now goes to `out`.
    pub(crate) fn hear(&mut self, part: usize, told: Told, out: &mut Vec<LoadOutput>) {
        let own = &mut self.parts[part];
        match told {
            Told::Lead(stretch) => {
                own.lead.push_back(stretch);
                while let Some(joined) = join(&mut self.parts, Part::lead) {
                    out.push(LoadOutput::Lead(interval(&self.routes, &joined)));
                }
            }
            Told::Stretch(stretch) => {
                own.stretches.push_back(stretch);
                self.join_stretches(out);
            }
            Told::Samples(samples) => self.keep(samples),
            Told::LateCut { at } => {
                if !self.late_cuts.contains(&at) {
                    self.late_cuts.push(at);
                    out.push(LoadOutput::LateCut { at });
                }
            }
            Told::Draining => {
                own.draining = true;
                self.tell_draining(out);
            }
            Told::Reading(reading) => {
                own.reading.follow(reading);
                self.gauges_overdue |= std::mem::replace(&mut own.heard, true);
            }
            Told::Finished {
                scheduled,
                lag_max_us,
                journeys,
                viewings,
            } => {
                own.draining = true;
                own.finished = Some((scheduled, lag_max_us));
                own.journeys = journeys;
                own.viewings = viewings;
                self.join_stretches(out);
                self.tell_draining(out);
                self.tell_finished(out);
            }
        }
    }

    /// Whether everything has been told.
    pub(crate) fn is_finished(&self) -> bool {
        self.parts.iter().all(|part| part.finished.is_some())
    }

    /// Whether a part has told everything.
    pub(crate) fn has_finished(&self, part: usize) -> bool {
        self.parts[part].finished.is_some()
    }

    /// What screens may show, when every part that is not finished has been heard
    /// since they were shown something, or one of them twice.
    pub(crate) fn gauges(&mut self) -> Option<Gauges> {
        let any = self.parts.iter().any(|part| part.heard);
        let mut all = self.parts.iter();
        let all = all.all(|part| part.heard || part.finished.is_some());
        if !(any && all || self.gauges_overdue) {
            return None;
        }
        self.gauges_overdue = false;
        let mut sum = BoardReading::nothing();
        for part in &mut self.parts {
            part.heard = false;
            sum.add(&mut part.reading);
        }
        Some(self.last_second.gauges(sum))
    }

    fn join_stretches(&mut self, out: &mut Vec<LoadOutput>) {
        while let Some(joined) = join(&mut self.parts, Part::measured) {
            let joined = interval(&self.routes, &joined);
            let end_us = joined.end_us;
            out.push(LoadOutput::Interval(joined));
            self.tell_samples(end_us.div_euclid(SECOND_US), out);
        }
    }

    /// Keeps of the samples of all parts as many as of one.
    fn keep(&mut self, samples: Vec<Sample>) {
        for sample in samples {
            let route = self.routes.iter().position(|it| *it == sample.route);
            self.samples.take_in(route.unwrap_or(usize::MAX), sample);
        }
    }

    fn tell_samples(&mut self, before_second: i64, out: &mut Vec<LoadOutput>) {
        let told = self.samples.take_before(before_second);
        if !told.is_empty() {
            out.push(LoadOutput::Samples(told));
        }
    }

    fn tell_draining(&mut self, out: &mut Vec<LoadOutput>) {
        if !self.draining_told && self.parts.iter().all(|part| part.draining) {
            self.draining_told = true;
            out.push(LoadOutput::Draining);
        }
    }

    fn tell_finished(&mut self, out: &mut Vec<LoadOutput>) {
        if !self.is_finished() {
            return;
        }
        self.tell_samples(i64::MAX, out);
        let parts = self.parts.iter_mut();
        let journeys = parts.flat_map(|part| std::mem::take(&mut part.journeys));
        let journeys = JourneyEnds::sum(journeys);
        if !journeys.is_empty() {
            out.push(LoadOutput::Journeys(journeys));
        }
        let parts = self.parts.iter_mut();
        let viewings = parts.flat_map(|part| std::mem::take(&mut part.viewings));
        let viewings = Viewings::sum(viewings);
        if !viewings.is_empty() {
            out.push(LoadOutput::Viewings(viewings));
        }
        let finished = self.parts.iter().filter_map(|part| part.finished);
        let (scheduled, lag_max_us) = finished.fold((0, 0), |(sum, max), (scheduled, lag_us)| {
            (sum + scheduled, lag_us.max(max))
        });
        out.push(LoadOutput::Finished {
            scheduled,
            lag_max_us,
        });
    }
}

/// Takes the stretches up to the first edge that all parts have; behind the end
/// of a part that is finished, it has every edge.
fn join(
    parts: &mut [Part],
    of: fn(&mut Part) -> (&mut VecDeque<Stretch>, bool),
) -> Option<Vec<Stretch>> {
    let mut edges = Vec::new();
    for part in parts.iter_mut() {
        edges.extend(of(part).0.iter().map(|stretch| stretch.end_us));
    }
    edges.sort_unstable();
    edges.dedup();
    let edge_us = edges.into_iter().find(|edge_us| {
        parts.iter_mut().all(|part| {
            let (stretches, finished) = of(part);
            let last_us = stretches.back().map(|stretch| stretch.end_us);
            let behind = finished && last_us.is_none_or(|last_us| last_us < *edge_us);
            behind || stretches.iter().any(|stretch| stretch.end_us == *edge_us)
        })
    })?;
    let mut joined = Vec::new();
    for part in parts {
        let (stretches, _) = of(part);
        while stretches.front().is_some_and(|next| next.end_us <= edge_us) {
            joined.extend(stretches.pop_front());
        }
    }
    Some(joined)
}

#[cfg(test)]
mod tests;
