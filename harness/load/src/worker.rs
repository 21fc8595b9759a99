//! Sends arrivals and settles them: one arrival from its dispatch to what became
//! of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use squall_record::{BadKind, DropCause, JourneyEnds, Outcome};
use squall_scenario::{Load, Request};

use crate::agenda::Agenda;
use crate::answer::Talk;
use crate::closed::Users;
use crate::gauges::GaugeBoard;
use crate::job::{Attempt, Due, Job, Later, Track, Whose};
use crate::journey::Walk;
use crate::recorder::micros_i64;
use crate::requests::{CompiledRequests, RequestKind};
use crate::schedule::Arrival;
use crate::settled::{Cached, Settled};
use crate::slice::Slice;
use crate::stalls::Stalls;
use crate::transport::{
    Connector, Course, Exchange, ExchangeFailure, Sender, Transport, give_up_late,
};

use turns::Loop;

mod cached;
mod follow;
mod judged;
mod turns;
mod watch;

/// A stall that may have held up a fault's edge for longer than edges are
/// waited for anyway.
const LONG_STALL: Duration = Duration::from_millis(300);
/// An arrival that is sent later than this takes its room from those that are
/// on time.
const LATE: Duration = Duration::from_millis(100);
/// A generator that is later than this, and did not stand still, is asked for
/// more than it can send: what it does not send any more is dropped, so that
/// the lag of the rest has a bound.
const LAG_MAX: Duration = Duration::from_secs(1);
/// Users that think at once in one thread. While there are as many, no journey
/// starts.
const THINKING_MAX: usize = 1 << 18;

/// Sends the arrivals of one thread, and hears what becomes of them.
pub(crate) struct Worker {
    requests: Arc<CompiledRequests>,
    transport: Transport<Job>,
    routes: Vec<Request>,
    /// Number of its first route in the record.
    first_route: usize,
    /// Whether some requests follow redirects.
    follows: bool,
    in_flight_max: u32,
    /// How long an attempt may take of a client that is none in particular, and of
    /// any.
    timeout: Duration,
    patience: Duration,
    pub(crate) board: RefCell<GaugeBoard>,
    pub(crate) stalls: Stalls,
    /// What users do next when they have thought.
    pub(crate) agenda: Agenda<Later>,
    /// When clients give up on attempts, whose load would be more patient.
    attempts: Agenda<Attempt>,
    /// When the measured load ends: what would be due from then on is not done.
    ends_at: Cell<Option<Instant>>,
    /// The users of a closed loop.
    closed: Option<Loop>,
    /// Of those in flight: sent late.
    late_in_flight: Cell<u32>,
}

impl Worker {
    /// A worker of a load whose first route has this number among all that are
    /// recorded.
    pub(crate) fn new(
        load: &Load,
        (first_route, slice): (usize, Slice),
        requests: Arc<CompiledRequests>,
        connector: Connector,
    ) -> Self {
        Self {
            first_route,
            requests,
            transport: Transport::new(connector, load.connections, load.patience()),
            routes: load.own_routes().cloned().collect(),
            follows: load.own_routes().any(|route| route.follow > 0),
            in_flight_max: load.in_flight_max,
            timeout: load.timeout,
            patience: load.patience(),
            board: RefCell::new(GaugeBoard::new()),
            stalls: Stalls::new(Instant::now()),
            agenda: Agenda::new(),
            attempts: Agenda::new(),
            ends_at: Cell::new(None),
            closed: Users::new(&load.shape, slice).map(Loop::new),
            late_in_flight: Cell::new(0),
        }
    }

    /// The driver has a turn: it may have stood still before it, and patience
    /// may have ended.
    pub(crate) fn take_turn(self: &Rc<Self>, now: Instant, track: &Track) {
        // Shorter ones are within the grace that every edge has.
        let stall = self.stalls.turn(now).unwrap_or_default();
        if stall >= LONG_STALL {
            let now_us = micros_i64(now.saturating_duration_since(track.origin));
            track.recorder.borrow_mut().stood_still(now_us);
        }
        give_up_late(self, now, self.stalls.total(now));
        self.give_up_attempts(now);
    }

    /// When patience with an exchange ends next.
    pub(crate) fn patience_ends(&self, now: Instant) -> Option<Instant> {
        let load = self.transport.patience_ends(self.stalls.total(now));
        let own = self.attempts.next();
        load.into_iter().chain(own).min()
    }

    /// A tenth of a second has passed: lets go of connections that nobody uses.
    pub(crate) fn tick(&self, now: Instant) {
        self.transport.tick();
        self.transport.sweep(now);
    }

    /// Whether answers may wait until the next requests are sent: where something
    /// follows from them, they may not.
    pub(crate) fn may_let_lie(&self) -> bool {
        let onward = self.follows || !self.requests.maker().journeys().is_empty();
        !onward && !self.is_closed() && self.transport.may_let_lie()
    }

    /// Whether a part of it panicked.
    pub(crate) const fn is_broken(&self) -> bool {
        self.transport.is_broken()
    }

    /// The measured load ends at `end`: what is due from then on is not done.
    pub(crate) fn ends_at(&self, end: Instant) {
        self.ends_at.set(Some(end));
    }

    /// Before which instant all that is due has been noted at `now`, where that is
    /// so of the schedule before `entered`; nothing will be due before it any more.
    pub(crate) fn entered(&self, entered: Instant, now: Instant) -> Instant {
        let later = self.agenda.next().unwrap_or(now);
        let entered = entered.min(later).min(now);
        self.agenda.taken_before(entered);
        entered
    }

    /// Starts one arrival, or drops it when too many are under way or it is
    /// hopelessly late; whether something was sent.
    pub(crate) fn start(
        self: &Rc<Self>,
        track: &Rc<Track>,
        arrival: Arrival,
        now: Instant,
    ) -> bool {
        let due = self.arrived(track, arrival);
        let crowded = due.walk.is_some() && self.agenda.len() >= THINKING_MAX;
        self.send(track, due, now, crowded)
    }

    /// Does what is due first on the agenda; whether something was sent.
    pub(crate) fn go_on(self: &Rc<Self>, now: Instant) -> bool {
        let Some((at, later)) = self.agenda.take() else {
            return false;
        };
        match later {
            Later::Step {
                track,
                number,
                walk,
                turn,
            } if walk.waits() => {
                self.look(&track, Whose { number, turn }, walk, now);
                false
            }
            Later::Step {
                track,
                number,
                walk,
                turn,
            } => self.send(&track, self.step(at, number, walk, turn), now, false),
            Later::Turn { track, turn } => self
                .take_turn_of(at, turn, &track)
                .is_some_and(|(track, due)| self.send(&track, due, now, false)),
            Later::Again(again) => {
                let (mut job, _) = *again;
                self.ask_cache_again(&mut job, now);
                self.dispatch(job, now);
                true
            }
        }
    }

    /// What an arrival begins with.
    fn arrived(&self, track: &Track, arrival: Arrival) -> Due {
        let number = track.number(arrival.number);
        let chosen = self.requests.maker().choice_of(number);
        if let Some(journey) = chosen.journey {
            track.tally.borrow_mut().start(journey);
        }
        let at = track.origin + arrival.at;
        self.agenda.taken_before(at);
        Due {
            at,
            number,
            route: chosen.route,
            walk: chosen.journey.map(|it| Box::new(Walk::new(it))),
            turn: None,
        }
    }

    /// Sends what is due, unless its client has the answer, or drops it when too many are
    /// under way or it is hopelessly late; whether it was sent.
    fn send(self: &Rc<Self>, track: &Rc<Track>, mut due: Due, now: Instant, crowded: bool) -> bool {
        if let Some(recalled) = self.recalled(&mut due, now) {
            self.answer_from_cache(track, due, recalled, now);
            return false;
        }
        if !track.lead {
            self.board.borrow_mut().scheduled();
        }
        let lag = now.saturating_duration_since(due.at);
        // A user that waits has no other request: nothing piles up.
        let open = due.turn.is_none();
        if open && lag > LAG_MAX && !self.stalls.ended_since(due.at) {
            self.drop_late(track, due);
            return false;
        }
        let in_flight = track.recorder.borrow().in_flight();
        let job = self.enter(track, due, lag);
        let crowded = crowded.then_some(DropCause::InFlight);
        if let Some(cause) = self.no_room(in_flight).or(crowded).filter(|_| open) {
            let settled = Settled::dropped(cause);
            track.recorder.borrow_mut().settle(job.ticket, settled);
            self.show_dropped(job, cause);
            return false;
        }
        let late_in_flight = &self.late_in_flight;
        late_in_flight.set(late_in_flight.get() + u32::from(job.late));
        self.dispatch(job, now);
        true
    }

    /// Drops what is hopelessly late, so late that no edge can part its
    /// interval any more: it is counted and takes no room.
    fn drop_late(&self, track: &Rc<Track>, due: Due) {
        let job = self.job(track, due, LAG_MAX);
        let user = self.requests.maker().user_of(job.number);
        let mut recorder = track.recorder.borrow_mut();
        let route = self.first_route + job.route;
        recorder.drop_late(job.scheduled_us, route, user, DropCause::Lag);
        drop(recorder);
        self.show_dropped(job, DropCause::Lag);
    }

    /// Notes an arrival that is not sent any more: it is unfinished, and not
    /// forgotten. So is what is due before it.
    pub(crate) fn leave_unsent(&self, track: &Rc<Track>, arrival: Arrival) {
        self.leave_due_before(track.origin + arrival.at);
        let due = self.arrived(track, arrival);
        self.leave(track, due);
    }

    /// The load ends at `end`: what is due before it is unfinished, and what would
    /// be due later is not done.
    pub(crate) fn end(&self, end: Instant) {
        self.ends_at(end);
        self.leave_due_before(end);
        while let Some((_, later)) = self.agenda.take() {
            match later {
                // The journey is unfinished.
                Later::Step { track, walk, .. } => self.cut_short(&track, *walk),
                // The user has had no other turn.
                Later::Turn { .. } => {}
                Later::Again(again) => self.give_in(*again),
            }
        }
    }

    fn leave_due_before(&self, end: Instant) {
        while self.agenda.next().is_some_and(|due| due < end) {
            match self.agenda.take() {
                Some((
                    at,
                    Later::Step {
                        track,
                        number,
                        walk,
                        turn,
                    },
                )) => match walk.waits() {
                    true => self.cut_short(&track, *walk),
                    false => self.leave(&track, self.step(at, number, walk, turn)),
                },
                Some((at, Later::Turn { track, turn })) => {
                    if let Some((track, due)) = self.take_turn_of(at, turn, &track) {
                        self.leave(&track, due);
                    }
                }
                Some((_, Later::Again(again))) => self.give_in(*again),
                None => {}
            }
        }
    }

    fn leave(&self, track: &Rc<Track>, due: Due) {
        let job = self.enter(track, due, Duration::ZERO);
        let mut recorder = track.recorder.borrow_mut();
        recorder.settle(job.ticket, Settled::UNFINISHED);
        drop(recorder);
        if let Some(walk) = job.walk {
            self.cut_short(track, *walk);
        }
    }

    /// How the journeys of a track ended.
    pub(crate) fn journeys_ended(&self, track: &Track) -> Vec<JourneyEnds> {
        let journeys = self.requests.maker().journeys();
        journeys.ends(&track.tally.borrow())
    }

    /// Notes what is due, late by `lag`.
    fn enter(&self, track: &Rc<Track>, due: Due, lag: Duration) -> Job {
        let mut job = self.job(track, due, lag);
        let user = self.requests.maker().user_of(job.number);
        let mut recorder = track.recorder.borrow_mut();
        let route = self.first_route + job.route;
        job.ticket = recorder.schedule_for(job.scheduled_us, route, user);
        job
    }

    /// What is not noted yet.
    fn job(&self, track: &Rc<Track>, due: Due, lag: Duration) -> Job {
        let since = due.at.saturating_duration_since(track.origin);
        if let Some(walk) = &due.walk {
            self.asks_for_manifest(track, walk, due.at);
        }
        Job {
            number: due.number,
            route: due.route,
            walk: due.walk,
            turn: due.turn,
            scheduled: due.at,
            scheduled_us: micros_i64(since),
            ticket: 0,
            track: Rc::clone(track),
            hop: None,
            late: lag > LATE,
            attempts: 0,
            first: None,
            cached: Cached::Unasked,
            evicted: 0,
        }
    }

    /// Why there is no room for another exchange, where there is none: the
    /// system left too many without an answer, or those that were sent late,
    /// all at once, took the room.
    fn no_room(&self, in_flight: u32) -> Option<DropCause> {
        if in_flight < self.in_flight_max {
            return None;
        }
        let on_time = in_flight.saturating_sub(self.late_in_flight.get());
        Some(match on_time < self.in_flight_max {
            true => DropCause::Lag,
            false => DropCause::InFlight,
        })
    }
}

impl Sender for Worker {
    type Errand = Job;

    fn transport(&self) -> &Transport<Job> {
        &self.transport
    }

    fn kind(&self, job: &Job) -> RequestKind {
        match &job.hop {
            Some(hop) => self.requests.kind_of_hop(job.route, hop),
            None => self.requests.kind(job.route),
        }
    }

    fn fixed(&self, job: &Job) -> Option<&Bytes> {
        // A segment's path is known to who watches alone.
        let own = job.hop.is_some() || job.segment().is_some();
        (!own).then(|| self.requests.fixed(job.route)).flatten()
    }

    fn write(&self, job: &Job, into: &mut Vec<u8>) {
        let walk = job.walk.as_deref();
        let Some(hop) = &job.hop else {
            return self.write_own((job.route, job.number), walk, into);
        };
        let carried = walk.map(|walk| &walk.carried);
        let licence = job.segment().and_then(|segment| segment.licence);
        let behind = (&**hop, licence, carried);
        self.requests.write_hop(job.route, job.number, behind, into);
    }

    fn stalled(&self, at: Instant) -> Duration {
        self.stalls.total(at)
    }

    fn talk(&self, job: &Job) -> Option<Talk> {
        let carried = job.walk.as_ref().map(|walk| &walk.carried);
        self.requests.talk(job.route, job.number, carried)
    }

    fn settled(
        self: &Rc<Self>,
        mut job: Job,
        course: &Course,
        result: Result<Exchange, ExchangeFailure>,
    ) {
        let mut result = self.understood(&job, course, result);
        let heard = result.as_mut().ok().and_then(|it| it.heard.take());
        let result = self.heard_by_cache(&mut job, course, result);
        let stuck = match result.as_ref().map(|it| self.redirected(&job, course, it)) {
            Ok(Some(Ok(hop))) => {
                if let Ok(exchange) = &result {
                    self.carry_on(&mut job, exchange.into(), false);
                }
                job.hop = Some(Box::new(hop));
                self.hop_by_cache(&mut job);
                return self.hop(job, course.dispatch);
            }
            Ok(Some(Err(why))) => Some(why),
            Ok(None) | Err(_) => None,
        };
        let broken = result.as_ref().ok().and_then(|exchange| {
            let broken = self.broken(&job, exchange.into());
            let fine = broken.is_none() && stuck.is_none();
            let missed = self.carry_on(&mut job, exchange.into(), fine);
            broken.or(missed)
        });
        let done = result
            .as_ref()
            .map_or_else(|_| Instant::now(), |it| it.done);
        let mut settled = self.classify(&job, course, &result, (done, broken.is_none()));
        if stuck.is_some() {
            settled.outcome = Outcome::Bad(BadKind::Status);
        }
        if let Some(due) = self.tries_again(&job, course, &result, (settled.outcome, done)) {
            return self.try_again(job, settled, course, due);
        }
        let late_in_flight = &self.late_in_flight;
        late_in_flight.set(late_in_flight.get() - u32::from(job.late));
        let brought = self.brought(&job, course, heard, &mut settled);
        let mut recorder = job.track.recorder.borrow_mut();
        if let Some(brought) = brought {
            recorder.brought(job.ticket, brought);
        }
        recorder.settle(job.ticket, settled);
        drop(recorder);
        self.show(&job, &settled, || match result {
            Ok(exchange) => {
                let good = settled.outcome == Outcome::Good;
                let behind = job.hop.as_ref().filter(|_| !good).map(|hop| hop.told());
                let fallback = exchange.fallback.map(|by| format!("fallback: {by}"));
                let detail = stuck.or(broken).or(exchange.told).or(fallback);
                let detail = match (behind, detail) {
                    (Some(behind), Some(detail)) => Some(format!("{behind}: {detail}")),
                    (behind, detail) => behind.or(detail),
                };
                // Those of calls are named in what is told.
                let call = self.requests.messages(job.route).is_some();
                let status = (!call).then(|| job.cached.status_of(exchange.status));
                (status, Some(exchange.address), detail)
            }
            Err(failure) => (None, failure.address, Some(failure.detail)),
        });
        let outcome = settled.outcome;
        let turn = job.turn.map(|turn| (turn, Rc::clone(&job.track)));
        let over = self.go_on_behind(job, outcome, done);
        if let Some((turn, track)) = turn.filter(|_| over) {
            self.turn_over(&track, turn, outcome, done);
        }
    }
}

#[cfg(test)]
mod tests {
    use squall_scenario::Template;

    use super::*;
    use crate::requests::RequestMaker;

    fn worker(timeout: Duration) -> Rc<Worker> {
        let load = Load {
            in_flight_max: 10,
            timeout,
            ..Load::plain(
                vec![],
                vec![Request::plain("page", "GET", Template::parse("/"))],
            )
        };
        let maker = RequestMaker::new(&load, 1).unwrap();
        let requests = Arc::new(CompiledRequests::new(maker, "localhost").unwrap());
        let slice = Slice::of(1, None, (0, 1));
        // Nobody asks there: the task that would is never polled.
        let nowhere = ([127, 0, 0, 1], 9).into();
        let connector = Connector::plain([nowhere]);
        Rc::new(Worker::new(&load, (0, slice), requests, connector))
    }

    #[test]
    fn the_system_is_not_to_blame_for_room_that_late_arrivals_took() {
        let worker = worker(Duration::from_secs(1));
        assert_eq!(worker.no_room(9), None);
        assert_eq!(worker.no_room(10), Some(DropCause::InFlight));
        worker.late_in_flight.set(1);
        assert_eq!(worker.no_room(10), Some(DropCause::Lag));
        // Hung before the stall: there would have been no room without it.
        assert_eq!(worker.no_room(11), Some(DropCause::InFlight));
    }

    /// One track whose arrival n is due so many milliseconds after its origin.
    struct Scene {
        worker: Rc<Worker>,
        track: Rc<Track>,
    }

    impl Scene {
        fn new() -> Self {
            let worker = worker(Duration::from_secs(1));
            let origin = Instant::now();
            let track = Track::new(origin, vec!["page".into()], false);
            let scene = Self { worker, track };
            scene.turn(0);
            scene
        }

        fn at(&self, ms: u64) -> Instant {
            self.track.origin + Duration::from_millis(ms)
        }

        fn turn(&self, ms: u64) {
            self.worker.take_turn(self.at(ms), &self.track);
        }

        fn start(&self, number: u64, due_ms: u64, now_ms: u64) {
            let at = Duration::from_millis(due_ms);
            let arrival = Arrival { number, at };
            self.worker.start(&self.track, arrival, self.at(now_ms));
        }

        fn counts(&self) -> squall_record::Counts {
            let mut recorder = self.track.recorder.borrow_mut();
            recorder.give_up();
            recorder.finish(1)[0].routes[0].counts
        }
    }

    /// An answer that comes while squall stands still is in time.
    #[tokio::test(flavor = "local")]
    async fn standing_still_uses_up_no_patience() {
        let scene = Scene::new();
        scene.start(0, 0, 0);
        let hour = 3_600_000;
        for moment in [0, 200, 400, 600, 800] {
            scene.turn(hour + moment);
            let in_flight = scene.track.recorder.borrow().in_flight();
            assert_eq!(in_flight, 1, "{moment} ms after it stood still");
        }
        // A stall may hide 100 ms of right sleep.
        scene.turn(hour + 900);
        assert_eq!(scene.counts().timeout, 1);
    }

    /// Who is asked for more than it can send says so, and keeps its lag bounded.
    #[tokio::test(flavor = "local")]
    async fn what_is_hopelessly_late_is_dropped_unless_it_stood_still() {
        let scene = Scene::new();
        for ms in (100..=1_200).step_by(100) {
            scene.turn(ms);
        }
        scene.start(0, 100, 1_200);
        let counts = scene.counts();
        assert_eq!((counts.drops.lag, counts.unfinished), (1, 0));
        assert_eq!(scene.worker.late_in_flight.get(), 0);

        let scene = Scene::new();
        scene.turn(5_000);
        scene.start(0, 100, 5_000);
        let counts = scene.counts();
        assert_eq!((counts.drops.lag, counts.unfinished), (0, 1));
    }
}
