//! Response times over time: the median and the 99th percentile, counted from
//! the intended start, with the objectives and the faults behind them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::braille::BRAILLE;

use super::{Margins, Scene};
use crate::axis::Axis;
use crate::model::series::{Point, ResponseTime};
use crate::pen::{Pen, cells};

/// Dots of a cell: two across, four down.
const ACROSS: u32 = 2;
const DOWN: u16 = 4;
/// The lowest response time that the scale goes down to, in microseconds.
const LOWEST_US: f64 = 100.0;

/// A logarithmic scale over the rows of the chart.
#[derive(Debug, Clone, Copy)]
struct Scale {
    low_us: f64,
    high_us: f64,
    dots: u16,
}

impl Scale {
    /// The dot of a response time, from the top; longer ones are at the top.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "clamped to the dots of the chart"
    )]
    fn dot(&self, us: u64) -> u16 {
        let value = (us as f64).clamp(self.low_us, self.high_us);
        let along = (value / self.low_us).ln() / (self.high_us / self.low_us).ln();
        let last = f64::from(self.dots.saturating_sub(1));
        ((1.0 - along) * last).round().clamp(0.0, last) as u16
    }

    fn row(&self, us: u64) -> u16 {
        self.dot(us) / DOWN
    }
}

/// Draws the chart.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let margins = Margins::of(pen.width());
    let axis = scene.axis(margins.plot(pen.width()));
    if pen.height() == 0 || axis.columns < 4 {
        return;
    }
    let halves = u32::from(axis.columns) * ACROSS;
    let points: Vec<Option<Point>> = (0..halves)
        .map(|half| {
            let (from_us, to_us) = axis.part(half, halves);
            if from_us > scene.now_us() {
                return None;
            }
            scene.run.series.worst(from_us, to_us)
        })
        .collect();
    shade(scene, &mut pen, margins, &axis);
    let Some(scale) = scale(scene, &points, pen.height()) else {
        let words = match scene.run.phase {
            squall_record::Phase::Load => "the first answers are still being settled",
            _ => "nothing measured yet",
        };
        pen.put(margins.left, pen.height() / 2, words, scene.theme.dim);
        return;
    };
    objectives(scene, &mut pen, margins, &scale);
    lines(scene, &mut pen, margins, (&points, &scale));
    labels(scene, &mut pen, margins, &scale);
}

/// Low and high are round, so that the labels are.
fn scale(scene: &Scene<'_>, points: &[Option<Point>], rows: u16) -> Option<Scale> {
    #[expect(clippy::cast_precision_loss, reason = "drawn on a scale")]
    let known = |time: ResponseTime| time.us().filter(|us| *us > 0).map(|us| us as f64);
    let times = points.iter().flatten().flat_map(|p| [p.p50, p.p99]);
    let times: Vec<f64> = times.filter_map(known).collect();
    let anything = points.iter().flatten().next().is_some();
    if !anything {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "drawn on a scale")]
    let limits = scene
        .model
        .facts
        .objectives
        .iter()
        .map(|o| o.limit_us as f64);
    let low = times.iter().copied().fold(f64::INFINITY, f64::min);
    let high = times.iter().copied().chain(limits).fold(0.0, f64::max);
    let low = if low.is_finite() { low } else { LOWEST_US };
    let low_us = 10_f64.powf(low.max(LOWEST_US).log10().floor());
    let mut high_us = low_us * 10.0;
    while high_us < high && high_us < 1e10 {
        high_us *= if (high_us.log10().fract() - 0.3).abs() < 0.1 {
            2.5
        } else {
            2.0
        };
    }
    Some(Scale {
        low_us,
        high_us,
        dots: rows * DOWN,
    })
}

/// Marks the time of faults: a tint where there are colours for it, else a
/// pattern.
fn shade(scene: &Scene<'_>, pen: &mut Pen<'_>, margins: Margins, axis: &Axis) {
    let columns = scene.run.faults.stretches(scene.now_us());
    for columns in columns.map(|(from, to)| axis.columns_of(from, to)) {
        let (x, width) = (margins.left + columns.start, columns.end - columns.start);
        for y in 0..pen.height() {
            if let Some(style) = scene.theme.shade {
                pen.style(x, y, width, style);
            } else {
                pen.put(x, y, &"\u{2591}".repeat(width.into()), scene.theme.dim);
            }
        }
    }
}

fn objectives(scene: &Scene<'_>, pen: &mut Pen<'_>, margins: Margins, scale: &Scale) {
    let plot = margins.plot(pen.width());
    let mut taken = Vec::new();
    for objective in &scene.model.facts.objectives {
        let y = scale.row(objective.limit_us);
        if taken.contains(&y) {
            continue;
        }
        taken.push(y);
        let line = "\u{2504}".repeat(plot.into());
        pen.put(margins.left, y, &line, scene.theme.objective);
        let limit = scene.micros(objective.limit_us);
        let short = objective.name.split(' ').next().unwrap_or_default();
        let label = format!("{short} < {limit}");
        if margins.right > 1 {
            let x = pen.width() - margins.right + 1;
            pen.put_fit(x, y, margins.right - 1, &label, scene.theme.objective);
        } else if plot > cells(&label) + 2 {
            let x = pen.width() - cells(&label) - 1;
            pen.put(x, y, &label, scene.theme.objective);
        }
    }
}

/// One line as dots of a column's cells.
struct Dots {
    /// Bits of each cell, row by row, in the order of [`BRAILLE`].
    bits: Vec<u8>,
    plot: u16,
    last: Option<u16>,
}

impl Dots {
    fn new(plot: u16, rows: u16) -> Self {
        Self {
            bits: vec![0; usize::from(plot) * usize::from(rows)],
            plot,
            last: None,
        }
    }

    /// Goes on to a dot in the next half column, over all in between.
    fn step(&mut self, half: u32, dot: Option<u16>) {
        let Some(dot) = dot else {
            self.last = None;
            return;
        };
        let from = self.last.map_or(dot, |last| match last.cmp(&dot) {
            std::cmp::Ordering::Less => last + 1,
            std::cmp::Ordering::Equal => last,
            std::cmp::Ordering::Greater => last - 1,
        });
        for each in from.min(dot)..=from.max(dot) {
            self.set(half, each);
        }
        self.last = Some(dot);
    }

    fn set(&mut self, half: u32, dot: u16) {
        let column = usize::try_from(half / ACROSS).unwrap_or(0);
        let place = usize::from(dot / DOWN) * usize::from(self.plot) + column;
        if let Some(bits) = self.bits.get_mut(place) {
            *bits |= 1 << (u32::from(dot % DOWN) * ACROSS + half % ACROSS);
        }
    }
}

fn lines(
    scene: &Scene<'_>,
    pen: &mut Pen<'_>,
    margins: Margins,
    (points, scale): (&[Option<Point>], &Scale),
) {
    let plot = margins.plot(pen.width());
    let (mut p50, mut p99) = (Dots::new(plot, pen.height()), Dots::new(plot, pen.height()));
    let mut rough = vec![false; usize::from(plot)];
    let mut lost = vec![false; usize::from(plot)];
    for (half, point) in (0..).zip(points) {
        let column = usize::try_from(half / ACROSS).unwrap_or(0);
        let dot = |time: ResponseTime| time.us().map(|us| scale.dot(us));
        let seen = point.filter(|point| point.scheduled > 0 || !point.settled);
        p50.step(half, seen.and_then(|point| dot(point.p50)));
        p99.step(half, seen.and_then(|point| dot(point.p99)));
        if let Some(point) = seen {
            rough[column] |= !point.settled;
            lost[column] |= point.p99 == ResponseTime::NEVER;
        }
    }
    for y in 0..pen.height() {
        for column in 0..plot {
            let place = usize::from(y) * usize::from(plot) + usize::from(column);
            let (low, high) = (p50.bits[place], p99.bits[place]);
            let mut style = if high > 0 {
                scene.theme.p99
            } else {
                scene.theme.p50
            };
            if rough[usize::from(column)] {
                style = scene.theme.dim;
            }
            if low | high > 0 {
                pen.put(margins.left + column, y, &dots(scene, low, high), style);
            }
        }
    }
    for (column, lost) in (0..).zip(lost) {
        // More than one in a hundred failed: slower than any scale shows.
        if lost {
            pen.put(margins.left + column, 0, "\u{2717}", scene.theme.bad);
        }
    }
}

fn dots(scene: &Scene<'_>, low: u8, high: u8) -> String {
    if scene.theme.ascii {
        return if high > 0 { "=" } else { "-" }.to_owned();
    }
    BRAILLE[usize::from(low | high)].to_string()
}

/// Figures of the last settled second and a few round times on the left.
fn labels(scene: &Scene<'_>, pen: &mut Pen<'_>, margins: Margins, scale: &Scale) {
    let ends = margins.left.saturating_sub(1);
    let mut time_us = scale.low_us;
    let mut taken = Vec::new();
    while time_us <= scale.high_us * 1.01 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 100 and 1e11"
        )]
        let us = time_us.round() as u64;
        let y = scale.row(us);
        if !taken.contains(&y) {
            taken.push(y);
            pen.put_right(ends, y, &scene.micros(us), scene.theme.dim);
        }
        time_us *= 10.0;
    }
    if margins.left < 18 || pen.height() < 3 {
        return;
    }
    let last = scene.run.series.last();
    let figures: [(&str, Option<ResponseTime>, Style); 2] = [
        ("p99", last.map(|p| p.p99), scene.theme.p99),
        ("p50", last.map(|p| p.p50), scene.theme.p50),
    ];
    for (y, (name, time, style)) in (0..).zip(figures) {
        pen.put(0, y, &format!("{name} {}", scene.time(time)), style);
    }
}
