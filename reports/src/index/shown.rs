//! What a listing shows of one verdict.

use squall_judge::RunOutcome;
use squall_judge::verdict::{SliceStats, Verdict, WindowKind};

/// Class, mark and word of an outcome: never colour alone.
pub(super) fn look(verdict: Option<&Verdict>) -> (&'static str, &'static str, &'static str) {
    let Some(verdict) = verdict else {
        return ("none", "\u{2013}", "NOT JUDGED");
    };
    let word = verdict.outcome.word();
    match verdict.outcome {
        RunOutcome::Pass => ("pass", "\u{2713}", word),
        RunOutcome::Measured => ("none", "\u{2013}", word),
        RunOutcome::Inconclusive => ("open", "?", word),
        _ => ("fail", "\u{2717}", word),
    }
}

/// All routes over the whole run.
pub(super) fn whole_run(verdict: &Verdict) -> Option<&SliceStats> {
    let windows = verdict.windows.iter();
    let mut whole = windows.filter(|window| window.kind == WindowKind::WholeRun);
    whole.next().map(|window| &window.all)
}
