//! What a fault changed: its cycles, compared pair by pair.

use squall_scenario::{CONFIDENCE, P_SHOWN, samples_for_quantile, smallest_p};

use crate::case::Case;
use crate::quantity::Quantity;
use crate::slice::Slice;
use crate::statistics::{Estimate, SignFlips};
use crate::verdict::{
    Cycle, EffectFigure, EffectFinding, FaultEffect, FaultEvidence, RouteEffect, TimeRange,
    WindowKind,
};
use crate::window::Window;

/// The quantiles that are compared, and their names.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// The quantile that is named even where there are too few arrivals for it.
const ALWAYS: &str = "p99";

/// Response time in microseconds that stands for a failure, which is slower
/// than any answer: eleven days.
const FAILED_US: f64 = 1e12;

/// The effect of every fault that came in cycles, in file order.
pub(super) fn of_all_faults(case: &Case<'_>) -> Vec<FaultEffect> {
    let faults = case.faults.iter().filter(|fault| !fault.periods.is_empty());
    faults.map(|fault| of_fault(case, fault)).collect()
}

fn of_fault(case: &Case<'_>, fault: &FaultEvidence) -> FaultEffect {
    let cycles = cycles(fault, case.load_end_us);
    let requests = case.record.manifest.scenario.load.routes();
    let mut routes: Vec<Option<&str>> = requests.map(|r| Some(r.name.as_str())).collect();
    // One route is all of them.
    if routes.len() > 1 {
        routes.insert(0, None);
    }
    let mut problems: Vec<String> = fault
        .problems
        .iter()
        .map(|problem| format!("it {problem}"))
        .collect();
    if fault.withheld {
        problems.push("it was withheld on purpose in the periods with it too".to_owned());
    }
    FaultEffect {
        fault: fault.fault.clone(),
        smallest_p: smallest_p(u32::try_from(cycles.len()).unwrap_or(u32::MAX)),
        routes: routes
            .into_iter()
            .map(|route| RouteEffect {
                route: route.unwrap_or("all").to_owned(),
                figures: figures(case, &cycles, route),
            })
            .collect(),
        cycles,
        problems,
    }
}

/// The cycles of which both periods lie within the load.
fn cycles(fault: &FaultEvidence, load_end_us: i64) -> Vec<Cycle> {
    let whole = |control: bool, cycle: u32| -> Option<TimeRange> {
        let period = fault
            .periods
            .iter()
            .find(|period| period.number / 2 == cycle && period.control == control)?;
        let range = period.range;
        (range.length_us() > 0 && range.end_us <= load_end_us).then_some(range)
    };
    let last = fault.periods.iter().map(|period| period.number / 2).max();
    (0..=last.unwrap_or(0))
        .filter_map(|cycle| {
            Some(Cycle {
                with: whole(false, cycle)?,
                without: whole(true, cycle)?,
            })
        })
        .collect()
}

/// The arrivals of both periods of a cycle.
struct Pair {
    without: Slice,
    with: Slice,
}

impl Pair {
    fn fewest(&self) -> u64 {
        let settled = |slice: &Slice| slice.counts.settled();
        settled(&self.without).min(settled(&self.with))
    }
}

fn figures(case: &Case<'_>, cycles: &[Cycle], route: Option<&str>) -> Vec<EffectFigure> {
    let slice = |range: TimeRange| {
        let window = Window::new("period", WindowKind::Fault, vec![range]);
        Slice::to_show().gather(&case.record.intervals, &window, route)
    };
    let pairs: Vec<Pair> = cycles
        .iter()
        .map(|cycle| Pair {
            without: slice(cycle.without),
            with: slice(cycle.with),
        })
        .collect();
    let mut figures = vec![success(&pairs)];
    for (name, q) in QUANTILES {
        let figure = quantile(&pairs, name, q);
        if figure.effect.is_some() || name == ALWAYS {
            figures.push(figure);
        }
    }
    figures
}

/// Success in points: worse is a loss.
fn success(pairs: &[Pair]) -> EffectFigure {
    let shares: Option<Vec<[f64; 2]>> = pairs
        .iter()
        .map(|pair| Some([pair.without.success()?, pair.with.success()?]))
        .collect();
    let mut figure = empty("success", pairs, 1);
    let Some(shares) = shares.filter(|shares| !shares.is_empty()) else {
        return figure;
    };
    let means = [0, 1].map(|side| mean(shares.iter().map(|pair| pair[side])));
    [figure.without, figure.with] = means.map(|mean| Some(Quantity::Share(mean)));
    let lost: Vec<f64> = shares
        .iter()
        .map(|[without, with]| without - with)
        .collect();
    figure.each = lost.iter().map(|lost| -lost).collect();
    test(&mut figure, &lost, |lost| Estimate {
        value: -lost.value,
        low: -lost.high,
        high: -lost.low,
    });
    figure
}

/// A response time by its ratio: worse is more.
fn quantile(pairs: &[Pair], name: &str, q: f64) -> EffectFigure {
    let mut figure = empty(name, pairs, samples_for_quantile(q, CONFIDENCE));
    let times: Option<Vec<[f64; 2]>> = pairs
        .iter()
        .map(|pair| {
            let known = |slice: &Slice| slice.quantile_if_known(q).map(micros);
            Some([known(&pair.without)?, known(&pair.with)?])
        })
        .collect();
    let Some(times) = times.filter(|times| !times.is_empty()) else {
        return figure;
    };
    let means = [0, 1].map(|side| mean(times.iter().map(|pair| pair[side].ln())).exp());
    // One failed period among several has no geometric mean that means anything.
    let failed = [0, 1].map(|side| times.iter().any(|pair| pair[side] >= FAILED_US));
    [figure.without, figure.with] = [0, 1].map(|side| {
        Some(if failed[side] {
            Quantity::Never
        } else {
            shown(means[side])
        })
    });
    let logs: Vec<f64> = times
        .iter()
        .map(|[without, with]| (with / without).ln())
        .collect();
    figure.each = logs.iter().map(|log| log.exp()).collect();
    test(&mut figure, &logs, |log| log.map(f64::exp));
    figure
}

fn empty(name: &str, pairs: &[Pair], needed: u64) -> EffectFigure {
    EffectFigure {
        metric: name.to_owned(),
        without: None,
        with: None,
        each: Vec::new(),
        effect: None,
        bounded: false,
        p: None,
        n: pairs.iter().map(Pair::fewest).min().unwrap_or(0),
        needed,
        finding: EffectFinding::TooFewArrivals,
    }
}

/// Tests differences of which positive ones are worse, and `show`s them.
fn test(figure: &mut EffectFigure, worse: &[f64], show: impl Fn(Estimate) -> Estimate) {
    let Some(flips) = SignFlips::of(worse) else {
        return;
    };
    let value = flips.mean();
    let bounds = flips.bounds(CONFIDENCE);
    let (low, high) = bounds.unwrap_or((value, value));
    figure.effect = Some(show(Estimate { value, low, high }));
    figure.bounded = bounds.is_some();
    figure.p = Some(flips.p_above());
    let pairs = u32::try_from(worse.len()).unwrap_or(u32::MAX);
    figure.finding = if smallest_p(pairs) > P_SHOWN {
        EffectFinding::TooFewCycles
    } else if flips.p_above() <= P_SHOWN {
        EffectFinding::Worse
    } else if flips.p_below() <= P_SHOWN {
        EffectFinding::Better
    } else {
        EffectFinding::NotShown
    };
}

#[expect(clippy::cast_precision_loss, reason = "at most a few cycles")]
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// A response time that can be worked with: at least one microsecond.
#[expect(clippy::cast_precision_loss, reason = "at most an hour")]
fn micros(value: Quantity) -> f64 {
    match value {
        Quantity::Micros(us) => (us as f64).max(1.0),
        _ => FAILED_US,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive, and at most eleven days"
)]
fn shown(us: f64) -> Quantity {
    Quantity::Micros(us.round() as u64)
}
