//! Lanes over time: load, windows, faults asked for and in force, breakers,
//! failures, processes that went away, marks.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use squall_scenario::BreakerState;

use super::{Margins, Scene, bar};
use crate::axis::{Axis, clock, length};
use crate::model::breakers::Breaker;
use crate::model::faults::Fault;
use crate::model::processes::Instance;
use crate::pen::{Pen, cells, fit};

/// A column of a lane.
type Cell = (&'static str, Style);

/// One lane.
struct Lane {
    label: String,
    cells: Vec<Option<Cell>>,
    /// Words on a lane and the columns they may take.
    words: Vec<(std::ops::Range<u16>, String, Style)>,
    /// What is so now.
    now: String,
    now_style: Style,
    /// Lanes with the least stay when there is no room for all.
    rank: u8,
}

impl Lane {
    fn new(scene: &Scene<'_>, label: impl Into<String>, axis: &Axis, rank: u8) -> Self {
        Self {
            label: label.into(),
            cells: vec![None; usize::from(axis.columns)],
            words: Vec::new(),
            now: String::new(),
            now_style: scene.theme.dim,
            rank,
        }
    }

    fn paint(&mut self, axis: &Axis, (from_us, to_us): (i64, i64), cell: Cell) {
        for column in axis.columns_of(from_us, to_us) {
            self.cells[usize::from(column)] = Some(cell);
        }
    }

    fn write(&mut self, axis: &Axis, (from_us, to_us): (i64, i64), words: &str, style: Style) {
        let columns = axis.columns_of(from_us, to_us);
        let room = columns.end.saturating_sub(columns.start);
        if room >= cells(words) + 2 {
            self.words.push((columns, words.to_owned(), style));
        }
    }
}

/// Draws the lanes that fit, and the axis below them.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let margins = Margins::of(pen.width());
    let axis = scene.axis(margins.plot(pen.width()));
    let height = pen.height();
    if height == 0 || axis.columns < 4 {
        return;
    }
    let room = usize::from(height.saturating_sub(u16::from(height > 2)));
    let (lanes, left_out) = chosen(lanes(scene, &axis), room);
    let now = axis.column(scene.now_us());
    for (y, lane) in (0..).zip(&lanes) {
        draw_lane(scene, &mut pen, (y, margins, now), lane);
    }
    let lanes = u16::try_from(lanes.len()).unwrap_or(u16::MAX);
    if height > 2 && lanes < height {
        draw_axis(scene, &mut pen, (height - 1, margins), &axis, left_out);
    }
}

/// The lanes that matter most, in their order, and how many do not fit.
fn chosen(lanes: Vec<Lane>, room: usize) -> (Vec<Lane>, usize) {
    if lanes.len() <= room {
        return (lanes, 0);
    }
    let left_out = lanes.len() - room;
    let mut ranks: Vec<_> = lanes.iter().map(|lane| lane.rank).enumerate().collect();
    ranks.sort_by_key(|(place, rank)| (*rank, *place));
    let kept: Vec<_> = ranks.iter().take(room).map(|(place, _)| *place).collect();
    let lanes = lanes.into_iter().enumerate();
    let lanes = lanes.filter(|(place, _)| kept.contains(place));
    (lanes.map(|(_, lane)| lane).collect(), left_out)
}

fn lanes(scene: &Scene<'_>, axis: &Axis) -> Vec<Lane> {
    let run = scene.run;
    let mut lanes = vec![load(scene, axis), windows(scene, axis)];
    lanes.extend(
        run.faults
            .each
            .iter()
            .map(|fault| fault_lane(scene, axis, fault)),
    );
    let breakers = run.breakers.each.iter();
    lanes.extend(breakers.map(|breaker| breaker_lane(scene, axis, breaker)));
    let down = run.processes.system().filter(|p| !p.outages.is_empty());
    lanes.extend(
        down.filter(|p| p.down(axis.start_us, axis.end_us))
            .filter(|_| run.phase != squall_record::Phase::Finished)
            .map(|instance| process_lane(scene, axis, instance)),
    );
    lanes.push(failing(scene, axis));
    if !run.marks.is_empty() {
        lanes.push(marks(scene, axis));
    }
    lanes
}

/// The planned rate, as bars; what is past is drawn stronger.
#[expect(clippy::cast_precision_loss, reason = "heights of bars")]
#[expect(clippy::cast_sign_loss, reason = "negative times are cut to zero")]
fn load(scene: &Scene<'_>, axis: &Axis) -> Lane {
    let plan = &scene.model.facts.scenario.load;
    let label = match plan.is_closed_on(None) {
        true => "closed loop",
        false => "load",
    };
    let mut lane = Lane::new(scene, label, axis, 3);
    let rate = |(from_us, to_us): (i64, i64)| {
        let micros = |us: i64| std::time::Duration::from_micros(us.max(0) as u64);
        plan.expected_arrivals(micros(from_us), micros(to_us)) * 1e6 / (to_us - from_us) as f64
    };
    let rates: Vec<f64> = (0..axis.columns).map(|c| rate(axis.range(c))).collect();
    let most = rates.iter().copied().fold(0.0, f64::max);
    for (column, rate) in (0..).zip(&rates) {
        let past = axis.range(column).0 <= scene.now_us();
        let style = if past {
            scene.theme.p50
        } else {
            scene.theme.dim
        };
        if *rate > 0.0 && most > 0.0 {
            // The full bar is for the highest rate: less than full shows less.
            lane.cells[usize::from(column)] = Some((bar(rate / most * 0.999), style));
        }
    }
    let flow = scene.run.arrivals.flow();
    lane.now = flow.map_or_else(String::new, |flow| format!("{:.0}/s", flow.asked));
    lane
}

fn windows(scene: &Scene<'_>, axis: &Axis) -> Lane {
    let mut lane = Lane::new(scene, "window", axis, 4);
    let faults = &scene.run.faults;
    let now_us = scene.now_us();
    let injections = || faults.each.iter().flat_map(|fault| &fault.injections);
    let begun = scene.run.phase as u8 >= squall_record::Phase::Load as u8;
    let first_us = injections().map(|i| i.requested_us).min();
    let baseline = (0, first_us.unwrap_or(now_us));
    if begun {
        lane.paint(axis, baseline, ("\u{b7}", scene.theme.good));
        lane.write(axis, baseline, " baseline ", scene.theme.good);
    }
    let last_us = injections().filter_map(|i| i.removed_us).max();
    if let Some(last_us) = last_us
        && faults.over(now_us)
    {
        let recovery = (last_us, now_us.max(last_us + 1));
        lane.paint(axis, recovery, ("~", scene.theme.good));
        lane.write(axis, recovery, " recovery ", scene.theme.good);
    }
    lane.now = length(now_us - scene.run.window_from_us);
    lane
}

fn fault_lane(scene: &Scene<'_>, axis: &Axis, fault: &Fault) -> Lane {
    let theme = scene.theme;
    let now_us = scene.now_us();
    let active = fault.in_force();
    let mut lane = Lane::new(scene, fault.name.clone(), axis, if active { 0 } else { 1 });
    for planned in fault.planned.iter().filter(|(start, _)| *start > now_us) {
        lane.paint(axis, *planned, ("\u{b7}", theme.dim));
        lane.write(axis, *planned, &format!(" {} ", fault.what), theme.dim);
    }
    for injection in &fault.injections {
        let asked = injection.active_us.unwrap_or(now_us);
        lane.paint(
            axis,
            (injection.requested_us, asked),
            ("\u{2591}", theme.fault),
        );
        if let Some(active_us) = injection.active_us {
            let until = injection.removal_us.or(injection.removed_us);
            let until = until.unwrap_or(now_us).max(active_us);
            if let Some(removed_us) = injection.removed_us {
                lane.paint(axis, (until, removed_us), ("\u{2592}", theme.fault));
            }
            lane.paint(axis, (active_us, until), ("\u{2588}", theme.fault));
            let words = format!(" {} ", fault.what);
            lane.write(axis, (active_us, until), &words, theme.fault_text);
        }
        if let Some((from_us, to_us)) = injection.withheld_us {
            let stretch = (from_us, to_us.unwrap_or(now_us).max(from_us));
            lane.paint(axis, stretch, ("-", theme.dim));
            lane.write(axis, stretch, " withheld ", theme.dim);
        }
        if injection.failed.is_some() {
            let end = injection.requested_us;
            lane.paint(axis, (end, end + 1), ("\u{2717}", theme.bad));
        }
    }
    (lane.now, lane.now_style) = fault_now(scene, fault);
    lane
}

fn fault_now(scene: &Scene<'_>, fault: &Fault) -> (String, Style) {
    let now_us = scene.now_us();
    let failed = fault.injections.iter().any(|i| i.failed.is_some());
    if failed {
        return ("FAILED".to_owned(), scene.theme.bad);
    }
    let withheld = fault.injections.iter().any(|i| i.withheld_us.is_some());
    if withheld {
        return ("withheld".to_owned(), scene.theme.dim);
    }
    let active = fault.injections.iter().rfind(|i| i.in_force());
    if let Some(since) = active.and_then(|injection| injection.active_us) {
        return (
            format!("on for {}", length(now_us - since)),
            scene.theme.fault,
        );
    }
    let next = fault.planned.iter().map(|(start, _)| *start);
    let next = next.filter(|start| *start > now_us).min();
    match (next, fault.injections.back()) {
        (Some(start), _) => (format!("in {}", length(start - now_us)), scene.theme.dim),
        (None, Some(last)) if last.removed_us.is_some() => ("removed".to_owned(), scene.theme.dim),
        (None, Some(_)) => ("asked for".to_owned(), scene.theme.fault),
        (None, None) => (String::new(), scene.theme.dim),
    }
}

fn breaker_lane(scene: &Scene<'_>, axis: &Axis, breaker: &Breaker) -> Lane {
    let theme = scene.theme;
    let state = breaker.state();
    let moved = breaker.changes.len() > 1;
    let rank = match state {
        Some(BreakerState::Open | BreakerState::HalfOpen) => 0,
        _ if moved => 2,
        _ => 5,
    };
    let mut lane = Lane::new(scene, format!("breaker {}", breaker.name), axis, rank);
    for column in 0..axis.columns {
        let (from_us, to_us) = axis.range(column);
        if from_us > scene.now_us() {
            break;
        }
        let cell = match breaker.worst(from_us, to_us) {
            Some(BreakerState::Closed) => Some(("\u{2500}", theme.good)),
            Some(BreakerState::HalfOpen) => Some(("h", theme.open)),
            Some(BreakerState::Open) => Some(("O", theme.breaker_open)),
            None => None,
        };
        lane.cells[usize::from(column)] = cell;
    }
    let holders = breaker.holders.len();
    (lane.now, lane.now_style) = match state {
        Some(BreakerState::Open) => (format!("OPEN {}/{holders}", breaker.open()), theme.bad),
        Some(BreakerState::HalfOpen) => ("half-open".to_owned(), theme.open),
        Some(BreakerState::Closed) => ("closed".to_owned(), theme.good),
        None => ("not read".to_owned(), theme.dim),
    };
    lane
}

fn process_lane(scene: &Scene<'_>, axis: &Axis, instance: &Instance) -> Lane {
    let mut lane = Lane::new(scene, instance.name.clone(), axis, 3);
    let now_us = scene.now_us();
    lane.paint(axis, (0, now_us), ("\u{2500}", scene.theme.dim));
    for (start, end) in &instance.outages {
        let stretch = (*start, end.unwrap_or(now_us).max(*start));
        lane.paint(axis, stretch, ("\u{2717}", scene.theme.bad));
    }
    let down = instance
        .outages
        .back()
        .is_some_and(|(_, end)| end.is_none());
    (lane.now, lane.now_style) = match down {
        true => ("DOWN".to_owned(), scene.theme.bad),
        false => ("serves".to_owned(), scene.theme.good),
    };
    lane
}

/// The share of arrivals that failed.
fn failing(scene: &Scene<'_>, axis: &Axis) -> Lane {
    let mut lane = Lane::new(scene, "failing", axis, 2);
    for column in 0..axis.columns {
        let (from_us, to_us) = axis.range(column);
        if from_us > scene.now_us() {
            break;
        }
        let Some(point) = scene.run.series.worst(from_us, to_us) else {
            continue;
        };
        let cell = match point.failing() {
            0.0 => ("\u{b7}", scene.theme.dim),
            share => (bar(share), scene.theme.bad),
        };
        lane.cells[usize::from(column)] = Some(cell);
    }
    let totals = &scene.run.arrivals.totals;
    lane.now = format!(
        "{} failed",
        squall_judge::quantity::grouped(totals.failed())
    );
    if totals.failed() > 0 {
        lane.now_style = scene.theme.bad;
    }
    lane
}

fn marks(scene: &Scene<'_>, axis: &Axis) -> Lane {
    let mut lane = Lane::new(scene, "marks", axis, 2);
    for mark in &scene.run.marks {
        lane.paint(
            axis,
            (mark.at_us, mark.at_us + 1),
            ("\u{25c6}", scene.theme.key),
        );
    }
    let last = scene.run.marks.last();
    lane.now = last.map_or_else(String::new, |mark| mark.text.clone());
    lane
}

fn draw_lane(
    scene: &Scene<'_>,
    pen: &mut Pen<'_>,
    (y, margins, now): (u16, Margins, Option<u16>),
    lane: &Lane,
) {
    let label = fit(&lane.label, margins.left.saturating_sub(1));
    pen.put(0, y, &label, scene.theme.text);
    for (column, cell) in (0..).zip(&lane.cells) {
        if let Some((glyph, style)) = cell {
            pen.put(margins.left + column, y, glyph, *style);
        } else if now == Some(column) {
            pen.put(margins.left + column, y, "\u{250a}", scene.theme.dim);
        }
    }
    for (columns, words, style) in &lane.words {
        let x = margins.left + columns.start + 1;
        pen.put(x, y, words, *style);
    }
    if margins.right > 1 {
        let x = pen.width() - margins.right + 1;
        pen.put_fit(x, y, margins.right - 1, &lane.now, lane.now_style);
    }
}

fn draw_axis(
    scene: &Scene<'_>,
    pen: &mut Pen<'_>,
    (y, margins): (u16, Margins),
    axis: &Axis,
    left_out: usize,
) {
    if left_out > 0 {
        let more = format!("{left_out} more in 3 and 4");
        pen.put_fit(0, y, margins.left - 1, &more, scene.theme.dim);
    }
    let line = "\u{2500}".repeat(axis.columns.into());
    pen.put(margins.left, y, &line, scene.theme.border);
    for tick in axis.ticks(9) {
        if let Some(column) = axis.column(tick) {
            let text = clock(tick);
            if column + cells(&text) < axis.columns {
                pen.put(margins.left + column, y, &text, scene.theme.dim);
            }
        }
    }
    if let Some(now) = axis.column(scene.now_us()) {
        pen.put(margins.left + now, y, "\u{25b2}", scene.theme.key);
    }
}
