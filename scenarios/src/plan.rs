//! What a run would do and what it could prove, worked out before it starts.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::comparison::{Comparison, GateValue};
use crate::fault::{FaultSpec, smallest_p};
use crate::gate::{Gate, Metric, MetricGate, When};
use crate::load::Load;
use crate::scenario::Scenario;
use crate::units::{Share, format_duration};
use crate::windows::{BASELINE, PlannedWindow, periods, planned_windows};

/// The plan of a scenario. Times count from time zero, the first measured
/// arrival; numbers of arrivals are expected values. As JSON, times are
/// seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Name of the scenario.
    pub scenario: String,
    /// Seed, if the file has one.
    pub seed: Option<u64>,
    /// Load before time zero.
    #[serde(rename = "warm_up_s", serialize_with = "seconds")]
    pub warm_up: Duration,
    /// Length of the measured load.
    #[serde(rename = "duration_s", serialize_with = "seconds")]
    pub duration: Duration,
    /// Arrivals of the measured load.
    pub arrivals: f64,
    /// Number of instances that are started.
    pub instances: u32,
    /// The timeline, in order.
    pub steps: Vec<PlanStep>,
    /// The windows.
    pub windows: Vec<PlanWindow>,
    /// The gates, in file order.
    pub gates: Vec<PlanGate>,
    /// Faults that act on the same thing at the same time; they compose in
    /// file order.
    pub overlaps: Vec<Overlap>,
    /// What the cycles of faults could show.
    pub cycles: Vec<PlanCycles>,
    /// Names of the weakened variants.
    pub variants: Vec<String>,
    /// The journeys of the load, for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub journeys: Vec<String>,
    /// What is read beside the load, for people.
    pub probes: Vec<String>,
    /// Requests that come in a closed loop: how many there will be is not known, and
    /// they are in no number of arrivals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<String>,
}

/// The cycles of a fault that comes with and without in random order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanCycles {
    /// The fault.
    pub fault: String,
    /// How many.
    pub cycles: u32,
    /// Length of a period.
    #[serde(rename = "period_s", serialize_with = "seconds")]
    pub period: Duration,
    /// From the start of a period to that of the next.
    #[serde(rename = "every_s", serialize_with = "seconds")]
    pub every: Duration,
    /// The smallest p that a test of their effect can come to.
    pub smallest_p: f64,
    /// Expected arrivals of all requests in the period that has fewest, those of closed
    /// loops left aside.
    pub arrivals: f64,
    /// The users of closed loops; how many arrivals they make is the target's doing.
    pub closed_users: u32,
    /// For each cycle whether the fault comes first, where the file has a seed.
    pub fault_first: Option<Vec<bool>>,
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanStep {
    /// When.
    #[serde(rename = "at_s", serialize_with = "seconds")]
    pub at: Duration,
    /// What, for people.
    pub what: String,
    /// The fault it belongs to; `None` for the load.
    pub fault: Option<String>,
}

/// A window and the arrivals in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanWindow {
    /// Name.
    pub name: String,
    /// First moment.
    #[serde(rename = "start_s", serialize_with = "seconds")]
    pub start: Duration,
    /// First moment after it.
    #[serde(rename = "end_s", serialize_with = "seconds")]
    pub end: Duration,
    /// Length; less than from start to end for a window of several stretches.
    #[serde(rename = "length_s", serialize_with = "seconds")]
    pub length: Duration,
    /// Arrivals of all requests.
    pub arrivals: f64,
    /// Arrivals of each request, in file order.
    pub requests: Vec<(String, f64)>,
}

/// A gate and what it will have to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanGate {
    /// The gate as text.
    pub gate: String,
    /// The time it speaks of.
    pub when: String,
    /// Expected arrivals it is judged on, for a sliding window those of one
    /// stretch; `None` where it is not about arrivals.
    pub samples: Option<u64>,
    /// Samples that it needs: a quantile, a comparison with the baseline, a
    /// share at a `confidence` or in every stretch of a sliding window.
    pub samples_needed: Option<u64>,
    /// Failures that a gate on success tolerates; `None` at a `confidence`.
    pub failures_tolerated: Option<u64>,
    /// Whether it is about requests of a closed loop, of which nobody knows how many
    /// there will be.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
}

impl PlanGate {
    /// Whether there will be enough samples; true where none are needed.
    #[must_use]
    pub fn is_provable(&self) -> bool {
        match (self.samples, self.samples_needed) {
            (Some(samples), Some(needed)) => samples >= needed,
            _ => true,
        }
    }
}

/// Two faults on the same thing at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// The fault that comes first in the file.
    pub first: String,
    /// The other one.
    pub second: String,
    /// What both act on.
    pub on: String,
    /// From when.
    #[serde(rename = "from_s", serialize_with = "seconds")]
    pub from: Duration,
    /// Until when.
    #[serde(rename = "until_s", serialize_with = "seconds")]
    pub until: Duration,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

impl Scenario {
    /// The windows as planned: `baseline`, the faults, `recovery`, `hold` and
    /// `whole run`, as far as they exist.
    #[must_use]
    pub fn windows(&self) -> Vec<PlannedWindow> {
        planned_windows(&self.load, &self.faults, &self.system, self.seed)
    }

    /// How long one injection of a fault is expected to last. A kill without a
    /// length lasts until the restart policy has brought the process back.
    #[must_use]
    pub fn length_of(&self, fault: &FaultSpec) -> Duration {
        self.system.length_of(fault)
    }

    /// Works out the plan.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let duration = self.load.duration();
        let instances = self.system.processes.iter();
        let windows = self.windows();
        Plan {
            scenario: self.name.clone(),
            seed: self.seed,
            warm_up: self.load.warm_up,
            duration,
            arrivals: self.load.expected_on(None, Duration::ZERO, duration),
            instances: instances
                .map(|process| self.system.instances(process))
                .sum(),
            steps: steps(self),
            gates: gates(self, &windows),
            windows: windows
                .iter()
                .map(|window| plan_window(self, window))
                .collect(),
            overlaps: overlaps(self),
            cycles: self
                .faults
                .iter()
                .filter_map(|fault| plan_cycles(self, fault))
                .collect(),
            variants: self.variants.iter().map(|v| v.name.clone()).collect(),
            journeys: self.load.journeys.iter().map(ToString::to_string).collect(),
            probes: self.system.probes.iter().map(ToString::to_string).collect(),
            closed: self
                .load
                .each()
                .filter(|load| load.closed_users().is_some())
                .flat_map(Load::own_routes)
                .map(|route| route.name.clone())
                .collect(),
        }
    }
}

fn steps(scenario: &Scenario) -> Vec<PlanStep> {
    let mut steps = Vec::new();
    let mut start = Duration::ZERO;
    let mut step = |at, what: String, fault: Option<&str>| {
        steps.push(PlanStep {
            at,
            what,
            fault: fault.map(str::to_owned),
        });
    };
    for stage in &scenario.load.shape {
        step(start, format!("load: {stage}"), None);
        start += stage.duration();
    }
    step(start, "end of load".to_owned(), None);
    for beside in &scenario.load.beside {
        let name = &beside.name;
        let mut at = Duration::ZERO;
        for stage in &beside.load.shape {
            step(at, format!("load {name}: {stage}"), None);
            at += stage.duration();
        }
        if at < start {
            step(at, format!("load {name}: over"), None);
        }
    }
    for fault in &scenario.faults {
        let name = fault.name.value.as_str();
        let (inject, into) = (&fault.inject, &fault.into.value);
        let again = fault.rhythm();
        let scope = fault.scope();
        let what = format!("{name}: inject {inject}{scope} into {into}{again}");
        step(fault.at, what, Some(name));
        if fault.inject.monkey().is_some() {
            let draw = |seed| (1..).zip(fault.injections(seed));
            for (n, at) in scenario.seed.into_iter().flat_map(draw) {
                step(at, format!("{name}: kill {n}, one of {into}"), Some(name));
            }
        }
        let removal = match fault.each_lasts() {
            Some(_) if fault.cycles().is_some() => format!("{name}: end of its last period"),
            Some(_) => format!("{name}: remove"),
            None => format!("{name}: the restart policy has brought it back"),
        };
        step(scenario.system.end_of(fault), removal, Some(name));
    }
    steps.sort_by_key(|step| step.at);
    steps
}

fn plan_window(scenario: &Scenario, window: &PlannedWindow) -> PlanWindow {
    let load = &scenario.load;
    let arrivals = window.expected_on(load, None);
    PlanWindow {
        name: window.name.clone(),
        start: window.start(),
        end: window.end(),
        length: window.length(),
        arrivals,
        requests: load
            .routes()
            .map(|route| {
                let arrivals = window.expected_on(load, Some(&route.name));
                (route.name.clone(), arrivals)
            })
            .collect(),
    }
}

fn plan_cycles(scenario: &Scenario, fault: &FaultSpec) -> Option<PlanCycles> {
    let (cycles, repeat) = (fault.cycles()?, fault.repeat?);
    let arrivals = periods(fault, scenario.seed)
        .map(|((from, to), _)| scenario.load.expected_on(None, from, to));
    Some(PlanCycles {
        fault: fault.name.value.clone(),
        cycles,
        period: fault.duration.unwrap_or_default(),
        every: repeat.every,
        smallest_p: smallest_p(cycles),
        arrivals: arrivals.fold(f64::INFINITY, f64::min),
        closed_users: scenario
            .load
            .each()
            .filter_map(Load::closed_users)
            .fold(0, u32::saturating_add),
        fault_first: scenario.seed.map(|seed| {
            let first = (0..cycles).map(|cycle| !fault.is_control(cycle * 2, seed));
            first.collect()
        }),
    })
}

fn gates(scenario: &Scenario, windows: &[PlannedWindow]) -> Vec<PlanGate> {
    let find = |name: &str| windows.iter().find(|window| window.name == name);
    let mut gates = Vec::new();
    if let Some(steady) = &scenario.steady_state {
        for gate in &steady.expect {
            let window = find(BASELINE).map(|window| (window, Duration::ZERO));
            let when = format!("steady state and {BASELINE}");
            gates.push(plan_gate(scenario, &gate.value, when, window, (None, None)));
        }
    }
    for block in &scenario.slo {
        let window = match &block.when.value {
            When::During(name) => find(name).map(|window| (window, block.settle)),
            When::After { .. } => None,
        };
        let mut when = block.when.value.to_string();
        if !block.settle.is_zero() {
            when.push_str(&format!(", settled {}", format_duration(block.settle)));
        }
        for gate in &block.expect {
            let sure = (block.confidence, block.burst);
            gates.push(plan_gate(scenario, &gate.value, when.clone(), window, sure));
        }
    }
    gates
}

fn plan_gate(
    scenario: &Scenario,
    gate: &Gate,
    when: String,
    window: Option<(&PlannedWindow, Duration)>,
    (confidence, burst): (Option<Share>, Option<u64>),
) -> PlanGate {
    let mut plan = PlanGate {
        gate: gate.to_string(),
        when,
        samples: None,
        samples_needed: None,
        failures_tolerated: None,
        closed: false,
    };
    let (Gate::Metric(gate), Some((window, settle))) = (gate, window) else {
        return plan;
    };
    let load = &scenario.load;
    plan.samples_needed = gate.samples_needed(confidence, burst);
    if load.is_closed_on(gate.of.as_deref()) {
        plan.closed = true;
        return plan;
    }
    let settled = window.settled(settle);
    let arrivals = settled.expected_on(load, gate.of.as_deref());
    let samples = whole(gate.samples_per_stretch(arrivals, settled.length()));
    plan.samples = Some(samples);
    // At a confidence the bound decides, and it depends on how failures come.
    plan.failures_tolerated = match confidence {
        Some(_) => None,
        None => failures_tolerated(gate, samples),
    };
    plan
}

/// The most failures among so many samples with which the gate still holds.
fn failures_tolerated(gate: &MetricGate, samples: u64) -> Option<u64> {
    let GateValue::Share(share) = gate.value else {
        return None;
    };
    let allowed = match (gate.metric, gate.comparison) {
        (Metric::Success, Comparison::AtLeast) => 1.0 - share.get(),
        (Metric::ErrorRate, Comparison::AtMost) => share.get(),
        _ => return None,
    };
    #[expect(clippy::cast_precision_loss, reason = "at most 50 million arrivals")]
    let failures = allowed * samples as f64;
    // 1 - 0.999 is a little less than 0.001; a millionth makes up for it.
    Some(whole(failures + 1e-6))
}

/// The whole part of an expected number.
fn whole(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and no expected number is negative"
    )]
    let whole = number.floor() as u64;
    whole
}

fn overlaps(scenario: &Scenario) -> Vec<Overlap> {
    let mut overlaps = Vec::new();
    let system = &scenario.system;
    for (n, first) in scenario.faults.iter().enumerate() {
        for second in &scenario.faults[n + 1..] {
            let from = first.at.max(second.at);
            let until = system.end_of(first).min(system.end_of(second));
            if from >= until {
                continue;
            }
            let others = system.units(&second.into.value);
            let common: Vec<String> = system
                .units(&first.into.value)
                .into_iter()
                .filter(|unit| others.contains(unit))
                .collect();
            if !common.is_empty() {
                overlaps.push(Overlap {
                    first: first.name.value.clone(),
                    second: second.name.value.clone(),
                    on: common.join(", "),
                    from,
                    until,
                });
            }
        }
    }
    overlaps
}
