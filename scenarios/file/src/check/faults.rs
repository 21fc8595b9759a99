//! Rules about faults.

use std::time::Duration;

use squall_scenario::{
    FaultTarget, P_SHOWN, Restart, Surface, System, format_duration, quoted, smallest_p,
};

use super::{aim, pauses};
use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::read::{FaultDraft, ScenarioDraft};

/// A baseline shorter than this says little.
const BASELINE_MIN: Duration = Duration::from_secs(3);

pub(super) fn check(draft: &ScenarioDraft, findings: &mut Vec<Diagnostic>) {
    let system = &draft.system.system;
    for fault in &draft.faults {
        repeat(fault, findings);
        aim::check(fault, system, findings);
        end(fault, system, findings);
        any_of(fault, system, findings);
        share(fault, findings);
        outlives(fault, draft, findings);
        hold(fault, system, findings);
    }
    pauses::check(&draft.faults, system, findings);
    baseline(draft, findings);
}

fn repeat(fault: &FaultDraft, findings: &mut Vec<Diagnostic>) {
    let (Some(repeat), Some(duration)) = (fault.spec.repeat, fault.spec.duration) else {
        return;
    };
    if let Some(cycles) = fault.spec.cycles() {
        enough_cycles(fault, cycles, findings);
        washed_out(fault, (repeat.every, duration), findings);
    } else if repeat.every == duration && repeat.times > 1 {
        let whole = format_duration(duration * repeat.times);
        findings.push(
            Diagnostic::warning(
                codes::FAULT_NEVER_PAUSES,
                "the fault comes again the moment it is over",
            )
            .at(fault.every, "no time in between")
            .also(
                fault.length,
                format!("lasts {}", format_duration(duration)),
            )
            .help(format!(
                "lengthen `every` to see the system come back in between, or write `for: {whole}` once"
            )),
        );
    } else if repeat.every < duration && repeat.times > 1 {
        let every = format_duration(repeat.every);
        findings.push(
            Diagnostic::error(
                codes::REPEAT_OVERLAPS,
                "the fault would be injected again before it is over",
            )
            .at(fault.every, format!("again after {every}"))
            .also(fault.length, format!("lasts {}", format_duration(duration)))
            .help("lengthen `every` or shorten `for`"),
        );
    }
}

/// Whether the cycles can show anything at all.
fn enough_cycles(fault: &FaultDraft, cycles: u32, findings: &mut Vec<Diagnostic>) {
    let smallest = smallest_p(cycles);
    if smallest <= P_SHOWN {
        return;
    }
    let count = match cycles {
        1 => "one cycle".to_owned(),
        many => format!("{many} cycles"),
    };
    findings.push(
        Diagnostic::warning(
            codes::TOO_FEW_CYCLES,
            format!("{count} cannot show an effect"),
        )
        .at(fault.cycles, format!("p is never below {smallest}"))
        .help(format!(
            "write `repeat: 5` or more: n cycles have 2^n orders, and p <= {P_SHOWN} needs 5"
        )),
    );
}

/// Whether what a period leaves behind can be gone before the next.
fn washed_out(
    fault: &FaultDraft,
    (every, duration): (Duration, Duration),
    findings: &mut Vec<Diagnostic>,
) {
    if every > duration {
        return;
    }
    findings.push(
        Diagnostic::error(
            codes::REPEAT_OVERLAPS,
            "a period would begin before the fault of the last one is gone",
        )
        .at(
            fault.every,
            format!("the next after {}", format_duration(every)),
        )
        .also(fault.length, format!("lasts {}", format_duration(duration)))
        .help(format!(
            "write `every: {}` or longer: as long as the system takes to come back",
            format_duration(duration.saturating_mul(2))
        )),
    );
}

/// Whether the fault ends.
fn end(fault: &FaultDraft, system: &System, findings: &mut Vec<Diagnostic>) {
    if fault.spec.duration.is_some() || fault.unknown_keys {
        return;
    }
    let keyword = fault.spec.inject.keyword();
    if fault.spec.inject.monkey().is_some() || !fault.spec.inject.ends_processes() {
        findings.push(
            Diagnostic::error(
                codes::FAULT_WITHOUT_END,
                format!("{} never ends", quoted(&fault.spec.name.value)),
            )
            .at(fault.inject, format!("`{keyword}` needs `for`"))
            .help("say how long it lasts: `for: 20s`"),
        );
        return;
    }
    let dead = system
        .processes_of(&fault.spec.into.value)
        .into_iter()
        .filter_map(|name| system.process(name))
        .find(|process| process.restart == Restart::Never);
    if let Some(process) = dead {
        let name = &process.name;
        findings.push(
            Diagnostic::error(
                codes::NEVER_RESTARTED,
                format!("`{name}` would never come back"),
            )
            .at(fault.inject, "killed, with no `for`")
            .help(format!(
                "add `for: 10s` to the fault, or `restart: {{ after: 1s }}` to `{name}`"
            )),
        );
    }
}

/// Whether there are connections to take a share of.
fn share(fault: &FaultDraft, findings: &mut Vec<Diagnostic>) {
    if fault.spec.share.is_none() {
        return;
    }
    match fault.spec.inject.surface() {
        Surface::Bytes if fault.spec.inject.takes_a_share() => {}
        Surface::Bytes => none_of(
            fault,
            "acts on the link as a whole",
            "leave out `share`; `accept_reset` hits a share of new connections",
            findings,
        ),
        Surface::Http => findings.push(
            Diagnostic::error(
                codes::SHARE_OF_NO_CONNECTIONS,
                "a fault on HTTP has its share inside",
            )
            .at(fault.share, "a share of connections")
            .also(fault.inject, "acts on requests")
            .help("write it there, of requests: `http: { share: 5%, … }`"),
        ),
        Surface::Tls => none_of(
            fault,
            "acts on all handshakes",
            "leave out `share`",
            findings,
        ),
        Surface::Network => match fault.spec.inject.is_on_names() {
            true => none_of(fault, "acts on a name", "leave out `share`", findings),
            false => none_of(
                fault,
                "acts on packets",
                "leave out `share`; to lose some of the packets, inject `loss: { share: 10% }`",
                findings,
            ),
        },
        Surface::InProcess => none_of(
            fault,
            "acts on calls",
            "write it there, of calls: `in_process: { share: 20%, … }`",
            findings,
        ),
        Surface::Process | Surface::Resource => none_of(
            fault,
            "acts on processes",
            "leave out `share`; to hit some of several, write `into: any 1 of NAME`",
            findings,
        ),
    }
}

fn none_of(fault: &FaultDraft, acts: &str, help: &str, findings: &mut Vec<Diagnostic>) {
    findings.push(
        Diagnostic::error(
            codes::SHARE_OF_NO_CONNECTIONS,
            format!("`{}` has no share", fault.spec.inject.keyword()),
        )
        .at(fault.share, "a share of connections")
        .also(fault.inject, acts)
        .help(help),
    );
}

/// Whether something that squall did not start would have to be held down.
fn hold(fault: &FaultDraft, system: &System, findings: &mut Vec<Diagnostic>) {
    let existing = system.existing_of(&fault.spec.into.value);
    let Some(existing) = existing.first() else {
        return;
    };
    // What a monkey may hit has a rule of its own.
    let monkey = fault.spec.inject.monkey().is_some();
    if !monkey && fault.spec.inject.ends_processes() && fault.spec.duration.is_some() {
        let name = &existing.name;
        findings.push(
            Diagnostic::error(
                codes::NOT_HELD_DOWN,
                format!("squall cannot keep `{name}` down"),
            )
            .at(
                fault.length,
                "it did not start it, and does not start it again",
            )
            .also(fault.into, "under `existing`")
            .help("leave out `for`: whoever looks after it starts it again; or inject `pause`"),
        );
    }
}

/// Whether `any N of X` has N to choose from.
fn any_of(fault: &FaultDraft, system: &System, findings: &mut Vec<Diagnostic>) {
    let FaultTarget::Any { count, of } = &fault.spec.into.value else {
        return;
    };
    let members = members(of, system);
    if *count > members {
        findings.push(
            Diagnostic::error(
                codes::TOO_FEW_MEMBERS,
                format!("there are not {count} of `{of}`"),
            )
            .at(fault.into, format!("only {members}"))
            .help(format!("write `any {} of {of}`", members.max(1))),
        );
    }
}

/// How many instances and links a target stands for.
pub(super) fn members(target: &FaultTarget, system: &System) -> u32 {
    if let FaultTarget::Any { count, .. } = target {
        return *count;
    }
    let parts = system.parts(target).into_iter();
    parts
        .map(|part| match part {
            FaultTarget::Process(name) => system
                .process(name)
                .map_or(0, |process| system.instances(process)),
            _ => 1,
        })
        .sum()
}

fn outlives(fault: &FaultDraft, draft: &ScenarioDraft, findings: &mut Vec<Diagnostic>) {
    let Some((load, _)) = draft.planned() else {
        return;
    };
    let load_end = load.load.duration();
    let fault_end = draft.system.system.end_of(&fault.spec);
    let ends = format!("load ends at {}", format_duration(load_end));
    let name = quoted(&fault.spec.name.value);
    if fault.spec.at >= load_end {
        findings.push(
            Diagnostic::error(
                codes::OUTLIVES_LOAD,
                format!("{name} would start after the load"),
            )
            .at(fault.at, "nothing would measure it")
            .also(load.end, ends)
            .help("start it earlier, or hold the load for longer"),
        );
    } else if fault_end > load_end {
        let (start, end) = (format_duration(fault.spec.at), format_duration(fault_end));
        let unseen = format_duration(fault_end - load_end);
        let place: Place = fault.length;
        findings.push(
            Diagnostic::error(
                codes::OUTLIVES_LOAD,
                format!("{name} would end after the load does"),
            )
            .at(
                place,
                format!("it runs {start}..{end}; nothing would measure its last {unseen}"),
            )
            .also(load.end, ends)
            .help(format!(
                "lengthen the load by {unseen} and the time recovery takes, or shorten the fault"
            )),
        );
    }
}

fn baseline(draft: &ScenarioDraft, findings: &mut Vec<Diagnostic>) {
    let Some(first) = draft.faults.iter().min_by_key(|fault| fault.spec.at) else {
        return;
    };
    if first.spec.at < BASELINE_MIN {
        let at = format_duration(first.spec.at);
        findings.push(
            Diagnostic::warning(
                codes::NO_BASELINE,
                "there is almost no time before the first fault",
            )
            .at(first.at, format!("only {at} of baseline"))
            .help("start it after 10s or more, so that there is something to compare with"),
        );
    }
}
