//! The baseline's last moments: requests that were under way when the first
//! fault began met it, although they were asked for before.

use super::{Case, Slice, gate};
use crate::quantity::clock;
use crate::verdict::{GateState, GateVerdict, TimeRange, WindowKind};

/// The steady state's gates on the baseline. Where one fails, but none without
/// the arrivals that may still have been under way when the first fault began,
/// those do not count as the baseline.
pub(super) fn steady_state_gates(case: &mut Case<'_>) -> Vec<GateVerdict> {
    let gates = gate::steady_state_gates(case);
    if !broken(&gates) {
        return gates;
    }
    let Some((at, whole, settled)) = settled_before(case) else {
        return gates;
    };
    case.windows[at].ranges = vec![settled];
    let mut again = gate::steady_state_gates(case);
    if broken(&again) {
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

/// Where the baseline stands, its range, and the part of it whose arrivals had
/// all had their answers when it ended, going by the slowest good answer of the
/// whole. `None` where nothing followed it or nothing would be left.
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
    let mut slice = Slice::to_show();
    let intervals = case.record.intervals.iter();
    let inside = || {
        intervals
            .clone()
            .filter(|interval| window.contains(interval))
    };
    inside().for_each(|interval| slice.add(interval, None));
    let slowest_us = i64::try_from(slice.response.max()).unwrap_or(i64::MAX);
    let under_way_us = whole.end_us.saturating_sub(slowest_us);
    let end_us = inside()
        .map(|interval| interval.end_us)
        .filter(|end_us| *end_us <= under_way_us)
        .max()?;
    let settled = TimeRange { end_us, ..*whole };
    (settled.length_us() > 0).then_some((at, *whole, settled))
}
