//! What faults changed by their cycles, in words and cells that every report
//! shares.

use serde::Serialize;
use squall_judge::quantity::{Quantity, grouped, significant};
use squall_judge::verdict::{EffectFigure, EffectFinding, FaultEffect, RouteEffect};

/// A ratio above this means that one side failed.
const UNBOUNDED: f64 = 1e5;

/// How the figures are to be read, in one sentence.
pub(super) const LEGEND: &str = "p is how likely so bad an effect would be if the fault changed nothing; bounds are at 95 % on either side; every line is a test by itself";

/// The effect of one fault.
#[derive(Serialize)]
pub(super) struct Effect {
    pub(super) fault: String,
    /// How many cycles there were, in which order.
    pub(super) cycles: String,
    /// Why it proves nothing.
    pub(super) problems: Vec<String>,
    pub(super) routes: Vec<Route>,
}

/// The figures of one route, or of all.
#[derive(Serialize)]
pub(super) struct Route {
    pub(super) route: String,
    pub(super) rows: Vec<Row>,
}

/// One figure.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) metric: String,
    pub(super) without: String,
    pub(super) with: String,
    pub(super) effect: String,
    pub(super) p: String,
    pub(super) finding: String,
    /// Whether it got worse.
    pub(super) worse: bool,
}

impl Effect {
    pub(super) fn of(effect: &FaultEffect) -> Self {
        Self {
            fault: effect.fault.clone(),
            cycles: cycles(effect),
            problems: effect.problems.clone(),
            routes: effect.routes.iter().map(|one| route(effect, one)).collect(),
        }
    }
}

fn cycles(effect: &FaultEffect) -> String {
    let mut first = effect.cycles.iter().enumerate();
    let first: Vec<String> = first
        .by_ref()
        .filter(|(_, cycle)| cycle.with.start_us < cycle.without.start_us)
        .map(|(index, _)| (index + 1).to_string())
        .collect();
    let count = effect.cycles.len();
    let order = match first.len() {
        _ if count == 0 => "of which none was seen whole".to_owned(),
        0 => "the fault came second in each".to_owned(),
        all if all == count => "the fault came first in each".to_owned(),
        1 => format!("the fault came first in cycle {}", first.concat()),
        _ => format!("the fault came first in cycles {}", first.join(", ")),
    };
    let count = match count {
        1 => "1 cycle".to_owned(),
        many => format!("{many} cycles"),
    };
    format!("{count} of a period with and one without it; {order}")
}

fn route(effect: &FaultEffect, route: &RouteEffect) -> Route {
    let value = |value: Option<Quantity>| value.map_or("n/a".to_owned(), |v| v.to_string());
    let rows = route.figures.iter().map(|figure| Row {
        metric: figure.metric.clone(),
        without: value(figure.without),
        with: value(figure.with),
        effect: size(figure),
        p: figure.p.map_or("-".to_owned(), probability),
        finding: finding(effect, figure),
        worse: figure.finding == EffectFinding::Worse,
    });
    Route {
        route: route.route.clone(),
        rows: rows.collect(),
    }
}

/// `1.42x [1.31..1.58]` or `-0.8 points [-1.1..-0.3]`.
fn size(figure: &EffectFigure) -> String {
    let Some(effect) = figure.effect.filter(|_| !has_failed(figure)) else {
        return "-".to_owned();
    };
    let (number, unit): (fn(f64) -> String, &str) = if is_share(figure) {
        (|share| points(share * 100.0), " points")
    } else {
        (significant, "x")
    };
    let bounds = if figure.bounded {
        format!(" [{}..{}]", number(effect.low), number(effect.high))
    } else {
        String::new()
    };
    format!("{}{unit}{bounds}", number(effect.value))
}

fn is_share(figure: &EffectFigure) -> bool {
    figure.metric == "success"
}

fn has_failed(figure: &EffectFigure) -> bool {
    [figure.with, figure.without].contains(&Some(Quantity::Never))
}

/// Percentage points with a sign; few of them are still not none.
fn points(points: f64) -> String {
    let text = significant(points);
    match text.as_str() {
        "0" | "-0" if points == 0.0 => "0".to_owned(),
        "0" | "-0" => format!("{points:+.4}"),
        _ if points > 0.0 => format!("+{text}"),
        _ => text,
    }
}

/// A probability, never shown as none.
pub(super) fn probability(p: f64) -> String {
    if p >= 0.001 {
        let text = format!("{p:.3}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    format!("{p:.6}")
}

/// What a figure amounts to, in words.
fn finding(effect: &FaultEffect, figure: &EffectFigure) -> String {
    match figure.finding {
        EffectFinding::Worse => "worse with the fault".to_owned(),
        EffectFinding::Better => "better with the fault".to_owned(),
        EffectFinding::NotShown => format!("no effect shown; {}", not_excluded(figure)),
        EffectFinding::TooFewCycles => format!(
            "too few cycles to tell: p is never below {}",
            probability(effect.smallest_p)
        ),
        EffectFinding::TooFewArrivals if effect.cycles.is_empty() => "no whole cycle".to_owned(),
        EffectFinding::TooFewArrivals => format!(
            "{} arrivals in a period, needs {}",
            grouped(figure.n),
            grouped(figure.needed)
        ),
    }
}

fn not_excluded(figure: &EffectFigure) -> String {
    let Some(effect) = figure.effect else {
        return "nothing is excluded".to_owned();
    };
    let none = if is_share(figure) { 0.0 } else { 1.0 };
    if figure.each.iter().all(|each| *each == none) {
        return "the same in every cycle".to_owned();
    }
    if is_share(figure) {
        let worst = points(effect.low.min(0.0) * 100.0);
        return format!(
            "up to {} points worse cannot be excluded",
            worst.trim_start_matches('-')
        );
    }
    if effect.high > UNBOUNDED {
        return "failures in some periods".to_owned();
    }
    format!(
        "up to {}x slower cannot be excluded",
        significant(effect.high.max(1.0))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_is_never_none() {
        assert_eq!(probability(0.031_25), "0.031");
        assert_eq!(probability(1.0), "1");
        assert_eq!(probability(0.5), "0.5");
        assert_eq!(probability(1.0 / 65_536.0), "0.000015");
        assert_eq!(points(-0.003), "-0.0030");
        assert_eq!((points(0.0), points(0.5)), ("0".into(), "+0.5".into()));
    }
}
