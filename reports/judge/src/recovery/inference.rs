//! `baseline returns` with `confidence`: what the seconds after the deadline
//! say about the system, beyond this run.

use std::time::Duration;

use super::course::Course;
use super::criterion::{Criterion, QUANTILE};
use crate::case::Case;
use crate::dispersion::spread;
use crate::quantity::{grouped, significant};
use crate::ratio::{Claim, Decision, Inference, Trial};
use crate::slice::Slice;
use crate::verdict::{GateState, TimeRange, WindowKind};
use crate::window::Window;

/// Keeps what the rule found only where the arrivals after the deadline prove
/// it. A pass needs every criterion proven on all of them. A failure needs one
/// criterion refuted between the deadline and the return; as that end was
/// chosen by looking, the error is shared out over every end there could have
/// been, and over the criteria.
pub(super) fn confirm(
    case: &Case<'_>,
    criteria: &[Criterion],
    (observed, within): (TimeRange, Duration),
    course: &Course,
    inference: Inference,
    found: (GateState, String),
) -> (GateState, String) {
    let (state, text) = found;
    let within_us = i64::try_from(within.as_micros()).unwrap_or(i64::MAX);
    let mut range = TimeRange {
        start_us: observed.start_us.saturating_add(within_us),
        end_us: observed.end_us,
    };
    let open = |why: String| (GateState::Inconclusive, format!("{text}{why}"));
    match state {
        GateState::Pass => {
            let weak = claims(case, criteria, range, inference)
                .into_iter()
                .find(|(claim, trial)| claim.decide(trial, Some(inference)) != Decision::Holds);
            match weak {
                None => (state, text),
                Some((_, trial)) => open(format!(
                    "; too few to tell at this confidence: {} of {} arrivals after the deadline were bad, \
                     and {} count as one",
                    grouped(trial.bad),
                    grouped(trial.n),
                    significant(trial.dispersion)
                )),
            }
        }
        GateState::Fail => {
            range.end_us = course.recovered_us.unwrap_or(observed.end_us);
            let all = TimeRange {
                end_us: observed.end_us,
                ..range
            };
            let looks = (all.length_us() / 1_000_000).max(1) * 2 * criteria.len() as u64;
            let strict = inference.shared(looks);
            let refuted = claims(case, criteria, range, inference)
                .iter()
                .any(|(claim, trial)| claim.decide(trial, Some(strict)) == Decision::Violated);
            if refuted {
                return (state, text);
            }
            open("; chance may explain it at this confidence".to_owned())
        }
        _ => (state, text),
    }
}

/// The criteria as claims about the arrivals of `range`.
fn claims(
    case: &Case<'_>,
    criteria: &[Criterion],
    range: TimeRange,
    inference: Inference,
) -> Vec<(Claim, Trial)> {
    let window = Window::new("after the deadline", WindowKind::Recovery, vec![range]);
    let mut claims = Vec::new();
    for criterion in criteria {
        let mut limits = vec![(criterion.failures, None)];
        if criterion.limit_us.is_some() {
            limits.push((1.0 - QUANTILE, criterion.limit_us));
        }
        for (limit, limit_us) in limits {
            let slice = Slice::to_judge().against(limit_us, false).gather(
                &case.record.intervals,
                &window,
                criterion.route.as_deref(),
            );
            claims.push((
                Claim {
                    limit,
                    strict: false,
                    at_most: true,
                },
                trial(&slice, limit_us, inference),
            ));
        }
    }
    claims
}

fn trial(slice: &Slice, limit_us: Option<u64>, inference: Inference) -> Trial {
    let (bad, bad_unlagged) = match limit_us {
        Some(limit_us) => (
            slice.slower(limit_us, false),
            slice.slower_unlagged(limit_us, false),
        ),
        None => (slice.counts.failed(), slice.failed_unlagged()),
    };
    Trial {
        bad,
        bad_unlagged: bad_unlagged.min(bad),
        n: slice.counts.settled(),
        unfinished: slice.counts.unfinished,
        dispersion: spread(&slice.bins, inference.burst),
    }
}
