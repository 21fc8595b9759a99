//! Sparklines: one point per run, oldest first, as static SVG.

use std::fmt::Write as _;

use squall_judge::quantity::{Quantity, percent};
use squall_judge::verdict::Verdict;

use super::shown::{look, whole_run};
use crate::format::html_text;

const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 44.0;
const MARGIN: f64 = 5.0;

/// One run's value; infinite where there is none to speak of.
struct Point {
    value: f64,
    class: &'static str,
}

/// Success over the runs; `None` with fewer than two of them.
pub(super) fn success<'a>(
    name: &str,
    runs: impl Iterator<Item = Option<&'a Verdict>>,
) -> Option<String> {
    let points = points(runs, |verdict| whole_run(verdict)?.success);
    draw(&format!("success of {name}"), &points, &percent)
}

/// p99 over the runs; `None` with fewer than two of them.
pub(super) fn p99<'a>(
    name: &str,
    runs: impl Iterator<Item = Option<&'a Verdict>>,
) -> Option<String> {
    let points = points(runs, |verdict| millis(whole_run(verdict)?.p99?));
    draw(&format!("p99 of {name}"), &points, &|millis| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive time that came from whole microseconds"
        )]
        Quantity::Micros((millis * 1e3).round() as u64).to_string()
    })
}

fn points<'a>(
    runs: impl Iterator<Item = Option<&'a Verdict>>,
    value: impl Fn(&Verdict) -> Option<f64>,
) -> Vec<Point> {
    runs.flatten()
        .filter_map(|verdict| {
            Some(Point {
                value: value(verdict)?,
                class: look(Some(verdict)).0,
            })
        })
        .collect()
}

/// The curve with its range in words. Infinite values stand at the top edge
/// as crosses and break the line.
fn draw(title: &str, points: &[Point], words: &dyn Fn(f64) -> String) -> Option<String> {
    if points.len() < 2 {
        return None;
    }
    let finite = points.iter().map(|p| p.value).filter(|v| v.is_finite());
    let low = finite.clone().fold(f64::INFINITY, f64::min);
    let high = finite.clone().fold(f64::NEG_INFINITY, f64::max);
    let said = range_in_words((low, high), points.len() - finite.count(), words);
    let mut svg = format!(
        "<figure><svg role=\"img\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\"><title>{}: {}</title>",
        html_text(title),
        html_text(&said)
    );
    let x = |index: usize| {
        #[expect(clippy::cast_precision_loss, reason = "at most a few hundred points")]
        let share = index as f64 / (points.len() - 1) as f64;
        MARGIN + share * (WIDTH - 2.0 * MARGIN)
    };
    let y = |value: f64| match high > low {
        true => HEIGHT - MARGIN - (value - low) / (high - low) * (HEIGHT - 2.0 * MARGIN),
        false => HEIGHT / 2.0,
    };
    for stretch in stretches(points) {
        let mut line = String::new();
        for index in stretch {
            let _ = write!(line, "{:.1},{:.1} ", x(index), y(points[index].value));
        }
        let _ = write!(
            svg,
            "<polyline class=\"line\" fill=\"none\" stroke=\"#888\" points=\"{}\"/>",
            line.trim_end()
        );
    }
    for (index, point) in points.iter().enumerate() {
        let (x, class) = (x(index), point.class);
        let _ = if point.value.is_finite() {
            let y = y(point.value);
            write!(
                svg,
                "<circle class=\"t-{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\"/>"
            )
        } else {
            let (left, right) = (x - 3.0, x + 3.0);
            write!(
                svg,
                "<path class=\"x-{class}\" stroke=\"#b3430a\" d=\"M{left:.1} 1l6 6M{right:.1} 1l-6 6\"/>"
            )
        };
    }
    let _ = write!(
        svg,
        "</svg><figcaption>{}</figcaption></figure>",
        html_text(&said)
    );
    Some(svg)
}

/// The range of the finite values, and how many values are `endless`.
fn range_in_words(
    (low, high): (f64, f64),
    endless: usize,
    words: &dyn Fn(f64) -> String,
) -> String {
    let mut said = match low.is_finite() {
        true if low < high => format!("{} to {}", words(low), words(high)),
        true => words(low),
        false => String::new(),
    };
    if endless > 0 {
        let noun = if endless == 1 { "run" } else { "runs" };
        let comma = if said.is_empty() { "" } else { ", " };
        let _ = write!(said, "{comma}among failures in {endless} {noun}");
    }
    said
}

/// Indices of neighbouring finite points.
fn stretches(points: &[Point]) -> Vec<Vec<usize>> {
    let mut stretches = vec![Vec::new()];
    for (index, point) in points.iter().enumerate() {
        if !point.value.is_finite() {
            stretches.push(Vec::new());
        } else if let Some(last) = stretches.last_mut() {
            last.push(index);
        }
    }
    stretches.retain(|stretch| stretch.len() > 1);
    stretches
}

/// A response time as a number to draw; infinite for failed arrivals.
fn millis(quantity: Quantity) -> Option<f64> {
    match quantity {
        #[expect(clippy::cast_precision_loss, reason = "drawn on a few pixels")]
        Quantity::Micros(us) => Some(us as f64 / 1e3),
        Quantity::Never => Some(f64::INFINITY),
        _ => None,
    }
}
