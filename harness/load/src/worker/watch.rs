//! What viewers do between their segments: a player says what is next, and the worker
//! sends it as anything else that is due.

use std::rc::Rc;
use std::time::Instant;

use squall_record::{BadKind, Outcome, Viewings};

use super::Worker;
use crate::job::{Track, Whose};
use crate::journey::{End, Walk};
use crate::viewing::{Notes, Then, asked, left, saw_nothing};

impl Worker {
    /// Has something noted of what the viewers on a route see; of a lead, nothing.
    fn note<T>(&self, track: &Track, route: usize, see: impl FnOnce(Option<Notes<'_>>) -> T) -> T {
        if track.lead {
            return see(None);
        }
        let mut viewings = track.viewings.borrow_mut();
        let name = &self.routes[route].name;
        let of = viewings.entry(route).or_insert_with(|| Viewings::new(name));
        let origin = track.origin;
        see(Some(Notes { of, origin }))
    }

    fn route_of(&self, walk: &Walk) -> usize {
        let journeys = self.requests.maker().journeys();
        journeys.route(walk.journey, walk.step)
    }

    /// A viewer who waited does what is to be done at `now`.
    pub(super) fn look(
        self: &Rc<Self>,
        track: &Rc<Track>,
        whose: Whose,
        walk: Box<Walk>,
        now: Instant,
    ) {
        let over = self.view(track, whose, walk, now);
        if let Some(turn) = whose.turn.filter(|_| over) {
            // It took its time, whatever it saw.
            self.turn_over(track, turn, Outcome::Good, now);
        }
    }

    /// A viewer does what is to be done at `now`; whether nothing of its journey follows.
    pub(super) fn view(
        &self,
        track: &Rc<Track>,
        whose: Whose,
        mut walk: Box<Walk>,
        now: Instant,
    ) -> bool {
        let now = self.ends_at.get().map_or(now, |end| now.min(end));
        let route = self.route_of(&walk);
        let Some(viewer) = &mut walk.viewer else {
            return false;
        };
        let until = match self.note(track, route, |notes| viewer.then(now, notes)) {
            Then::Fetch => now,
            Then::Wait(until) => until,
            Then::Over { seen: true } => {
                walk.viewer = None;
                return self.walk_on(track, whose, walk, (now, now));
            }
            Then::Over { seen: false } => {
                self.note(track, route, |notes| viewer.saw_nothing(notes));
                track.tally.borrow_mut().end(walk.journey, End::Failed);
                return true;
            }
        };
        self.put(track, whose, walk, until);
        false
    }

    /// What a viewer does when a segment was settled at `done`; whether nothing of its
    /// journey follows.
    pub(super) fn segment_done(
        &self,
        track: &Rc<Track>,
        whose: Whose,
        mut walk: Box<Walk>,
        outcome: Outcome,
        done: Instant,
    ) -> bool {
        let came = match outcome {
            Outcome::Good | Outcome::Bad(BadKind::Late) => true,
            Outcome::Bad(_) | Outcome::Dropped | Outcome::Unfinished => false,
        };
        let now = self.ends_at.get().map_or(done, |end| done.min(end));
        let route = self.route_of(&walk);
        if let Some(viewer) = &mut walk.viewer {
            self.note(track, route, |notes| viewer.settled(now, came, notes));
        }
        self.view(track, whose, walk, now)
    }

    /// A step is due at `pressed`: whoever does it waits for a picture, if it is to bring
    /// a manifest.
    pub(super) fn asks_for_manifest(&self, track: &Track, walk: &Walk, pressed: Instant) {
        if self.requests.maker().journeys().brings_manifest(walk) {
            let player = self.route_of(walk) + 1;
            self.note(track, player, |notes| asked(pressed, notes));
        }
    }

    /// A step failed that was due at `pressed` and should have brought a manifest, if it
    /// should have.
    pub(super) fn brought_nothing(
        &self,
        track: &Track,
        walk: &Walk,
        pressed: Instant,
        done: Instant,
    ) {
        if self.requests.maker().journeys().brings_manifest(walk) {
            let player = self.route_of(walk) + 1;
            self.note(track, player, |notes| saw_nothing(pressed, done, notes));
        }
    }

    /// Whoever did a step that was due at `pressed` leaves behind it, and waits for no
    /// picture if it brought a manifest.
    pub(super) fn leaves_behind(&self, track: &Track, walk: &Walk, pressed: Instant) {
        if self.requests.maker().journeys().brings_manifest(walk) {
            let player = self.route_of(walk) + 1;
            self.note(track, player, |notes| left(pressed, notes));
        }
    }

    /// The load ends before a journey does; before its viewer leaves, if it has one.
    pub(super) fn cut_short(&self, track: &Track, walk: Walk) {
        let route = self.route_of(&walk);
        let Some(viewer) = walk.viewer else { return };
        let end = self.ends_at.get().unwrap_or_else(Instant::now);
        self.note(track, route, |notes| viewer.cut_short(end, notes));
    }

    /// What viewers on a track saw.
    pub(crate) fn viewings(&self, track: &Track) -> Vec<Viewings> {
        let players = self.requests.maker().journeys().player_routes();
        let seen = track.viewings.borrow();
        let each = players.map(|route| {
            let seen = seen.get(&route).cloned();
            seen.unwrap_or_else(|| Viewings::new(&self.routes[route].name))
        });
        each.collect()
    }
}
