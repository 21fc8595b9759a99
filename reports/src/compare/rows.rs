//! The cells of a comparison, shared by its renderings.

use squall_judge::quantity::{Quantity, grouped, micros, percent, significant};
use squall_judge::statistics::Estimate;

use super::{Bounded, Change, Cost, CostUnit, Figure, Margins, RunComparison};

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

/// The verdict on a figure with the margin it was held against, or with what
/// cannot be excluded.
pub(super) fn verdict(figure: &Figure, margins: &Margins) -> String {
    let Some(apart) = figure.difference else {
        return format!(
            "cannot tell: {} arrivals, needs {}",
            grouped(figure.n[0].min(figure.n[1])),
            grouped(figure.needed)
        );
    };
    let margin = margin(figure, apart, margins);
    let words = figure.change.words();
    match figure.change {
        Change::Same => format!("{words} within {margin}"),
        Change::Better | Change::Worse => format!("{words} by more than {margin}"),
        Change::NoDifferenceSeen if has_failed(figure) => format!("{words}: failures in both"),
        Change::NoDifferenceSeen => format!("{words}; {}", not_excluded(figure, apart, margins)),
        Change::CannotTell if has_failed(figure) => {
            format!("{words}: a few arrivals decide whether this fails")
        }
        Change::CannotTell => format!("{}, perhaps within {margin}", direction(figure, apart)),
    }
}

/// The margin that holds the difference, or that of its kind.
fn margin(figure: &Figure, apart: Estimate, margins: &Margins) -> String {
    if figure.metric == "success" {
        return format!("{} points", significant(margins.success * 100.0));
    }
    let ratio = margins.latency_ratio;
    if figure.change == Change::Same && (apart.low < 1.0 / ratio || apart.high > ratio) {
        return micros(margins.latency_us);
    }
    format!("{}x", significant(ratio))
}

/// How much worse it may be; how much better, where worse is excluded.
fn not_excluded(figure: &Figure, apart: Estimate, margins: &Margins) -> String {
    let (far, which) = if figure.metric == "success" {
        let points = |share: f64| format!("{} points", significant(share * 100.0));
        if apart.low < -margins.success {
            (points(-apart.low), "worse")
        } else {
            (points(apart.high), "better")
        }
    } else {
        let times = |ratio: f64| format!("{}x", significant(ratio));
        if apart.high > UNBOUNDED {
            return "nothing bounds how much slower it may be".to_owned();
        } else if apart.high > margins.latency_ratio {
            (times(apart.high), "slower")
        } else if apart.low * UNBOUNDED < 1.0 {
            return "nothing bounds how much faster it may be".to_owned();
        } else {
            (times(1.0 / apart.low), "faster")
        }
    };
    format!("up to {far} {which} cannot be excluded")
}

/// Which way a difference goes that is surely there.
fn direction(figure: &Figure, apart: Estimate) -> &'static str {
    match (figure.metric == "success", apart.value) {
        (true, points) if points < 0.0 => "worse",
        (true, _) => "better",
        (false, ratio) if ratio > 1.0 => "slower",
        (false, _) => "faster",
    }
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
        Change::NoDifferenceSeen,
        Change::CannotTell,
    ];
    let counts = all.map(|change| format!("{} {}", comparison.count(change), change.words()));
    counts.join(", ").to_lowercase()
}
