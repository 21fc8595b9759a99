//! Rules about gates: the right kind in the right place, on a window that
//! exists and has enough samples.

use std::time::Duration;

use squall_scenario::{
    BASELINE, BUILT_IN, BreakerChange, Gate, HOLD, Metric, MetricGate, PlannedWindow, Share,
    WHOLE_RUN, When, control_window, format_duration, listed, nearest, quoted,
};

use super::names::did_you_mean;
use super::role::Role;
use super::{direction, power, readings, viewings};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::{GateDraft, LoadDraft, ScenarioDraft, SloDraft};

pub(super) fn check(draft: &ScenarioDraft, findings: &mut Vec<Diagnostic>) {
    let planned = draft.planned();
    if let Some((_, gates)) = &draft.steady_state {
        for gate in gates {
            check_gate(gate, Role::SteadyState, draft, findings);
            if let Some((load, windows)) = &planned
                && let Some(window) = windows.iter().find(|w| w.name == BASELINE)
            {
                samples(gate, load, window, Duration::ZERO, (None, None), findings);
            }
        }
    }
    for gate in &draft.abort_when {
        check_gate(gate, Role::Abort, draft, findings);
    }
    for block in &draft.slo {
        check_block(block, draft, planned.as_ref(), findings);
    }
}

/// Warns about a scenario that cannot fail whatever happens. Called last: it is
/// only worth a word where there is nothing worse to say.
pub(super) fn anything_asked(draft: &ScenarioDraft, findings: &mut Vec<Diagnostic>) {
    if !findings.is_empty() || !draft.slo.is_empty() {
        return;
    }
    findings.push(
        Diagnostic::warning(codes::NO_GATES, "this scenario asks for nothing")
            .at(draft.start, "no gate in `slo`")
            .help("write for instance `slo: [ { during: whole run, expect: [ success >= 99% ] } ]`")
            .note("as written the run is measured and not judged: nothing the system does can fail it"),
    );
}

fn check_block(
    block: &SloDraft,
    draft: &ScenarioDraft,
    planned: Option<&(&LoadDraft, Vec<PlannedWindow>)>,
    findings: &mut Vec<Diagnostic>,
) {
    let role = match block.when.value {
        When::During(_) => Role::During,
        When::After { .. } => Role::After,
    };
    for gate in &block.gates {
        check_gate(gate, role, draft, findings);
        power::apart_from_baseline(gate, &block.when.value, findings);
    }
    match &block.when.value {
        When::During(name) => {
            if !known_window(name, draft) {
                findings.push(unknown_window(name, block, draft));
                return;
            }
            let window = planned.and_then(|(load, windows)| {
                let window = windows.iter().find(|window| window.name == *name)?;
                Some((*load, window))
            });
            if let Some((load, window)) = window {
                check_window(block, load, window, findings);
            }
            let baseline = planned.and_then(|(load, windows)| {
                let window = windows.iter().find(|window| window.name == BASELINE)?;
                Some((*load, window))
            });
            if let Some((load, baseline)) = baseline {
                let sure = (block.confidence, block.burst);
                for gate in block.gates.iter().filter(|gate| power::is_relative(gate)) {
                    samples(gate, load, baseline, Duration::ZERO, sure, findings);
                }
            }
        }
        When::After { fault, .. } => {
            if !draft.fault_names.iter().any(|(name, _)| name == fault) {
                findings.push(unknown_window(fault, block, draft));
                return;
            }
            if let Some((load, windows)) = planned {
                recovery_seen(block, load, windows, findings);
            }
        }
    }
}

fn known_window(name: &str, draft: &ScenarioDraft) -> bool {
    let fault = draft.fault_names.iter().any(|(known, _)| known == name);
    let exists = match name {
        "recovery" => !draft.fault_names.is_empty(),
        "hold" => draft.load.as_ref().is_none_or(|load| {
            let hold = |stage: &squall_scenario::Stage| {
                matches!(stage, squall_scenario::Stage::Hold { .. })
            };
            !load.shape_complete || load.load.shape.iter().any(hold)
        }),
        BASELINE | WHOLE_RUN => true,
        _ => false,
    };
    let control = draft.faults.iter().any(|fault| {
        fault.spec.cycles().is_some() && control_window(&fault.spec.name.value) == name
    });
    fault || exists || control
}

fn unknown_window(name: &str, block: &SloDraft, draft: &ScenarioDraft) -> Diagnostic {
    let after = matches!(block.when.value, When::After { .. });
    let faults: Vec<&str> = draft.fault_names.iter().map(|(n, _)| n.as_str()).collect();
    let title = match name {
        "recovery" if !after => "without faults there is no recovery".to_owned(),
        "hold" if !after => "the load has no `hold`".to_owned(),
        _ => format!("no fault is called {}", quoted(name)),
    };
    let diagnostic = Diagnostic::error(codes::UNKNOWN_WINDOW, title).at(block.when_place, "");
    let near = nearest(name, faults.iter().copied());
    let diagnostic = match draft
        .fault_names
        .iter()
        .find(|(n, _)| Some(n.as_str()) == near)
    {
        Some((near, place)) => diagnostic
            .also(*place, "did you mean this one?")
            .help(format!("write `{near}`")),
        None => diagnostic,
    };
    if after {
        return diagnostic.note(format!("faults: {}", listed(&faults)));
    }
    let windows: Vec<&str> = BUILT_IN
        .into_iter()
        .filter(|name| known_window(name, draft))
        .chain(faults)
        .collect();
    diagnostic.note(format!("windows: {}", windows.join(", ")))
}

fn check_window(
    block: &SloDraft,
    load: &LoadDraft,
    window: &PlannedWindow,
    findings: &mut Vec<Diagnostic>,
) {
    // Every period of a fault that comes in cycles settles anew.
    let longest = window.ranges.iter().map(|(from, to)| *to - *from).max();
    let (length, lasts) = match longest {
        Some(longest) if window.name != HOLD && window.ranges.len() > 1 => {
            (longest, "each of its periods lasts")
        }
        _ => (window.length(), "the window lasts"),
    };
    if block.settle >= length {
        let name = quoted(&window.name);
        let title = if block.settle.is_zero() {
            format!("the window {name} has no length")
        } else {
            format!("nothing of {name} is left to judge")
        };
        let place = if block.settle.is_zero() {
            block.when_place
        } else {
            block.settle_place
        };
        findings.push(
            Diagnostic::error(codes::EMPTY_WINDOW, title)
                .at(place, format!("{lasts} {}", format_duration(length)))
                .help("leave the window some time, or judge another one"),
        );
        return;
    }
    let left = window.settled(block.settle).length();
    for gate in &block.gates {
        let sure = (block.confidence, block.burst);
        power::stretch_fits(gate, left, &window.name, findings);
        samples(gate, load, window, block.settle, sure, findings);
    }
}

/// Warns when a gate cannot be judged on as many arrivals as are planned.
fn samples(
    draft: &GateDraft,
    load: &LoadDraft,
    window: &PlannedWindow,
    settle: Duration,
    (confidence, burst): (Option<Share>, Option<u64>),
    findings: &mut Vec<Diagnostic>,
) {
    let Gate::Metric(gate) = &draft.gate.value else {
        return;
    };
    let Some(needed) = gate.samples_needed(confidence, burst) else {
        return;
    };
    // How many arrivals a closed loop has, the target decides.
    let closed = load.load.is_closed_on(gate.of.as_deref());
    if closed || !load.requests_complete || window.ranges.is_empty() {
        return;
    }
    let settled = window.settled(settle);
    let arrivals = settled.expected_on(&load.load, gate.of.as_deref());
    #[expect(
        clippy::cast_precision_loss,
        reason = "compared with an expected number"
    )]
    let least = needed as f64;
    let expected = gate.samples_per_stretch(arrivals, settled.length()).floor();
    // Without any the request may not exist, which is said elsewhere.
    let is_known = |of: &str| load.load.routes().any(|route| route.name == of);
    if !gate.of.as_deref().is_none_or(is_known) || expected >= least {
        return;
    }
    let factor = least / expected.max(1.0);
    let name = quoted(&window.name);
    let metric = gate.metric;
    let (place, help) = match gate.every {
        Some(every) => {
            let place = format!("each {} of {name}", format_duration(every));
            (place, power::longer_stretch(every, factor))
        }
        None => (name, more_samples(gate, load, window, settle, factor)),
    };
    findings.push(
        Diagnostic::warning(codes::TOO_FEW_SAMPLES, power::title(gate, confidence))
            .at(
                draft.subject,
                format!("about {expected} samples in {place}; {metric} needs {needed}"),
            )
            .help(help)
            .note(power::consequence(gate, confidence)),
    );
}

/// How to give a window `factor` times as many arrivals.
fn more_samples(
    gate: &MetricGate,
    load: &LoadDraft,
    window: &PlannedWindow,
    settle: Duration,
    factor: f64,
) -> String {
    let seconds = window.settled(settle).length().as_secs_f64();
    let less = match gate.metric {
        Metric::Quantile(_) => "gate on a lower percentile",
        _ => "ask for less",
    };
    if seconds <= 0.0 || load.load.shape.is_empty() {
        return format!("raise the rate, lengthen the window, or {less}");
    }
    let longer = (seconds * factor + settle.as_secs_f64()).ceil();
    format!(
        "raise the rate to {factor:.1} times as much, lengthen the window to {longer}s, or {less}"
    )
}

/// Warns when the load ends before recovery could be seen.
fn recovery_seen(
    block: &SloDraft,
    load: &LoadDraft,
    windows: &[PlannedWindow],
    findings: &mut Vec<Diagnostic>,
) {
    let When::After {
        fault,
        within,
        hold,
    } = &block.when.value
    else {
        return;
    };
    let Some(window) = windows.iter().find(|window| window.name == *fault) else {
        return;
    };
    let load_end = load.load.duration();
    let needed = window.end() + *within + *hold;
    if needed <= load_end {
        return;
    }
    let left = format_duration(load_end.saturating_sub(window.end()));
    let longer = format_duration(needed - load_end);
    findings.push(
        Diagnostic::warning(
            codes::RECOVERY_UNSEEN,
            "the load may end before recovery can be seen",
        )
        .at(
            block.within,
            format!(
                "{} and {} of recovered state; only {left} of load are left",
                format_duration(*within),
                format_duration(*hold)
            ),
        )
        .also(
            load.end,
            format!("load ends at {}", format_duration(load_end)),
        )
        .help(format!(
            "hold the load for {longer} more, or allow less time"
        )),
    );
}

fn check_gate(
    draft: &GateDraft,
    role: Role,
    scenario: &ScenarioDraft,
    findings: &mut Vec<Diagnostic>,
) {
    if let Gate::Reading(gate) = &draft.gate.value {
        readings::check(draft, gate, role, scenario, findings);
        return;
    }
    if let Gate::Viewing(gate) = &draft.gate.value {
        viewings::check(draft, gate, role, scenario, findings);
        return;
    }
    place(draft, role, findings);
    direction::check(draft, role, findings);
    match &draft.gate.value {
        Gate::Metric(gate) => {
            let Some(load) = scenario.load.as_ref().filter(|load| load.requests_complete) else {
                return;
            };
            let names = load.load.routes();
            let names: Vec<&str> = names.map(|request| request.name.as_str()).collect();
            if let Some(of) = gate.of.as_deref().filter(|of| !names.contains(of)) {
                let title = format!("no request is called {}", quoted(of));
                findings.push(
                    Diagnostic::error(codes::UNKNOWN_REFERENCE, title)
                        .at(draft.name.unwrap_or(draft.whole), "not a request")
                        .help(did_you_mean(of, &names, "requests")),
                );
            }
        }
        Gate::Breaker { name, .. } | Gate::BreakerIs { name, .. } => {
            let system = &scenario.system;
            let names: Vec<&str> = system.breakers.iter().map(|(n, _)| n.as_str()).collect();
            if !names.contains(&name.as_str()) && !system.names.incomplete {
                let title = format!("I cannot see a breaker called {}", quoted(name));
                findings.push(
                    Diagnostic::error(codes::NO_BREAKER_SOURCE, title)
                        .at(draft.name.unwrap_or(draft.whole), "no source for its state")
                        .help(did_you_mean(name, &names, "breakers"))
                        .note("a source reads: breakers: { recommendations: { hystrix: { of: gateway, command: recommendations } } }"),
                );
            }
        }
        Gate::BaselineReturns | Gate::Reading(_) | Gate::Viewing(_) => {}
    }
}

/// Whether this kind of gate may stand here.
fn place(draft: &GateDraft, role: Role, findings: &mut Vec<Diagnostic>) {
    let recovery = match &draft.gate.value {
        Gate::BaselineReturns => true,
        Gate::Breaker { change, .. } => *change == BreakerChange::Closes,
        _ => false,
    };
    let metric = matches!(draft.gate.value, Gate::Metric(_));
    if power::place(draft, role, findings) {
        return;
    }
    let (code, title, help) = match role {
        Role::After if !recovery => (
            codes::RECOVERY_ONLY,
            "`after` speaks of recovery only",
            "write `breaker NAME closes` or `baseline returns` here; gates on the time after go in `during: recovery`",
        ),
        Role::During if matches!(draft.gate.value, Gate::BaselineReturns) => (
            codes::RECOVERY_ONLY,
            "a baseline returns after a fault, not during a window",
            "move it to a block with `after: NAME OF A FAULT` and `within: 10s`",
        ),
        Role::Abort if !metric => (
            codes::GATE_OUT_OF_PLACE,
            "a run is aborted on a metric only",
            "write for instance `error_rate > 80% for 10s`",
        ),
        Role::SteadyState if recovery || matches!(draft.gate.value, Gate::Breaker { .. }) => (
            codes::GATE_OUT_OF_PLACE,
            "a steady state is steady: nothing opens, closes or returns",
            "write a metric, or `breaker NAME is closed`",
        ),
        _ => {
            if let Some(place) = draft.sustained.filter(|_| role != Role::Abort) {
                findings.push(
                    Diagnostic::error(codes::GATE_OUT_OF_PLACE, "only `abort_when` has `for`")
                        .at(place, "a window already says for how long")
                        .help("leave it out"),
                );
            }
            return;
        }
    };
    findings.push(
        Diagnostic::error(code, title)
            .at(draft.whole, "not here")
            .help(help),
    );
}
