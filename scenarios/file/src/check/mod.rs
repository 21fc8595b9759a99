//! Rules that need more than one place of a file.

mod addresses;
mod faults;
mod gates;
mod guards;
mod load;
mod names;
mod power;
mod readings;
mod variants;

use squall_scenario::{FaultSpec, PlannedWindow, planned_windows};

use crate::diagnostic::{Diagnostic, Place};
use crate::read::{LoadDraft, ScenarioDraft, SystemDraft, Use};

/// Checks a scenario.
pub(crate) fn scenario(draft: &ScenarioDraft, uses: &[Use], findings: &mut Vec<Diagnostic>) {
    names::check(draft, findings);
    names::check_uses(&draft.system, draft.load.as_ref(), uses, findings);
    if let Some(load) = &draft.load {
        load::check(load, &draft.system, draft.start, findings);
    }
    addresses::check(&draft.system, &draft.variants, findings);
    faults::check(draft, findings);
    gates::check(draft, findings);
    guards::check(draft, findings);
    variants::check(draft, findings);
    gates::anything_asked(draft, findings);
}

/// Checks objectives that were put into the draft of a run.
pub(crate) fn objectives(draft: &ScenarioDraft, findings: &mut Vec<Diagnostic>) {
    gates::check(draft, findings);
}

/// Checks a system file that stands alone.
pub(crate) fn system(draft: &SystemDraft, uses: &[Use], findings: &mut Vec<Diagnostic>) {
    names::check_system(draft, findings);
    names::check_uses(draft, None, uses, findings);
    addresses::check(draft, &[], findings);
}

/// The windows of a scenario, if its times could be read.
fn planned(draft: &ScenarioDraft) -> Option<(&LoadDraft, Vec<PlannedWindow>)> {
    let load = draft.load.as_ref().filter(|load| load.shape_complete)?;
    let faults: Vec<FaultSpec> = draft.faults.iter().map(|f| f.spec.clone()).collect();
    Some((
        load,
        planned_windows(&load.load, &faults, &draft.system.system, draft.seed),
    ))
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
                Diagnostic::error(
                    crate::codes::DUPLICATE_NAME,
                    format!("{what} are called {name}"),
                )
                .at(place, "again here")
                .also(*earlier, "first here")
                .help("rename one of them"),
            );
        } else {
            seen.push((name, place));
        }
    }
}
