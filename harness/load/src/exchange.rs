//! One arrival from its dispatch to what became of it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use squall_record::{BadKind, DropCause, Outcome, Sample};
use squall_scenario::{Load, Request};

use crate::gauges::GaugeBoard;
use crate::recorder::{Recorder, micros_i64};
use crate::requests::RequestMaker;
use crate::settled::Settled;
use crate::stalls::Stalls;
use crate::transport::{Course, Exchange, ExchangeFailure, Transport};

/// A stall that may have held up a fault's edge for longer than edges are
/// waited for anyway.
const LONG_STALL: Duration = Duration::from_millis(300);

/// What every exchange shares.
pub(crate) struct ExchangeContext {
    pub(crate) maker: RequestMaker,
    pub(crate) transport: Transport,
    routes: Vec<Request>,
    timeout: Duration,
    pub(crate) board: RefCell<GaugeBoard>,
    pub(crate) stalls: Stalls,
    /// Of those in flight: sent late.
    pub(crate) late_in_flight: Cell<u32>,
}

/// When an exchange was dispatched, and how long the generator had stood still
/// until then.
struct Started {
    dispatched: Instant,
    stalled: Duration,
}

/// One arrival on its way.
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) route: usize,
    pub(crate) scheduled: Instant,
    pub(crate) scheduled_us: i64,
    pub(crate) ticket: u64,
    pub(crate) lead: bool,
    /// Whether it was sent late enough to take room from others.
    pub(crate) late: bool,
}

impl ExchangeContext {
    pub(crate) fn new(load: &Load, maker: RequestMaker, transport: Transport) -> Self {
        Self {
            maker,
            transport,
            routes: load.requests.clone(),
            timeout: load.timeout,
            board: RefCell::default(),
            stalls: Stalls::new(Instant::now()),
            late_in_flight: Cell::new(0),
        }
    }

    /// The driver has a turn: it may have stood still before it.
    pub(crate) fn take_turn(&self, now: Instant, origin: Instant, recorder: &RefCell<Recorder>) {
        // Shorter ones are within the grace that every edge has.
        let stall = self.stalls.turn(now).unwrap_or_default();
        if stall >= LONG_STALL {
            let now_us = micros_i64(now.saturating_duration_since(origin));
            recorder.borrow_mut().stood_still(now_us);
        }
    }

    /// Why there is no room for another exchange, where there is none: the
    /// system left too many without an answer, or those that were sent late,
    /// all at once, took the room.
    pub(crate) fn no_room(&self, in_flight: u32, in_flight_max: u32) -> Option<DropCause> {
        if in_flight < in_flight_max {
            return None;
        }
        let on_time = in_flight.saturating_sub(self.late_in_flight.get());
        Some(match on_time < in_flight_max {
            true => DropCause::Lag,
            false => DropCause::InFlight,
        })
    }

    pub(crate) async fn perform(&self, job: Job, recorder: &RefCell<Recorder>) {
        let dispatched = Instant::now();
        let stalled = self.stalls.total(dispatched);
        let course = Course::default();
        let (line, result) = match self.maker.prepare(job.number) {
            Ok(request) => {
                let line = format!("{} {}", request.method, request.path);
                let exchange = self.transport.exchange(&request, job.number, &course);
                let started = Started {
                    dispatched,
                    stalled,
                };
                (
                    line,
                    self.within_patience(exchange, &started, &course).await,
                )
            }
            Err(error) => {
                let failure = ExchangeFailure {
                    outcome: Outcome::Dropped,
                    dropped: Some(DropCause::Request),
                    written: None,
                    detail: error.to_string(),
                    address: None,
                };
                (String::new(), Err(failure))
            }
        };
        if job.late {
            self.late_in_flight.set(self.late_in_flight.get() - 1);
        }
        let now = result
            .as_ref()
            .map_or_else(|_| Instant::now(), |done| done.done);
        let own = self.stalls.total(now).saturating_sub(stalled);
        let mut settled = self.classify(&job, dispatched, (now, own), &result);
        settled.resent = course.resent.get();
        self.settle(&job, &settled, line, result, recorder);
    }

    /// Waits for an answer as long as a client would, counted from when the
    /// request was dispatched: neither the generator's lag nor a time in which
    /// it stands still uses up the client's patience. The response time counts
    /// from the schedule all the same.
    async fn within_patience(
        &self,
        exchange: impl Future<Output = Result<Exchange, ExchangeFailure>>,
        started: &Started,
        course: &Course,
    ) -> Result<Exchange, ExchangeFailure> {
        let mut exchange = std::pin::pin!(exchange);
        let mut patience = self.timeout;
        loop {
            let until = tokio::time::Instant::from_std(started.dispatched + patience);
            if let Ok(result) = tokio::time::timeout_at(until, exchange.as_mut()).await {
                return result;
            }
            let stalled = self.stalls.total(Instant::now());
            let extended = self.timeout + stalled.saturating_sub(started.stalled);
            if extended <= patience {
                break;
            }
            patience = extended;
        }
        let written = course.written.get();
        Err(ExchangeFailure {
            outcome: Outcome::Bad(BadKind::Timeout),
            dropped: None,
            written,
            detail: match written {
                Some(_) => "no answer in time".to_owned(),
                None => "no connection in time".to_owned(),
            },
            address: None,
        })
    }

    /// Settles an arrival that there was no room for.
    pub(crate) fn drop_unsent(&self, job: &Job, cause: DropCause, recorder: &RefCell<Recorder>) {
        let settled = Settled::dropped(cause);
        if !job.lead {
            self.board.borrow_mut().settled(&settled, job.scheduled);
        }
        let mut recorder = recorder.borrow_mut();
        recorder.settle(job.ticket, settled);
        if job.lead {
            return;
        }
        recorder.offer_sample(job.scheduled_us, &settled, || {
            let request = self.maker.prepare(job.number).map_or_else(
                |_| String::new(),
                |request| format!("{} {}", request.method, request.path),
            );
            self.sample(
                job,
                &settled,
                request,
                (None, None, Some(cause.to_string())),
            )
        });
    }

    fn settle(
        &self,
        job: &Job,
        settled: &Settled,
        request: String,
        result: Result<Exchange, ExchangeFailure>,
        recorder: &RefCell<Recorder>,
    ) {
        let mut recorder = recorder.borrow_mut();
        recorder.settle(job.ticket, *settled);
        if job.lead {
            return;
        }
        self.board.borrow_mut().settled(settled, Instant::now());
        recorder.offer_sample(job.scheduled_us, settled, || {
            let told = match &result {
                Ok(exchange) => {
                    let fallback = exchange.fallback.as_ref();
                    let detail = fallback.map(|by| format!("fallback: {by}"));
                    (Some(exchange.status), Some(exchange.address), detail)
                }
                Err(failure) => (None, failure.address, Some(failure.detail.clone())),
            };
            self.sample(job, settled, request, told)
        });
    }

    /// An arrival as evidence; told are status, address and detail.
    fn sample(
        &self,
        job: &Job,
        settled: &Settled,
        request: String,
        (status, address, detail): (Option<u16>, Option<SocketAddr>, Option<String>),
    ) -> Sample {
        Sample {
            arrival: job.number,
            route: self.routes[job.route].name.clone(),
            scheduled_us: job.scheduled_us,
            lag_us: settled.lag_us,
            wait_us: settled.wait_us,
            service_us: settled.service_us,
            response_us: settled.response_us,
            outcome: settled.outcome,
            dropped: settled.dropped,
            status,
            address: address.map(|address| address.to_string()),
            request,
            detail,
        }
    }

    fn classify(
        &self,
        job: &Job,
        dispatched: Instant,
        (now, stalled): (Instant, Duration),
        result: &Result<Exchange, ExchangeFailure>,
    ) -> Settled {
        let route = &self.routes[job.route];
        let written = match result {
            Ok(exchange) => exchange.written,
            Err(failure) => failure.written.unwrap_or(now),
        };
        let response = now.saturating_duration_since(job.scheduled);
        let lag = dispatched.saturating_duration_since(job.scheduled);
        let too_late = |time: Duration| route.within.is_some_and(|within| time > within);
        let outcome = match result {
            Ok(exchange) if !route.accepts(exchange.status) => Outcome::Bad(BadKind::Status),
            Ok(_) if too_late(response) => Outcome::Bad(BadKind::Late),
            Ok(_) => Outcome::Good,
            Err(failure) => failure.outcome,
        };
        let own = lag + stalled;
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Settled {
            outcome,
            lag_us: micros(lag),
            wait_us: micros(written.saturating_duration_since(dispatched)),
            service_us: micros(now.saturating_duration_since(written)),
            response_us: micros(response),
            own_us: micros(own),
            late_by_lag: outcome == Outcome::Bad(BadKind::Late)
                && !too_late(response.saturating_sub(own)),
            fallback: result
                .as_ref()
                .is_ok_and(|exchange| exchange.fallback.is_some()),
            bytes: result.as_ref().map_or(0, |exchange| exchange.body_bytes),
            dropped: result.as_ref().err().and_then(|failure| failure.dropped),
            resent: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use squall_scenario::Template;

    use super::*;

    fn context(timeout: Duration) -> ExchangeContext {
        let load = Load {
            shape: vec![],
            requests: vec![Request {
                name: "page".into(),
                method: "GET".into(),
                path: Template::parse("/"),
                headers: vec![],
                body: None,
                body_file: None,
                expect_status: vec![(200, 399)],
                within: None,
                weight: 1,
            }],
            data: vec![],
            users: None,
            connections: None,
            in_flight_max: 10,
            timeout,
            warm_up: Duration::ZERO,
        };
        let maker = RequestMaker::new(&load, 1).unwrap();
        let transport = Transport::new(vec![], "localhost", None).unwrap();
        ExchangeContext::new(&load, maker, transport)
    }

    #[test]
    fn the_system_is_not_to_blame_for_room_that_late_arrivals_took() {
        let context = context(Duration::from_secs(1));
        assert_eq!(context.no_room(9, 10), None);
        assert_eq!(context.no_room(10, 10), Some(DropCause::InFlight));
        context.late_in_flight.set(1);
        assert_eq!(context.no_room(10, 10), Some(DropCause::Lag));
        // Hung before the stall: there would have been no room without it.
        assert_eq!(context.no_room(11, 10), Some(DropCause::InFlight));
    }

    /// An answer that came while squall stood still was in time.
    #[tokio::test(start_paused = true)]
    async fn standing_still_uses_up_no_patience() {
        let context = context(Duration::from_millis(50));
        let dispatched = Instant::now();
        let started = |stalled| Started {
            dispatched,
            stalled,
        };
        let course = Course::default();
        let never = std::future::pending();
        let gave_up = context
            .within_patience(never, &started(Duration::ZERO), &course)
            .await;
        assert_eq!(gave_up.unwrap_err().outcome, Outcome::Bad(BadKind::Timeout));

        // Stood still for an hour, and then an answer takes a moment more.
        let long_ago = dispatched.checked_sub(Duration::from_secs(3_600)).unwrap();
        context.stalls.turn(long_ago);
        let before = context.stalls.total(long_ago);
        context.stalls.turn(Instant::now());
        let slow = async {
            tokio::time::sleep(Duration::from_millis(80)).await;
            Err(ExchangeFailure {
                outcome: Outcome::Good,
                dropped: None,
                written: None,
                detail: String::new(),
                address: None,
            })
        };
        let answered = context
            .within_patience(slow, &started(before), &course)
            .await;
        assert_eq!(answered.unwrap_err().outcome, Outcome::Good);
    }
}
