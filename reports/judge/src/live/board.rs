//! The state of every gate so far, for screens.

use std::time::Duration;

use squall_record::{FaultChange, Interval, Phase, RunEvent, Stamped, WindowEdge};
use squall_scenario::{Gate, Scenario, When, control_window};

use crate::live::breakers::BreakerGate;
use crate::quantity::Quantity;
use crate::ruling::Ruling;
use crate::slice::Slice;
use crate::summed::rule_slice;
use crate::verdict::{Evidence, GateState, TimeRange, WindowKind};
use crate::window::{Window, hold_ranges};

/// How a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveState {
    /// Its window has not begun, or there is nothing to say yet.
    Pending,
    /// It would pass if the run ended here.
    OnTrack,
    /// It would fail if the run ended here.
    Failing,
}

/// One gate as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveGate {
    /// When it is judged: `during slow recommendations`.
    pub when: String,
    /// The gate as it stands in the scenario.
    pub gate: String,
    /// How it stands.
    pub state: LiveState,
    /// What was measured so far.
    pub observed: Option<Quantity>,
    /// Settled arrivals behind it.
    pub n: u64,
    /// The figures behind it, as far as there are any.
    pub evidence: Evidence,
    /// What they say, in the judge's words; `None` while they say nothing.
    pub explanation: Option<String>,
}

/// Follows the gates of a scenario through its events. It keeps one sum per
/// metric gate with the failures of each interval of its window (24 bytes a
/// second), and the turns of one breaker per breaker gate. Gates on
/// readings and on `baseline returns` are pending until judged.
#[derive(Debug)]
pub struct GateBoard {
    rows: Vec<Row>,
    edges: Edges,
    /// The latest time that was told, and that the load had not ended by.
    now_us: i64,
    /// The planned end of the load.
    end_us: i64,
    /// Whether the load is over.
    is_over: bool,
}

#[derive(Debug)]
struct Row {
    when: When,
    settle: Duration,
    gate: Gate,
    slice: Slice,
    breaker: Option<BreakerGate>,
}

/// When faults were injected and removed, as far as known.
#[derive(Debug, Default)]
struct Edges {
    faults: Vec<FaultEdges>,
    holds: Vec<TimeRange>,
}

#[derive(Debug)]
struct FaultEdges {
    name: String,
    requested_us: Option<i64>,
    active_us: Option<i64>,
    removal_us: Option<i64>,
    removed_us: Option<i64>,
    /// Injections in force.
    injected: u32,
    /// Its periods with and without it, where it comes in cycles; the one under
    /// way reaches to the end of time.
    cycles: Option<[Vec<TimeRange>; 2]>,
}

impl GateBoard {
    /// A board for the gates of `slo`.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let rows = scenario.slo.iter().flat_map(|block| {
            block.expect.iter().map(|gate| Row {
                when: block.when.value.clone(),
                settle: block.settle,
                gate: gate.value.clone(),
                slice: Slice::to_judge(),
                breaker: BreakerGate::of(scenario, &block.when.value, &gate.value),
            })
        });
        let faults = scenario.faults.iter().map(|fault| FaultEdges {
            name: fault.name.value.clone(),
            requested_us: None,
            active_us: None,
            removal_us: None,
            removed_us: None,
            injected: 0,
            cycles: fault.cycles().map(|_| [Vec::new(), Vec::new()]),
        });
        let length_us = scenario.load.duration().as_micros();
        Self {
            now_us: 0,
            end_us: i64::try_from(length_us).unwrap_or(i64::MAX),
            is_over: false,
            rows: rows.collect(),
            edges: Edges {
                faults: faults.collect(),
                holds: hold_ranges(&scenario.load, i64::MAX),
            },
        }
    }

    /// Takes one event into account. An interval belongs to a window whose
    /// edges were told before it; intervals settle seconds after their edges.
    pub fn hear(&mut self, stamped: &Stamped) {
        if !self.is_over {
            self.now_us = self.now_us.max(stamped.at_us).min(self.end_us);
        }
        for gate in self.rows.iter_mut().filter_map(|row| row.breaker.as_mut()) {
            gate.hear(stamped);
        }
        match &stamped.event {
            RunEvent::Phase(Phase::Drain | Phase::Stopping | Phase::Finished) => {
                self.is_over = true;
            }
            RunEvent::Fault { fault, change, .. } => self.edges.hear(stamped.at_us, fault, change),
            RunEvent::Interval(interval) if interval.start_us >= 0 => self.add(interval),
            _ => {}
        }
    }

    fn add(&mut self, interval: &Interval) {
        for row in &mut self.rows {
            let (When::During(name), Gate::Metric(gate)) = (&row.when, &row.gate) else {
                continue;
            };
            let window = self.edges.window(name);
            if window.is_some_and(|window| window.settled(row.settle).contains(interval)) {
                row.slice.add(interval, gate.of.as_deref());
            }
        }
    }

    /// Bytes that the sums behind the metric gates take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let each = self.rows.iter();
        each.map(|row| size_of::<Row>() + row.slice.bytes()).sum()
    }

    /// Every gate of `slo` in file order, as it stands.
    #[must_use]
    pub fn gates(&self) -> Vec<LiveGate> {
        let ruled = self.rows.iter().map(|row| row.stands(self.ruling(row)));
        ruled.collect()
    }

    /// What the figures say so far.
    fn ruling(&self, row: &Row) -> Option<Ruling> {
        if let Gate::Metric(gate) = &row.gate {
            let settled = row.slice.counts.settled();
            return (settled > 0).then(|| rule_slice(&row.slice, gate, None));
        }
        let breaker = row.breaker.as_ref()?;
        match &row.when {
            When::During(name) => {
                let window = self.edges.window(name)?.settled(row.settle);
                let is_open = window.ranges.iter().any(|range| range.end_us > self.now_us);
                let window = window.until(self.now_us);
                if window.ranges.is_empty() {
                    return None;
                }
                let fault = self.edges.fault(name);
                let requested_us = fault.and_then(|fault| fault.requested_us);
                breaker.during(&window, is_open && !self.is_over, requested_us)
            }
            When::After { fault, .. } => {
                let edges = self.edges.fault(fault)?;
                let (cleared_us, requested_us) = (edges.removed_us?, edges.requested_us);
                let next_us = self.edges.next_after(fault, cleared_us);
                let range = TimeRange {
                    start_us: cleared_us,
                    end_us: next_us.min(self.now_us).max(cleared_us),
                };
                breaker.after(range, requested_us)
            }
        }
    }
}

impl Row {
    fn stands(&self, ruling: Option<Ruling>) -> LiveGate {
        let mut live = LiveGate {
            when: self.when.to_string(),
            gate: self.gate.to_string(),
            state: LiveState::Pending,
            observed: None,
            n: self.slice.counts.settled(),
            evidence: Evidence::default(),
            explanation: None,
        };
        if let Some(ruling) = ruling {
            live.observed = ruling.evidence.observed;
            live.state = match ruling.state {
                GateState::Pass => LiveState::OnTrack,
                GateState::Fail => LiveState::Failing,
                GateState::Inconclusive | GateState::NotReached => LiveState::Pending,
            };
            live.evidence = ruling.evidence;
            live.explanation = Some(ruling.explanation);
        }
        live
    }
}

impl FaultEdges {
    /// Takes up or ends a period. What is withheld counts as without the fault,
    /// which is all of it while gates are calibrated.
    fn hear_period(&mut self, at_us: i64, change: &FaultChange) {
        let Some([with, without]) = &mut self.cycles else {
            return;
        };
        let periods = match change {
            FaultChange::Active { .. } | FaultChange::RemovalRequested => with,
            FaultChange::Withheld | FaultChange::WithheldEnds => without,
            FaultChange::Requested
            | FaultChange::Observed { .. }
            | FaultChange::Removed { .. }
            | FaultChange::Spared { .. }
            | FaultChange::Failed { .. } => return,
        };
        match change.edge() {
            Some(WindowEdge::Opens) => periods.push(TimeRange {
                start_us: at_us,
                end_us: i64::MAX,
            }),
            Some(WindowEdge::Closes) => {
                if let Some(last) = periods.last_mut() {
                    last.end_us = at_us;
                }
            }
            None => {}
        }
    }
}

impl Edges {
    fn hear(&mut self, at_us: i64, name: &str, change: &FaultChange) {
        let Some(fault) = self.faults.iter_mut().find(|fault| fault.name == name) else {
            return;
        };
        fault.hear_period(at_us, change);
        match change {
            FaultChange::Requested => {
                fault.requested_us.get_or_insert(at_us);
                fault.injected += 1;
                // A further injection takes the window up again.
                fault.removal_us = None;
                fault.removed_us = None;
            }
            FaultChange::Active { .. } => {
                fault.active_us.get_or_insert(at_us);
            }
            FaultChange::RemovalRequested => fault.removal_us = Some(at_us),
            FaultChange::Removed { .. } => {
                fault.injected = fault.injected.saturating_sub(1);
                if fault.injected == 0 {
                    fault.removed_us = Some(at_us);
                }
            }
            FaultChange::Withheld => {
                fault.requested_us.get_or_insert(at_us);
                fault.active_us.get_or_insert(at_us);
                fault.removal_us = None;
                fault.removed_us = None;
            }
            FaultChange::WithheldEnds => {
                fault.removal_us = Some(at_us);
                fault.removed_us = Some(at_us);
            }
            FaultChange::Observed { .. }
            | FaultChange::Spared { .. }
            | FaultChange::Failed { .. } => {}
        }
    }

    fn fault(&self, name: &str) -> Option<&FaultEdges> {
        self.faults.iter().find(|fault| fault.name == name)
    }

    /// When another fault was asked for after `at_us`; the end of time where
    /// none was.
    fn next_after(&self, name: &str, at_us: i64) -> i64 {
        let others = self.faults.iter().filter(|fault| fault.name != name);
        let asked = others.filter_map(|fault| fault.requested_us);
        let later = asked.filter(|requested_us| *requested_us > at_us);
        later.min().unwrap_or(i64::MAX)
    }

    /// The control periods of the fault whose control window has this name.
    fn control(&self, name: &str) -> Option<&Vec<TimeRange>> {
        let mut faults = self.faults.iter();
        let fault = faults.find(|fault| control_window(&fault.name) == name)?;
        fault.cycles.as_ref().map(|[_, without]| without)
    }

    /// The window as far as it is known; open ones reach to the end of time.
    fn window(&self, name: &str) -> Option<Window> {
        let range = |start_us, end_us| vec![TimeRange { start_us, end_us }];
        let (kind, ranges) = match name {
            "baseline" => {
                let first = self
                    .faults
                    .iter()
                    .filter_map(|fault| fault.requested_us)
                    .min();
                (WindowKind::Baseline, range(0, first.unwrap_or(i64::MAX)))
            }
            "whole run" => (WindowKind::WholeRun, range(0, i64::MAX)),
            "hold" => (WindowKind::Hold, self.holds.clone()),
            "recovery" => {
                let all: Option<Vec<i64>> =
                    self.faults.iter().map(|fault| fault.removed_us).collect();
                (
                    WindowKind::Recovery,
                    range(all?.into_iter().max()?, i64::MAX),
                )
            }
            name if self.control(name).is_some() => {
                (WindowKind::Control, self.control(name)?.clone())
            }
            name => {
                let fault = self.fault(name)?;
                if let Some([with, _]) = &fault.cycles {
                    return Some(Window::new(name, WindowKind::Fault, with.clone()));
                }
                let end_us = fault.removal_us.unwrap_or(i64::MAX);
                (WindowKind::Fault, range(fault.active_us?, end_us))
            }
        };
        Some(Window::new(name, kind, ranges))
    }
}
