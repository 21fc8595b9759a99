//! What is shown of the findings of a file: no more than somebody reads, and no
//! value of the environment.

use squall_scenario::Secrets;

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
