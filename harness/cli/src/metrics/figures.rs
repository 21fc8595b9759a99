//! A run's figures as Prometheus metrics. Every label comes from the scenario
//! or from a bounded set, so their number is known before the run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use squall_judge::live::{GateBoard, LiveState};
use squall_load::Gauges;
use squall_record::{
    ALL_BAD_KINDS, BadKind, BreakerReport, FaultChange, Interval, Manifest, Phase, RouteInterval,
    RunEvent, Stamped, Times,
};
use squall_scenario::{BreakerState, acts};
use tokio::sync::watch;

/// Breakers and instances that are told apart; the rest is left out.
const BREAKERS_MAX: usize = 1_000;
/// Upper edges of the histograms' buckets in seconds.
const EDGES_S: [f64; 16] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
];

type Count = Counter<u64, AtomicU64>;
type Level = Gauge<i64, AtomicI64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Settled {
    route: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fault {
    fault: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Breaker {
    breaker: String,
    instance: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Gate {
    window: String,
    gate: String,
    state: &'static str,
}

/// Everything that is exposed about one run.
pub(super) struct Figures {
    registry: Registry,
    scheduled: Family<Route, Count>,
    sent: Family<Route, Count>,
    settled: Family<Settled, Count>,
    response: Family<Route, Histogram, fn() -> Histogram>,
    lag: Histogram,
    in_flight: Level,
    phase: Family<PhaseLabel, Level>,
    fault: Family<Fault, Level>,
    breaker: Family<Breaker, Level>,
    gate: Family<Gate, Level>,
    missed: Count,
    board: GateBoard,
    /// Injections in force by fault.
    injected: BTreeMap<String, i64>,
    breakers: usize,
    live: Option<watch::Receiver<Gauges>>,
}

fn buckets() -> Histogram {
    Histogram::new(EDGES_S)
}

impl Figures {
    /// All metrics of a run, at zero. The names are those of the manifest,
    /// which holds no secrets, as those in events.
    pub(super) fn new(manifest: &Manifest) -> Self {
        let scenario = &manifest.scenario;
        let mut figures = Self {
            registry: Registry::with_prefix("squall"),
            scheduled: Family::default(),
            sent: Family::default(),
            settled: Family::default(),
            response: Family::new_with_constructor(buckets),
            lag: buckets(),
            in_flight: Level::default(),
            phase: Family::default(),
            fault: Family::default(),
            breaker: Family::default(),
            gate: Family::default(),
            missed: Count::default(),
            board: GateBoard::new(scenario),
            injected: BTreeMap::new(),
            breakers: 0,
            live: None,
        };
        figures.register(manifest);
        for request in scenario.load.routes() {
            let route = request.name.clone();
            let label = Route {
                route: route.clone(),
            };
            drop(figures.scheduled.get_or_create(&label));
            drop(figures.sent.get_or_create(&label));
            drop(figures.response.get_or_create(&label));
            figures.settle(&route, "good", 0);
        }
        for fault in &scenario.faults {
            let fault = fault.name.value.clone();
            drop(figures.fault.get_or_create(&Fault { fault }));
        }
        figures.enter(Phase::Starting);
        figures.show_gates();
        figures
    }

    fn register(&mut self, manifest: &Manifest) {
        let about = [
            ("scenario", manifest.scenario.name.clone()),
            ("run", manifest.run_id.clone()),
            ("seed", manifest.seed.to_string()),
            ("version", manifest.squall_version.clone()),
        ];
        let about = about.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let r = &mut self.registry;
        r.register("run", "What is run", Info::new(about));
        r.register(
            "scheduled",
            "Arrivals of the schedule that are settled",
            self.scheduled.clone(),
        );
        r.register(
            "sent",
            "Arrivals that were sent and are settled",
            self.sent.clone(),
        );
        r.register(
            "arrivals",
            "Settled arrivals by what became of them",
            self.settled.clone(),
        );
        r.register_with_unit(
            "response",
            "From the scheduled start to the end of a good answer",
            Unit::Seconds,
            self.response.clone(),
        );
        r.register_with_unit(
            "lag",
            "How late the generator was",
            Unit::Seconds,
            self.lag.clone(),
        );
        r.register("in_flight", "Arrivals under way", self.in_flight.clone());
        r.register("phase", "1 for the phase the run is in", self.phase.clone());
        r.register(
            "fault_active",
            "1 while the fault is in force",
            self.fault.clone(),
        );
        r.register(
            "breaker_state",
            "1 for the state an instance reports",
            self.breaker.clone(),
        );
        r.register(
            "gate_state",
            "1 for how the gate stands so far",
            self.gate.clone(),
        );
        r.register(
            "events_missed",
            "Events too fast to count here",
            self.missed.clone(),
        );
    }

    /// Reads the arrivals under way from here.
    pub(super) fn watch(&mut self, gauges: watch::Receiver<Gauges>) {
        self.live = Some(gauges);
    }

    /// Takes an event into account.
    pub(super) fn hear(&mut self, stamped: &Stamped) {
        self.board.hear(stamped);
        match &stamped.event {
            RunEvent::Phase(phase) => self.enter(*phase),
            RunEvent::Interval(interval) => self.interval(interval),
            RunEvent::Fault { fault, change, .. } => self.fault(fault, change),
            RunEvent::Breaker(report) => self.breaker(report),
            _ => {}
        }
    }

    /// Notes events that were not heard.
    pub(super) fn missed(&self, count: u64) {
        self.missed.inc_by(count);
    }

    /// The text Prometheus reads.
    pub(super) fn exposition(&mut self) -> String {
        if let Some(gauges) = &self.live {
            self.in_flight.set(i64::from(gauges.borrow().in_flight));
        }
        self.show_gates();
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        // Labels know no escapes but those of quotes, backslashes and line breaks.
        let inert = |c: char| {
            if c != '\n' && acts(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        };
        text.chars().map(inert).collect()
    }

    fn enter(&self, now: Phase) {
        let phases = [
            (Phase::Starting, "starting"),
            (Phase::WarmUp, "warm-up"),
            (Phase::SteadyState, "steady-state"),
            (Phase::Load, "load"),
            (Phase::Drain, "drain"),
            (Phase::Stopping, "stopping"),
            (Phase::Finished, "finished"),
        ];
        for (known, phase) in phases {
            let level = self.phase.get_or_create(&PhaseLabel { phase });
            level.set(i64::from(known == now));
        }
    }

    fn interval(&self, interval: &Interval) {
        for route in &interval.routes {
            self.route(route);
        }
        if let Some(lag) = &interval.lag {
            observe(&self.lag, lag);
        }
    }

    fn route(&self, entry: &RouteInterval) {
        let counts = &entry.counts;
        let label = Route {
            route: entry.route.clone(),
        };
        self.scheduled
            .get_or_create(&label)
            .inc_by(counts.scheduled);
        let sent = counts.good + counts.bad();
        self.sent.get_or_create(&label).inc_by(sent);
        self.settle(&entry.route, "good", counts.good);
        self.settle(&entry.route, "dropped", counts.dropped);
        self.settle(&entry.route, "unfinished", counts.unfinished);
        for kind in ALL_BAD_KINDS {
            self.settle(&entry.route, outcome(kind), counts.of(kind));
        }
        if let Some(times) = &entry.response {
            observe(&self.response.get_or_create(&label), times);
        }
    }

    fn settle(&self, route: &str, outcome: &'static str, count: u64) {
        let route = route.to_owned();
        self.settled
            .get_or_create(&Settled { route, outcome })
            .inc_by(count);
    }

    fn fault(&mut self, name: &str, change: &FaultChange) {
        let injected = self.injected.entry(name.to_owned()).or_default();
        match change {
            FaultChange::Active { .. } => *injected += 1,
            FaultChange::Removed { .. } => *injected = (*injected - 1).max(0),
            FaultChange::Requested
            | FaultChange::Observed { .. }
            | FaultChange::RemovalRequested
            | FaultChange::Withheld
            | FaultChange::WithheldEnds
            | FaultChange::Spared { .. }
            | FaultChange::Failed { .. } => return,
        }
        let active = i64::from(*injected > 0);
        let fault = name.to_owned();
        self.fault.get_or_create(&Fault { fault }).set(active);
    }

    fn breaker(&mut self, report: &BreakerReport) {
        let label = |state| Breaker {
            breaker: report.breaker.clone(),
            instance: report.instance.clone(),
            state,
        };
        if self.breaker.get(&label("closed")).is_none() {
            self.breakers += 1;
            if self.breakers > BREAKERS_MAX {
                return;
            }
        }
        let states = [
            (BreakerState::Closed, "closed"),
            (BreakerState::HalfOpen, "half-open"),
            (BreakerState::Open, "open"),
        ];
        for (state, standing) in states {
            let level = self.breaker.get_or_create(&label(standing));
            level.set(i64::from(report.state == Some(state)));
        }
    }

    fn show_gates(&self) {
        let states = [
            (LiveState::Pending, "pending"),
            (LiveState::OnTrack, "on-track"),
            (LiveState::Failing, "failing"),
        ];
        for live in self.board.gates() {
            for (known, state) in states {
                let label = Gate {
                    window: live.when.clone(),
                    gate: live.gate.clone(),
                    state,
                };
                let level = self.gate.get_or_create(&label);
                level.set(i64::from(known == live.state));
            }
        }
    }
}

/// Counts the values of an interval, at the upper edge of their bucket: the
/// figures never flatter.
fn observe(histogram: &Histogram, times: &Times) {
    for (top_us, count) in times.iter() {
        let seconds = top_us as f64 / 1e6;
        for _ in 0..count {
            histogram.observe(seconds);
        }
    }
}

const fn outcome(kind: BadKind) -> &'static str {
    match kind {
        BadKind::Connect => "connect",
        BadKind::Timeout => "timeout",
        BadKind::Late => "late",
        BadKind::Status => "status",
        BadKind::Broken => "broken",
        BadKind::Malformed => "malformed",
        BadKind::Check => "check",
        BadKind::Dns => "dns",
        BadKind::Tls => "tls",
    }
}
