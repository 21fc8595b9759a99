//! The baseline's last moments: requests that were under way when the first
//! fault began met it, although they were asked for before.

use squall_record::{Interval, Times};

use crate::case::Case;
use crate::gate;
use crate::quantity::clock;
use crate::verdict::{GateState, GateVerdict, TimeRange, WindowKind};

/// The steady state's gates on the baseline. Where one fails, but none without
/// the arrivals that may still have been under way when the first fault began,
/// those do not count as the baseline; nor where one is undecided as some of
/// them were sent under the fault by the generator's lag.
pub(super) fn steady_state_gates(case: &mut Case<'_>) -> Vec<GateVerdict> {
    let gates = gate::steady_state_gates(case);
    if !broken(&gates) && (passed(&gates) || !displaced(case)) {
        return gates;
    }
    let Some((at, whole, settled)) = settled_before(case) else {
        return gates;
    };
    case.windows[at].ranges = vec![settled];
    let mut again = gate::steady_state_gates(case);
    if broken(&again) || !broken(&gates) && !passed(&again) {
        case.windows[at].ranges = vec![whole];
        return gates;
    }
    for gate in &mut again {
        gate.explanation.push_str(&format!(
            "; what was asked for since {} was still under way when the first fault began",
            clock(settled.end_us)
        ));
    }
    again
}

fn broken(gates: &[GateVerdict]) -> bool {
    gates.iter().any(|gate| gate.state == GateState::Fail)
}

fn passed(gates: &[GateVerdict]) -> bool {
    gates.iter().all(|gate| gate.state == GateState::Pass)
}

/// Whether arrivals of the baseline failed that lag carried over a fault's edge.
fn displaced(case: &Case<'_>) -> bool {
    let windows = case.windows.iter();
    let baselines = windows.filter(|it| it.kind == WindowKind::Baseline);
    let holds = |interval: &Interval| baselines.clone().any(|it| it.contains(interval));
    let routes = case.record.intervals.iter().filter(|it| holds(it));
    let mut routes = routes.flat_map(|interval| &interval.routes);
    routes.any(|route| route.counts.displaced > 0)
}

/// Where the baseline stands, its range, and the longest part of it that ended
/// so long before it that every answer had come, going by the slowest good
/// answer of that part: one that met the fault says nothing of those before.
/// `None` where nothing followed the baseline or nothing of it would be left.
fn settled_before(case: &Case<'_>) -> Option<(usize, TimeRange, TimeRange)> {
    let is_baseline = |window: &super::Window| window.kind == WindowKind::Baseline;
    let at = case.windows.iter().position(is_baseline)?;
    let window = &case.windows[at];
    let [whole] = window.ranges.as_slice() else {
        return None;
    };
    if whole.end_us >= case.load_end_us {
        return None;
    }
    let mut slowest_us = 0_i64;
    let mut settled = None;
    let intervals = case.record.intervals.iter();
    for interval in intervals.filter(|interval| window.contains(interval)) {
        let times = interval.routes.iter().filter_map(|r| r.response.as_ref());
        let here_us = times.map(Times::max_us).max().unwrap_or(0);
        slowest_us = slowest_us.max(i64::try_from(here_us).unwrap_or(i64::MAX));
        let end_us = interval.end_us;
        if end_us < whole.end_us && end_us.saturating_add(slowest_us) <= whole.end_us {
            settled = Some(TimeRange { end_us, ..*whole });
        }
    }
    settled
        .filter(|settled| settled.length_us() > 0)
        .map(|settled| (at, *whole, settled))
}
