//! Gates on what viewers saw. A window has the seconds whose middle lies in it; where
//! nobody watched in it, nothing is decided.

use squall_record::{ViewingSecond, Viewings};
use squall_scenario::{CONFIDENCE, GateValue, ViewingFigure, ViewingGate, samples_for_quantile};

use crate::case::Case;
use crate::quantity::{Quantity, grouped, percent};
use crate::reading::margin;
use crate::ruling::{Ruling, undecided, unit_threshold};
use crate::verdict::{Evidence, GateState};
use crate::window::Window;

const US: u64 = 1_000_000;

/// Judges a gate on viewers on a window.
pub(super) fn rule(case: &Case<'_>, window: &Window, gate: &ViewingGate) -> Ruling {
    let all = match seen(case, window, gate.of.as_deref()) {
        Ok(all) => all,
        Err(why) => return undecided(&why),
    };
    let mut ruling = match gate.figure {
        ViewingFigure::RebufferRatio => rebuffering(&all, gate),
        ViewingFigure::TimeToFirstFrame(q) => first_frames(&all, gate, q),
        ViewingFigure::MeanBitRate => bit_rate(&all, gate),
    };
    ruling.evidence.threshold = unit_threshold(gate.value);
    ruling.evidence.ranges.clone_from(&window.ranges);
    ruling.evidence.resolution_us = Some(US);
    ruling
}

/// What was seen in a window; or why that is not known, of a run that noted nothing of
/// viewers or a record that lost some of it.
fn seen(case: &Case<'_>, window: &Window, of: Option<&str>) -> Result<ViewingSecond, String> {
    let events = case.record.events.iter().map(|stamped| &stamped.event);
    let Some(told) = Viewings::told(events) else {
        return Err("what viewers saw was not recorded in this run".to_owned());
    };
    if let Some(lost) = told.lost {
        return Err(lost);
    }
    let mut all = ViewingSecond::default();
    let seconds = told.players.into_iter();
    let seconds = seconds
        .filter(|player| of.is_none_or(|of| player.player == of))
        .flat_map(|player| &player.seconds);
    for second in seconds {
        let middle_us = second.second.saturating_mul(US).saturating_add(US / 2);
        if window.holds(i64::try_from(middle_us).unwrap_or(i64::MAX)) {
            all.add(second);
        }
    }
    Ok(all)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times of a run are far below 2^52 µs"
)]
fn rebuffering(all: &ViewingSecond, gate: &ViewingGate) -> Ruling {
    let watched_us = all.played_us.saturating_add(all.stalled_us);
    if watched_us == 0 {
        return undecided("nobody watched in this window: no viewer is never a pass");
    }
    let ratio = all.stalled_us as f64 / watched_us as f64;
    let fact = format!(
        "the picture stood still for {} of the {} that was watched ({} stalls); {} of {} who \
         began here never saw one",
        Quantity::Micros(all.stalled_us),
        Quantity::Micros(watched_us),
        grouped(all.stalls),
        grouped(all.never),
        grouped(all.viewers()),
    );
    measured(gate, Quantity::Share(ratio), ratio, all.viewers(), fact)
}

#[expect(clippy::cast_precision_loss, reason = "bit rates are far below 2^52")]
fn bit_rate(all: &ViewingSecond, gate: &ViewingGate) -> Ruling {
    if all.segments == 0 {
        return undecided("no segment came in this window: no picture is never a pass");
    }
    let kbps = all.kbps_sum as f64 / all.segments as f64;
    let observed = Quantity::KbitPerSecond(kbps);
    let fact = format!(
        "{} segments had {observed} in the mean, with {} switches",
        grouped(all.segments),
        grouped(all.switches)
    );
    measured(gate, observed, kbps, all.segments, fact)
}

/// A figure that is compared as it is.
fn measured(
    gate: &ViewingGate,
    observed: Quantity,
    number: f64,
    n: u64,
    explanation: String,
) -> Ruling {
    let limit = limit(gate.value);
    let state = match gate.comparison.holds(number, limit) {
        true => GateState::Pass,
        false => GateState::Fail,
    };
    Ruling {
        state,
        explanation,
        evidence: Evidence {
            observed: Some(observed),
            n,
            margin: margin(gate.comparison, number, limit),
            ..Evidence::default()
        },
    }
}

/// The quantile of the times to the first frame. Who saw none before the load ended
/// may have seen one soon or never, so both are tried.
fn first_frames(all: &ViewingSecond, gate: &ViewingGate, q: f64) -> Ruling {
    let n = all.viewers();
    if n == 0 {
        return undecided("nobody began to watch in this window: no viewer is never a pass");
    }
    let limit_us = limit(gate.value);
    let holds = |observed: Quantity| gate.comparison.holds(observed.as_number(), limit_us);
    let observed = quantile(all, q, n);
    let at_best = quantile(all, q, n.saturating_sub(all.unfinished));
    let needed = samples_for_quantile(q, CONFIDENCE);
    let mut fact = format!(
        "{observed} at p{} of {} viewers; {} never saw a frame",
        percent(q).trim_end_matches('%'),
        grouped(n),
        grouped(all.never)
    );
    let state = match (holds(observed), holds(at_best)) {
        _ if n < needed => {
            let more = grouped(needed.saturating_sub(n));
            fact.push_str(&format!("; too few to tell: needs {more} more"));
            GateState::Inconclusive
        }
        (true, _) => GateState::Pass,
        (false, true) => {
            let rest = grouped(all.unfinished);
            fact.push_str(&format!("; the load ended before {rest} more saw one"));
            GateState::Inconclusive
        }
        (false, false) => GateState::Fail,
    };
    let slow = all.first_frames.iter().map(|(ms, viewers)| {
        let is_slow = !holds(Quantity::Micros(ms.saturating_mul(1_000)));
        if is_slow { *viewers } else { 0 }
    });
    let bad = slow.fold(all.never, u64::saturating_add);
    Ruling {
        state,
        explanation: fact,
        evidence: Evidence {
            observed: Some(observed),
            n,
            bad,
            needed: (n < needed).then_some(needed),
            ..Evidence::default()
        },
    }
}

/// The time to the first frame at a quantile of `n` viewers, of whom those without a
/// frame are the slowest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a rank is a whole number up to n"
)]
fn quantile(all: &ViewingSecond, q: f64, n: u64) -> Quantity {
    let rank = (q * n as f64).ceil().max(1.0) as u64;
    let mut so_far = 0_u64;
    for (ms, viewers) in &all.first_frames {
        so_far = so_far.saturating_add(*viewers);
        if so_far >= rank {
            return Quantity::Micros(ms.saturating_mul(1_000));
        }
    }
    Quantity::Never
}

/// The right-hand side of a gate in the unit of its figure.
fn limit(value: GateValue) -> f64 {
    unit_threshold(value).map_or(f64::NAN, Quantity::as_number)
}
