//! Playing a record: the same screen, driven by what a finished run left.

use std::sync::Arc;
use std::time::Duration;

use squall_judge::Verdict;
use squall_record::{FaultChange, Record, RunEvent, Stamped};

use crate::model::{Facts, Model, Source};
use crate::screen::Position;
use crate::update::Play;

/// The slowest and the fastest that a record is played.
const SPEEDS: (f64, f64) = (0.125, 1024.0);
/// How near an edge counts as being at it, in microseconds.
const AT_EDGE_US: i64 = 200_000;

/// A record and a place in it.
#[derive(Debug)]
pub struct Player {
    events: Vec<Arc<Stamped>>,
    edges: Vec<i64>,
    verdict: Arc<Verdict>,
    next: usize,
    at_us: i64,
    end_us: i64,
    speed: f64,
    playing: bool,
}

/// What is shown of a record.
#[must_use]
pub fn facts(record: &Record) -> Facts {
    let manifest = &record.manifest;
    Facts::new(manifest.scenario.clone(), manifest.seed, Source::Record)
}

impl Player {
    /// Plays `record` from its time zero. An interval is shown when its time
    /// is over, not when its last answer came, as it was in the run.
    #[must_use]
    pub fn new(record: Record, verdict: Verdict, speed: f64) -> Self {
        let intervals = record.intervals.into_iter().map(|interval| Stamped {
            at_us: interval.end_us,
            event: RunEvent::Interval(interval),
        });
        let mut events: Vec<_> = record.events.into_iter().chain(intervals).collect();
        // Stable: what happened at the same time keeps its order.
        events.sort_by_key(|stamped| stamped.at_us);
        let edges = events.iter().filter(|stamped| is_edge(&stamped.event));
        let mut edges: Vec<i64> = edges.map(|stamped| stamped.at_us).collect();
        edges.dedup_by(|later, earlier| *later - *earlier < AT_EDGE_US);
        let end_us = events.last().map_or(0, |stamped| stamped.at_us.max(0));
        Self {
            events: events.into_iter().map(Arc::new).collect(),
            edges,
            verdict: Arc::new(verdict),
            next: 0,
            at_us: 0,
            end_us,
            speed: speed.clamp(SPEEDS.0, SPEEDS.1),
            playing: true,
        }
    }

    /// Plays on for so long of the viewer's time.
    pub fn advance(&mut self, model: &mut Model, elapsed: Duration) {
        if self.playing {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a cast from a float saturates"
            )]
            let by_us = (elapsed.as_secs_f64() * self.speed * 1e6) as i64;
            self.at_us = self.at_us.saturating_add(by_us).min(self.end_us);
            self.playing = self.at_us < self.end_us;
        }
        self.feed(model);
    }

    /// Moves in the record.
    pub fn play(&mut self, model: &mut Model, play: Play) {
        match play {
            // At the end there is nothing to play but the beginning.
            Play::Toggle if self.at_us >= self.end_us => {
                self.go(model, 0);
                self.playing = true;
            }
            Play::Toggle => self.playing = !self.playing,
            Play::By(us) => self.go(model, self.at_us.saturating_add(us)),
            Play::Start => self.go(model, 0),
            Play::End => self.go(model, self.end_us),
            Play::NextEdge => {
                let next = self.edges.iter().find(|at| **at > self.at_us);
                self.go(model, next.map_or(self.end_us, |at| at + 1));
            }
            Play::PreviousEdge => {
                let before = |at: &&i64| **at < self.at_us - AT_EDGE_US;
                let last = self.edges.iter().rfind(before);
                self.go(model, last.map_or(0, |at| at + 1));
            }
            Play::Speed(by) => self.speed = (self.speed * by).clamp(SPEEDS.0, SPEEDS.1),
        }
        self.feed(model);
    }

    fn go(&mut self, model: &mut Model, at_us: i64) {
        let at_us = at_us.clamp(0, self.end_us);
        if at_us < self.at_us {
            model.rewind();
            self.next = 0;
        }
        self.at_us = at_us;
    }

    fn feed(&mut self, model: &mut Model) {
        while let Some(stamped) = self.events.get(self.next) {
            if stamped.at_us > self.at_us {
                break;
            }
            model.hear(stamped);
            self.next += 1;
        }
        model.advance(self.at_us);
        if self.next == self.events.len() && model.run().verdict.is_none() {
            model.judged(Arc::clone(&self.verdict));
        }
        model.screen.position = Some(Position {
            at_us: self.at_us,
            end_us: self.end_us,
            speed: self.speed,
            playing: self.playing,
        });
    }
}

const fn is_edge(event: &RunEvent) -> bool {
    match event {
        RunEvent::Fault { change, .. } => is_edge_of_fault(change),
        RunEvent::Abort { .. } => true,
        _ => false,
    }
}

const fn is_edge_of_fault(change: &FaultChange) -> bool {
    match change {
        FaultChange::Active { .. } | FaultChange::RemovalRequested | FaultChange::Failed { .. } => {
            true
        }
        FaultChange::Requested
        | FaultChange::Observed { .. }
        | FaultChange::Removed { .. }
        | FaultChange::Withheld
        | FaultChange::WithheldEnds
        | FaultChange::Spared { .. } => false,
    }
}
