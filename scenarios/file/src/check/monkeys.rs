//! Rules about monkeys: they set their own pace, choose by themselves, and must
//! be able to kill anybody at all.

use squall_scenario::inject::Monkey;
use squall_scenario::{FaultTarget, Restart, System, format_duration, quoted};

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::{FaultDraft, ScenarioDraft};

pub(super) fn check(draft: &ScenarioDraft, findings: &mut Vec<Diagnostic>) {
    let system = &draft.system.system;
    for fault in &draft.faults {
        let Some(monkey) = fault.spec.inject.monkey() else {
            continue;
        };
        pace(fault, findings);
        choice(fault, findings);
        started_by_squall(fault, system, findings);
        brought_back(fault, system, findings);
        if !can_kill(fault, monkey, system) {
            findings.push(kills_nobody(fault, monkey));
        } else {
            drawn(fault, monkey, draft.seed, findings);
        }
    }
}

/// Its kills are drawn, so nothing else may say when they come.
fn pace(fault: &FaultDraft, findings: &mut Vec<Diagnostic>) {
    if fault.spec.repeat.is_none() {
        return;
    }
    findings.push(
        Diagnostic::error(codes::KEYS_CONFLICT, "a monkey sets its own pace")
            .at(fault.rhythm, "says when it kills")
            .also(fault.inject, "and so does its `mean`")
            .help(
                "take out `every`, `times` and `repeat`; `mean` and `min` say how often it kills",
            ),
    );
}

fn choice(fault: &FaultDraft, findings: &mut Vec<Diagnostic>) {
    let FaultTarget::Any { of, .. } = &fault.spec.into.value else {
        return;
    };
    findings.push(
        Diagnostic::error(codes::KEYS_CONFLICT, "a monkey chooses by itself")
            .at(fault.into, "chooses for it")
            .help(format!(
                "write `into: {of}`: each of its kills is of one instance"
            )),
    );
}

/// A monkey counts who serves and watches who comes back: only squall's own.
fn started_by_squall(fault: &FaultDraft, system: &System, findings: &mut Vec<Diagnostic>) {
    for existing in system
        .existing_of(&fault.spec.into.value)
        .into_iter()
        .take(1)
    {
        let name = &existing.name;
        findings.push(
            Diagnostic::error(
                codes::MONKEY_KILLS_NOBODY,
                format!("a monkey of a scenario leaves `{name}` alone"),
            )
            .at(fault.into, "squall did not start it")
            .also(fault.inject, "kills what squall starts again")
            .help("aim it at processes of the system, inject `kill` without `for`, or let `squall monkey` do it"),
        );
    }
}

/// Whoever is killed must be started again by somebody.
fn brought_back(fault: &FaultDraft, system: &System, findings: &mut Vec<Diagnostic>) {
    let targets = system.processes_of(&fault.spec.into.value).into_iter();
    let mut processes = targets.filter_map(|name| system.process(name));
    let Some(process) = processes.find(|process| process.restart == Restart::Never) else {
        return;
    };
    let name = &process.name;
    findings.push(
        Diagnostic::error(
            codes::NEVER_RESTARTED,
            format!("`{name}` would never come back"),
        )
        .at(fault.into, "killed by a monkey")
        .help(format!("add `restart: {{ after: 1s }}` to `{name}`")),
    );
}

/// Whether any process that it is aimed at has more instances than must be left.
pub(super) fn can_kill(fault: &FaultDraft, monkey: &Monkey, system: &System) -> bool {
    let targets = system.processes_of(&fault.spec.into.value).into_iter();
    let mut counts = targets
        .filter_map(|name| system.process(name))
        .map(|process| system.instances(process));
    // A link among them is reported elsewhere.
    let any = !system.processes_of(&fault.spec.into.value).is_empty();
    !any || counts.any(|count| count > monkey.survivors)
}

fn kills_nobody(fault: &FaultDraft, monkey: &Monkey) -> Diagnostic {
    let survivors = monkey.survivors;
    Diagnostic::error(
        codes::MONKEY_KILLS_NOBODY,
        format!(
            "{} could never kill anybody",
            quoted(&fault.spec.name.value)
        ),
    )
    .at(
        fault.into,
        format!("no process of it has more than {survivors} instances"),
    )
    .also(fault.inject, format!("leaves {survivors} of each"))
    .help("lower `survivors`, or start more instances")
}

/// What the seed of the file draws.
fn drawn(fault: &FaultDraft, monkey: &Monkey, seed: Option<u64>, findings: &mut Vec<Diagnostic>) {
    let (Some(seed), Some(lasts)) = (seed, fault.spec.duration) else {
        return;
    };
    if fault.spec.injections(seed).next().is_some() {
        return;
    }
    let (lasts, mean) = (format_duration(lasts), format_duration(monkey.mean));
    findings.push(
        Diagnostic::warning(
            codes::MONKEY_KILLS_NOBODY,
            format!(
                "with the seed {seed}, {} kills nobody",
                quoted(&fault.spec.name.value)
            ),
        )
        .at(fault.length, format!("awake for {lasts}"))
        .also(fault.inject, format!("kills every {mean} on average"))
        .help(
            "lengthen `for`, shorten `mean`, or take another seed; `squall plan` shows the kills",
        ),
    );
}
