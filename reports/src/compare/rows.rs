//! The cells of a comparison, shared by its renderings.

use super::{Bounded, Change, Cost, CostUnit, Figure, Margins, RunComparison};
use crate::quantity::{Quantity, grouped, micros, percent, significant};

/// A ratio above this has no bound.
const UNBOUNDED: f64 = 1e5;

/// A value and its bounds: `84.2ms [80ms..91ms]`.
pub(super) fn bounded(bounded: Option<Bounded>) -> String {
    let Some(Bounded { value, low, high }) = bounded else {
        return "n/a".to_owned();
    };
    let bound = |bound| match bound {
        Quantity::Never => "\u{221e}".to_owned(),
        other => other.to_string(),
    };
    if low == Quantity::Never {
        return value.to_string();
    }
    format!("{value} [{}..{}]", bound(low), bound(high))
}

/// `b` against `a`: `1.3x [1.1..1.6]`, or `-0.2 points [-0.4..0.1]`.
pub(super) fn difference(figure: &Figure) -> String {
    let Some(difference) = figure.difference.filter(|_| !has_failed(figure)) else {
        return "-".to_owned();
    };
    let number = |value: f64| match figure.metric.as_str() {
        "success" => points(value * 100.0),
        _ if value > UNBOUNDED => "\u{221e}".to_owned(),
        _ => significant(value),
    };
    let unit = if figure.metric == "success" {
        " points"
    } else {
        "x"
    };
    format!(
        "{}{unit} [{}..{}]",
        number(difference.value),
        number(difference.low),
        number(difference.high)
    )
}

/// Whether either run has no response time at this quantile, but failures.
fn has_failed(figure: &Figure) -> bool {
    let values = [figure.a, figure.b];
    let mut values = values.iter().flatten().map(|bounded| bounded.value);
    values.any(|value| value == Quantity::Never)
}

/// Percentage points with a sign; a difference of none has no sign.
fn points(points: f64) -> String {
    let text = significant(points);
    match text.as_str() {
        "0" | "-0" => "0".to_owned(),
        _ if points > 0.0 => format!("+{text}"),
        _ => text,
    }
}

/// The verdict on a figure, with the reason where there is none.
pub(super) fn verdict(figure: &Figure) -> String {
    let words = figure.change.words();
    let fewest = figure.n[0].min(figure.n[1]);
    if figure.change == Change::CannotTell {
        if fewest < figure.needed {
            return format!(
                "{words}: {} arrivals, needs {}",
                grouped(fewest),
                grouped(figure.needed)
            );
        }
        return format!("{words}: too much noise");
    }
    words.to_owned()
}

/// One line of the table of costs: both values and the ratio.
pub(super) fn cost(cost: &Cost) -> [String; 3] {
    let [a, b] = cost.values.map(|value| amount(cost.unit, value));
    let ratio = cost.ratio().map_or_else(
        || "-".to_owned(),
        |ratio| format!("{}x", significant(ratio)),
    );
    [a, b, ratio]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and microseconds of a run are positive and far below 2^52"
)]
fn amount(unit: CostUnit, value: Option<f64>) -> String {
    match (unit, value) {
        (CostUnit::SecondsUntil, None) => "never".to_owned(),
        (_, None) => "n/a".to_owned(),
        (CostUnit::Micros, Some(us)) => micros(us.round() as u64),
        (CostUnit::SecondsUntil | CostUnit::Seconds, Some(s)) => format!("{}s", significant(s)),
        (CostUnit::Bytes | CostUnit::Count, Some(count)) => grouped(count.round() as u64),
    }
}

/// What counts for nothing, in words.
pub(super) fn margins(margins: &Margins) -> String {
    format!(
        "counts as the same: latency within {}x or {}, success within {} points; bounds at 95 %",
        significant(margins.latency_ratio),
        micros(margins.latency_us),
        percent(margins.success).trim_end_matches('%')
    )
}

/// How many figures changed how.
pub(super) fn tally(comparison: &RunComparison) -> String {
    let all = [
        Change::Worse,
        Change::Better,
        Change::Same,
        Change::CannotTell,
    ];
    let counts = all.map(|change| format!("{} {}", comparison.count(change), change.words()));
    counts.join(", ").to_lowercase()
}
