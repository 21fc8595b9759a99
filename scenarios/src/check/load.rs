//! Rules about the load.

use crate::diagnostic::Place;
use crate::read::{LoadDraft, SystemDraft};
use crate::{Diagnostic, codes, format_duration};

/// Most arrivals of a run: their schedule and samples have to fit a laptop.
const ARRIVALS_MAX: f64 = 50e6;

/// Longest run, in seconds.
const DURATION_S_MAX: f64 = 24.0 * 3600.0;

pub(super) fn check(
    draft: &LoadDraft,
    system: &SystemDraft,
    start: Place,
    findings: &mut Vec<Diagnostic>,
) {
    if draft.shape_complete {
        let duration = draft.load.duration();
        let arrivals = draft
            .load
            .expected_arrivals(std::time::Duration::ZERO, duration);
        let problem = if arrivals > ARRIVALS_MAX {
            Some(format!(
                "about {arrivals:.0} arrivals, and 50000000 is the most"
            ))
        } else if duration.as_secs_f64() > DURATION_S_MAX {
            Some(format!(
                "{} long, and 24h is the most",
                format_duration(duration)
            ))
        } else if arrivals < 1.0 {
            findings.push(
                Diagnostic::error(codes::NOTHING_IN_IT, "this load has no arrivals")
                    .at(draft.shape, "not one request would be sent")
                    .help("raise the rate"),
            );
            None
        } else {
            None
        };
        if let Some(problem) = problem {
            findings.push(
                Diagnostic::error(codes::LOAD_TOO_LARGE, "this load is too large for one run")
                    .at(draft.shape, problem)
                    .help("shorten it or lower the rate; several runs can be merged"),
            );
        }
    }
    for (request, places) in draft.load.requests.iter().zip(&draft.requests) {
        if let Some(within) = request.within
            && within > draft.load.timeout
        {
            let timeout = format_duration(draft.load.timeout);
            findings.push(
                Diagnostic::warning(
                    codes::WITHIN_ABOVE_TIMEOUT,
                    format!("no answer can take {}", format_duration(within)),
                )
                .at(places.within, format!("clients give up after {timeout}"))
                .help("raise the load's `timeout`, or lower `within`"),
            );
        }
    }
    if system.system.target.is_none() && system.target.is_none() && !system.names.incomplete {
        findings.push(
            Diagnostic::error(codes::NO_TARGET, "the load has nowhere to go")
                .at(start, "no `target` in this file")
                .help("add `target: http://127.0.0.1:8080`, or `target: NAME` of a process"),
        );
    }
}
