//! Rules about faults that hit only what is in their scope.

use squall_scenario::{Inject, OnHttp};

use super::names::{SCOPE, SCOPE_KEY};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::{ScenarioDraft, Use};

/// Whether anybody could have a scope.
pub(super) fn check(draft: &ScenarioDraft, uses: &[Use], findings: &mut Vec<Diagnostic>) {
    let signs = |used: &Use| used.variable == SCOPE || used.variable == SCOPE_KEY;
    if draft.system.names.incomplete || uses.iter().any(signs) {
        return;
    }
    let scoped = draft
        .faults
        .iter()
        .filter(|fault| match &fault.spec.inject {
            Inject::Http(OnHttp::Http(http)) => http.scoped,
            Inject::Bytes(_)
            | Inject::Tls(_)
            | Inject::Process(_)
            | Inject::InProcess(_)
            | Inject::Network(_)
            | Inject::Resource(_) => false,
        });
    for fault in scoped {
        findings.push(
            Diagnostic::error(
                codes::NOBODY_IN_SCOPE,
                "no request is in the scope of this fault",
            )
            .at(fault.inject, "hits only what carries a signed scope")
            .help("let requests of the load carry it: `headers: { x-fault-scope: $run.scope }`"),
        );
    }
}
