//! The closed loop: users who each send their next request when the last was settled
//! and thought over. Where nobody thinks, that is done on the spot, by who hears of
//! the answer; otherwise the user is on the agenda until then.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use squall_record::{BadKind, Outcome};

use super::Worker;
use crate::closed::{Turn, Users};
use crate::job::{Due, Later, Track};
use crate::journey::Walk;

/// A user whose request got no answer at all tries again after so long at the
/// earliest: a target that refuses would be asked as fast as this machine can.
const PAUSE: Duration = Duration::from_millis(100);

/// The users of a worker, and the track that their next requests are on.
#[derive(Debug)]
pub(super) struct Loop {
    users: Users,
    in_lead: Users,
    track: RefCell<Option<Rc<Track>>>,
}

impl Loop {
    pub(super) fn new(users: Users) -> Self {
        Self {
            in_lead: users.in_lead(),
            users,
            track: RefCell::new(None),
        }
    }

    const fn users_on(&self, track: &Track) -> &Users {
        match track.lead {
            true => &self.in_lead,
            false => &self.users,
        }
    }
}

impl Worker {
    /// Whether its load is a closed loop.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// The users of a closed loop are on this track from now on. Those who are on
    /// another one go on, each when its turn comes.
    pub(crate) fn play_on(&self, track: &Rc<Track>) {
        let Some(closed) = &self.closed else { return };
        let before = closed.track.replace(Some(Rc::clone(track)));
        let at_first: Vec<u32> = closed.users.at_first().collect();
        for user in closed.users.all() {
            // Who is in the lead goes on, and only the first stage has a lead.
            let first = at_first.contains(&user);
            if first && before.is_none() || !first && !track.lead {
                self.put_turn(track, Turn::first(user), Duration::ZERO);
            }
        }
    }

    /// What a user begins with its turn, on the agenda since it was put there.
    pub(super) fn take_turn_of(
        &self,
        at: Instant,
        turn: Turn,
        since: &Rc<Track>,
    ) -> Option<(Rc<Track>, Due)> {
        let track = self.closed.as_ref()?.track.borrow().clone()?;
        if Rc::ptr_eq(&track, since) {
            let due = self.begun(&track, turn, at);
            return Some((track, due));
        }
        // It has thought before time zero.
        let free = at.saturating_duration_since(track.origin);
        if at < track.origin {
            self.put_turn(&track, Turn::first(turn.user), free);
            return None;
        }
        let due = self.begun(&track, Turn::first(turn.user), at);
        Some((track, due))
    }

    /// What a user does behind a turn of its own, on a track, that was over at `done`.
    pub(super) fn turn_over(
        self: &Rc<Self>,
        since: &Rc<Track>,
        turn: Turn,
        outcome: Outcome,
        done: Instant,
    ) {
        let Some(closed) = &self.closed else { return };
        let Some(track) = closed.track.borrow().clone() else {
            return;
        };
        let turn = match Rc::ptr_eq(&track, since) {
            true => turn.next(),
            false => Turn::first(turn.user),
        };
        let answered = match outcome {
            Outcome::Good => true,
            Outcome::Bad(kind) => was_answered(kind),
            Outcome::Dropped => false,
            Outcome::Unfinished => return,
        };
        let pause = if answered { Duration::ZERO } else { PAUSE };
        let free = done.saturating_duration_since(track.origin) + pause;
        let at_once = answered && done >= track.origin;
        let Some(due) = closed.users_on(&track).due(turn, free) else {
            return;
        };
        let at = self.agenda.possible(track.origin + due);
        let first = self.agenda.next().is_none_or(|next| at <= next);
        if !(at_once && due == free && first) {
            return self.put_turn_at(&track, turn, at);
        }
        if self.goes_on_until(at) {
            self.agenda.taken_before(at);
            let due = self.begun(&track, turn, at);
            self.send(&track, due, Instant::now(), false);
        }
    }

    fn put_turn(&self, track: &Rc<Track>, turn: Turn, free: Duration) {
        let closed = self.closed.as_ref();
        let due = closed.and_then(|it| it.users_on(track).due(turn, free));
        if let Some(due) = due {
            let at = self.agenda.possible(track.origin + due);
            self.put_turn_at(track, turn, at);
        }
    }

    fn put_turn_at(&self, track: &Rc<Track>, turn: Turn, at: Instant) {
        if self.goes_on_until(at) {
            let track = Rc::clone(track);
            let later = Later::Turn { track, turn };
            self.agenda.put(at, later);
        }
    }

    /// Whether the load is not over at an instant.
    fn goes_on_until(&self, at: Instant) -> bool {
        self.ends_at.get().is_none_or(|end| at < end)
    }

    /// What a user begins at an instant.
    fn begun(&self, track: &Track, turn: Turn, at: Instant) -> Due {
        let number = self.closed.as_ref().map_or(0, |it| it.users.number(turn));
        let number = track.number(number);
        let chosen = self.requests.maker().choice_of(number);
        if let Some(journey) = chosen.journey {
            track.tally.borrow_mut().start(journey);
        }
        Due {
            at,
            number,
            route: chosen.route,
            walk: chosen.journey.map(|it| Box::new(Walk::new(it))),
            turn: Some(turn),
        }
    }
}

/// Whether an answer came, or was waited for as long as a client does.
const fn was_answered(kind: BadKind) -> bool {
    match kind {
        BadKind::Late | BadKind::Status | BadKind::Check | BadKind::Timeout => true,
        BadKind::Connect | BadKind::Dns | BadKind::Tls | BadKind::Broken | BadKind::Malformed => {
            false
        }
    }
}
