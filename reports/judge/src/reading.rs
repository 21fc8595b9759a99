//! Gates on what is read beside the arrivals. They hold at every reading of
//! their window: one reading against them fails, and a pass needs a reading
//! wherever one was due.

mod count;
mod fallback;
mod process;

/// What guards need of the judge while the run goes on.
pub(crate) mod live {
    use squall_scenario::{ProcessFigure, Reading, ReadingGate};

    use crate::quantity::Quantity;
    use squall_record::ResourceUse;

    /// A figure of a process now; CPU is the slope from the reading before.
    pub(crate) fn live_value(
        figure: ProcessFigure,
        last: Option<(i64, ResourceUse)>,
        now: (i64, ResourceUse),
    ) -> Option<f64> {
        super::process::point(figure, last, Some(now), &[]).map(|point| point.value)
    }

    /// A value in the unit of its gate.
    pub(crate) fn shown(reading: &Reading, value: f64) -> Quantity {
        super::quantity(reading, value)
    }

    /// The limit of a gate as a number.
    pub(crate) fn limit_of(gate: &ReadingGate) -> f64 {
        super::limit(gate).0
    }
}

use squall_record::{RESOURCES_EVERY_US, Record, RunEvent};
use squall_scenario::{Comparison, GateValue, Probe, ProcessFigure, Reading, ReadingGate};

use super::gate::{undecided, unit_threshold};
use super::{Case, Ruling, Window};
use crate::quantity::{Quantity, clock, grouped};
use crate::verdict::{Evidence, GateState, TimeRange};

/// Readings of a process that may be missing in a row.
const MISSING_MAX: i64 = 5;

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
                Some(probe) => rule_series(window, gate, &[probe_series(case.record, probe)]),
                None => undecided(&format!("this run had no probe called `{name}`")),
            }
        }
        Reading::Fallback { source, of } => fallback::rule(case, window, gate, *source, of),
    }
}

/// A reading, and the time it speaks of.
#[derive(Debug, Clone, Copy)]
struct Point {
    from_us: i64,
    at_us: i64,
    value: f64,
    /// Of a count that never falls: how long before `from_us` it had not
    /// changed yet. The value is that of `from_us`.
    looked_us: Option<i64>,
}

/// The readings of one thing.
#[derive(Debug)]
struct Series {
    /// What was read: `catalog-0`.
    who: String,
    points: Vec<Point>,
    /// Readings that failed, and why.
    failed: Vec<(i64, String)>,
    /// When there was nothing to read, for a reason.
    absent: Vec<TimeRange>,
    /// From one reading to the next.
    every_us: u64,
    /// The longest stretch without a reading that a pass bears.
    gap_max_us: i64,
}

fn probe_series(record: &Record, probe: &Probe) -> Series {
    let micros =
        |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let (every_us, within_us) = (micros(probe.every), micros(probe.within));
    let mut series = Series {
        who: probe.name.clone(),
        points: Vec::new(),
        failed: Vec::new(),
        absent: Vec::new(),
        every_us: u64::try_from(every_us).unwrap_or(0),
        gap_max_us: every_us.saturating_mul(2).saturating_add(within_us),
    };
    for stamped in &record.events {
        let RunEvent::Probe(reading) = &stamped.event else {
            continue;
        };
        if reading.probe != probe.name {
            continue;
        }
        let took_us = i64::try_from(reading.took_us).unwrap_or(i64::MAX);
        let asked_us = stamped.at_us.saturating_sub(took_us);
        match (reading.value, &reading.error) {
            (Some(value), _) => series.points.push(Point {
                from_us: asked_us,
                at_us: stamped.at_us,
                value,
                looked_us: reading
                    .looked_us
                    .map(|us| i64::try_from(us).unwrap_or(i64::MAX)),
            }),
            (None, error) => {
                let why = error
                    .clone()
                    .unwrap_or_else(|| "no reason given".to_owned());
                series.failed.push((stamped.at_us, why));
            }
        }
    }
    series
}

/// The value of a reading in the unit of its gate.
fn quantity(reading: &Reading, value: f64) -> Quantity {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes and counts were whole numbers before"
    )]
    let whole = value as u64;
    match reading {
        Reading::Process { figure, .. } => match figure {
            ProcessFigure::Cpu => Quantity::Cores(value),
            ProcessFigure::Memory => Quantity::Bytes(whole),
            ProcessFigure::Fds | ProcessFigure::Restarts => Quantity::Count(whole),
        },
        Reading::Probe(_) => Quantity::Number(value),
        Reading::Fallback { .. } => Quantity::Share(value),
    }
}

/// The limit of a gate as a number, and in the unit of its readings.
fn limit(gate: &ReadingGate) -> (f64, Option<Quantity>) {
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
    let number = match gate.value {
        GateValue::Number(number) | GateValue::TimesBaseline(number) => number,
        GateValue::Count(count) => count as f64,
        GateValue::Bytes(bytes) => bytes.0 as f64,
        GateValue::Share(share) => share.get(),
        GateValue::Rate(rate) => rate.as_per_second(),
        GateValue::Duration(duration) => duration.as_secs_f64(),
    };
    let shown = match (&gate.reading, gate.value) {
        (Reading::Process { .. }, GateValue::Number(_)) => Some(quantity(&gate.reading, number)),
        (_, value) => unit_threshold(value),
    };
    (number, shown)
}

/// How far a value is from a limit, the worst one being the greatest.
fn badness(comparison: Comparison, value: f64, limit: f64) -> f64 {
    match comparison {
        Comparison::Below | Comparison::AtMost => value - limit,
        Comparison::Above | Comparison::AtLeast => limit - value,
        Comparison::Equal => (value - limit).abs(),
    }
}

/// Share of the allowance that is left.
fn margin(comparison: Comparison, value: f64, limit: f64) -> Option<f64> {
    let allowed = limit.abs() > 0.0 && comparison != Comparison::Equal;
    // Far on the right side of a lower limit is not more than all of it.
    allowed.then(|| (-badness(comparison, value, limit) / limit.abs()).min(1.0))
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
        doubts.extend(one.doubt(window, &inside, holds));
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

impl Series {
    /// Whether this is a count that never falls.
    fn never_falls(&self) -> bool {
        self.points.iter().any(|point| point.looked_us.is_some())
    }

    /// The readings that speak of a time that lies wholly in the window.
    fn inside(&self, window: &Window) -> Vec<Point> {
        let points = self.points.iter().copied();
        points
            .filter(|point| {
                let until_us = point.looked_us.map_or(point.at_us, |_| point.from_us);
                let mut ranges = window.ranges.iter();
                ranges.any(|range| point.from_us >= range.start_us && until_us < range.end_us)
            })
            .collect()
    }

    /// Why these readings do not speak for the whole window, if so.
    fn doubt(
        &self,
        window: &Window,
        inside: &[Point],
        holds: impl Fn(f64) -> bool,
    ) -> Option<String> {
        if self.never_falls() {
            return count::doubt(self, window, holds);
        }
        let failed: Vec<_> = self
            .failed
            .iter()
            .filter(|(at_us, _)| window.ranges.iter().any(|range| within(*range, *at_us)))
            .collect();
        if let Some((at_us, why)) = failed.first() {
            let all = failed.len() + inside.len();
            return Some(format!(
                "{} of {all} readings of {} failed, the first at {}: {why}",
                failed.len(),
                self.who,
                clock(*at_us)
            ));
        }
        if inside.is_empty() {
            return Some(format!("{} was never read in this window", self.who));
        }
        let (gap_us, from_us) = window
            .ranges
            .iter()
            .map(|range| self.longest_gap(*range, inside))
            .max()?;
        (gap_us > self.gap_max_us).then(|| {
            let gap = Quantity::Micros(u64::try_from(gap_us).unwrap_or(0));
            format!(
                "{} was not read for {gap} from {}",
                self.who,
                clock(from_us)
            )
        })
    }

    /// The longest stretch of `range` without a reading, and its start; what
    /// is absent for a reason is not counted.
    fn longest_gap(&self, range: TimeRange, inside: &[Point]) -> (i64, i64) {
        let mut longest = (0, range.start_us);
        let mut last_us = range.start_us;
        let readings = inside.iter().filter(|point| within(range, point.at_us));
        let ends = readings.map(|point| (point.from_us, point.at_us));
        for (from_us, at_us) in ends.chain([(range.end_us, range.end_us)]) {
            let absent: i64 = self
                .absent
                .iter()
                .map(|gone| gone.end_us.min(from_us) - gone.start_us.max(last_us))
                .filter(|overlap_us| *overlap_us > 0)
                .sum();
            longest = longest.max((from_us - last_us - absent, last_us));
            last_us = at_us.max(last_us);
        }
        longest
    }
}

const fn within(range: TimeRange, at_us: i64) -> bool {
    at_us >= range.start_us && at_us < range.end_us
}
