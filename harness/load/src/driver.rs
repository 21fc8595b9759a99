//! The open-loop driver: sleeps until each scheduled arrival, never waits for
//! an answer.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use squall_record::Shard;
use squall_scenario::{Arrivals, Load, Rate, Stage};
use tokio::sync::{mpsc, watch};

use crate::gauges::{Gauges, LastSecond};
use crate::pacer::Pacer;
use crate::protocol::{LoadCommand, LoadOutput};
use crate::recorder::micros_i64;
use crate::rhythm::Rhythm;
use crate::schedule::{Arrival, Schedule};
use crate::worker::{Track, Worker};

/// Longer than any preparation may take.
const LEAD_LENGTH: Duration = Duration::from_secs(86_400);
/// How often intervals are sealed and gauges published.
const TICK: Duration = Duration::from_millis(100);
/// Answers are read after so many arrivals at the latest.
const BATCH: u32 = 16;

/// Why a load ended before all was settled.
pub(crate) const BROKEN: &str = "a connection's task panicked";

pub(crate) struct Driver {
    load: Load,
    seed: u64,
    shard: Option<Shard>,
    worker: Rc<Worker>,
    outputs: mpsc::Sender<LoadOutput>,
    /// Outputs that found the channel full.
    backlog: VecDeque<LoadOutput>,
    gauges: watch::Sender<Gauges>,
    last_second: LastSecond,
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
    /// Something broke: what was under way is not certain any more.
    Broken(String),
}

impl Driver {
    pub(crate) fn new(
        load: Load,
        (seed, shard): (u64, Option<Shard>),
        worker: Worker,
        outputs: mpsc::Sender<LoadOutput>,
        gauges: watch::Sender<Gauges>,
    ) -> Self {
        Self {
            load,
            seed,
            shard,
            worker: Rc::new(worker),
            outputs,
            backlog: VecDeque::new(),
            gauges,
            last_second: LastSecond::default(),
        }
    }

    /// Runs lead, measured load and drain; returns when all is settled.
    ///
    /// # Errors
    /// Something broke, in words; not all is settled.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<LoadCommand>,
        lead: bool,
    ) -> Result<(), String> {
        let pacer = Pacer::new().map_err(|error| format!("no timer: {error}"))?;
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
                return Ok(());
            }
            TrackEnd::Broken(why) => return Err(why),
        };
        let track = Track::new(zero, routes, false);
        let schedule = self.schedule(&self.load.shape);
        let end = self.drive(&pacer, &mut commands, &track, schedule).await;
        self.drain(&mut commands, &track, end).await?;
        let finished = finished(&track);
        self.tell(finished);
        self.flush().await;
        Ok(())
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
        let track = Track::new(Instant::now(), routes, true);
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
        track: &Rc<Track>,
        mut schedule: Schedule,
    ) -> TrackEnd {
        let mut next = schedule.next();
        let mut next_tick = Instant::now() + TICK;
        let mut rhythm = Rhythm::new(Instant::now());
        // The lead ends by a command, long before its schedule does.
        let length = if track.lead {
            LEAD_LENGTH
        } else {
            self.load.duration()
        };
        let end_at = track.origin + length;
        loop {
            let due = next.map_or(end_at, |arrival| track.origin + arrival.at);
            let mut wake = rhythm.wake(due).min(next_tick);
            if let Some(ends) = self.worker.patience_ends(Instant::now()) {
                wake = wake.min(ends);
            }
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
                waited = pacer.wait_until(wake) => {
                    if let Err(error) = waited {
                        return TrackEnd::Broken(format!("the timer: {error}"));
                    }
                }
            }
            let now = Instant::now();
            self.worker.take_turn(now, track);
            if now >= next_tick {
                if self.worker.is_broken() {
                    return TrackEnd::Broken(BROKEN.to_owned());
                }
                let entered = next.map_or(length, |arrival| arrival.at);
                self.tick(track, now, entered);
                rhythm.tick();
                next_tick = now + TICK;
            }
            if now < due {
                continue;
            }
            if next.is_none() {
                return TrackEnd::Done;
            }
            // What has come is taken first, and so is that a connection was
            // closed: nothing is sent on it then.
            tokio::task::yield_now().await;
            let sent = self.send_due(track, &mut next, &mut schedule);
            rhythm.woken(Instant::now(), sent);
        }
    }

    /// Sends what is due, up to a batch of it; how many that were.
    fn send_due(
        &self,
        track: &Rc<Track>,
        next: &mut Option<Arrival>,
        schedule: &mut Schedule,
    ) -> u32 {
        for sent in 0..BATCH {
            let now = Instant::now();
            match *next {
                Some(arrival) if track.origin + arrival.at <= now => {
                    self.worker.start(track, arrival, now);
                    *next = schedule.next();
                }
                Some(_) | None => return sent,
            }
        }
        BATCH
    }

    /// Ends the load now. What was due before and had not been sent, as the
    /// generator was late, is noted: it is unfinished, and not forgotten.
    fn stop(
        &self,
        track: &Rc<Track>,
        unsent: impl Iterator<Item = Arrival>,
        grace: Duration,
    ) -> TrackEnd {
        let at = Instant::now();
        let elapsed = at.saturating_duration_since(track.origin);
        for arrival in unsent.take_while(|arrival| arrival.at < elapsed) {
            self.worker.leave_unsent(track, arrival);
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
    ) -> Result<(), String> {
        let stopped_at = Instant::now();
        let stalled = self.worker.stalls.total(stopped_at);
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
            TrackEnd::Broken(why) => return Err(why),
        };
        let entered = load_end.saturating_duration_since(track.origin);
        self.tell(LoadOutput::Draining);
        loop {
            let now = Instant::now();
            if self.worker.is_broken() {
                return Err(BROKEN.to_owned());
            }
            self.worker.take_turn(now, track);
            let patience = self.worker.stalls.total(now).saturating_sub(excused);
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
        if !self.worker.stalls.total(Instant::now()).is_zero() {
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
        Ok(())
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
        self.worker.sweep(now);
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
        let mut board = self.worker.board.borrow_mut();
        let reading = board.read(recorder.in_flight(), recorder.lag_max_us());
        self.gauges.send_replace(self.last_second.gauges(reading));
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

fn finished(track: &Track) -> LoadOutput {
    let recorder = track.recorder.borrow();
    LoadOutput::Finished {
        scheduled: recorder.scheduled(),
        lag_max_us: recorder.lag_max_us(),
    }
}

#[cfg(test)]
mod tests;
