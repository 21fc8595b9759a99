//! Nothing may get lost: scheduled = good + bad + dropped + unfinished.

use squall_record::store::{EVENTS_FILE, INTERVALS_FILE, INTERVALS_LOG_FILE};
use squall_record::{Counts, Phase, Record, RunEvent};

use crate::verdict::Conservation;

/// Most violations that are listed.
const VIOLATIONS_MAX: usize = 5;
/// Files of which damage may have taken arrivals.
const COUNTED: [&str; 3] = [EVENTS_FILE, INTERVALS_FILE, INTERVALS_LOG_FILE];

/// Checks every interval, their order, and their sum against the engine's own
/// total. A damaged journal is no violation: what it lost is listed as damage.
pub(super) fn check(record: &Record) -> Conservation {
    let mut total = Counts::default();
    let mut violations = Vec::new();
    for interval in &record.intervals {
        for route in &interval.routes {
            total.add(&route.counts);
            if !route.counts.is_conserved() {
                violations.push(format!(
                    "{} from {} us: {} scheduled, but {} good + {} bad + {} dropped + {} unfinished",
                    route.route,
                    interval.start_us,
                    route.counts.scheduled,
                    route.counts.good,
                    route.counts.bad(),
                    route.counts.dropped,
                    route.counts.unfinished
                ));
            }
        }
    }
    let whole = !record
        .damage
        .iter()
        .any(|line| COUNTED.iter().any(|file| line.starts_with(file)));
    if whole {
        violations.extend(gaps(record));
        violations.extend(sum(record, total.scheduled));
    }
    violations.truncate(VIOLATIONS_MAX);
    Conservation {
        scheduled: total.scheduled,
        good: total.good,
        bad: total.bad(),
        dropped: total.dropped,
        unfinished: total.unfinished,
        violations,
    }
}

/// Intervals are contiguous, in order, and never overlap.
fn gaps(record: &Record) -> Option<String> {
    record.intervals.windows(2).find_map(|pair| {
        let [before, after] = pair else { return None };
        (before.end_us != after.start_us).then(|| {
            format!(
                "an interval ends at {} us and the next starts at {} us",
                before.end_us, after.start_us
            )
        })
    })
}

fn sum(record: &Record, counted: u64) -> Option<String> {
    let has = |wanted: fn(&RunEvent) -> bool| record.events.iter().any(|s| wanted(&s.event));
    let began = has(|event| matches!(event, RunEvent::Phase(Phase::Load)));
    let ended = has(|event| matches!(event, RunEvent::LoadFinished { .. }));
    if record.complete && began && !ended {
        return Some("the load began, and nobody said how many arrivals it scheduled".to_owned());
    }
    record
        .events
        .iter()
        .find_map(|stamped| match stamped.event {
            RunEvent::LoadFinished { scheduled, .. } if scheduled != counted => Some(format!(
                "the plan scheduled {scheduled} arrivals, the intervals hold {counted}"
            )),
            _ => None,
        })
}
