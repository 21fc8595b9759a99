//! What became of an arrival: good or not, why, and whose time it was.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use squall_record::{BadKind, DropCause, Outcome, Parts, Sample};
use squall_scenario::{AnswerCheck, GRPC_OK, Series, SeriesCheck};

use super::Worker;
use crate::answer::{KEPT_LIST_BYTES_MAX, Kept, json_of_events, json_of_messages};
use crate::checks::first_broken;
use crate::heard::{Brought, Heard};
use crate::job::Job;
use crate::requests::{Answers, RequestKind};
use crate::settled::Settled;
use crate::stalls::Stalls;
use crate::transport::{Course, Dispatch, Endpoint, Exchange, ExchangeFailure};

/// What is looked at in an answer, wherever it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered<'a> {
    pub(super) status: u16,
    pub(super) kept: Option<&'a Kept>,
    pub(super) body_bytes: u64,
    pub(super) done: Instant,
}

impl<'a> From<&'a Exchange> for Answered<'a> {
    fn from(exchange: &'a Exchange) -> Self {
        Self {
            status: exchange.status,
            kept: exchange.kept.as_deref(),
            body_bytes: exchange.body_bytes,
            done: exchange.done,
        }
    }
}

impl Worker {
    pub(super) fn show_dropped(&self, job: Job, cause: DropCause) {
        self.show(&job, &Settled::dropped(cause), || {
            (None, None, Some(cause.to_string()))
        });
        let done = job.scheduled;
        self.go_on_behind(job, Outcome::Dropped, done);
    }

    /// Shows an arrival that is settled on the board, and as evidence; `told` are
    /// status, address and detail, for when it is kept.
    pub(super) fn show(
        &self,
        job: &Job,
        settled: &Settled,
        told: impl FnOnce() -> (Option<u16>, Option<Endpoint>, Option<String>),
    ) {
        if job.track.lead {
            return;
        }
        self.board.borrow_mut().settled(settled);
        let mut recorder = job.track.recorder.borrow_mut();
        recorder.offer_sample((job.scheduled_us, job.route), settled, || {
            let (status, address, detail) = told();
            Sample {
                arrival: job.number,
                route: self.routes[job.route].name.clone(),
                scheduled_us: job.scheduled_us,
                lag_us: settled.lag_us,
                wait_us: settled.wait_us,
                service_us: settled.service_us,
                response_us: settled.response_us,
                parts: settled.parts,
                outcome: settled.outcome,
                dropped: settled.dropped,
                status,
                address: address.map(|address| address.to_string()),
                request: match job.segment() {
                    Some(segment) => segment.told(),
                    None => self.requests.line(job.route, job.number),
                },
                detail,
            }
        });
    }

    /// An answer as checks look at it: of a call, the JSON of its message, or the list
    /// of all of a stream, which is timed from when it was first dispatched; and so of
    /// events, and of messages of a socket.
    pub(super) fn understood(
        &self,
        job: &Job,
        course: &Course,
        result: Result<Exchange, ExchangeFailure>,
    ) -> Result<Exchange, ExchangeFailure> {
        let mut exchange = result?;
        let kind = self.requests.kind(job.route);
        let first = exchange
            .kept
            .as_deref_mut()
            .and_then(|kept| kept.series.as_mut());
        if let Some(series) = first {
            let before = self.before_sent(job, course);
            series.first = series.first.map(|first| first + before);
        }
        let looked_at = kind.looks;
        let is_looked_at = looked_at.is_some_and(|looks| looks.body);
        let kept = exchange.kept.as_deref_mut().filter(|_| is_looked_at);
        if kind.stay().is_some() {
            let whole = kept.filter(|kept| kept.unread().is_none());
            let list: fn(&[u8]) -> Option<Vec<u8>> = match exchange.status {
                200 if kind.events.is_some() => json_of_events,
                1000.. if kind.socket.is_some() => |body| Some(json_of_messages(body)),
                _ => return Ok(exchange),
            };
            whole
                .into_iter()
                .for_each(|kept| kept.listed(list(&kept.body)));
            return Ok(exchange);
        }
        let Some(messages) = self.requests.messages(job.route) else {
            return Ok(exchange);
        };
        let whole = kept.filter(|kept| kept.unread().is_none());
        let Some(kept) = whole else {
            return Ok(exchange);
        };
        if !brings_messages(kind, exchange.status, kept.series) {
            kept.body.clear();
            return Ok(exchange);
        }
        let json = match kind.call {
            Some(Answers::Many) => messages.json_of_stream(&kept.body, KEPT_LIST_BYTES_MAX),
            Some(Answers::One) | None => messages.json(&kept.body, KEPT_LIST_BYTES_MAX),
        };
        match json {
            Ok(json) => kept.listed(json),
            Err(why) => {
                let address = Some(exchange.address);
                return Err(ExchangeFailure::bad(BadKind::Malformed, why, address));
            }
        }
        Ok(exchange)
    }

    /// How long it took from when an arrival was first dispatched until its request was
    /// sent. Lag is squall's own, as what it stood still is.
    fn before_sent(&self, job: &Job, course: &Course) -> Duration {
        let begun = job.first.unwrap_or(course.dispatch);
        let written = course.written.unwrap_or(begun.at);
        waited(&self.stalls, begun, written)
    }

    /// When its messages came of a stream that was answered as its request expects, whatever
    /// it expects of them; how long that took is told beside what became of it.
    pub(super) fn brought(
        &self,
        job: &Job,
        course: &Course,
        heard: Option<Box<Heard>>,
        settled: &mut Settled,
    ) -> Option<Brought> {
        match settled.outcome {
            Outcome::Good | Outcome::Bad(BadKind::Late | BadKind::Check) => {}
            Outcome::Bad(_) | Outcome::Dropped | Outcome::Unfinished => return None,
        }
        let before = self.before_sent(job, course);
        let brought = heard?.of_arrival(job.scheduled, before);
        // A call that ends well may have nothing to say.
        let says_nothing = self.requests.kind(job.route).call.is_some()
            && settled.outcome != Outcome::Bad(BadKind::Check);
        if brought.first.is_none() && !says_nothing {
            return None;
        }
        let parts = &mut settled.parts;
        parts.first_message_us = brought.first.map(|first| micros(first.all));
        parts.longest_gap_us = brought.gaps.all().longest_us();
        Some(brought)
    }

    /// What of an answer with a good status is not as its request expects, in
    /// words.
    pub(super) fn broken(&self, job: &Job, answered: Answered<'_>) -> Option<String> {
        let route = &self.routes[job.route];
        let kept = answered.kept?;
        if !route.accepts(answered.status) {
            return None;
        }
        let maker = self.requests.maker();
        let kind = self.requests.kind(job.route);
        let brings = brings_messages(kind, answered.status, kept.series);
        let checks = route.checks.iter();
        let checks = checks.filter(|check| brings || !check.is_of_content());
        // A call that ends well may have nothing to say, and nothing lies between that.
        let says_nothing =
            kind.call.is_some() && kept.series.is_none_or(|series| series.count == 0);
        let is_gap =
            |check: &AnswerCheck| matches!(check, AnswerCheck::Series(SeriesCheck::Gap(_)));
        let checks = checks.filter(|check| !(says_nothing && is_gap(check)));
        first_broken(checks, kept, answered.body_bytes, |name| {
            let taken = job
                .walk
                .as_ref()
                .and_then(|it| maker.journeys().value(it, name));
            let drawn = || maker.value(name, job.number).map(Cow::Owned);
            taken.map(Cow::Borrowed).or_else(drawn)
        })
    }

    pub(super) fn classify(
        &self,
        job: &Job,
        course: &Course,
        result: &Result<Exchange, ExchangeFailure>,
        (done, as_expected): (Instant, bool),
    ) -> Settled {
        let route = &self.routes[job.route];
        let begun = job.first.unwrap_or(course.dispatch);
        let own_pause = self.stalls.total(done).saturating_sub(begun.stalled);
        // Redirects are part of the service: the first request counts.
        let first = job.hop.as_ref().and_then(|hop| hop.written);
        let written = first.or(course.written).unwrap_or(done);
        let before = job.hop.as_ref().map_or(0, |hop| hop.bytes);
        let response = done.saturating_duration_since(job.scheduled);
        let lag = begun.at.saturating_duration_since(job.scheduled);
        let wait = written.saturating_duration_since(course.dispatch.at);
        let own = lag + own_pause;
        let too_late = |time: Duration| route.within.is_some_and(|within| time > within);
        let outcome = match result {
            Ok(exchange) if !route.accepts(exchange.status) => Outcome::Bad(BadKind::Status),
            Ok(_) if !as_expected => Outcome::Bad(BadKind::Check),
            Ok(_) if too_late(response) => Outcome::Bad(BadKind::Late),
            Ok(_) => Outcome::Good,
            Err(failure) => failure.outcome,
        };
        Settled {
            outcome,
            lag_us: micros(lag),
            wait_us: micros(wait),
            service_us: micros(done.saturating_duration_since(written)),
            response_us: micros(response),
            own_us: micros(own),
            parts: parts(course, result.as_ref().ok()),
            late_by_lag: outcome == Outcome::Bad(BadKind::Late)
                && !too_late(response.saturating_sub(own)),
            fallback: result.as_ref().is_ok_and(|it| it.fallback.is_some()),
            bytes: before
                + match (result, job.cached.came_by_network()) {
                    (Ok(exchange), true) => exchange.body_bytes,
                    // They came before, or never.
                    (Ok(_), false) | (Err(_), _) => 0,
                },
            dropped: result.as_ref().err().and_then(|failure| failure.dropped),
            resent: course.resent,
            retries: job.attempts,
            cached: job.cached,
            evicted: job.evicted,
        }
    }
}

/// The time from a dispatch until `written`, without what squall itself stood still.
fn waited(stalls: &Stalls, begun: Dispatch, written: Instant) -> Duration {
    let own = stalls.total(written).saturating_sub(begun.stalled);
    let all = written.saturating_duration_since(begun.at);
    all.saturating_sub(own)
}

/// Whether an answer brings what is said of its content: a call has its message with OK
/// alone, and a stream what came of it.
fn brings_messages(kind: RequestKind, status: u16, series: Option<Series>) -> bool {
    match kind.call {
        None => true,
        Some(Answers::One) => status == GRPC_OK,
        Some(Answers::Many) => status == GRPC_OK || series.is_some_and(|it| it.count > 0),
    }
}

/// What an exchange's time consists of, as far as it came.
fn parts(course: &Course, exchange: Option<&Exchange>) -> Parts {
    let between = |from: Instant, to: Instant| micros(to.saturating_duration_since(from));
    Parts {
        connect_us: course.made.map(|made| between(made.begun, made.connected)),
        tls_us: course
            .made
            .and_then(|made| Some(between(made.connected, made.encrypted?))),
        first_byte_us: exchange.and_then(|it| Some(between(course.written?, it.first_byte))),
        ..Parts::default()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Made;

    #[test]
    fn a_stall_before_a_call_is_sent_is_not_waited_for_its_messages() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let stalls = Stalls::new(start);
        let begun = Dispatch {
            at: at(50),
            stalled: stalls.total(at(50)),
        };
        stalls.turn(at(100));
        stalls.turn(at(4_100));
        // A stall may hide 100 ms of right sleep.
        assert_eq!(
            waited(&stalls, begun, at(4_150)),
            Duration::from_millis(200)
        );
    }

    #[test]
    fn a_response_time_has_the_parts_that_came_so_far() {
        let begun = Instant::now();
        let at = |us| begun + Duration::from_micros(us);
        let mut course = Course {
            dispatch: Dispatch {
                at: begun,
                stalled: Duration::ZERO,
            },
            made: None,
            written: Some(at(450)),
            resent: false,
        };
        let answer = Exchange {
            first_byte: at(1_450),
            done: at(9_000),
            told: None,
            status: 200,
            unbegun: false,
            body_bytes: 0,
            fallback: None,
            kept: None,
            heard: None,
            address: Endpoint::Ip(([127, 0, 0, 1], 9).into()),
        };
        let known = Parts {
            first_byte_us: Some(1_000),
            ..Parts::default()
        };
        assert_eq!(parts(&course, Some(&answer)), known, "it was connected");

        course.made = Some(Made {
            begun: at(100),
            connected: at(150),
            encrypted: Some(at(400)),
        });
        let known = Parts {
            connect_us: Some(50),
            tls_us: Some(250),
            first_byte_us: Some(1_000),
            ..Parts::default()
        };
        assert_eq!(parts(&course, Some(&answer)), known);
        let unanswered = Parts {
            first_byte_us: None,
            ..known
        };
        assert_eq!(parts(&course, None), unanswered);
    }
}
