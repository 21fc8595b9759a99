//! Gates on what is read beside the arrivals. They hold at every reading of
//! their window: one reading against them fails, and a pass needs a reading
//! wherever one was due.

mod count;
mod doubt;
mod fallback;
mod limit;
mod probe;
mod process;
mod series;

use squall_record::RESOURCES_EVERY_US;
use squall_scenario::{ProcessFigure, Reading, ReadingGate};

use self::limit::badness;
pub(crate) use self::limit::{limit, margin, quantity};
pub(crate) use self::process::live_value;
use self::series::{Point, Series};

use crate::case::Case;
use crate::quantity::{Quantity, clock, grouped};
use crate::ruling::{Ruling, undecided};
use crate::verdict::{Evidence, GateState};
use crate::window::Window;

/// Judges a gate on readings on a window.
pub(super) fn rule(case: &Case<'_>, window: &Window, gate: &ReadingGate) -> Ruling {
    if window.ranges.is_empty() {
        return undecided("the window is empty");
    }
    match &gate.reading {
        Reading::Process {
            figure: ProcessFigure::Restarts,
            of,
        } => process::rule_restarts(case, window, gate, of),
        Reading::Process { figure, of } => {
            let series = process::series(case.record, *figure, of);
            if series.is_empty() {
                return undecided(&format!("no process called `{of}` was read in this run"));
            }
            rule_series(window, gate, &series)
        }
        Reading::Probe(name) => {
            let probes = &case.record.manifest.scenario.system.probes;
            match probes.iter().find(|probe| probe.name == *name) {
                Some(probe) => rule_series(window, gate, &[probe::series(case.record, probe)]),
                None => undecided(&format!("this run had no probe called `{name}`")),
            }
        }
        Reading::Fallback { source, of } => fallback::rule(case, window, gate, *source, of),
    }
}

/// Judges the readings of one or more things; each has to keep the limit.
fn rule_series(window: &Window, gate: &ReadingGate, series: &[Series]) -> Ruling {
    let (limit, threshold) = limit(gate);
    let mut worst: Option<(&Series, Point)> = None;
    let (mut n, mut bad) = (0_u64, 0_u64);
    let mut doubts = Vec::new();
    for one in series {
        let inside: Vec<Point> = one.inside(window);
        n += inside.len() as u64;
        for point in &inside {
            bad += u64::from(!gate.comparison.holds(point.value, limit));
            let far = |p: Point| badness(gate.comparison, p.value, limit);
            if worst.is_none_or(|(_, known)| far(*point) > far(known)) {
                worst = Some((one, *point));
            }
        }
        let holds = |value: f64| gate.comparison.holds(value, limit);
        doubts.extend(doubt::doubt(one, window, &inside, holds));
    }
    let every = series
        .first()
        .map_or(RESOURCES_EVERY_US, |one| one.every_us);
    let mut evidence = Evidence {
        threshold,
        n,
        bad,
        ranges: window.ranges.clone(),
        resolution_us: Some(every),
        ..Evidence::default()
    };
    let Some((who, point)) = worst else {
        let doubt = doubts.first().map_or("nothing was read", String::as_str);
        return Ruling {
            state: GateState::Inconclusive,
            explanation: format!("{doubt}: no reading is never a pass"),
            evidence,
        };
    };
    let observed = quantity(&gate.reading, point.value);
    evidence.observed = Some(observed);
    evidence.margin = margin(gate.comparison, point.value, limit);
    let read = Quantity::Micros(every);
    let seen = format!("{} read {observed} at {}", who.who, clock(point.at_us));
    let (state, explanation) = match (bad, doubts.first()) {
        (0, None) => (
            GateState::Pass,
            format!(
                "the worst of {} readings: {seen} (one every {read})",
                grouped(n)
            ),
        ),
        (0, Some(doubt)) => (
            GateState::Inconclusive,
            format!("{doubt}; the worst of the others: {seen}"),
        ),
        _ => (
            GateState::Fail,
            format!(
                "{seen}; {} of {} readings are against it (one every {read})",
                grouped(bad),
                grouped(n)
            ),
        ),
    };
    Ruling {
        state,
        explanation,
        evidence,
    }
}
