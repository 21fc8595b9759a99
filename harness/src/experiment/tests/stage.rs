//! One run in the simulated world: what is done to it and when, what it told,
//! and what must hold whatever happened.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_judge::{RunOutcome, judge};
use squall_record::{
    Counts, FaultChange, HandAction, HandSide, Interval, Manifest, Phase, ProcessChange,
    RECORD_SCHEMA_VERSION, Record, RunEvent, Stamped, StopReason,
};
use squall_scenario::Scenario;
use squall_scenario_file::{ParseOptions, Source, parse_scenario};
use tempfile::TempDir;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep, timeout};

use crate::clock::now;
use crate::experiment::life::{Course, run_in};
use crate::experiment::{Control, RunEnd, RunError, control_channel};
use crate::world::simulated::{Call, SimulatedWorld};

/// No run in these tests needs so long; one that does has hung.
const HANGS_AFTER: Duration = Duration::from_secs(900);
/// An agreed time zero, where there is one.
const ZERO_IN: Duration = Duration::from_secs(8);

/// A point of a run's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    Starting,
    WarmUp,
    SteadyState,
    BeforeZero,
    Baseline,
    Injecting,
    Verifying,
    FaultActive,
    Removing,
    Recovery,
    Draining,
    Stopping,
}

/// All of them, in their order.
pub(super) const MOMENTS: [Moment; 12] = [
    Moment::Starting,
    Moment::WarmUp,
    Moment::SteadyState,
    Moment::BeforeZero,
    Moment::Baseline,
    Moment::Injecting,
    Moment::Verifying,
    Moment::FaultActive,
    Moment::Removing,
    Moment::Recovery,
    Moment::Draining,
    Moment::Stopping,
];

/// A run to be: its scenario, and the world that it happens in.
pub(super) struct Stage {
    scenario: Arc<Scenario>,
    zero_in: Option<Duration>,
    pub(super) world: SimulatedWorld,
    _dir: TempDir,
    record: std::path::PathBuf,
}

/// What a test pulls the run by.
pub(super) struct Strings {
    pub(super) world: SimulatedWorld,
    control: mpsc::Sender<Control>,
    events: broadcast::Receiver<Arc<Stamped>>,
    pulled: Arc<Mutex<Option<Instant>>>,
}

/// A run that is over.
pub(super) struct Played {
    pub(super) world: SimulatedWorld,
    pub(super) events: Vec<Stamped>,
    pub(super) end: Result<RunEnd, RunError>,
    /// What the record proves; `None` where there is none.
    pub(super) outcome: Option<RunOutcome>,
    pub(super) reasons: Vec<String>,
    /// From the trouble to the end.
    pub(super) after: Duration,
    record: Option<Record>,
}

fn text(fault: &str, rule: &str) -> String {
    format!(
        "version: 1
name: simulated
target: shop
processes:
  shop: {{ command: [./shop], stop: {{ grace: 1s }}, restart: {{ after: 1s }} }}
probes:
  - name: trouble
    read: {{ command: {{ run: [ sh ] }} }}
load:
  warm_up: 1s
  shape: [ hold: {{ rate: 20/s, for: 12s }} ]
  requests: [ {{ name: page, send: GET / }} ]
steady_state:
  for: 2s
  expect: [ success >= 90% ]
faults:
  - {{ name: frozen, at: 4s, inject: {fault}, into: shop, for: 3s }}
abort_when: [ {rule} ]
slo:
  - during: whole run
    expect: [ success >= 80% ]
"
    )
}

impl Stage {
    /// A run with a process that is paused for a while.
    pub(super) fn new() -> Self {
        Self::with("pause", "probe trouble > 0")
    }

    /// A run with another fault and another rule that ends it.
    pub(super) fn with(fault: &str, rule: &str) -> Self {
        let text = text(fault, rule);
        let source = Source::new("simulated.yaml", text.clone());
        let checked = parse_scenario(&source, &ParseOptions::new(&|_| None));
        let scenario = checked
            .value
            .unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
        let manifest = Manifest {
            schema_version: RECORD_SCHEMA_VERSION,
            squall_version: "0.1.0".to_owned(),
            run_id: "simulated".to_owned(),
            started_utc: "2026-11-30T00:00:00Z".to_owned(),
            host: "nowhere".to_owned(),
            seed: 7,
            rerun: "squall run simulated.yaml".to_owned(),
            variant: None,
            scenario_path: "simulated.yaml".to_owned(),
            scenario_text: text,
            scenario: scenario.clone(),
            shards: None,
        };
        let dir = TempDir::new().unwrap();
        let record = dir.path().join("run");
        Self {
            scenario: Arc::new(scenario),
            zero_in: None,
            world: SimulatedWorld::new(manifest, record.clone()),
            _dir: dir,
            record,
        }
    }

    /// With an agreed time zero, some time after the steady state.
    pub(super) fn with_zero(mut self) -> Self {
        self.zero_in = Some(ZERO_IN);
        self
    }

    /// Plays the run to its end while `pull` pulls its strings.
    pub(super) async fn play<F: Future<Output = ()> + Send + 'static>(
        self,
        pull: impl FnOnce(Strings) -> F + Send,
    ) -> Played {
        let start = Instant::now();
        let (control, receiver) = control_channel();
        let course = Course {
            scenario: Arc::clone(&self.scenario),
            seed: 7,
            shard: None,
            withhold_faults: false,
            zero_at: self.zero_in.map(|zero| now() + zero),
        };
        let told = Arc::new(Mutex::new(Vec::new()));
        let pulled = Arc::new(Mutex::new(None));
        let mut pull = Some(pull);
        let mut on_start = |view: crate::experiment::RunView| {
            let (mut events, told) = (view.hub.subscribe(), Arc::clone(&told));
            let strings = Strings {
                world: self.world.clone(),
                control: control.clone(),
                events: view.hub.subscribe(),
                pulled: Arc::clone(&pulled),
            };
            tokio::spawn(async move {
                while let Ok(stamped) = events.recv().await {
                    told.lock().unwrap().push(Stamped::clone(&stamped));
                }
            });
            tokio::spawn(pull.take().unwrap()(strings));
        };
        let running = run_in(&self.world, course, receiver, &mut on_start);
        let end = timeout(HANGS_AFTER, running).await;
        let end =
            end.unwrap_or_else(|_| panic!("it hangs after {:?}", words(&told.lock().unwrap())));
        let pulled = pulled.lock().unwrap().unwrap_or(start);
        let after = pulled.elapsed();
        // Whoever listens hears the last of it.
        sleep(Duration::from_millis(1)).await;
        let whole = end.as_ref().is_ok_and(|end| end.record.is_ok());
        let record = whole.then(|| Record::read(&self.record).unwrap());
        let events = told.lock().unwrap().clone();
        Played {
            world: self.world,
            events,
            end,
            outcome: record.as_ref().map(|record| judge(record).outcome),
            reasons: record
                .as_ref()
                .map_or_else(Vec::new, |record| judge(record).reasons),
            after,
            record,
        }
    }
}

impl Strings {
    /// Waits until well within a moment of the run.
    pub(super) async fn until(&mut self, moment: Moment) {
        match moment {
            Moment::Starting => self.world.script.begun(Call::StartSystem).await,
            Moment::WarmUp => {
                self.heard(|e| matches!(e, RunEvent::Phase(Phase::WarmUp)))
                    .await
            }
            Moment::SteadyState => {
                self.heard(|e| matches!(e, RunEvent::Phase(Phase::SteadyState)))
                    .await;
            }
            Moment::BeforeZero => {
                self.heard(|e| matches!(e, RunEvent::SteadyState { .. }))
                    .await;
            }
            Moment::Baseline => {
                self.heard(|e| matches!(e, RunEvent::Phase(Phase::Load)))
                    .await
            }
            Moment::Injecting => self.world.script.begun(Call::Inject).await,
            Moment::Verifying => self.world.script.begun(Call::Verify).await,
            Moment::FaultActive => {
                self.changed(|c| matches!(c, FaultChange::Active { .. }))
                    .await
            }
            Moment::Removing => self.world.script.begun(Call::Remove).await,
            Moment::Recovery => {
                self.changed(|c| matches!(c, FaultChange::Removed { .. }))
                    .await
            }
            Moment::Draining => {
                self.heard(|e| matches!(e, RunEvent::Phase(Phase::Drain)))
                    .await
            }
            Moment::Stopping => self.world.script.begun(Call::StopSystem).await,
        }
        sleep(Duration::from_millis(170)).await;
        self.note_the_time();
    }

    /// The trouble begins now.
    pub(super) fn note_the_time(&self) {
        *self.pulled.lock().unwrap() = Some(Instant::now());
    }

    /// Ctrl-C, so many times.
    pub(super) async fn interrupt(&self, times: u32) {
        for _ in 0..times {
            let asked = Control::Stop(StopReason::Interrupt);
            self.control.send(asked).await.unwrap();
            sleep(Duration::from_millis(30)).await;
        }
    }

    /// What a person does at the run's screen.
    pub(super) async fn by_hand(&self, action: HandAction) {
        let asked = Control::ByHand(action, HandSide::Own);
        self.control.send(asked).await.unwrap();
    }

    /// Waits until the load is over and has been answered.
    pub(super) async fn until_the_load_is_over(&mut self) {
        self.heard(|e| matches!(e, RunEvent::LoadFinished { .. }))
            .await;
        sleep(Duration::from_millis(170)).await;
        self.note_the_time();
    }

    async fn changed(&mut self, is_it: fn(&FaultChange) -> bool) {
        let fault = |event: &RunEvent| match event {
            RunEvent::Fault { change, .. } => is_it(change),
            _ => false,
        };
        self.heard(fault).await;
    }

    async fn heard(&mut self, is_it: impl Fn(&RunEvent) -> bool) {
        while let Ok(stamped) = self.events.recv().await {
            if is_it(&stamped.event) {
                return;
            }
        }
        // The run ended before.
        std::future::pending().await
    }
}

impl Played {
    /// What it told, in words, in order.
    pub(super) fn words(&self) -> Vec<String> {
        words(&self.events)
    }

    pub(super) fn told(&self, word: &str) -> bool {
        self.words().iter().any(|told| told == word)
    }

    /// What became of all measured arrivals.
    pub(super) fn counts(&self) -> Counts {
        sum(&self.world.told.lock().unwrap().intervals)
    }

    /// What must hold however a run ended.
    pub(super) fn check(&self) {
        let words = self.words();
        let script = &self.world.script;
        let end = self.end.as_ref().unwrap();
        let count = |word: &str| words.iter().filter(|told| *told == word).count();
        assert_eq!(
            words.last().map(String::as_str),
            Some("finished"),
            "{words:?}"
        );
        // The end is told once, and as it was.
        assert_eq!(count("undone") + count("UNDO FAILED"), 1, "{words:?}");
        assert_eq!(
            count("undone") == 1,
            end.undo_failures.is_empty(),
            "{words:?}"
        );
        // Whoever was started is ended, once.
        let calls = script.calls();
        let started = count("warm-up") > 0 || script.count(Call::StartLoad) > 0;
        let (stops, ends) = (
            script.count(Call::StopSystem),
            script.count(Call::EndGuardian),
        );
        assert_eq!(
            (stops, ends),
            if started { (1, 0) } else { (0, 1) },
            "{calls:?}"
        );
        assert_eq!(script.count(Call::CloseUndo), 1, "{calls:?}");
        assert_eq!(calls.last(), Some(&Call::CloseUndo), "{calls:?}");
        self.check_faults();
        self.check_load();
    }

    /// Whatever was injected is removed once, or said to be left.
    fn check_faults(&self) {
        let injected = self.world.injected.lock().unwrap().clone();
        let removed = self.world.removed.lock().unwrap().clone();
        let broken = self.world.broken.lock().unwrap().clone();
        for key in &injected {
            let times = removed.iter().filter(|gone| *gone == key).count();
            let left = broken.contains(key);
            assert_eq!(times, usize::from(!left), "{key:?}: {removed:?} {broken:?}");
        }
        if !broken.is_empty() {
            assert!(self.told("UNDO FAILED"), "{broken:?}: {:?}", self.words());
        }
    }

    /// Every arrival that the load told of is in the record, once.
    fn check_load(&self) {
        let told = self.world.told.lock().unwrap();
        let heard: Vec<_> = self
            .events
            .iter()
            .filter_map(|stamped| match &stamped.event {
                RunEvent::Interval(interval) => Some((interval.start_us, interval.end_us)),
                _ => None,
            })
            .collect();
        let spans = told.intervals.iter().map(|i| (i.start_us, i.end_us));
        let spans: Vec<_> = spans.collect();
        assert_eq!(heard, spans, "{:?}", self.words());
        let sum = sum(&told.intervals);
        if let Some(scheduled) = told.scheduled.filter(|_| !told.intervals.is_empty()) {
            assert_eq!(sum.scheduled, scheduled);
        }
        if let Some(record) = &self.record {
            // A load that was given up did not say how many it had scheduled.
            let violations = judge(record).conservation.violations;
            let given_up = self.told("load") && told.scheduled.is_none();
            assert_eq!(violations.len(), usize::from(given_up), "{violations:?}");
            let kept = record.intervals.iter().flat_map(|i| &i.routes);
            let kept: u64 = kept.map(|route| route.counts.scheduled).sum();
            assert_eq!(kept, sum.scheduled);
        }
    }
}

/// All arrivals of intervals that each account for theirs.
fn sum(intervals: &[Interval]) -> Counts {
    let mut sum = Counts::default();
    for route in intervals.iter().flat_map(|interval| &interval.routes) {
        assert!(route.counts.is_conserved(), "{:?}", route.counts);
        sum.add(&route.counts);
    }
    sum
}

fn words(events: &[Stamped]) -> Vec<String> {
    events.iter().filter_map(|s| word(&s.event)).collect()
}

/// The events that tell the life of a run.
fn word(event: &RunEvent) -> Option<String> {
    let word = match event {
        RunEvent::Phase(phase) => match phase {
            Phase::Starting => "starting",
            Phase::WarmUp => "warm-up",
            Phase::SteadyState => "steady-state",
            Phase::Load => "load",
            Phase::Drain => "drain",
            Phase::Stopping => "stopping",
            Phase::Finished => "finished",
        },
        RunEvent::SteadyState { reached: true, .. } => "steady",
        RunEvent::SteadyState { reached: false, .. } => "not steady",
        RunEvent::Fault { change, .. } => match change {
            FaultChange::Requested => "requested",
            FaultChange::Active { .. } => "active",
            FaultChange::Observed { lost: true, .. } => "LOST",
            FaultChange::Observed { .. } => "observed",
            FaultChange::RemovalRequested => "removal",
            FaultChange::Removed { .. } => "removed",
            FaultChange::Withheld => "withheld",
            FaultChange::WithheldEnds => "withheld ends",
            FaultChange::Spared { why } => return Some(format!("spared ({why})")),
            FaultChange::Failed { detail } => return Some(format!("FAILED ({detail})")),
        },
        RunEvent::Process { change, .. } => match change {
            ProcessChange::Started { .. } => "started",
            _ => "system dead",
        },
        RunEvent::Abort { guard, .. } => return Some(format!("ABORT ({guard})")),
        RunEvent::Interrupted { .. } => "INTERRUPTED",
        RunEvent::NotReady { detail } => return Some(format!("NOT READY ({detail})")),
        RunEvent::Internal { detail } => return Some(format!("SQUALL FAILED ({detail})")),
        RunEvent::UndoVerified { .. } => "undone",
        RunEvent::UndoFailed { .. } => "UNDO FAILED",
        RunEvent::LoadFinished { .. } => "load finished",
        RunEvent::Note { text } => return Some(format!("note ({text})")),
        _ => return None,
    };
    Some(word.to_owned())
}

/// Runs a test on paused time, in a runtime of its own.
pub(super) fn paused<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(test)
}
