//! What is shown of the findings of a file: no more than somebody reads, and no
//! value of the environment.

use squall_scenario::{Secrets, Span};

use crate::codes;
use crate::diagnostic::{Diagnostic, shortened};

/// Most findings that are shown for a file.
const FINDINGS_MAX: usize = 100;

/// Cuts a long list short, errors before warnings.
pub(crate) fn keep_first(findings: &mut Vec<Diagnostic>) {
    if findings.len() <= FINDINGS_MAX {
        return;
    }
    let all = findings.len();
    findings.sort_by_key(|finding| !finding.is_error());
    findings.truncate(FINDINGS_MAX);
    if let Some(last) = findings.last_mut() {
        let more = all - FINDINGS_MAX;
        last.notes
            .push(format!("{more} more findings are not shown"));
    }
}

/// What is wrong with a value of which a part is not set in the environment follows
/// from that, and is left out.
pub(crate) fn leave_out_of_unset(findings: &mut Vec<Diagnostic>) {
    let unset = findings.iter().filter(|it| it.code == codes::ENV_NOT_SET);
    let unset: Vec<(usize, Span)> = unset
        .filter_map(Diagnostic::primary)
        .map(|label| (label.source, label.span))
        .collect();
    let follows = |finding: &Diagnostic| {
        let Some(label) = finding.primary().filter(|_| finding.is_error()) else {
            return false;
        };
        // More than a line is more than one value.
        let is_in = |(source, span): &(usize, Span)| {
            label.source == *source
                && label.span.line == span.line
                && label.span.start < span.end
                && span.start < label.span.end
        };
        finding.code != codes::ENV_NOT_SET && unset.iter().any(is_in)
    };
    findings.retain(|finding| !follows(finding));
}

/// Takes environment values out of every text of a finding, and then cuts
/// what is long: the other way round a part of a value could stay.
pub(crate) fn redact(finding: &mut Diagnostic, secrets: &Secrets) {
    finding.title = shortened(&secrets.redact(&finding.title));
    for help in &mut finding.help {
        *help = secrets.redact(help);
    }
    let notes = finding.notes.iter_mut();
    for line in notes.chain(finding.labels.iter_mut().map(|label| &mut label.text)) {
        *line = shortened(&secrets.redact(line));
    }
}
