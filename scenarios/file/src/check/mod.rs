//! Rules that need more than one place of a file.

mod addresses;
mod aim;
mod calls;
mod direction;
mod faults;
mod gates;
mod guards;
mod load;
mod monkeys;
mod names;
mod pauses;
mod power;
mod readings;
mod role;
mod scopes;
mod taken;
mod variants;
mod viewings;

use crate::diagnostic::Diagnostic;
use crate::read::{ScenarioDraft, SystemDraft, Use};

/// Checks a scenario.
pub(crate) fn scenario(draft: &ScenarioDraft, uses: &[Use], findings: &mut Vec<Diagnostic>) {
    names::check(draft, findings);
    names::check_uses(&draft.system, draft.load.as_ref(), uses, findings);
    if let Some(load) = &draft.load {
        load::check(load, &draft.system, draft.start, findings);
        load::connecting(load, &draft.system, findings);
        calls::check(load, findings);
        taken::check(load, uses, findings);
    }
    addresses::check(&draft.system, &draft.variants, findings);
    faults::check(draft, findings);
    scopes::check(draft, uses, findings);
    monkeys::check(draft, findings);
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
