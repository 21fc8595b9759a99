//! The open-loop driver: sleeps until each scheduled arrival, never waits for
//! an answer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use squall_record::Shard;
use squall_scenario::{Arrivals, Load, Rate, Stage};
use tokio::sync::{mpsc, watch};

use crate::exchange::{ExchangeContext, Job};
use crate::gauges::Gauges;
use crate::pacer::Pacer;
use crate::protocol::{LoadCommand, LoadOutput};
use crate::recorder::{Recorder, micros_i64};
use crate::requests::RequestMaker;
use crate::schedule::{Arrival, Schedule};
use crate::settled::Settled;
use crate::transport::Transport;

/// Numbers of lead arrivals start here, so that they draw other data.
const LEAD_NUMBERS: u64 = 1 << 40;
/// Longer than any preparation may take.
const LEAD_LENGTH: Duration = Duration::from_secs(86_400);
/// How often intervals are sealed and gauges published.
const TICK: Duration = Duration::from_millis(100);
/// A generator that is behind gives its tasks a turn after so many arrivals.
const CATCH_UP_BATCH: u32 = 16;
/// An arrival that is sent later than this takes its room from those that are
/// on time.
const LATE: Duration = Duration::from_millis(100);

pub(crate) struct Driver {
    load: Load,
    seed: u64,
    shard: Option<Shard>,
    exchange: Rc<ExchangeContext>,
    outputs: mpsc::Sender<LoadOutput>,
    /// Outputs that found the channel full.
    backlog: VecDeque<LoadOutput>,
    gauges: watch::Sender<Gauges>,
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
    Stop {
        /// When that was: all that was due before has been noted.
        at: Instant,
        /// How long answers are waited for.
        grace: Duration,
    },
}

impl Driver {
    pub(crate) fn new(
        load: Load,
        (seed, shard): (u64, Option<Shard>),
        maker: RequestMaker,
        transport: Transport,
        outputs: mpsc::Sender<LoadOutput>,
        gauges: watch::Sender<Gauges>,
    ) -> Self {
        let exchange = Rc::new(ExchangeContext::new(&load, maker, transport));
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
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<LoadCommand>, lead: bool) {
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
            TrackEnd::Stop { .. } | TrackEnd::Done => {
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
                    Some(LoadCommand::Cut { at }) => self.cut(track, at),
                    Some(LoadCommand::Stop { grace }) => {
                        return self.stop(track, next.into_iter().chain(schedule), grace);
                    }
                    None => {
                        let due = next.into_iter().chain(schedule);
                        return self.stop(track, due, Duration::ZERO);
                    }
                },
                waited = pacer.wait_until(due.min(next_tick)) => {
                    if waited.is_err() {
                        let due = next.into_iter().chain(schedule);
                        return self.stop(track, due, Duration::ZERO);
                    }
                }
            }
            let now = Instant::now();
            self.exchange.take_turn(now, track.origin, &track.recorder);
            if now >= next_tick {
                let entered = next.map_or(length, |arrival| arrival.at);
                self.tick(track, now, entered);
                next_tick = now + TICK;
            }
            if now < due {
                behind = 0;
                continue;
            }
            let Some(arrival) = next else {
                return TrackEnd::Done;
            };
            self.start(track, arrival, now);
            next = schedule.next();
            behind += 1;
            if behind >= CATCH_UP_BATCH {
                behind = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Starts one arrival, or drops it when too many are under way.
    fn start(&self, track: &Track, arrival: Arrival, now: Instant) {
        let number = track.first_number + arrival.number;
        let route = self.exchange.maker.route_of(number);
        let scheduled = track.origin + arrival.at;
        let late = now.saturating_duration_since(scheduled) > LATE;
        let mut recorder = track.recorder.borrow_mut();
        let dropped = self
            .exchange
            .no_room(recorder.in_flight(), self.load.in_flight_max);
        let user = self.exchange.maker.user_of(number);
        let scheduled_us = micros_i64(arrival.at);
        let job = Job {
            number,
            route,
            scheduled,
            scheduled_us,
            ticket: recorder.schedule_for(scheduled_us, route, user),
            lead: track.lead,
            late,
        };
        drop(recorder);
        if !track.lead {
            self.exchange.board.borrow_mut().scheduled();
        }
        if let Some(cause) = dropped {
            return self.exchange.drop_unsent(&job, cause, &track.recorder);
        }
        let late_in_flight = &self.exchange.late_in_flight;
        late_in_flight.set(late_in_flight.get() + u32::from(late));
        let exchange = Rc::clone(&self.exchange);
        let recorder = Rc::clone(&track.recorder);
        tokio::task::spawn_local(async move { exchange.perform(job, &recorder).await });
    }

    /// Ends the load now. What was due before and had not been sent, as the
    /// generator was late, is noted: it is unfinished, and not forgotten.
    fn stop(
        &self,
        track: &Track,
        unsent: impl Iterator<Item = Arrival>,
        grace: Duration,
    ) -> TrackEnd {
        let at = Instant::now();
        let elapsed = at.saturating_duration_since(track.origin);
        let mut recorder = track.recorder.borrow_mut();
        for arrival in unsent.take_while(|arrival| arrival.at < elapsed) {
            let number = track.first_number + arrival.number;
            let (route, user) = (
                self.exchange.maker.route_of(number),
                self.exchange.maker.user_of(number),
            );
            let ticket = recorder.schedule_for(micros_i64(arrival.at), route, user);
            recorder.settle(ticket, Settled::UNFINISHED);
        }
        TrackEnd::Stop { at, grace }
    }

    /// Cuts the interval at a fault's edge, or tells that it is sealed already.
    fn cut(&mut self, track: &Track, at: Instant) {
        let at_us = micros_i64(at.saturating_duration_since(track.origin));
        if !track.recorder.borrow_mut().cut(at_us) && !track.lead {
            self.tell(LoadOutput::LateCut { at });
        }
    }

    /// Waits until everything is settled, or gives up after the grace.
    async fn drain(
        &mut self,
        commands: &mut mpsc::Receiver<LoadCommand>,
        track: &Track,
        end: TrackEnd,
    ) {
        let stopped_at = Instant::now();
        let stalled = self.exchange.stalls.total(stopped_at);
        let (load_end, mut deadline, excused) = match end {
            // Every exchange ends by the client's patience, which does not run
            // while the generator stands still; a second more would mean a
            // bug, and the arrivals would show as unfinished.
            TrackEnd::Done | TrackEnd::Begin(_) => {
                let load_end = track.origin + self.load.duration();
                let last_answer = load_end.max(stopped_at) + self.load.timeout;
                (
                    load_end,
                    last_answer + Duration::from_secs(1),
                    Duration::ZERO,
                )
            }
            TrackEnd::Stop { at, grace } => (at, at + grace, stalled),
        };
        let entered = load_end.saturating_duration_since(track.origin);
        self.tell(LoadOutput::Draining);
        loop {
            let now = Instant::now();
            self.exchange.take_turn(now, track.origin, &track.recorder);
            let patience = self.exchange.stalls.total(now).saturating_sub(excused);
            if track.recorder.borrow().in_flight() == 0 || now >= deadline + patience {
                break;
            }
            self.tick(track, now, entered);
            tokio::select! {
                command = commands.recv() => match command {
                    Some(LoadCommand::Cut { at }) => self.cut(track, at),
                    Some(LoadCommand::Begin { .. }) => {}
                    Some(LoadCommand::Stop { grace }) => {
                        deadline = deadline.min(Instant::now() + grace);
                    }
                    None => break,
                },
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
        if !self.exchange.stalls.total(Instant::now()).is_zero() {
            self.last_cuts(commands, track).await;
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

    /// Edges of faults that were under way when the last answer came. An edge
    /// within the load may have been stamped before a stall over its end.
    async fn last_cuts(&mut self, commands: &mut mpsc::Receiver<LoadCommand>, track: &Track) {
        let until = tokio::time::Instant::now() + TICK;
        while let Ok(Some(command)) = tokio::time::timeout_at(until, commands.recv()).await {
            if let LoadCommand::Cut { at } = command {
                self.cut(track, at);
            }
        }
    }

    /// Seals what can be sealed and publishes the gauges. All arrivals before
    /// `entered`, counted from the track's origin, have been noted.
    fn tick(&mut self, track: &Track, now: Instant, entered: Duration) {
        let now_us = micros_i64(now.saturating_duration_since(track.origin));
        let entered_us = micros_i64(entered);
        self.exchange.transport.sweep(now);
        loop {
            let sealed = track.recorder.borrow_mut().seal(now_us, entered_us);
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
}

#[cfg(test)]
mod tests;
