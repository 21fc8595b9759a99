//! Names: declared once, and declared at all.

use squall_scenario::{BUILT_IN, control_window, listed, nearest, quoted};

use super::taken;
use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::read::{
    Context, LoadDraft, NameKind, ScenarioDraft, SystemDraft, Use, is_column_of, table_or_value,
};

pub(super) fn check(draft: &ScenarioDraft, findings: &mut Vec<Diagnostic>) {
    let faults = || {
        draft
            .fault_names
            .iter()
            .map(|(name, place)| (name.as_str(), *place))
    };
    duplicates(faults(), "two faults", findings);
    for (name, place) in faults().filter(|(name, _)| BUILT_IN.contains(name)) {
        let title = format!("no fault can be called {}", quoted(name));
        findings.push(
            Diagnostic::error(codes::BAD_NAME, title)
                .at(place, "the name of a window that every run has")
                .help("call it by what is broken: `slow recommendations`"),
        );
    }
    let in_cycles = || draft.faults.iter().filter(|f| f.spec.cycles().is_some());
    for (name, place) in faults() {
        if let Some(other) = in_cycles().find(|f| control_window(&f.spec.name.value) == name) {
            let title = format!("no fault can be called {}", quoted(name));
            let other = quoted(&other.spec.name.value);
            findings.push(
                Diagnostic::error(codes::BAD_NAME, title)
                    .at(
                        place,
                        format!("the window of the control periods of {other}"),
                    )
                    .help("call it by what is broken: `slow recommendations`"),
            );
        }
    }
    if let Some(load) = &draft.load {
        let requests = load.load.routes().zip(&load.requests);
        let named = requests.map(|(request, places)| (request.name.as_str(), places.name));
        duplicates(named, "two requests", findings);
        let journeys = load
            .journeys
            .iter()
            .map(|it| (it.name.0.as_str(), it.name.1));
        let named = journeys.filter(|(name, _)| !name.is_empty());
        duplicates(named, "two journeys", findings);
        let beside = load.load.beside.iter().zip(&load.beside);
        let named = beside.map(|(beside, places)| (beside.name.as_str(), places.name));
        duplicates(named, "two loads", findings);
    }
    let variants = draft.variants.iter();
    let named = variants.map(|draft| (draft.variant.name.as_str(), draft.name));
    duplicates(named, "two variants", findings);
    check_system(&draft.system, findings);
}

pub(super) fn check_system(draft: &SystemDraft, findings: &mut Vec<Diagnostic>) {
    let probes = draft.probes.iter();
    let named = probes.map(|(name, place)| (name.as_str(), *place));
    duplicates(named, "two probes", findings);
    for declared in &draft.names.declared {
        let Some((process, index)) = declared.name.rsplit_once('-') else {
            continue;
        };
        let owner = draft.names.get(process);
        let taken = owner.filter(|owner| {
            owner.kind == NameKind::Process && index.parse().is_ok_and(|n: u32| n < owner.instances)
        });
        if let Some(owner) = taken {
            let title = format!(
                "{} is already the name of an instance",
                quoted(&declared.name)
            );
            findings.push(
                Diagnostic::error(codes::DUPLICATE_NAME, title)
                    .at(declared.place, "declared here")
                    .also(owner.place, "has instances of that name")
                    .help("rename one of them"),
            );
        }
    }
    if draft.names.incomplete {
        return;
    }
    for (process, place) in &draft.process_uses {
        let declared = draft.names.get(process);
        if declared.is_none_or(|declared| declared.kind != NameKind::Process) {
            let processes = names_of(draft, NameKind::Process);
            let title = format!("there is no process called {}", quoted(process));
            findings.push(
                Diagnostic::error(codes::UNKNOWN_REFERENCE, title)
                    .at(*place, "not declared")
                    .help(did_you_mean(process, &processes, "processes")),
            );
        }
    }
}

fn names_of(draft: &SystemDraft, kind: NameKind) -> Vec<&str> {
    draft
        .names
        .declared
        .iter()
        .filter(|declared| declared.kind == kind)
        .map(|declared| declared.name.as_str())
        .collect()
}

pub(super) fn did_you_mean(name: &str, known: &[&str], what: &str) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => format!("there are no {what} here"),
        None => format!("{what}: {}", listed(known)),
    }
}

/// Checks every `$name` against what the run will know.
pub(super) fn check_uses(
    draft: &SystemDraft,
    load: Option<&LoadDraft>,
    uses: &[Use],
    findings: &mut Vec<Diagnostic>,
) {
    for used in uses {
        let problem = match used.context {
            Context::Request => load.and_then(|load| request_problem(load, &used.variable, &[])),
            Context::Step { journey, step } => {
                let taken = load.and_then(|load| load.journeys.get(journey));
                let taken = taken.map_or(&[][..], |journey| &journey.taken);
                if taken::is_before(taken, used, step) {
                    continue;
                }
                if let Some(problem) = taken::too_late(taken, used) {
                    findings.push(problem);
                    continue;
                }
                let names: Vec<&str> = taken.iter().map(|it| it.name.as_str()).collect();
                load.and_then(|load| {
                    let elsewhere = || taken::elsewhere(&load.journeys, &used.variable);
                    let help = request_problem(load, &used.variable, &names)?;
                    Some(elsewhere().unwrap_or(help))
                })
            }
            _ if draft.names.incomplete => None,
            Context::Process => run_value_problem(draft, &used.variable, true),
            Context::Address => run_value_problem(draft, &used.variable, false),
        };
        if let Some(help) = problem {
            let written = format!("${}", used.variable);
            let title = format!("nothing in a run is called {}", quoted(&written));
            findings.push(
                Diagnostic::error(codes::UNKNOWN_VALUE, title)
                    .at(used.place, "has no value")
                    .help(help)
                    .note("write `$$` for a dollar sign"),
            );
        }
    }
}

/// What a request carries so that scoped faults may hit it.
pub(super) const SCOPE: &str = "run.scope";
/// What scopes are signed with.
pub(super) const SCOPE_KEY: &str = "run.scope_key";

/// What is wrong with a value in a request, if anything: the help to give. `taken` are
/// names that are known there beside the data.
fn request_problem(load: &LoadDraft, variable: &str, taken: &[&str]) -> Option<String> {
    let known: Vec<&str> = load
        .data_names
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let unread = |table: &String| is_column_of(variable, table);
    let of_table = load.unread.iter().any(unread);
    if known.contains(&variable) || of_table || variable == SCOPE {
        return None;
    }
    if let Some(help) = table_or_value(variable, &known) {
        return Some(help);
    }
    let near = nearest(variable, known.iter().chain(taken).copied());
    Some(match near {
        Some(near) => format!("did you mean `${near}`?"),
        None => format!(
            "add it to the load's data: `data: {{ {variable}: {{ uniform: {{ from: 1, to: 100 }} }} }}`"
        ),
    })
}

/// What is wrong with a value of the run, if anything: the help to give.
fn run_value_problem(draft: &SystemDraft, variable: &str, in_process: bool) -> Option<String> {
    const PROCESS_WORDS: [&str; 9] = [
        "self.name",
        "self.port",
        "self.address",
        "self.link",
        "seed",
        "squall",
        "run.dir",
        SCOPE,
        SCOPE_KEY,
    ];
    if variable == "run.ca" || in_process && PROCESS_WORDS.contains(&variable) {
        return None;
    }
    let parts: Vec<&str> = variable.split('.').collect();
    match parts.as_slice() {
        ["settings", name] => {
            let known: Vec<&str> = draft.settings.iter().map(|(name, _)| name.as_str()).collect();
            (!known.contains(name)).then(|| did_you_mean(name, &known, "settings"))
        }
        ["links", name] => {
            let known = names_of(draft, NameKind::Link);
            (!known.contains(name)).then(|| did_you_mean(name, &known, "links"))
        }
        ["processes", name, field] => {
            if !["address", "port", "link"].contains(field) {
                return Some(format!("a process has `address`, `port` and `link`, not `{field}`"));
            }
            let known = names_of(draft, NameKind::Process);
            let exists = draft.names.resolve(name).is_some_and(|target| {
                matches!(
                    target,
                    squall_scenario::FaultTarget::Process(_) | squall_scenario::FaultTarget::Instance { .. }
                )
            });
            (!exists).then(|| did_you_mean(name, &known, "processes"))
        }
        ["names", host @ ..] if !host.is_empty() => {
            let known = names_of(draft, NameKind::Host);
            let name = host.join(".");
            (!known.contains(&name.as_str())).then(|| did_you_mean(&name, &known, "names"))
        }
        ["dns", "address"] if in_process => {
            let without = names_of(draft, NameKind::Host).is_empty();
            without.then(|| "there is a resolver where the system declares `names`: `names: { payments.test: payments }`".to_owned())
        }
        ["processes", _] => Some(format!("write `${variable}.address` or `${variable}.port`")),
        _ if in_process => Some(
            match nearest(variable, PROCESS_WORDS) {
                Some(near) => format!("did you mean `${near}`?"),
                None => "values: $self.port, $self.address, $self.link, $self.name, $processes.NAME.address, $links.NAME, $names.NAME, $dns.address, $settings.NAME, $seed, $squall, $run.dir, $run.ca, $run.scope and $run.scope_key".to_owned(),
            },
        ),
        _ => Some("values: $processes.NAME.address, $links.NAME, $settings.NAME and $run.ca".to_owned()),
    }
}

/// Reports every name that was used before; `what` is "two faults".
fn duplicates<'n>(
    names: impl IntoIterator<Item = (&'n str, Place)>,
    what: &str,
    findings: &mut Vec<Diagnostic>,
) {
    let mut seen: Vec<(&str, Place)> = Vec::new();
    for (name, place) in names {
        if let Some((_, earlier)) = seen.iter().find(|(known, _)| *known == name) {
            let name = squall_scenario::quoted(name);
            findings.push(
                Diagnostic::error(codes::DUPLICATE_NAME, format!("{what} are called {name}"))
                    .at(place, "again here")
                    .also(*earlier, "first here")
                    .help("rename one of them"),
            );
        } else {
            seen.push((name, place));
        }
    }
}
