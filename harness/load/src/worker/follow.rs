//! What follows from a request that was settled: the next step of its journey, or
//! another attempt.

use std::rc::Rc;
use std::time::{Duration, Instant};

use squall_record::{BadKind, Outcome};

use super::Worker;
use super::judged::Answered;
use crate::closed::Turn;
use crate::job::{Attempt, Due, Job, Later, Track, Whose};
use crate::journey::{Asked, End, Onward, Walk};
use crate::player::Manifest;
use crate::redirect::{self, Hop, becomes_get, is_redirect};
use crate::settled::Settled;
use crate::transport::{
    Course, Dispatch, Exchange, ExchangeFailure, Key, give_up, submit, submit_again,
};
use crate::viewing::Viewer;

/// Statuses by which a server says that it may be better later; the first is gRPC's
/// UNAVAILABLE, whose codes are none of HTTP.
const MAY_PASS: [u16; 7] = [14, 408, 425, 429, 502, 503, 504];
/// Those of HTTP by which it says that it has done nothing, whatever was asked.
const NOTHING_DONE: [u16; 2] = [429, 503];

impl Worker {
    /// The step of a journey that is due.
    pub(super) fn step(
        &self,
        at: Instant,
        number: u64,
        walk: Box<Walk>,
        turn: Option<Turn>,
    ) -> Due {
        let journeys = self.requests.maker().journeys();
        Due {
            at,
            number,
            route: journeys.route(walk.journey, walk.step),
            walk: Some(walk),
            turn,
        }
    }

    /// Sends what was noted, for the first time or again.
    pub(super) fn dispatch(self: &Rc<Self>, job: Job, now: Instant) {
        let dispatch = Dispatch {
            at: now,
            stalled: self.stalls.total(now),
        };
        let (timeout, turn) = (self.timeout_of(&job), job.number);
        let key = submit(self, job, turn, dispatch);
        self.watch(key, dispatch, timeout);
    }

    /// What follows from an answer that leads elsewhere, or why nothing does; `None`
    /// where it is the answer.
    pub(super) fn redirected(
        &self,
        job: &Job,
        course: &Course,
        exchange: &Exchange,
    ) -> Option<Result<Hop, String>> {
        let route = &self.routes[job.route];
        if route.follow == 0 || !is_redirect(exchange.status) {
            return None;
        }
        let kept = exchange.kept.as_deref()?;
        let mut fields = kept.fields.iter();
        let (_, location) = fields.find(|(name, _)| name.eq_ignore_ascii_case("location"))?;
        let (count, written, bytes, as_get) = match &job.hop {
            Some(hop) => (hop.count, hop.written, hop.bytes, hop.as_get),
            None => (0, course.written, 0, false),
        };
        if count >= route.follow {
            let why = format!("redirect {} of `follow: {}`", count + 1, route.follow);
            return Some(Err(why));
        }
        let current = self.asked(job);
        let authority = self.authority(job);
        let location = String::from_utf8_lossy(location);
        let scheme = if self.transport.is_secure() {
            "https"
        } else {
            "http"
        };
        let target = redirect::target(&location, &current, (scheme, &authority));
        Some(target.map(|target| Hop {
            target,
            as_get: as_get || becomes_get(exchange.status, &route.method),
            count: count + 1,
            written,
            bytes: bytes + exchange.body_bytes,
        }))
    }

    /// Host and port that a request names.
    fn authority(&self, job: &Job) -> String {
        let carried = job.walk.as_ref().map(|walk| &walk.carried);
        self.requests.authority(job.route, job.number, carried)
    }

    /// Path and query that a request asks for.
    fn asked(&self, job: &Job) -> String {
        if let Some(hop) = &job.hop {
            return hop.target.clone();
        }
        if let Some(segment) = job.segment() {
            return segment.path.to_owned();
        }
        let carried = job.walk.as_ref().map(|walk| &walk.carried);
        let target = self.requests.target(job.route, job.number, carried);
        String::from_utf8_lossy(&target).into_owned()
    }

    /// Sends what follows from a redirect, within what was dispatched before.
    pub(super) fn hop(self: &Rc<Self>, job: Job, dispatch: Dispatch) {
        let (timeout, turn) = (self.timeout_of(&job), job.number);
        let key = submit_again(self, job, turn, (dispatch, Instant::now()));
        self.watch(key, dispatch, timeout);
    }

    /// How long the client of a request waits for its answer.
    fn timeout_of(&self, job: &Job) -> Duration {
        let journeys = self.requests.maker().journeys();
        let persona = job.walk.as_ref().and_then(|walk| journeys.persona(walk));
        persona.map_or(self.timeout, |persona| persona.timeout)
    }

    /// Notes when a client loses patience, where the transport does not know.
    fn watch(&self, key: Key, dispatch: Dispatch, timeout: Duration) {
        // It knows when the most patient one does.
        if timeout < self.patience {
            let attempt = Attempt {
                key,
                dispatch,
                timeout,
            };
            let due = self.attempts.possible(dispatch.at + timeout);
            self.attempts.put(due, attempt);
        }
    }

    /// Gives up on attempts with which their clients have lost patience, which does
    /// not run while the generator stands still.
    pub(super) fn give_up_attempts(self: &Rc<Self>, now: Instant) {
        let stalled = self.stalls.total(now);
        while self.attempts.next().is_some_and(|due| due <= now) {
            let Some((_, attempt)) = self.attempts.take() else {
                return;
            };
            let excused = stalled.saturating_sub(attempt.dispatch.stalled);
            let end = attempt.dispatch.at + attempt.timeout + excused;
            match end <= now {
                true => give_up(self, attempt.key),
                false => self.attempts.put(self.attempts.possible(end), attempt),
            }
        }
    }

    /// When a client makes another attempt, where it makes one: the last failed in a
    /// way that may pass, and it is no harm to ask again. None begins when the load
    /// has ended.
    pub(super) fn tries_again(
        &self,
        job: &Job,
        course: &Course,
        result: &Result<Exchange, ExchangeFailure>,
        (outcome, done): (Outcome, Instant),
    ) -> Option<Instant> {
        let walk = job.walk.as_ref()?;
        let repeatable = self.requests.kind(job.route).repeatable;
        // Behind a redirect the first request has been done. Behind an answer that had not
        // begun, it may have been; gRPC's own clients try again all the same.
        let undone = job.hop.is_none();
        let (may_pass, asked) = match (outcome, result) {
            (Outcome::Bad(BadKind::Status), Ok(exchange)) => {
                let status = exchange.status;
                let passes = MAY_PASS.contains(&status);
                let undone = undone && (NOTHING_DONE.contains(&status) || exchange.unbegun);
                (passes && (repeatable || undone), retry_after(exchange))
            }
            (
                Outcome::Bad(BadKind::Connect | BadKind::Dns | BadKind::Broken | BadKind::Timeout),
                _,
            ) => (repeatable || (undone && course.written.is_none()), None),
            _ => return None,
        };
        let journeys = self.requests.maker().journeys();
        let wait = journeys.wait(walk, (job.number, job.attempts), asked)?;
        let due = self.agenda.possible(done + wait);
        let in_time = self.ends_at.get().is_none_or(|end| due < end);
        (may_pass && in_time).then_some(due)
    }

    /// Lets a client wait for another attempt. It is in flight meanwhile.
    pub(super) fn try_again(&self, mut job: Job, settled: Settled, course: &Course, due: Instant) {
        job.attempts += 1;
        job.hop = None;
        job.first.get_or_insert(course.dispatch);
        self.agenda.put(due, Later::Again(Box::new((job, settled))));
    }

    /// The load has ended before another attempt: the last one counts.
    pub(super) fn give_in(&self, (job, settled): (Job, Settled)) {
        let late_in_flight = &self.late_in_flight;
        late_in_flight.set(late_in_flight.get() - u32::from(job.late));
        let mut recorder = job.track.recorder.borrow_mut();
        recorder.settle(job.ticket, settled);
        drop(recorder);
        let detail = "the load ended before another attempt".to_owned();
        self.show(&job, &settled, || (None, None, Some(detail)));
        let done = job.scheduled + Duration::from_micros(settled.response_us);
        self.go_on_behind(job, settled.outcome, done);
    }

    /// What becomes of a journey, one step of which was settled at `done`; whether
    /// nothing of it follows.
    pub(super) fn go_on_behind(&self, job: Job, outcome: Outcome, done: Instant) -> bool {
        let Some(walk) = job.walk else {
            return true;
        };
        let (number, turn) = (job.number, job.turn);
        let (track, whose) = (job.track, Whose { number, turn });
        if walk.viewer.is_some() {
            return self.segment_done(&track, whose, walk, outcome, done);
        }
        match outcome {
            Outcome::Good | Outcome::Bad(BadKind::Late) => {}
            Outcome::Unfinished => return true,
            Outcome::Bad(_) | Outcome::Dropped => {
                self.brought_nothing(&track, &walk, job.scheduled, done);
                track.tally.borrow_mut().end(walk.journey, End::Failed);
                return true;
            }
        }
        self.walk_on(&track, whose, walk, (job.scheduled, done))
    }

    /// A step went well that was due at `pressed` and done at `done`: its user goes on,
    /// or not. Whether nothing of its journey follows.
    pub(super) fn walk_on(
        &self,
        track: &Rc<Track>,
        whose: Whose,
        mut walk: Box<Walk>,
        (pressed, done): (Instant, Instant),
    ) -> bool {
        let end = |end| {
            track.tally.borrow_mut().end(walk.journey, end);
            true
        };
        let journeys = self.requests.maker().journeys();
        let think = match journeys.onward(&walk, whose.number) {
            Onward::Next(think) => think,
            Onward::Completed => return end(End::Completed),
            Onward::Left => {
                self.leaves_behind(track, &walk, pressed);
                return end(End::Left);
            }
        };
        walk.step += 1;
        let watching = journeys.player(walk.journey, walk.step);
        if let (Some(watching), Some(manifest)) = (watching, walk.manifest.take()) {
            let viewer = Viewer::new(watching, manifest, pressed, done);
            walk.viewer = Some(Box::new(viewer));
            return self.view(track, whose, walk, done);
        }
        self.put(track, whose, walk, done + think);
        false
    }

    /// Puts the next step of a journey on the agenda. Behind the end of the load nothing
    /// is sent: the journey is unfinished.
    pub(super) fn put(&self, track: &Rc<Track>, whose: Whose, walk: Box<Walk>, due: Instant) {
        let due = self.agenda.possible(due);
        if self.ends_at.get().is_some_and(|end| due >= end) {
            return self.cut_short(track, *walk);
        }
        let Whose { number, turn } = whose;
        let later = Later::Step {
            track: Rc::clone(track),
            number,
            walk,
            turn,
        };
        self.agenda.put(due, later);
    }

    /// Gives to a user what an answer says: cookies, and what its step takes where
    /// the answer is as expected. What of that is wrong, in words.
    pub(super) fn carry_on(
        &self,
        job: &mut Job,
        answered: Answered<'_>,
        as_expected: bool,
    ) -> Option<String> {
        let kept = answered.kept?;
        if let Some(viewer) = job.walk.as_mut().and_then(|walk| walk.viewer.as_mut()) {
            viewer.received(job.cached.came_by_network().then_some(answered.body_bytes));
        }
        let sets = |(name, _): &(String, Vec<u8>)| name.eq_ignore_ascii_case("set-cookie");
        let of_cookies = kept.fields.iter().any(sets);
        let of_cookies = of_cookies.then(|| (self.authority(job), self.asked(job)));
        let walk = job.walk.as_mut()?;
        if let Some((authority, target)) = of_cookies {
            let asked = Asked {
                host: without_port(&authority),
                target: target.as_bytes(),
                done: answered.done,
            };
            walk.carried.jar.take(&kept.fields, asked);
        }
        let journeys = self.requests.maker().journeys();
        if !as_expected || !self.routes[job.route].accepts(answered.status) {
            return None;
        }
        if journeys.brings_manifest(walk) {
            match Manifest::read(&kept.body) {
                Ok(manifest) => walk.manifest = Some(manifest),
                Err(error) => return Some(error.to_string()),
            }
        }
        journeys.take(walk, kept).err()
    }
}

/// The host of `example.org:80` or `[::1]:80`.
fn without_port(host: &str) -> &str {
    let end = host
        .rfind(':')
        .filter(|colon| !host[*colon..].contains(']'));
    let host = &host[..end.unwrap_or(host.len())];
    host.trim_start_matches('[').trim_end_matches(']')
}

/// How long a server asks to be left alone, in whole seconds.
fn retry_after(exchange: &Exchange) -> Option<Duration> {
    let mut fields = exchange.kept.as_ref()?.fields.iter();
    let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    let seconds = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
