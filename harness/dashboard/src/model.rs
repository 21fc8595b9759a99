//! Everything the dashboard knows: the run, and the state of the screen.
//!
//! [`RunState`] is a fold of the run's events and gauges and of nothing else:
//! keys and sizes never change it, which a property test shows.

pub mod arrivals;
pub mod breakers;
pub mod faults;
pub mod log;
pub mod processes;
pub mod routes;
pub mod series;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use squall_judge::Verdict;
use squall_judge::live::{GateBoard, LiveGate};
use squall_load::Gauges;
use squall_record::{HandAction, Phase, RunEvent, Stamped, terminal_text};
use squall_scenario::{BASELINE, Gate, GateValue, Metric, RECOVERY, Scenario, When};

use crate::screen::Screen;
use arrivals::Arrivals;
use breakers::Breakers;
use faults::Faults;
use log::Log;
use processes::Processes;
use routes::Routes;
use series::{Point, ResponseTime, Series};

/// Marks that are kept.
const MARKS_MAX: usize = 500;

/// Where what is shown comes from, and so what may be asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The run of this process; the screen may steer it.
    Own,
    /// A run of another process.
    Attached {
        /// Whether this screen may steer it.
        control: bool,
    },
    /// A finished run, read from its record.
    Record,
}

impl Source {
    /// Whether the screen may steer the run.
    #[must_use]
    pub const fn steers(self) -> bool {
        matches!(self, Self::Own | Self::Attached { control: true })
    }
}

/// An objective that can be drawn into the latency chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// The limit in microseconds.
    pub limit_us: u64,
    /// How it is called: `p99 of homepage`.
    pub name: String,
    /// The window it is judged in.
    pub window: String,
}

/// What does not change during a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The scenario.
    pub scenario: Scenario,
    /// The seed.
    pub seed: u64,
    /// Where what is shown comes from.
    pub source: Source,
    /// The planned length of the load in microseconds.
    pub planned_us: i64,
    /// Limits for quantiles, as the scenario states them.
    pub objectives: Vec<Objective>,
    /// The run's directory, where its reports are once it was judged.
    pub folder: Option<PathBuf>,
}

impl Facts {
    /// Facts of a run of `scenario`.
    #[must_use]
    pub fn new(scenario: Scenario, seed: u64, source: Source) -> Self {
        let micros = |d: Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        Self {
            planned_us: micros(scenario.load.duration()),
            objectives: objectives(&scenario),
            folder: None,
            seed,
            source,
            scenario,
        }
    }

    /// The same, of a run whose directory is `folder`.
    #[must_use]
    pub fn in_folder(self, folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: Some(folder.into()),
            ..self
        }
    }
}

fn objectives(scenario: &Scenario) -> Vec<Objective> {
    let mut found = Vec::new();
    for block in &scenario.slo {
        let When::During(window) = &block.when.value else {
            continue;
        };
        for gate in &block.expect {
            if let Gate::Metric(gate) = &gate.value
                && let Metric::Quantile(_) = gate.metric
                && let GateValue::Duration(limit) = gate.value
            {
                let of = gate
                    .of
                    .as_ref()
                    .map_or_else(String::new, |of| format!(" of {of}"));
                found.push(Objective {
                    limit_us: u64::try_from(limit.as_micros()).unwrap_or(u64::MAX),
                    name: format!("{}{of}", gate.metric),
                    window: window.clone(),
                });
            }
        }
    }
    found
}

/// Something a person marked on the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When, in microseconds since time zero.
    pub at_us: i64,
    /// What it says.
    pub text: String,
}

/// The run as far as it was told.
#[derive(Debug, Clone, PartialEq)]
pub struct RunState {
    /// Its phase.
    pub phase: Phase,
    /// The latest time that was told, in microseconds since time zero.
    pub told_us: i64,
    /// Name of the stretch it is in: `baseline`, faults in force, `recovery`.
    pub window: String,
    /// When that stretch began, in microseconds since time zero.
    pub window_from_us: i64,
    /// Every second.
    pub series: Series,
    /// Every route.
    pub routes: Routes,
    /// Every fault.
    pub faults: Faults,
    /// Every breaker.
    pub breakers: Breakers,
    /// Every process.
    pub processes: Processes,
    /// Arrivals.
    pub arrivals: Arrivals,
    /// Gates as they stand; brought up to date by [`Model::settle`].
    pub gates: Vec<LiveGate>,
    /// Events in words.
    pub log: Log,
    /// What people marked.
    pub marks: Vec<Mark>,
    /// Events that were too fast to be shown.
    pub missed: u64,
    /// Why the run was cut short, in words.
    pub cut_short: Option<String>,
    /// What the judge found, once it did.
    pub verdict: Option<Arc<Verdict>>,
}

impl RunState {
    fn new(facts: &Facts) -> Self {
        let scenario = &facts.scenario;
        let breakers = scenario.system.breakers.iter();
        Self {
            phase: Phase::Starting,
            told_us: i64::MIN,
            window: BASELINE.to_owned(),
            window_from_us: 0,
            series: Series::default(),
            routes: Routes::new(scenario.load.routes().map(|r| r.name.as_str())),
            faults: Faults::new(scenario, facts.seed),
            breakers: Breakers::new(breakers.map(|(name, _)| name.as_str())),
            processes: Processes::default(),
            arrivals: Arrivals::default(),
            gates: GateBoard::new(scenario).gates(),
            log: Log::default(),
            marks: Vec::new(),
            missed: 0,
            cut_short: None,
            verdict: None,
        }
    }

    fn hear(&mut self, stamped: &Stamped) {
        let at_us = stamped.at_us;
        // Stamps before time zero count up towards it from an early guess.
        if at_us >= 0 || self.told_us < 0 {
            self.told_us = self.told_us.max(at_us);
        }
        self.log.hear(stamped);
        match &stamped.event {
            RunEvent::Phase(phase) => self.phase = *phase,
            RunEvent::Process {
                instance, change, ..
            } => self.processes.change(at_us, instance, change),
            RunEvent::Fault {
                fault,
                injection,
                targets,
                change,
            } => {
                self.faults
                    .change(at_us, (fault, *injection), targets, change);
                self.name_window(at_us);
            }
            RunEvent::Breaker(report) => {
                self.breaker_words(at_us, report);
                self.breakers.hear(at_us, report);
            }
            RunEvent::Interval(interval) if interval.start_us >= 0 => {
                self.series.add(interval);
                self.routes.add(interval);
                self.arrivals.settle(interval);
            }
            RunEvent::LoadFinished { .. } => self.arrivals.end(),
            RunEvent::Abort { guard, detail } => {
                self.cut_short = Some(format!("aborted by {guard}: {detail}"));
            }
            RunEvent::Interrupted { .. } => self.cut_short = Some("ended by hand".to_owned()),
            RunEvent::NotReady { detail } => self.cut_short = Some(detail.clone()),
            RunEvent::Resources { usage } => self.processes.used(at_us, usage),
            RunEvent::ByHand {
                action: HandAction::Mark { text },
                ..
            } if self.marks.len() < MARKS_MAX => self.marks.push(Mark {
                at_us,
                text: terminal_text(text),
            }),
            _ => {}
        }
    }

    /// A line only when the state changed: the engine also tells when a window
    /// gains or loses its volume.
    fn breaker_words(&mut self, at_us: i64, report: &squall_record::BreakerReport) {
        let known = self.breakers.each.iter().find(|b| b.name == report.breaker);
        let holder = known.and_then(|b| b.holders.iter().find(|h| h.instance == report.instance));
        let before = holder.and_then(|holder| holder.state);
        let Some(state) = report.state else { return };
        let from = match before {
            Some(before) if before == state => return,
            Some(before) => format!("{before} \u{2192} "),
            None if state == squall_scenario::BreakerState::Closed => return,
            None => String::new(),
        };
        // Metrics and logs tell the state only.
        let figures = match report.calls {
            0 => String::new(),
            calls => format!(" ({}% of {calls} calls failed)", report.error_percent),
        };
        let text = format!(
            "{} of {}: {from}{state}{figures}",
            report.breaker, report.instance
        );
        self.log.add(at_us, log::Topic::Breaker, &text);
    }

    fn name_window(&mut self, at_us: i64) {
        let active = self.faults.in_force();
        let name = match active.as_slice() {
            [] if self.faults.over(at_us) => RECOVERY.to_owned(),
            [] if self.faults.each.iter().all(|f| f.injections.is_empty()) => BASELINE.to_owned(),
            [] => "between faults".to_owned(),
            names => names.join(" + "),
        };
        if name != self.window {
            self.window = name;
            self.window_from_us = at_us;
            self.routes.begin_window();
        }
    }

    fn read(&mut self, at_us: i64, gauges: Gauges) {
        self.arrivals.read(at_us, gauges);
        if at_us < 0 {
            return;
        }
        self.told_us = self.told_us.max(at_us);
        if let (Some(p50), Some(p99)) = (gauges.p50_us, gauges.p99_us) {
            let rough = Point {
                scheduled: 0,
                failed: 0,
                dropped: 0,
                p50: ResponseTime::from_us(p50),
                p99: ResponseTime::from_us(p99),
                settled: false,
            };
            self.series.rough(at_us, rough);
        }
    }

    /// Bytes that the run takes, gates excluded: they are the judge's.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.series.bytes()
            + self.routes.bytes()
            + self.faults.bytes()
            + self.breakers.bytes()
            + self.processes.bytes()
            + self.log.bytes()
    }
}

/// The run and the screen.
#[derive(Debug)]
pub struct Model {
    /// What does not change.
    pub facts: Facts,
    /// What the screen was told to do.
    pub screen: Screen,
    run: RunState,
    /// The run as it stood when the screen was frozen.
    frozen: Option<Box<RunState>>,
    board: GateBoard,
    stale: bool,
}

impl Model {
    /// A dashboard for a run of which nothing is known yet.
    #[must_use]
    pub fn new(facts: Facts) -> Self {
        Self {
            run: RunState::new(&facts),
            board: GateBoard::new(&facts.scenario),
            screen: Screen::default(),
            frozen: None,
            stale: false,
            facts,
        }
    }

    /// Bytes that the run and its gates take, without a frozen copy.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.run.bytes() + self.board.bytes()
    }

    /// Takes an event into account.
    pub fn hear(&mut self, stamped: &Stamped) {
        self.board.hear(stamped);
        self.run.hear(stamped);
        self.stale = true;
    }

    /// Takes a reading of the gauges at `at_us` into account.
    pub fn read(&mut self, at_us: i64, gauges: Gauges) {
        self.run.read(at_us, gauges);
    }

    /// Some events never reached the screen.
    pub const fn miss(&mut self, events: u64) {
        self.run.missed = self.run.missed.saturating_add(events);
    }

    /// The judge has found.
    pub fn judged(&mut self, verdict: Arc<Verdict>) {
        let words = format!("{}: {}", verdict.outcome.word(), verdict.sentence);
        let at_us = self.run.told_us;
        self.run.log.add(at_us, log::Topic::Run, &words);
        self.run.verdict = Some(verdict);
    }

    /// Whether the run is over and judged, so that there is nothing left to act
    /// on. A replay comes to its end again and again, and is never over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.run.verdict.is_some() && self.facts.source != Source::Record
    }

    /// Time goes on, also where nothing happens.
    pub fn advance(&mut self, now_us: i64) {
        if now_us >= 0 && self.run.phase != Phase::Finished {
            self.run.told_us = self.run.told_us.max(now_us);
        }
    }

    /// Brings the gates up to date; done before drawing rather than at every
    /// event, because each takes a look at a whole histogram.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.stale) {
            self.run.gates = self.board.gates();
        }
    }

    /// Forgets the run, keeps the screen: a replay goes back in time.
    pub fn rewind(&mut self) {
        self.run = RunState::new(&self.facts);
        self.board = GateBoard::new(&self.facts.scenario);
        self.stale = false;
    }

    /// Stops or resumes what is shown; the run goes on either way.
    pub fn freeze(&mut self, frozen: bool) {
        self.frozen = frozen.then(|| Box::new(self.run.clone()));
    }

    /// Whether what is shown stands still.
    #[must_use]
    pub const fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// The run as it is shown: as it stood when the screen was frozen.
    #[must_use]
    pub fn shown(&self) -> &RunState {
        self.frozen.as_deref().unwrap_or(&self.run)
    }

    /// The run as it is.
    #[must_use]
    pub const fn run(&self) -> &RunState {
        &self.run
    }
}
