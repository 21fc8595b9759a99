//! The steady-state hypothesis before anything is measured.

use squall_record::Interval;
use squall_scenario::{Gate, Located};

use crate::slice::Slice;
use crate::summed::rule_slice;
use crate::verdict::GateState;

/// Whether `intervals` speak for every gate, and what was seen, in words.
///
/// Arrivals are few before the measured load, so a gate holds unless these
/// arrivals refute it; without any arrival nothing holds. Gates about breakers
/// are left to the judge, which sees the baseline window.
#[must_use]
pub fn check_gates(gates: &[Located<Gate>], intervals: &[Interval]) -> (bool, String) {
    let mut holds = true;
    let mut seen = Vec::new();
    for gate in gates {
        let Gate::Metric(metric) = &gate.value else {
            continue;
        };
        let mut slice = Slice::to_judge();
        for interval in intervals {
            slice.add(interval, metric.of.as_deref());
        }
        let ruling = rule_slice(&slice, metric, None);
        holds &= ruling.evidence.n > 0 && ruling.state != GateState::Fail;
        let observed = ruling.evidence.observed;
        let observed = observed.map_or_else(|| "no data".to_owned(), |value| value.to_string());
        seen.push(format!("{metric}: {observed}"));
    }
    (holds, seen.join(", "))
}

#[cfg(test)]
mod tests {
    use squall_scenario::{Comparison, GateValue, Metric, MetricGate, Share, Span};

    use super::*;
    use squall_record::{Counts, RouteInterval};

    fn success(at_least: f64) -> Vec<Located<Gate>> {
        let gate = MetricGate {
            metric: Metric::Success,
            of: None,
            comparison: Comparison::AtLeast,
            value: GateValue::Share(Share::new(at_least).unwrap()),
            sustained: None,
            every: None,
        };
        vec![Located::new(Gate::Metric(gate), Span::default())]
    }

    fn interval(good: u64, status: u64) -> Interval {
        let counts = Counts {
            scheduled: good + status,
            good,
            status,
            ..Counts::default()
        };
        let route = RouteInterval {
            route: "page".into(),
            counts,
            response: None,
            unlagged: None,
            ..RouteInterval::default()
        };
        Interval {
            start_us: 0,
            end_us: 1_000_000,
            routes: vec![route],
            lag: None,
            wait: None,
            parts: squall_record::IntervalParts::default(),
            users: None,
        }
    }

    #[test]
    fn good_arrivals_hold_bad_ones_do_not_and_none_at_all_is_no_steady_state() {
        assert!(check_gates(&success(0.99), &[interval(100, 0)]).0);
        assert!(!check_gates(&success(0.99), &[interval(90, 10)]).0);
        assert!(!check_gates(&success(0.99), &[]).0);
        assert!(!check_gates(&success(0.99), &[interval(0, 0)]).0);
    }
}
