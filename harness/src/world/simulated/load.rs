//! A simulated load: a task that counts arrivals as the real thread does, and
//! answers them as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_load::{Gauges, LoadCommand, LoadOutput};
use squall_record::histogram::{new_histogram, record_us};
use squall_record::{Counts, DropCause, Interval, IntervalParts, RouteInterval, Times};
use squall_scenario::Scenario;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::script::{Call, Script};
use crate::world::seam::Load;

/// Between two arrivals.
const EVERY: Duration = Duration::from_millis(50);
/// From dispatch to a good answer.
const SERVICE: Duration = Duration::from_millis(390);
/// An answer that takes longer is late.
const WITHIN: Duration = Duration::from_secs(1);
/// An arrival that is dispatched later than this is dropped.
const LAG_MAX: Duration = Duration::from_secs(2);
/// The client's, beyond the last arrival.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two dispatches of a generator that cannot keep up.
const SLOW: Duration = Duration::from_millis(130);

/// What becomes of arrivals from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// They are answered well.
    Good,
    /// Their connections are refused.
    Refused,
    /// The generator cannot keep up with them.
    Lagging,
    /// Nobody answers them.
    Unanswered,
    /// The load's thread does nothing any more.
    Hung,
    /// The load's thread ends.
    Dead,
}

/// What the load told the engine.
#[derive(Debug, Default)]
pub(crate) struct TheTold {
    pub(crate) intervals: Vec<Interval>,
    /// Arrivals in all, once it has finished.
    pub(crate) scheduled: Option<u64>,
}

/// The engine's end of the load.
pub(crate) struct SimulatedLoad {
    commands: mpsc::Sender<LoadCommand>,
    outputs: mpsc::Receiver<LoadOutput>,
    gauges: watch::Receiver<Gauges>,
    script: Arc<Script>,
}

impl SimulatedLoad {
    pub(super) fn start(
        scenario: &Scenario,
        script: Arc<Script>,
        traffic: watch::Receiver<Traffic>,
        told: Arc<Mutex<TheTold>>,
    ) -> Self {
        let (commands, queue) = mpsc::channel(256);
        let (sender, outputs) = mpsc::channel(8192);
        let (gauge_sender, gauges) = watch::channel(Gauges::default());
        let driver = Driver {
            length: scenario.load.duration(),
            queue,
            outputs: sender,
            gauges: gauge_sender,
            traffic,
            told,
        };
        tokio::spawn(driver.run());
        Self {
            commands,
            outputs,
            gauges,
            script,
        }
    }
}

impl Load for SimulatedLoad {
    fn commands(&self) -> &mpsc::Sender<LoadCommand> {
        &self.commands
    }

    async fn next(&mut self) -> Option<LoadOutput> {
        self.outputs.recv().await
    }

    fn gauges(&self) -> watch::Receiver<Gauges> {
        self.gauges.clone()
    }

    async fn join(self) {
        let _ = self.script.answer(Call::JoinLoad).await;
    }
}

struct Driver {
    length: Duration,
    queue: mpsc::Receiver<LoadCommand>,
    outputs: mpsc::Sender<LoadOutput>,
    gauges: watch::Sender<Gauges>,
    traffic: watch::Receiver<Traffic>,
    told: Arc<Mutex<TheTold>>,
}

/// An arrival: its place in the schedule, and when and as what it is settled.
struct Arrival {
    at: Duration,
    settled: Option<Duration>,
    /// From its time to its dispatch.
    lag: Duration,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Good,
    Late,
    Refused,
    Dropped,
}

impl Fate {
    fn count(self, counts: &mut Counts) {
        match self {
            Self::Good => counts.good += 1,
            Self::Late => {
                counts.late += 1;
                counts.late_by_lag += 1;
            }
            Self::Refused => counts.connect += 1,
            Self::Dropped => {
                counts.dropped += 1;
                counts.drops.count(DropCause::Lag);
            }
        }
    }
}

/// One schedule under way, counted from its origin.
struct Track {
    origin: Instant,
    lead: bool,
    arrivals: Vec<Arrival>,
    noted: u32,
    dispatched: Duration,
    lag_max: Duration,
    edges: Vec<Duration>,
    sealed: Duration,
    /// Where the load ends, and until when answers are waited for.
    ending: Option<(Duration, Duration)>,
}

impl Track {
    fn new(origin: Instant, lead: bool) -> Self {
        Self {
            origin,
            lead,
            arrivals: Vec::new(),
            noted: 0,
            dispatched: Duration::ZERO,
            lag_max: Duration::ZERO,
            edges: Vec::new(),
            sealed: Duration::ZERO,
            ending: None,
        }
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Notes every arrival that was due by `until`.
    fn note(&mut self, until: Duration, traffic: Traffic) {
        while EVERY * self.noted < until {
            let at = EVERY * self.noted;
            self.noted += 1;
            let pause = if traffic == Traffic::Lagging {
                SLOW
            } else {
                Duration::ZERO
            };
            let dispatch = at.max(self.dispatched + pause);
            let lag = dispatch - at;
            let (settled, fate) = if lag > LAG_MAX {
                (Some(at), Fate::Dropped)
            } else {
                self.dispatched = dispatch;
                self.lag_max = self.lag_max.max(lag);
                let answered = dispatch + SERVICE;
                match traffic {
                    Traffic::Refused => (Some(dispatch), Fate::Refused),
                    Traffic::Unanswered => (None, Fate::Good),
                    _ if lag + SERVICE > WITHIN => (Some(answered), Fate::Late),
                    _ => (Some(answered), Fate::Good),
                }
            };
            self.arrivals.push(Arrival {
                at,
                settled,
                lag,
                fate,
            });
        }
    }

    fn open(&self, now: Duration) -> usize {
        let open = |a: &&Arrival| a.settled.is_none_or(|settled| settled > now);
        self.arrivals.iter().filter(open).count()
    }

    /// The next interval, if all of it is settled, or if it has to be: what is
    /// not settled is unfinished then.
    fn seal(&mut self, now: Duration, end: Option<Duration>) -> Option<Interval> {
        let second = Duration::from_secs(self.sealed.as_secs() + 1);
        let edges = self
            .edges
            .iter()
            .copied()
            .filter(|edge| *edge > self.sealed);
        let mut to = edges.chain([second]).min().unwrap_or(second);
        let last = end.is_some_and(|end| to >= end);
        if let Some(end) = end.filter(|_| last) {
            to = end;
        }
        if to > now && !last || to <= self.sealed {
            return None;
        }
        let start = self.sealed;
        let inside = |a: &Arrival| a.at >= start && a.at < to;
        let is_open = |a: &Arrival| a.settled.is_none_or(|settled| settled > now);
        if end.is_none() && self.arrivals.iter().any(|a| inside(a) && is_open(a)) {
            return None;
        }
        let mut counts = Counts::default();
        let (mut response, mut unlagged) = (new_histogram(), new_histogram());
        let mut lags = new_histogram();
        for arrival in self.arrivals.iter().filter(|a| inside(a)) {
            counts.scheduled += 1;
            if is_open(arrival) {
                counts.unfinished += 1;
            } else {
                arrival.fate.count(&mut counts);
                if arrival.fate != Fate::Dropped {
                    record_us(&mut lags, micros(arrival.lag).cast_unsigned());
                }
                if arrival.fate == Fate::Good {
                    let took = micros(arrival.lag + SERVICE).cast_unsigned();
                    record_us(&mut response, took);
                    record_us(&mut unlagged, micros(SERVICE).cast_unsigned());
                }
            }
        }
        self.sealed = to;
        Some(Interval {
            start_us: micros(start),
            end_us: micros(to),
            routes: vec![RouteInterval {
                route: "page".to_owned(),
                counts,
                response: Some(Times::of(&response)),
                unlagged: Some(Times::of(&unlagged)),
                ..RouteInterval::default()
            }],
            lag: Some(Times::of(&lags)),
            wait: None,
            parts: IntervalParts::default(),
            users: None,
        })
    }
}

impl Driver {
    async fn run(mut self) {
        let mut ticks = interval(Duration::from_millis(100));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut track = Track::new(Instant::now(), true);
        loop {
            let command = tokio::select! {
                biased;
                command = self.queue.recv() => match command {
                    Some(command) => Some(command),
                    None => return,
                },
                _ = ticks.tick() => None,
            };
            let traffic = *self.traffic.borrow();
            match traffic {
                Traffic::Hung => return std::future::pending().await,
                Traffic::Dead => return,
                _ => self.obey(&mut track, command, traffic),
            }
            if self.settle(&mut track) {
                return;
            }
            self.gauges.send_replace(Gauges::default());
        }
    }

    /// Takes a command in, and all arrivals that are due.
    fn obey(&self, track: &mut Track, command: Option<LoadCommand>, traffic: Traffic) {
        if let Some(LoadCommand::Begin { zero }) = command {
            *track = Track::new(zero.into(), false);
        }
        let now = track.now();
        let length = if track.lead { now } else { self.length };
        if track.ending.is_none() {
            track.note(now.min(length), traffic);
        }
        match command {
            Some(LoadCommand::Cut { at }) => {
                let at = Instant::from_std(at).saturating_duration_since(track.origin);
                track.edges.push(at);
            }
            Some(LoadCommand::Stop { grace }) => {
                let (end, until) = match track.ending {
                    Some((end, until)) => (end, until.min(now + grace)),
                    None => (now.min(length), now + grace),
                };
                self.drain(track, end, until);
            }
            Some(LoadCommand::Begin { .. }) | None => {}
        }
        if !track.lead && now >= length && track.ending.is_none() {
            self.drain(track, length, length + PATIENCE);
        }
    }

    fn drain(&self, track: &mut Track, end: Duration, until: Duration) {
        if track.ending.replace((end, until)).is_none() {
            self.tell(LoadOutput::Draining);
        }
    }

    /// Tells what is settled; whether that was all.
    fn settle(&self, track: &mut Track) -> bool {
        let now = track.now();
        let ending = track.ending;
        let done = ending.filter(|(_, until)| track.open(now) == 0 || now >= *until);
        while let Some(interval) = track.seal(now, done.map(|(end, _)| end)) {
            self.tell(match track.lead {
                true => LoadOutput::Lead(interval),
                false => LoadOutput::Interval(interval),
            });
        }
        if done.is_some() {
            let measured = track.arrivals.iter().filter(|_| !track.lead);
            self.tell(LoadOutput::Finished {
                scheduled: measured.count() as u64,
                lag_max_us: micros(track.lag_max).cast_unsigned(),
            });
        }
        done.is_some()
    }

    fn tell(&self, output: LoadOutput) {
        let mut told = self.told.lock().unwrap();
        match &output {
            LoadOutput::Interval(interval) => told.intervals.push(interval.clone()),
            LoadOutput::Finished { scheduled, .. } => told.scheduled = Some(*scheduled),
            _ => {}
        }
        let _ = self.outputs.try_send(output);
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap()
}
