//! What the cache of a client has for a step, and what it takes of the answer. A step
//! that it answers is no arrival: nothing was sent, so nothing of it is measured.

use std::rc::Rc;
use std::time::Instant;

use squall_record::{BadKind, Outcome};

use super::Worker;
use super::judged::Answered;
use crate::answer::FALLBACK_HEADER;
use crate::job::{Due, Job, Track};
use crate::journey::{Asking, Came, Recalled, Walk};
use crate::recorder::micros_i64;
use crate::settled::{Cached, Settled};
use crate::transport::{Course, Exchange, ExchangeFailure, Sender};

/// The status of all answers that caches keep.
const OK: u16 = 200;

impl Worker {
    /// Appends what is sent for a route, where that follows no redirect.
    pub(super) fn write_own(
        &self,
        (route, number): (usize, u64),
        walk: Option<&Walk>,
        into: &mut Vec<u8>,
    ) {
        let carried = walk.map(|walk| &walk.carried);
        match walk.and_then(Walk::segment) {
            Some(segment) => {
                self.requests
                    .write_segment(route, number, (segment, carried), into);
            }
            None => self.requests.write_with(route, number, carried, into),
        }
    }

    /// What the client of a step has for it, where that is fresh at `now`; it notes what
    /// is asked otherwise.
    pub(super) fn recalled(&self, due: &mut Due, now: Instant) -> Option<Recalled> {
        let walk = due.walk.as_mut()?;
        let persona = self.requests.maker().journeys().persona(walk)?;
        if !persona.cache {
            return None;
        }
        walk.carried.cache.get_or_insert_default();
        self.ask_cache((due.route, due.number), walk, now)
    }

    /// Asks the cache of a client, where it has one, for what is sent for a route now.
    fn ask_cache(
        &self,
        (route, number): (usize, u64),
        walk: &mut Walk,
        now: Instant,
    ) -> Option<Recalled> {
        let kind = self.requests.kind(route);
        walk.carried.cache.as_mut()?.let_pass();
        // What comes one after the other is no copy of anything.
        if kind.call.is_some() || kind.stay().is_some() {
            return None;
        }
        let mut request = Vec::new();
        self.write_own((route, number), Some(walk), &mut request);
        let asking = Asking::of(&request);
        let cache = walk.carried.cache.as_mut()?;
        cache.ask(asking, kind.looks.unwrap_or_default(), now)
    }

    /// Another attempt is made at `now`: what is sent by it need not be what was sent
    /// before, as answers may have set cookies since. What the cache has for that by now
    /// is of no use any more: the attempt is made, and the cache has no say in it.
    pub(super) fn ask_cache_again(&self, job: &mut Job, now: Instant) {
        let whose = (job.route, job.number);
        if let Some(walk) = &mut job.walk {
            let _sent_anyway = self.ask_cache(whose, walk, now);
        }
    }

    /// What follows from a redirect is none of a cache's, unless it changes what is there.
    pub(super) fn hop_by_cache(&self, job: &mut Job) {
        job.passes_cache();
        let own = self.requests.kind(job.route);
        if job.cache().is_none() || own.call.is_some() || own.events.is_some() {
            return;
        }
        let mut request = Vec::new();
        self.write(job, &mut request);
        if let Some(cache) = job.cache() {
            cache.ask_to_change(Asking::of(&request));
        }
    }

    /// A step has its answer from its client's cache at `now`. It is an arrival only if
    /// that is not as expected.
    pub(super) fn answer_from_cache(
        self: &Rc<Self>,
        track: &Rc<Track>,
        due: Due,
        recalled: Recalled,
        now: Instant,
    ) {
        let lag = now.saturating_duration_since(due.at);
        let mut job = self.job(track, due, lag);
        job.cached = Cached::Hit;
        let answered = Answered {
            status: OK,
            kept: Some(&recalled.kept),
            body_bytes: recalled.body_bytes,
            done: now,
        };
        let broken = self.broken(&job, answered);
        let missed = self.carry_on(&mut job, answered, broken.is_none());
        let outcome = match (self.routes[job.route].accepts(OK), broken.or(missed)) {
            (true, None) => {
                let at_us = job.scheduled_us;
                let mut recorder = track.recorder.borrow_mut();
                recorder.hit(at_us, self.first_route + job.route);
                Outcome::Good
            }
            (accepted, why) => self.failed_in_cache(&mut job, (accepted, why), now),
        };
        let turn = job.turn.map(|turn| (turn, Rc::clone(&job.track)));
        let over = self.go_on_behind(job, outcome, now);
        if let Some((turn, track)) = turn.filter(|_| over) {
            self.turn_over(&track, turn, outcome, now);
        }
    }

    /// What a cache has is not as its step expects: the user meets that as if it had
    /// come now.
    fn failed_in_cache(
        &self,
        job: &mut Job,
        (accepted, why): (bool, Option<String>),
        now: Instant,
    ) -> Outcome {
        let outcome = match accepted {
            true => Outcome::Bad(BadKind::Check),
            false => Outcome::Bad(BadKind::Status),
        };
        let time = now.saturating_duration_since(job.scheduled);
        let time_us = u64::try_from(micros_i64(time)).unwrap_or(0);
        let settled = Settled {
            outcome,
            lag_us: time_us,
            response_us: time_us,
            own_us: time_us,
            ..Settled::UNFINISHED
        };
        if !job.track.lead {
            self.board.borrow_mut().scheduled();
        }
        let user = self.requests.maker().user_of(job.number);
        let route = self.first_route + job.route;
        let mut recorder = job.track.recorder.borrow_mut();
        job.ticket = recorder.schedule_for(job.scheduled_us, route, user);
        recorder.settle(job.ticket, settled);
        drop(recorder);
        let detail = match why {
            Some(why) => format!("from the client's cache: {why}"),
            None => "from the client's cache".to_owned(),
        };
        self.show(job, &settled, || (Some(OK), None, Some(detail)));
        outcome
    }

    /// Has the cache of a client take an answer. Where that says that what is kept is
    /// still so, this is the answer, with its own times.
    pub(super) fn heard_by_cache(
        &self,
        job: &mut Job,
        course: &Course,
        result: Result<Exchange, ExchangeFailure>,
    ) -> Result<Exchange, ExchangeFailure> {
        let Some(cache) = job.cache() else {
            return result;
        };
        if cache.waits() {
            job.cached = Cached::Missed;
        }
        let mut exchange = result?;
        let Some(kept) = exchange.kept.as_deref() else {
            return Ok(exchange);
        };
        let sent = course.written.unwrap_or(course.dispatch.at);
        let answer = (exchange.status, kept, exchange.body_bytes);
        let came = job.cache().map(|cache| cache.came(answer, sent));
        match came {
            None | Some(Came::Apart) => {}
            Some(Came::New { evicted }) => job.evicted += evicted,
            Some(Came::StillSo { answer, evicted }) => {
                job.evicted += evicted;
                job.cached = Cached::Revalidated;
                exchange.status = OK;
                exchange.body_bytes = answer.body_bytes;
                exchange.fallback = fallback(&answer);
                exchange.kept = Some(Box::new(answer.kept));
            }
        }
        Ok(exchange)
    }
}

/// What an answer says of being a fallback.
fn fallback(answer: &Recalled) -> Option<String> {
    let mut fields = answer.kept.fields.iter();
    let (_, by) = fields.find(|(name, _)| name.eq_ignore_ascii_case(FALLBACK_HEADER))?;
    Some(String::from_utf8_lossy(by).into_owned())
}
