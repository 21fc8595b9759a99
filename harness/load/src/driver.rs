//! The open-loop driver: sleeps until each scheduled arrival, never waits for
//! an answer.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use squall_scenario::{Arrivals, Load, Rate, Stage};
use tokio::sync::mpsc;

use crate::job::Track;
use crate::pacer::Pacer;
use crate::recorder::micros_i64;
use crate::rhythm::{Rhythm, is_soon};
use crate::schedule::{Arrival, Schedule};
use crate::slice::Slice;
use crate::told::{Order, Told};
use crate::transport::Sender as _;
use crate::worker::Worker;

/// Longer than any preparation may take.
const LEAD_LENGTH: Duration = Duration::from_secs(86_400);
/// How often intervals are sealed and gauges published.
const TICK: Duration = Duration::from_millis(100);
/// Answers are read after so many arrivals that were sent at the latest.
const BATCH: u32 = 16;
/// And after so many that were dropped: these cost little, and nobody answers them.
const DROPPED_BATCH: u32 = 1024;
/// Nothing more has come when looking for it so often has brought nothing: the first
/// look may only see what the second one reads.
const LOOKS_IN_VAIN: u32 = 2;
/// How often is looked at most before patience ends. In one look some sixty
/// connections are read.
const LOOKS_MAX: u32 = 64;

/// Why a load ended before all was settled.
pub(crate) const BROKEN: &str = "a connection's task panicked";

pub(crate) struct Driver {
    load: Load,
    /// Of all loads of the run.
    routes: Vec<String>,
    slice: Slice,
    worker: Rc<Worker>,
    outputs: mpsc::Sender<Told>,
    /// What found the channel full.
    backlog: VecDeque<Told>,
}

/// How a track ended.
enum TrackEnd {
    /// Its schedule is used up.
    Done,
    /// Time zero was announced.
    Begin(Instant),
    /// It was told to stop.
    Stop(Stop),
    /// Something broke: what was under way is not certain any more.
    Broken(String),
}

/// No more arrivals from an instant on.
#[derive(Debug, Clone, Copy)]
struct Stop {
    /// When that is: all that is due before is noted.
    at: Instant,
    /// How long answers are waited for.
    grace: Duration,
}

impl Driver {
    pub(crate) fn new(
        (load, routes): (Load, Vec<String>),
        slice: Slice,
        worker: Rc<Worker>,
        outputs: mpsc::Sender<Told>,
    ) -> Self {
        Self {
            load,
            routes,
            slice,
            worker,
            outputs,
            backlog: VecDeque::new(),
        }
    }

    /// Runs the lead from when the load was `born`, where there is one, then the
    /// measured load and its drain; returns when all is settled.
    ///
    /// # Errors
    /// Something broke, in words; not all is settled.
    pub(crate) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        (born, lead): (Instant, bool),
    ) -> Result<(), String> {
        let pacer = Pacer::new().map_err(|error| format!("no timer: {error}"))?;
        let routes = self.routes.clone();
        let before = self.load.shape.first().filter(|_| lead).cloned();
        let zero = match self
            .lead(&pacer, &mut orders, (born, routes.clone()), before)
            .await
        {
            TrackEnd::Begin(zero) => zero,
            TrackEnd::Stop(_) | TrackEnd::Done => {
                self.tell(Told::Finished {
                    scheduled: 0,
                    lag_max_us: 0,
                    journeys: Vec::new(),
                    viewings: Vec::new(),
                });
                self.flush().await;
                return Ok(());
            }
            TrackEnd::Broken(why) => return Err(why),
        };
        let track = Track::new(zero, routes, false);
        let schedule = self.slice.schedule(&self.load.shape);
        self.worker.play_on(&track);
        let end = self.drive(&pacer, &mut orders, &track, schedule).await;
        self.drain(&mut orders, &track, end).await?;
        let finished = self.finished(&track);
        self.tell(finished);
        self.flush().await;
        Ok(())
    }

    /// Load at the starting rate of `stage`, or none, until time zero is
    /// announced.
    async fn lead(
        &mut self,
        pacer: &Pacer,
        orders: &mut mpsc::Receiver<Order>,
        (born, routes): (Instant, Vec<String>),
        stage: Option<Stage>,
    ) -> TrackEnd {
        let track = Track::new(born, routes, true);
        let endless = stage.map(|stage| Stage::Hold {
            rate: lead_rate(&stage),
            duration: LEAD_LENGTH,
            arrivals: Arrivals::Even,
        });
        let schedule = self.slice.schedule(endless.as_slice());
        if endless.is_some() {
            self.worker.play_on(&track);
        }
        self.drive(pacer, orders, &track, schedule).await
    }

    /// Sends one schedule. Returns when it is used up or an order ends it.
    async fn drive(
        &mut self,
        pacer: &Pacer,
        orders: &mut mpsc::Receiver<Order>,
        track: &Rc<Track>,
        mut schedule: Schedule,
    ) -> TrackEnd {
        let mut next = schedule.next();
        let mut next_tick = Instant::now() + TICK;
        let mut rhythm = Rhythm::new(Instant::now());
        let end_at = track.origin + self.length(track);
        if !track.lead {
            self.worker.ends_at(end_at);
        }
        let mut stop: Option<Stop> = None;
        loop {
            let due = self.due(track, next, end_at);
            let wake = self.wake(rhythm.wake(due).min(next_tick), stop);
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Begin { zero }) => return TrackEnd::Begin(zero),
                    Some(Order::Cut { at }) => self.cut(track, at),
                    Some(Order::Stop { at, grace }) => stop = Some(Stop { at, grace }),
                    None => {
                        let (at, grace) = (Instant::now(), Duration::ZERO);
                        stop = Some(Stop { at, grace });
                    }
                },
                () = self.worker.agenda.earlier() => {}
                waited = self.wait(pacer, wake) => {
                    if let Err(error) = waited {
                        return TrackEnd::Broken(format!("the timer: {error}"));
                    }
                }
            }
            let now = Instant::now();
            if let Some(stop) = stop.filter(|stop| stop.at <= now) {
                return self.stop(track, next.into_iter().chain(schedule), stop);
            }
            self.take_turn(now, track).await;
            if now >= next_tick {
                if self.worker.is_broken() {
                    return TrackEnd::Broken(BROKEN.to_owned());
                }
                let entered = next.map_or(end_at, |arrival| track.origin + arrival.at);
                let entered = self.worker.entered(entered, now);
                self.tick(track, now, entered.saturating_duration_since(track.origin));
                rhythm.tick();
                next_tick = now + TICK;
            }
            if now < due {
                continue;
            }
            if now >= end_at && self.due(track, next, end_at) >= end_at {
                self.worker.end(end_at);
                return TrackEnd::Done;
            }
            // What has come is taken first, and so is that a connection was
            // closed: nothing is sent on it then.
            tokio::task::yield_now().await;
            let until = stop.map(|stop| stop.at);
            let sent = self.send_due(track, &mut next, &mut schedule, until);
            rhythm.woken(Instant::now(), sent);
        }
    }

    /// How long a track is. The lead ends by an order, long before its schedule does.
    fn length(&self, track: &Track) -> Duration {
        match track.lead {
            true => LEAD_LENGTH,
            false => self.load.duration(),
        }
    }

    /// When to wake at the latest: `due`, or when patience ends or the load is told to.
    fn wake(&self, due: Instant, stop: Option<Stop>) -> Instant {
        let patience_ends = self.worker.patience_ends(Instant::now());
        let early = patience_ends.into_iter().chain(stop.map(|stop| stop.at));
        early.fold(due, Instant::min)
    }

    /// When something is due next: an arrival, what is on the agenda, or the end.
    fn due(&self, track: &Track, next: Option<Arrival>, end_at: Instant) -> Instant {
        let due = next.map_or(end_at, |arrival| track.origin + arrival.at);
        let later = self.worker.agenda.next();
        later.map_or(due, |later| due.min(later))
    }

    /// Has a turn. Where patience ends by it, what has come is read first: it is in
    /// time, though nobody has looked.
    async fn take_turn(&self, now: Instant, track: &Track) {
        let transport = self.worker.transport();
        let ends = || self.worker.patience_ends(now).is_some_and(|end| end <= now);
        let mut in_vain = 0;
        for _ in 0..LOOKS_MAX {
            if in_vain == LOOKS_IN_VAIN || !ends() {
                break;
            }
            let before = transport.done();
            tokio::task::yield_now().await;
            in_vain = if transport.done() == before {
                in_vain + 1
            } else {
                0
            };
        }
        self.worker.take_turn(now, track);
    }

    /// Waits for `wake`. What comes before one that is soon waits for it, if
    /// nothing is lost by that.
    async fn wait(&self, pacer: &Pacer, wake: Instant) -> io::Result<()> {
        if is_soon(wake, Instant::now()) && self.worker.may_let_lie() {
            pacer.sleep_through(wake)?;
            // What came meanwhile is seen by that, and read when all others next have
            // a turn.
            tokio::task::yield_now().await;
            return Ok(());
        }
        pacer.wait_until(wake).await
    }

    /// Sends what is due, up to a batch of it and before `until`; how many arrivals
    /// that were.
    fn send_due(
        &self,
        track: &Rc<Track>,
        next: &mut Option<Arrival>,
        schedule: &mut Schedule,
        until: Option<Instant>,
    ) -> u32 {
        let (mut sent, mut dropped) = (0, 0);
        while sent < BATCH && dropped < DROPPED_BATCH {
            let now = Instant::now();
            let is_due = |due: &Instant| *due <= now && until.is_none_or(|until| *due < until);
            let arrival = next.map(|arrival| (track.origin + arrival.at, arrival));
            let later = self.worker.agenda.next();
            // The recorder takes both in the order of their time.
            let later = later.filter(|later| arrival.is_none_or(|(due, _)| *later < due));
            let was_sent = match (later, arrival) {
                (Some(due), _) if is_due(&due) => self.worker.go_on(now),
                (None, Some((due, arrival))) if is_due(&due) => {
                    let was_sent = self.worker.start(track, arrival, now);
                    *next = schedule.next();
                    was_sent
                }
                _ => break,
            };
            sent += u32::from(was_sent);
            dropped += u32::from(!was_sent);
        }
        sent + dropped
    }

    /// Ends the load. What was due before and had not been sent, as the
    /// generator was late, is noted: it is unfinished, and not forgotten.
    fn stop(
        &self,
        track: &Rc<Track>,
        unsent: impl Iterator<Item = Arrival>,
        stop: Stop,
    ) -> TrackEnd {
        let elapsed = stop.at.saturating_duration_since(track.origin);
        for arrival in unsent.take_while(|arrival| arrival.at < elapsed) {
            self.worker.leave_unsent(track, arrival);
        }
        self.worker.end(stop.at);
        TrackEnd::Stop(stop)
    }

    /// Cuts the interval at a fault's edge, or tells that it is sealed already.
    fn cut(&mut self, track: &Track, at: Instant) {
        let at_us = micros_i64(at.saturating_duration_since(track.origin));
        if !track.recorder.borrow_mut().cut(at_us) && !track.lead {
            self.tell(Told::LateCut { at });
        }
    }

    /// Waits until everything is settled, or gives up after the grace.
    async fn drain(
        &mut self,
        orders: &mut mpsc::Receiver<Order>,
        track: &Track,
        end: TrackEnd,
    ) -> Result<(), String> {
        let stopped_at = Instant::now();
        let stalled = self.worker.stalls.total(stopped_at);
        let (load_end, mut deadline, excused) = match end {
            // Every exchange ends by the client's patience, which does not run
            // while the generator stands still; a second more would mean a
            // bug, and the arrivals would show as unfinished.
            TrackEnd::Done | TrackEnd::Begin(_) => {
                let load_end = track.origin + self.load.duration();
                let last_answer = load_end.max(stopped_at) + self.load.patience();
                (
                    load_end,
                    last_answer + Duration::from_secs(1),
                    Duration::ZERO,
                )
            }
            TrackEnd::Stop(Stop { at, grace }) => (at, at + grace, stalled),
            TrackEnd::Broken(why) => return Err(why),
        };
        let entered = load_end.saturating_duration_since(track.origin);
        self.tell(Told::Draining);
        loop {
            let now = Instant::now();
            if self.worker.is_broken() {
                return Err(BROKEN.to_owned());
            }
            self.take_turn(now, track).await;
            let patience = self.worker.stalls.total(now).saturating_sub(excused);
            if track.recorder.borrow().in_flight() == 0 || now >= deadline + patience {
                break;
            }
            self.tick(track, now, entered);
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Cut { at }) => self.cut(track, at),
                    Some(Order::Begin { .. }) => {}
                    Some(Order::Stop { at, grace }) => deadline = deadline.min(at + grace),
                    None => break,
                },
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
        self.last_cuts(orders, track).await;
        let mut recorder = track.recorder.borrow_mut();
        recorder.give_up();
        let end_us = load_end.saturating_duration_since(track.origin).as_micros();
        let stretches = recorder.finish_stretches(i64::try_from(end_us).unwrap_or(i64::MAX).max(1));
        let samples = recorder.take_all_samples();
        drop(recorder);
        self.tell(Told::Samples(samples));
        for stretch in stretches {
            self.tell(Told::Stretch(stretch));
        }
        self.tell_reading(track);
        Ok(())
    }

    /// Edges of faults that stand in the queue when the last answer comes. One
    /// within the load may have been stamped before a stall over its end: then
    /// they are waited for.
    async fn last_cuts(&mut self, orders: &mut mpsc::Receiver<Order>, track: &Track) {
        let stalled = !self.worker.stalls.total(Instant::now()).is_zero();
        let wait = if stalled { TICK } else { Duration::ZERO };
        let until = tokio::time::Instant::now() + wait;
        while let Ok(Some(order)) = tokio::time::timeout_at(until, orders.recv()).await {
            if let Order::Cut { at } = order {
                self.cut(track, at);
            }
        }
    }

    /// Seals what can be sealed and tells what was counted. All arrivals before
    /// `entered`, counted from the track's origin, have been noted.
    fn tick(&mut self, track: &Track, now: Instant, entered: Duration) {
        let now_us = micros_i64(now.saturating_duration_since(track.origin));
        let entered_us = micros_i64(entered);
        self.worker.tick(now);
        let mut sealed = Vec::new();
        let mut recorder = track.recorder.borrow_mut();
        sealed.extend(std::iter::from_fn(|| {
            recorder.seal_stretch(now_us, entered_us)
        }));
        let samples = recorder.take_samples();
        drop(recorder);
        if !track.lead && !samples.is_empty() {
            self.tell(Told::Samples(samples));
        }
        for stretch in sealed {
            self.tell(match track.lead {
                true => Told::Lead(stretch),
                false => Told::Stretch(stretch),
            });
        }
        self.tell_reading(track);
    }

    fn tell_reading(&mut self, track: &Track) {
        let recorder = track.recorder.borrow();
        let mut board = self.worker.board.borrow_mut();
        let reading = board.read(recorder.in_flight(), recorder.lag_max_us());
        drop((recorder, board));
        self.tell(Told::Reading(reading));
    }

    fn finished(&self, track: &Track) -> Told {
        let recorder = track.recorder.borrow();
        Told::Finished {
            scheduled: recorder.scheduled(),
            lag_max_us: recorder.lag_max_us(),
            journeys: self.worker.journeys_ended(track),
            viewings: self.worker.viewings(track),
        }
    }

    /// Tells without waiting: a reader that is slow must not delay an arrival.
    fn tell(&mut self, output: Told) {
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

#[cfg(test)]
mod tests;
