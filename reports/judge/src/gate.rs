//! From the gates of a scenario to their verdicts.

use squall_scenario::{Gate, GateValue, Located, Metric, SloBlock, When};

use crate::case::Case;
use crate::ratio::{Inference, claim_of};
use crate::ruling::{Ruling, undecided};
use crate::verdict::{GateOrigin, GateState, GateVerdict, Recovery, Subject};
use crate::{breaker, metric, reading, recovery, viewing};

/// The steady state's gates on the baseline window. One that the window is
/// too small for was decided before time zero, so it decides nothing here.
pub(super) fn steady_state_gates(case: &Case<'_>) -> Vec<GateVerdict> {
    let Some(steady) = &case.objectives.steady_state else {
        return Vec::new();
    };
    let when = When::During("baseline".to_owned());
    let block = Block {
        when: &when,
        settle: std::time::Duration::ZERO,
        inference: None,
        origin: GateOrigin::SteadyState,
    };
    steady
        .expect
        .iter()
        .map(|gate| judge_gate(case, &block, gate).0)
        .collect()
}

/// The gates of `slo` in file order, and the recoveries they asked about.
pub(super) fn slo_gates(case: &Case<'_>) -> (Vec<GateVerdict>, Vec<Recovery>) {
    let mut gates = Vec::new();
    let mut recoveries = Vec::new();
    for block in &case.objectives.slo {
        let view = Block::of(block);
        for gate in &block.expect {
            let (verdict, recovery) = judge_gate(case, &view, gate);
            gates.push(verdict);
            recoveries.extend(recovery);
        }
    }
    (gates, recoveries)
}

/// What the gates of one block have in common.
struct Block<'a> {
    when: &'a When,
    settle: std::time::Duration,
    inference: Option<Inference>,
    origin: GateOrigin,
}

impl<'a> Block<'a> {
    fn of(block: &'a SloBlock) -> Self {
        Self {
            when: &block.when.value,
            settle: block.settle,
            inference: block.confidence.map(|confidence| Inference {
                confidence: confidence.get(),
                burst: block.burst,
            }),
            origin: GateOrigin::Slo,
        }
    }

    fn name(&self) -> String {
        match self.when {
            When::During(name) => name.clone(),
            When::After { fault, .. } => format!("after {fault}"),
        }
    }

    fn text(&self) -> String {
        if self.settle.is_zero() {
            return self.when.to_string();
        }
        let settle = squall_scenario::format_duration(self.settle);
        format!("{} (settled {settle})", self.when)
    }
}

fn judge_gate(
    case: &Case<'_>,
    block: &Block<'_>,
    gate: &Located<Gate>,
) -> (GateVerdict, Option<Recovery>) {
    let (ruling, recovery) = rule(case, block, &gate.value);
    let by_figures = ruling.state;
    let mut ruling = temper(case, block, ruling);
    if matches!(ruling.state, GateState::Pass | GateState::Fail)
        && let Some(why) = case.own_shortage(block.when, &gate.value, ruling.state)
    {
        ruling.explanation = format!("{why}; for what it is worth: {}", ruling.explanation);
        ruling.state = GateState::Inconclusive;
    }
    let closed_loop = hides_waiting(case, &gate.value);
    if closed_loop {
        ruling.explanation.push_str(CLOSED_LOOP);
    }
    let verdict = GateVerdict {
        window: block.name(),
        when: block.text(),
        gate: gate.value.to_string(),
        metric: left_hand_side(&gate.value),
        span: gate.span,
        origin: block.origin,
        subject: match gate.value {
            Gate::Metric(_) | Gate::BaselineReturns | Gate::Viewing(_) => Subject::Users,
            Gate::Breaker { .. } | Gate::BreakerIs { .. } => Subject::Breaker,
            Gate::Reading(_) => Subject::System,
        },
        confidence: block
            .inference
            .filter(|_| is_inferred(&gate.value))
            .map(|inference| inference.confidence),
        closed_loop,
        state: ruling.state,
        by_figures,
        explanation: ruling.explanation,
        evidence: ruling.evidence,
    };
    (verdict, recovery)
}

/// What stands behind a gate on response times of a closed loop.
const CLOSED_LOOP: &str = "; closed loop: a user that waited sent nothing meanwhile, so \
                           waiting is hidden from this figure (coordinated omission)";

/// Whether a gate is on response times of a closed loop.
fn hides_waiting(case: &Case<'_>, gate: &Gate) -> bool {
    let Gate::Metric(gate) = gate else {
        return false;
    };
    let load = &case.record.manifest.scenario.load;
    let of_times = match gate.metric {
        Metric::Quantile(_) | Metric::Mean => true,
        Metric::Max
        | Metric::Success
        | Metric::ErrorRate
        | Metric::Goodput
        | Metric::DroppedArrivals
        | Metric::Outages { .. }
        | Metric::LongestOutage { .. } => false,
    };
    of_times && load.is_closed_on(gate.of.as_deref())
}

/// Whether a confidence has a say in a gate: what is counted or read is not
/// inferred.
fn is_inferred(gate: &Gate) -> bool {
    match gate {
        Gate::BaselineReturns => true,
        Gate::Metric(gate) => {
            matches!(gate.value, GateValue::TimesBaseline(_)) || claim_of(gate).is_some()
        }
        Gate::Breaker { .. } | Gate::BreakerIs { .. } | Gate::Reading(_) | Gate::Viewing(_) => {
            false
        }
    }
}

/// What the figures say.
fn rule(case: &Case<'_>, block: &Block<'_>, gate: &Gate) -> (Ruling, Option<Recovery>) {
    match (block.when, gate) {
        (
            When::After {
                fault,
                within,
                hold,
            },
            Gate::BaselineReturns,
        ) => recovery::rule(case, fault, (*within, *hold), block.inference),
        (When::After { fault, within, .. }, Gate::Breaker { name, .. }) => {
            (breaker::rule_after(case, fault, *within, name, gate), None)
        }
        (When::During(name), gate) => {
            let Some(window) = case.window(name) else {
                return (undecided("there is no such window in this run"), None);
            };
            let window = window.settled(block.settle);
            let ruling = match gate {
                Gate::Metric(gate) => metric::rule(case, &window, gate, block.inference),
                Gate::Breaker {
                    name,
                    change,
                    within,
                } => breaker::rule_change(case, &window, name, *change, *within),
                Gate::BreakerIs { name, state } => breaker::rule_is(case, &window, name, *state),
                Gate::Reading(gate) => reading::rule(case, &window, gate),
                Gate::Viewing(gate) => viewing::rule(case, &window, gate),
                Gate::BaselineReturns => undecided("`baseline returns` needs `after: FAULT`"),
            };
            (ruling, None)
        }
        (When::After { .. }, _) => (
            undecided("only `breaker … closes` and `baseline returns` can follow `after`"),
            None,
        ),
    }
}

/// Sets the figures aside where the run, or this window of it, proves nothing.
fn temper(case: &Case<'_>, block: &Block<'_>, mut ruling: Ruling) -> Ruling {
    if case.never_reached(block.when) {
        ruling.state = GateState::NotReached;
        let why = case
            .validity
            .cut_short
            .as_ref()
            .map(|(_, why)| why.as_str());
        let why = why.or(case.validity.void.first().map(String::as_str));
        ruling.explanation = format!(
            "{}, before this window began",
            why.unwrap_or("there was no load")
        );
        return ruling;
    }
    let mut problems = case.window_problems(block.when);
    if block.origin == GateOrigin::Slo {
        problems.extend(case.validity.void.iter().cloned());
    }
    if let Some(problem) = problems.first() {
        ruling.explanation = format!("{problem}; for what it is worth: {}", ruling.explanation);
        ruling.state = GateState::Inconclusive;
        return ruling;
    }
    if matches!(ruling.state, GateState::Pass | GateState::Inconclusive) {
        // A window that was cut short has few samples for that reason.
        let cut = case.window_cut_short(block.when).map(str::to_owned);
        let doubt = cut
            .map(|why| format!("{why} before the window did"))
            .or_else(|| case.stopped_by_hand(block.when))
            .or_else(|| {
                let passed = ruling.state == GateState::Pass;
                case.validity.doubts.first().filter(|_| passed).cloned()
            });
        if let Some(doubt) = doubt {
            ruling.explanation = format!("{doubt}; so far: {}", ruling.explanation);
            ruling.state = GateState::Inconclusive;
        }
    }
    ruling
}

/// How a variant names the gate: metric and route, or the whole sentence.
fn left_hand_side(gate: &Gate) -> String {
    match gate {
        Gate::Metric(gate) => gate.subject(),
        Gate::Reading(gate) => gate.reading.to_string(),
        Gate::Viewing(gate) => gate.subject(),
        other => other.to_string(),
    }
}
