//! Rules about variants: weaker on purpose, and failing where users notice.

use squall_scenario::{BASELINE, FaultTarget, Gate, When, quoted};

use super::monkeys;
use super::names::did_you_mean;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::grammar::is_about_readings;
use crate::read::{INSTANCES_MAX, ScenarioDraft, VariantDraft};

pub(super) fn check(draft: &ScenarioDraft, findings: &mut Vec<Diagnostic>) {
    for variant in &draft.variants {
        settings(variant, draft, findings);
        counts(variant, draft, findings);
        failures(variant, draft, findings);
    }
}

fn settings(variant: &VariantDraft, draft: &ScenarioDraft, findings: &mut Vec<Diagnostic>) {
    if draft.system.names.incomplete {
        return;
    }
    let known: Vec<&str> = draft
        .system
        .settings
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    for ((name, _), place) in variant.variant.with.iter().zip(&variant.with) {
        if !known.contains(&name.as_str()) {
            let title = format!("there is no setting called {}", quoted(name));
            findings.push(
                Diagnostic::error(codes::UNKNOWN_SETTING, title)
                    .at(*place, "not declared")
                    .help(did_you_mean(name, &known, "settings")),
            );
        }
    }
}

/// Numbers of instances that a variant changes: still numbers, and still
/// enough for every fault.
fn counts(variant: &VariantDraft, draft: &ScenarioDraft, findings: &mut Vec<Diagnostic>) {
    let mut system = draft.system.system.clone();
    for ((name, value), place) in variant.variant.with.iter().zip(&variant.with) {
        let counted = draft.system.counts.iter().find(|(count, _)| count == name);
        let number = value
            .parse()
            .is_ok_and(|n: u32| (1..=INSTANCES_MAX).contains(&n));
        if let Some((_, used)) = counted.filter(|_| !number) {
            let title = format!("the setting `{name}` is not a number of instances");
            findings.push(
                Diagnostic::error(codes::OUT_OF_RANGE, title)
                    .at(
                        *place,
                        format!("a number from 1 to {INSTANCES_MAX} goes here"),
                    )
                    .also(*used, "used as a number here")
                    .help("write for instance `1`"),
            );
            return;
        }
        if let Some(setting) = system.settings.iter_mut().find(|s| s.name == *name) {
            setting.value.clone_from(value);
        }
    }
    for fault in &draft.faults {
        let name = quoted(&variant.variant.name);
        if let Some(monkey) = fault.spec.inject.monkey()
            && monkeys::can_kill(fault, monkey, &draft.system.system)
            && !monkeys::can_kill(fault, monkey, &system)
        {
            let title = format!("in the variant {name} the monkey could never kill anybody");
            findings.push(
                Diagnostic::error(codes::MONKEY_KILLS_NOBODY, title)
                    .at(variant.name, "changes the number of instances")
                    .also(fault.inject, "leaves too many of each")
                    .help("lower `survivors`, or weaken something else: nobody would be killed, and nothing shown"),
            );
        }
        let gone = |target: &FaultTarget| match target {
            FaultTarget::Instance { process, index } => system
                .process(process)
                .is_some_and(|process| *index >= system.instances(process)),
            FaultTarget::Process(_)
            | FaultTarget::Existing(_)
            | FaultTarget::Link(_)
            | FaultTarget::Name(_)
            | FaultTarget::Group(_)
            | FaultTarget::Any { .. } => false,
        };
        let missing = match &fault.spec.into.value {
            FaultTarget::Any { count, of } => *count > super::faults::members(of, &system),
            // Some of a group may be gone, but not all.
            target => system.parts(target).into_iter().all(gone),
        };
        if missing {
            let target = &fault.spec.into.value;
            findings.push(
                Diagnostic::error(
                    codes::TOO_FEW_MEMBERS,
                    format!("in the variant {name} there is no `{target}`"),
                )
                .at(variant.name, "changes the number of instances")
                .also(fault.into, "aimed at here")
                .help("aim the fault at something that every variant has"),
            );
        }
    }
}

/// The left-hand side of a gate as variants write it.
fn left_hand_side(gate: &Gate) -> String {
    match gate {
        Gate::Metric(gate) => gate.subject(),
        Gate::Reading(gate) => gate.reading.to_string(),
        Gate::Viewing(gate) => gate.subject(),
        other => other.to_string(),
    }
}

fn failures(variant: &VariantDraft, draft: &ScenarioDraft, findings: &mut Vec<Diagnostic>) {
    let judged = judged_gates(draft);
    let mut about_users = false;
    let mut all_known = true;
    for (failure, place) in variant.variant.fails.iter().zip(&variant.fails) {
        let failure = &failure.value;
        let breaker = failure.metric.starts_with("breaker ");
        let known = judged.iter().any(|(metric, window)| {
            let same =
                *metric == failure.metric || (breaker && metric.starts_with(&failure.metric));
            same && *window == failure.window
        });
        about_users |= known && !breaker && !is_about_readings(&failure.metric);
        if !known {
            all_known = false;
            findings.push(no_such_gate(failure, *place, &judged));
        }
    }
    if all_known && !about_users && !variant.variant.fails.is_empty() {
        findings.push(
            Diagnostic::error(
                codes::FAILS_NO_USER_GATE,
                "a variant must fail on something that users notice",
            )
            .at(variant.fails_place, "only about breakers or readings")
            .help(
                "add a gate on success, on response time or on the return of both, such as \
                 `success during NAME` or `baseline returns after NAME`",
            ),
        );
    }
}

/// Every gate: its left-hand side and its window, which is `after FAULT` for
/// those on recovery.
fn judged_gates(draft: &ScenarioDraft) -> Vec<(String, String)> {
    let mut judged = Vec::new();
    for block in &draft.slo {
        let window = match &block.when.value {
            When::During(window) => window.clone(),
            When::After { fault, .. } => format!("after {fault}"),
        };
        for gate in &block.gates {
            judged.push((left_hand_side(&gate.gate.value), window.clone()));
        }
    }
    for gate in draft.steady_state.iter().flat_map(|(_, gates)| gates) {
        judged.push((left_hand_side(&gate.gate.value), BASELINE.to_owned()));
    }
    judged
}

/// The gate as `fails` names it.
fn named(metric: &str, window: &str) -> String {
    let preposition = if window.starts_with("after ") {
        ""
    } else {
        "during "
    };
    format!("{metric} {preposition}{window}")
}

fn no_such_gate(
    failure: &squall_scenario::ExpectedFailure,
    place: crate::diagnostic::Place,
    judged: &[(String, String)],
) -> Diagnostic {
    let written = named(&failure.metric, &failure.window);
    let gates: Vec<String> = judged
        .iter()
        .map(|(metric, window)| named(metric, window))
        .collect();
    let names: Vec<&str> = gates.iter().map(String::as_str).collect();
    let title = format!("no gate is called {}", quoted(&written));
    Diagnostic::error(codes::FAILS_NO_GATE, title)
        .at(place, "nothing in `slo` or `steady_state` says this")
        .help(did_you_mean(&written, &names, "gates"))
}
