//! The share of calls, or of answers, that a fallback made.

use squall_record::{FallbackReading, RunEvent};
use squall_scenario::{Comparison, FallbackSource, ReadingGate};

use super::limit::limit;
use crate::breaker::why_unheard;
use crate::case::Case;
use crate::quantity::{Quantity, grouped};
use crate::ruling::{Ruling, undecided};
use crate::slice::{Slice, share};
use crate::verdict::{Evidence, GateState, TimeRange};
use crate::window::Window;

/// `fallback of X > 95%`. A name without a word before it is a breaker where
/// the system has one of that name: a scenario in which both exist is refused.
pub(super) fn rule(
    case: &Case<'_>,
    window: &Window,
    gate: &ReadingGate,
    source: Option<FallbackSource>,
    of: &str,
) -> Ruling {
    let scenario = &case.record.manifest.scenario;
    let is_breaker = scenario.system.breakers.iter().any(|(name, _)| name == of);
    let source = source.unwrap_or(if is_breaker {
        FallbackSource::Breaker
    } else {
        FallbackSource::Request
    });
    match source {
        FallbackSource::Breaker => of_breaker(case, window, gate, of),
        FallbackSource::Request => of_request(case, window, gate, of),
    }
}

/// Good answers to a request that said they were a fallback's.
fn of_request(case: &Case<'_>, window: &Window, gate: &ReadingGate, of: &str) -> Ruling {
    let slice = Slice::to_show().gather(&case.record.intervals, window, Some(of));
    let (fallback, good) = (slice.counts.fallback, slice.counts.good);
    let Some(observed) = share(fallback, good) else {
        return undecided(&format!(
            "no request `{of}` was answered well in this window"
        ));
    };
    let mut explanation = format!(
        "{} of {} good answers to {of} were a fallback's",
        grouped(fallback),
        grouped(good)
    );
    let routes = case.record.intervals.iter().flat_map(|i| &i.routes);
    if routes
        .map(|route| route.counts.fallback)
        .all(|count| count == 0)
    {
        explanation.push_str("; no answer of the whole run said so with `x-fallback`");
    }
    decide(window, gate, (observed, good), explanation, None)
}

/// The rolling counts of a breaker. Readings of an instance are taken a whole
/// rolling window apart, the last one first, so that every call counts once.
fn of_breaker(case: &Case<'_>, window: &Window, gate: &ReadingGate, of: &str) -> Ruling {
    let mut counted: Vec<(&str, TimeRange)> = Vec::new();
    let (mut calls, mut fallbacks) = (0_u64, 0_u64);
    for stamped in case.record.events.iter().rev() {
        let RunEvent::Fallbacks(reading) = &stamped.event else {
            continue;
        };
        let range = rolling(reading, stamped.at_us);
        let free = counted
            .iter()
            .all(|(who, known)| *who != reading.instance || range.end_us <= known.start_us);
        let mut ranges = window.ranges.iter();
        let inside = ranges.any(|w| range.start_us >= w.start_us && range.end_us <= w.end_us);
        if reading.breaker == of && free && inside {
            counted.push((&reading.instance, range));
            calls = calls.saturating_add(reading.calls);
            fallbacks = fallbacks.saturating_add(reading.fallbacks);
        }
    }
    if counted.is_empty() {
        let seen = case.record.events.iter().find_map(|s| match &s.event {
            RunEvent::Fallbacks(reading) if reading.breaker == of => Some(reading.window_us),
            _ => None,
        });
        return undecided(&match seen {
            Some(us) => format!(
                "no reading of {of} lies wholly in this window; each covers the last {}",
                Quantity::Micros(us)
            ),
            None => format!(
                "nobody reported how often the fallback of {of} answered{}",
                why_unheard(case.record, of)
            ),
        });
    }
    let Some(observed) = share(fallbacks, calls) else {
        return undecided(&format!("{of} was not called in this window"));
    };
    let mut instances: Vec<&str> = counted.iter().map(|(who, _)| *who).collect();
    instances.sort_unstable();
    instances.dedup();
    let explanation = format!(
        "{} of {} calls of {of} were answered by its fallback, as {} counted in {} rolling windows",
        grouped(fallbacks),
        grouped(calls),
        instances.join(", "),
        counted.len()
    );
    let resolution_us = counted.first().and_then(|(_, range)| {
        let length_us = range.end_us - range.start_us;
        u64::try_from(length_us).ok()
    });
    decide(window, gate, (observed, calls), explanation, resolution_us)
}

fn rolling(reading: &FallbackReading, at_us: i64) -> TimeRange {
    let length_us = i64::try_from(reading.window_us).unwrap_or(i64::MAX);
    TimeRange {
        start_us: at_us.saturating_sub(length_us),
        end_us: at_us,
    }
}

fn decide(
    window: &Window,
    gate: &ReadingGate,
    (observed, n): (f64, u64),
    explanation: String,
    resolution_us: Option<u64>,
) -> Ruling {
    let (limit, threshold) = limit(gate);
    let holds = gate.comparison.holds(observed, limit);
    Ruling {
        state: if holds {
            GateState::Pass
        } else {
            GateState::Fail
        },
        explanation,
        evidence: Evidence {
            observed: Some(Quantity::Share(observed)),
            threshold,
            margin: margin(gate.comparison, observed, limit),
            n,
            ranges: window.ranges.clone(),
            resolution_us,
            ..Evidence::default()
        },
    }
}

/// How much of the allowance is left: of the calls that may do without the
/// fallback under a lower limit, of those that may need it under an upper one.
fn margin(comparison: Comparison, observed: f64, limit: f64) -> Option<f64> {
    let (used, allowed) = match comparison {
        Comparison::Above | Comparison::AtLeast => (1.0 - observed, 1.0 - limit),
        Comparison::Below | Comparison::AtMost => (observed, limit),
        Comparison::Equal => return None,
    };
    (allowed > 0.0).then(|| 1.0 - used / allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_missed_leaves_the_whole_allowance() {
        assert_eq!(margin(Comparison::Above, 1.0, 0.95), Some(1.0));
        assert_eq!(margin(Comparison::AtMost, 0.0, 0.05), Some(1.0));
        let half = margin(Comparison::AtLeast, 0.975, 0.95).unwrap();
        assert!((half - 0.5).abs() < 1e-9, "{half}");
        assert!(margin(Comparison::Above, 0.9, 0.95).unwrap() < 0.0);
        assert_eq!(margin(Comparison::AtLeast, 1.0, 1.0), None);
    }
}
