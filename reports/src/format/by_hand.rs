//! What people marked and did during a run, for the reports in text.

use squall_record::{HandAction, Record, RunEvent};

/// Most of it that a report of a few pages tells.
const TOLD_MAX: usize = 30;

/// One thing that a person did.
pub(super) struct Deed {
    /// When, in microseconds since time zero.
    pub(super) at_us: i64,
    /// What, in words; may hold any characters.
    pub(super) words: String,
    /// Whether it changed nothing: a mark.
    pub(super) is_mark: bool,
}

/// Everything that was done by hand, in its order.
pub(super) fn deeds(record: &Record) -> impl Iterator<Item = Deed> {
    record.events.iter().filter_map(|stamped| {
        let RunEvent::ByHand { action, from } = &stamped.event else {
            return None;
        };
        Some(Deed {
            at_us: stamped.at_us,
            words: action.words_from(*from),
            is_mark: matches!(action, HandAction::Mark { .. }),
        })
    })
}

/// The first of it, and how much more there is.
pub(super) fn told(record: &Record) -> (Vec<Deed>, usize) {
    let mut all: Vec<Deed> = deeds(record).collect();
    let more = all.len().saturating_sub(TOLD_MAX);
    all.truncate(TOLD_MAX);
    (all, more)
}

/// When it was, in words: what comes before time zero has no time of the run.
pub(super) fn when(at_us: i64) -> String {
    if at_us < 0 {
        "before the measured load".to_owned()
    } else {
        squall_judge::quantity::clock(at_us)
    }
}
