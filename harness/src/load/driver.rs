//! The open-loop driver: sleeps until each scheduled arrival, never waits for
//! an answer.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_reports::{BadKind, Outcome, Sample, Shard};
use squall_scenario::{Arrivals, Load, Rate, Request, Stage};
use tokio::sync::{mpsc, watch};

use super::gauges::GaugeBoard;
use super::pacer::Pacer;
use super::transport::{Exchange, ExchangeFailure};
use super::{Arrival, Gauges, LoadCommand, LoadOutput, RequestMaker, Schedule, Transport};
use crate::measure::{Recorder, Settled};

/// Numbers of lead arrivals start here, so that they draw other data.
const LEAD_NUMBERS: u64 = 1 << 40;
/// Longer than any preparation may take.
const LEAD_LENGTH: Duration = Duration::from_secs(86_400);
/// How often intervals are sealed and gauges published.
const TICK: Duration = Duration::from_millis(100);
/// A generator that is behind gives its tasks a turn after so many arrivals.
const CATCH_UP_BATCH: u32 = 16;

pub(super) struct Driver {
    load: Load,
    seed: u64,
    shard: Option<Shard>,
    exchange: Rc<ExchangeContext>,
    outputs: mpsc::Sender<LoadOutput>,
    /// Outputs that found the channel full.
    backlog: VecDeque<LoadOutput>,
    gauges: watch::Sender<Gauges>,
}

/// What every exchange shares.
struct ExchangeContext {
    maker: RequestMaker,
    transport: Arc<Transport>,
    routes: Vec<Request>,
    timeout: Duration,
    board: RefCell<GaugeBoard>,
}

/// One recorded schedule: the lead or the measured load.
struct Track {
    origin: Instant,
    recorder: Rc<RefCell<Recorder>>,
    first_number: u64,
    lead: bool,
}

/// How a track ended.
enum TrackEnd {
    /// Its schedule is used up.
    Done,
    /// Time zero was announced.
    Begin(Instant),
    /// It was told to stop.
    Stop(Duration),
}

impl Driver {
    pub(super) fn new(
        load: Load,
        (seed, shard): (u64, Option<Shard>),
        maker: RequestMaker,
        transport: Transport,
        outputs: mpsc::Sender<LoadOutput>,
        gauges: watch::Sender<Gauges>,
    ) -> Self {
        let exchange = Rc::new(ExchangeContext {
            maker,
            transport: Arc::new(transport),
            routes: load.requests.clone(),
            timeout: load.timeout,
            board: RefCell::default(),
        });
        Self {
            load,
            seed,
            shard,
            exchange,
            outputs,
            backlog: VecDeque::new(),
            gauges,
        }
    }

    /// Runs lead, measured load and drain; returns when all is settled.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<LoadCommand>, lead: bool) {
        let Ok(pacer) = Pacer::new() else {
            return;
        };
        let routes: Vec<_> = self.load.requests.iter().map(|r| r.name.clone()).collect();
        let before = self.load.shape.first().filter(|_| lead).copied();
        let zero = match self
            .lead(&pacer, &mut commands, routes.clone(), before)
            .await
        {
            TrackEnd::Begin(zero) => zero,
            TrackEnd::Stop(_) | TrackEnd::Done => {
                self.tell(LoadOutput::Finished {
                    scheduled: 0,
                    lag_max_us: 0,
                });
                self.flush().await;
                return;
            }
        };
        let track = Track {
            origin: zero,
            recorder: Rc::new(RefCell::new(Recorder::new(routes))),
            first_number: 0,
            lead: false,
        };
        let schedule = self.schedule(&self.load.shape);
        let end = self.drive(&pacer, &mut commands, &track, schedule).await;
        self.drain(&mut commands, &track, end).await;
        let finished = track.finished();
        self.tell(finished);
        self.flush().await;
    }

    /// The part of a schedule that is sent from here.
    fn schedule(&self, stages: &[Stage]) -> Schedule {
        let whole = Schedule::new(stages, self.seed);
        match self.shard {
            Some(shard) => whole.of_shard(shard),
            None => whole,
        }
    }

    /// Load at the starting rate of `stage`, or none, until time zero is
    /// announced.
    async fn lead(
        &mut self,
        pacer: &Pacer,
        commands: &mut mpsc::Receiver<LoadCommand>,
        routes: Vec<String>,
        stage: Option<Stage>,
    ) -> TrackEnd {
        let track = Track {
            origin: Instant::now(),
            recorder: Rc::new(RefCell::new(Recorder::new(routes))),
            first_number: LEAD_NUMBERS,
            lead: true,
        };
        let endless = stage.map(|stage| Stage::Hold {
            rate: lead_rate(&stage),
            duration: LEAD_LENGTH,
            arrivals: Arrivals::Even,
        });
        let schedule = self.schedule(endless.as_slice());
        self.drive(pacer, commands, &track, schedule).await
    }

    /// Sends one schedule. Returns when it is used up or a command ends it.
    async fn drive(
        &mut self,
        pacer: &Pacer,
        commands: &mut mpsc::Receiver<LoadCommand>,
        track: &Track,
        mut schedule: Schedule,
    ) -> TrackEnd {
        let mut next = schedule.next();
        let mut next_tick = Instant::now() + TICK;
        let mut behind = 0;
        // The lead ends by a command, long before its schedule does.
        let length = if track.lead {
            LEAD_LENGTH
        } else {
            self.load.duration()
        };
        let end_at = track.origin + length;
        loop {
            let due = next.map_or(end_at, |arrival| track.origin + arrival.at);
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(LoadCommand::Begin { zero }) => return TrackEnd::Begin(zero),
                    Some(LoadCommand::Cut { at }) => track.cut(at),
                    Some(LoadCommand::Stop { grace }) => return TrackEnd::Stop(grace),
                    None => return TrackEnd::Stop(Duration::ZERO),
                },
                waited = pacer.wait_until(due.min(next_tick)) => {
                    if waited.is_err() {
                        return TrackEnd::Stop(Duration::ZERO);
                    }
                }
            }
            let now = Instant::now();
            if now >= next_tick {
                self.tick(track, now);
                next_tick = now + TICK;
            }
            if now < due {
                behind = 0;
                continue;
            }
            let Some(arrival) = next else {
                return TrackEnd::Done;
            };
            self.start(track, arrival);
            next = schedule.next();
            behind += 1;
            if behind >= CATCH_UP_BATCH {
                behind = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Starts one arrival, or drops it when too many are under way.
    fn start(&self, track: &Track, arrival: Arrival) {
        let number = track.first_number + arrival.number;
        let route = self.exchange.maker.route_of(number);
        let scheduled = track.origin + arrival.at;
        let scheduled_us = i64::try_from(arrival.at.as_micros()).unwrap_or(i64::MAX);
        let mut recorder = track.recorder.borrow_mut();
        let full = recorder.in_flight() >= self.load.in_flight_max;
        let user = self.exchange.maker.user_of(number);
        let ticket = recorder.schedule_for(scheduled_us, route, user);
        if full {
            recorder.settle(ticket, Settled::DROPPED);
        }
        drop(recorder);
        if !track.lead {
            let mut board = self.exchange.board.borrow_mut();
            board.scheduled();
            if full {
                board.settled(&Settled::DROPPED, scheduled);
            }
        }
        if full {
            return;
        }
        let job = Job {
            number,
            route,
            scheduled,
            scheduled_us,
            ticket,
            lead: track.lead,
        };
        let exchange = Rc::clone(&self.exchange);
        let recorder = Rc::clone(&track.recorder);
        tokio::task::spawn_local(async move { exchange.perform(job, &recorder).await });
    }

    /// Waits until everything is settled, or gives up after the grace.
    async fn drain(
        &mut self,
        commands: &mut mpsc::Receiver<LoadCommand>,
        track: &Track,
        end: TrackEnd,
    ) {
        let stopped_at = Instant::now();
        let (load_end, mut deadline) = match end {
            // Every exchange ends by the client's patience; a second more
            // would mean a bug, and the arrivals would show as unfinished.
            TrackEnd::Done | TrackEnd::Begin(_) => {
                let load_end = track.origin + self.load.duration();
                let last_answer = load_end.max(stopped_at) + self.load.timeout;
                (load_end, last_answer + Duration::from_secs(1))
            }
            TrackEnd::Stop(grace) => (stopped_at, stopped_at + grace),
        };
        self.tell(LoadOutput::Draining);
        while track.recorder.borrow().in_flight() > 0 && Instant::now() < deadline {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(LoadCommand::Cut { at }) => track.cut(at),
                    Some(LoadCommand::Begin { .. }) => {}
                    Some(LoadCommand::Stop { grace }) => {
                        deadline = deadline.min(Instant::now() + grace);
                    }
                    None => deadline = Instant::now(),
                },
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
            self.tick(track, Instant::now());
        }
        let mut recorder = track.recorder.borrow_mut();
        recorder.give_up();
        let end_us = load_end.saturating_duration_since(track.origin).as_micros();
        let intervals = recorder.finish(i64::try_from(end_us).unwrap_or(i64::MAX).max(1));
        let samples = recorder.take_all_samples();
        drop(recorder);
        for interval in intervals {
            self.tell(LoadOutput::Interval(interval));
        }
        self.tell(LoadOutput::Samples(samples));
    }

    /// Seals what can be sealed and publishes the gauges.
    fn tick(&mut self, track: &Track, now: Instant) {
        let now_us = now.saturating_duration_since(track.origin).as_micros();
        let now_us = i64::try_from(now_us).unwrap_or(i64::MAX);
        loop {
            let sealed = track.recorder.borrow_mut().seal(now_us);
            match sealed {
                Some(interval) if track.lead => self.tell(LoadOutput::Lead(interval)),
                Some(interval) => self.tell(LoadOutput::Interval(interval)),
                None => break,
            }
        }
        let samples = track.recorder.borrow_mut().take_samples();
        if !track.lead && !samples.is_empty() {
            self.tell(LoadOutput::Samples(samples));
        }
        let recorder = track.recorder.borrow();
        let mut board = self.exchange.board.borrow_mut();
        let gauges = board.read(now, recorder.in_flight(), recorder.lag_max_us());
        self.gauges.send_replace(gauges);
    }

    /// Sends without waiting: a reader that is slow must not delay an arrival.
    fn tell(&mut self, output: LoadOutput) {
        self.backlog.push_back(output);
        while let Some(next) = self.backlog.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(back)) = self.outputs.try_send(next) {
                self.backlog.push_front(back);
                break;
            }
        }
    }

    async fn flush(&mut self) {
        while let Some(output) = self.backlog.pop_front() {
            if self.outputs.send(output).await.is_err() {
                break;
            }
        }
    }
}

/// The rate before time zero: that of the first stage's start, or its mean
/// where it starts from nothing.
fn lead_rate(stage: &Stage) -> Rate {
    let start = stage.starting_rate();
    if start.as_per_second() > 0.0 {
        return start;
    }
    let arrivals = stage.expected_arrivals(Duration::ZERO, stage.duration());
    Rate::per_second(arrivals / stage.duration().as_secs_f64()).unwrap_or(start)
}

impl Track {
    fn finished(&self) -> LoadOutput {
        let recorder = self.recorder.borrow();
        LoadOutput::Finished {
            scheduled: recorder.scheduled(),
            lag_max_us: recorder.lag_max_us(),
        }
    }

    fn cut(&self, at: Instant) {
        let at_us = at.saturating_duration_since(self.origin).as_micros();
        self.recorder
            .borrow_mut()
            .cut(i64::try_from(at_us).unwrap_or(i64::MAX));
    }
}

/// One arrival on its way.
struct Job {
    number: u64,
    route: usize,
    scheduled: Instant,
    scheduled_us: i64,
    ticket: u64,
    lead: bool,
}

impl ExchangeContext {
    async fn perform(&self, job: Job, recorder: &RefCell<Recorder>) {
        let dispatched = Instant::now();
        let request = match self.maker.prepare(job.number) {
            Ok(request) => request,
            Err(error) => {
                let failure = ExchangeFailure {
                    outcome: Outcome::Dropped,
                    written: None,
                    detail: error.to_string(),
                    address: None,
                };
                return self.settle(&job, dispatched, String::new(), Err(failure), recorder);
            }
        };
        let line = format!("{} {}", request.method, request.path);
        let written = Cell::new(None);
        // From when it was dispatched: the generator's lag must not use up the
        // client's patience. The response time still counts from the schedule.
        let patience = tokio::time::Instant::from_std(dispatched + self.timeout);
        let exchange = self.transport.exchange(request, job.number, &written);
        let result = match tokio::time::timeout_at(patience, exchange).await {
            Ok(result) => result,
            Err(_elapsed) => Err(ExchangeFailure {
                outcome: Outcome::Bad(BadKind::Timeout),
                written: written.get(),
                detail: match written.get() {
                    Some(_) => "no answer in time".to_owned(),
                    None => "no connection in time".to_owned(),
                },
                address: None,
            }),
        };
        self.settle(&job, dispatched, line, result, recorder);
    }

    fn settle(
        &self,
        job: &Job,
        dispatched: Instant,
        request: String,
        result: Result<Exchange, ExchangeFailure>,
        recorder: &RefCell<Recorder>,
    ) {
        let now = result
            .as_ref()
            .map_or_else(|_| Instant::now(), |exchange| exchange.done);
        let settled = self.classify(job, dispatched, now, &result);
        let mut recorder = recorder.borrow_mut();
        recorder.settle(job.ticket, settled);
        if job.lead {
            return;
        }
        self.board.borrow_mut().settled(&settled, now);
        recorder.offer_sample(job.scheduled_us, &settled, || {
            let (status, address, detail) = match &result {
                Ok(exchange) => (
                    Some(exchange.status),
                    Some(exchange.address),
                    exchange
                        .fallback
                        .as_ref()
                        .map(|by| format!("fallback: {by}")),
                ),
                Err(failure) => (None, failure.address, Some(failure.detail.clone())),
            };
            Sample {
                arrival: job.number,
                route: self.routes[job.route].name.clone(),
                scheduled_us: job.scheduled_us,
                lag_us: settled.lag_us,
                wait_us: settled.wait_us,
                service_us: settled.service_us,
                response_us: settled.response_us,
                outcome: settled.outcome,
                status,
                address: address.map(|address| address.to_string()),
                request,
                detail,
            }
        });
    }

    fn classify(
        &self,
        job: &Job,
        dispatched: Instant,
        now: Instant,
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
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Settled {
            outcome,
            lag_us: micros(lag),
            wait_us: micros(written.saturating_duration_since(dispatched)),
            service_us: micros(now.saturating_duration_since(written)),
            response_us: micros(response),
            late_by_lag: outcome == Outcome::Bad(BadKind::Late)
                && !too_late(response.saturating_sub(lag)),
            fallback: result
                .as_ref()
                .is_ok_and(|exchange| exchange.fallback.is_some()),
            bytes: result.as_ref().map_or(0, |exchange| exchange.body_bytes),
        }
    }
}
