//! Two runs side by side: what changed, and what is only noise.

mod text;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::judge::{Slice, Window, dispersion, judge, spread, windows};
use crate::quantity::Quantity;
use crate::statistics::{binomial_quantile, difference_interval};
use crate::verdict::{GateOrigin, GateState, Recovery, Verdict};
use crate::{Record, RunEvent};

/// Probability on either side of every interval here: 95 % between them.
const ONE_SIDE: f64 = 0.975;

/// Two runs side by side. Made by [`compare`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunComparison {
    /// The run that is compared with.
    pub a: String,
    /// The run that is compared.
    pub b: String,
    /// Every window that both runs have.
    pub windows: Vec<WindowComparison>,
    /// How the system came back after each fault that both runs saw removed.
    pub recoveries: Vec<RecoveryComparison>,
    /// Gates that failed in only one of them or in both.
    pub breaches: Vec<Breach>,
    /// CPU time of each process that either run read, by name.
    pub cpu: Vec<CpuComparison>,
}

/// One window of both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowComparison {
    /// Its name.
    pub window: String,
    /// All routes together under the name `all`, then each route.
    pub routes: Vec<RouteComparison>,
}

/// One route in one window of both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteComparison {
    /// The route, or `all`.
    pub route: String,
    /// Arrivals scheduled per second.
    pub rate: [f64; 2],
    /// Bytes of answers' bodies.
    pub bytes: [u64; 2],
    /// Good over settled arrivals.
    pub success: Figure,
    /// Median response time.
    pub p50: Figure,
    /// Response time that 99 % stay within.
    pub p99: Figure,
}

/// A figure of both runs, and whether chance explains the difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// In the run that is compared with.
    pub a: Option<Quantity>,
    /// In the run that is compared.
    pub b: Option<Quantity>,
    /// What the difference amounts to.
    pub change: Change,
}

/// What a difference amounts to at 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Better, beyond what chance explains.
    Better,
    /// Worse, beyond what chance explains.
    Worse,
    /// Chance explains it.
    Noise,
    /// Too few arrivals in one of them to tell.
    Unknown,
}

/// The recovery after one fault in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoveryComparison {
    /// The fault.
    pub fault: String,
    /// Latest time of the return after the removal, in microseconds; `None`
    /// where the run saw none.
    pub took_us: [Option<i64>; 2],
}

/// A gate of `slo` that failed in at least one of the runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// When and what: `during hold: p99 < 300ms`.
    pub gate: String,
    /// Whether it failed, in each.
    pub failed: [bool; 2],
}

/// CPU time of one process in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CpuComparison {
    /// Name of the process.
    pub process: String,
    /// CPU-seconds between its first and last reading after time zero.
    pub seconds: [Option<f64>; 2],
}

/// Why two runs cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// The arrivals follow another schedule, so every figure differs for that.
    #[error("the runs have different load shapes; run both with the same `load: shape:`")]
    LoadShape,
    /// What is requested, or how often, differs.
    #[error("the runs send different requests; run both with the same `load: requests:`")]
    Requests,
}

/// Compares run `b` with run `a`, each judged by its own objectives.
///
/// # Errors
/// When their load differs: nothing could be told about the system then.
pub fn compare(a: &Record, b: &Record) -> Result<RunComparison, CompareError> {
    let loads = [a, b].map(|record| &record.manifest.scenario.load);
    if loads[0].shape != loads[1].shape {
        return Err(CompareError::LoadShape);
    }
    let [mix_a, mix_b] = loads.map(|load| {
        let mix = load.requests.iter();
        mix.map(|request| (request.name.as_str(), request.weight))
            .collect::<Vec<_>>()
    });
    if mix_a != mix_b {
        return Err(CompareError::Requests);
    }
    let routes: Vec<&str> = mix_a.iter().map(|(name, _)| *name).collect();
    let verdicts = [judge(a), judge(b)];
    Ok(RunComparison {
        a: name(a),
        b: name(b),
        windows: compare_windows([a, b], &routes),
        recoveries: recoveries(&verdicts),
        breaches: breaches(&verdicts),
        cpu: cpu([a, b]),
    })
}

fn name(record: &Record) -> String {
    let manifest = &record.manifest;
    let variant = manifest
        .variant
        .as_ref()
        .map_or(String::new(), |variant| format!(" ({variant})"));
    format!("{} {}{variant}", manifest.run_id, manifest.scenario.name)
}

fn compare_windows(records: [&Record; 2], routes: &[&str]) -> Vec<WindowComparison> {
    let [of_a, of_b] = records.map(windows);
    let mut compared = Vec::new();
    for window in of_a.iter().filter(|window| !window.ranges.is_empty()) {
        let other = of_b
            .iter()
            .find(|other| other.name == window.name && !other.ranges.is_empty());
        let Some(other) = other else { continue };
        let all = std::iter::once(None).chain(routes.iter().copied().map(Some));
        let routes =
            all.map(|route| compare_route([(records[0], window), (records[1], other)], route));
        compared.push(WindowComparison {
            window: window.name.clone(),
            routes: routes.collect(),
        });
    }
    compared
}

fn compare_route(sides: [(&Record, &Window); 2], route: Option<&str>) -> RouteComparison {
    let slices =
        sides.map(|(record, window)| Slice::to_show().gather(&record.intervals, window, route));
    let at = |q: f64| {
        let spans = [0, 1].map(|side| span(sides[side], &slices[side], route, q));
        latency(spans)
    };
    RouteComparison {
        route: route.unwrap_or("all").to_owned(),
        rate: [0, 1].map(|side| slices[side].per_second(slices[side].counts.scheduled)),
        bytes: [0, 1].map(|side| slices[side].counts.bytes),
        success: success(&slices),
        p50: at(0.5),
        p99: at(0.99),
    }
}

/// Success with Newcombe's interval for the difference. Failures that come in
/// bursts count as fewer.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn success(slices: &[Slice; 2]) -> Figure {
    let [a, b] = [0, 1].map(|side| slices[side].success().map(Quantity::Share));
    let weighed = [0, 1].map(|side| {
        let slice = &slices[side];
        let together = spread(&slice.bins, None);
        (
            slice.counts.good as f64 / together,
            slice.counts.settled() as f64 / together,
        )
    });
    let change = match difference_interval(weighed[0], weighed[1]) {
        None => Change::Unknown,
        Some((low, _)) if low > 0.0 => Change::Better,
        Some((_, high)) if high < 0.0 => Change::Worse,
        Some(_) => Change::Noise,
    };
    Figure { a, b, change }
}

/// A quantile and the order statistics that it lies between at 95 %.
struct Spanned {
    value: Quantity,
    low: Quantity,
    high: Quantity,
}

/// `None` where there are too few arrivals for an interval. Slow answers come
/// together, so the interval is wider by the root of their dispersion.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are positive counts far below 2^52"
)]
fn span(
    (record, window): (&Record, &Window),
    slice: &Slice,
    route: Option<&str>,
    q: f64,
) -> Option<Spanned> {
    let n = slice.counts.settled();
    let value = slice.quantile_if_known(q)?;
    let limit_us = match value {
        Quantity::Micros(us) => Some(us),
        _ => None,
    };
    let against =
        Slice::to_show()
            .against(limit_us, false)
            .gather(&record.intervals, window, route);
    let wider = dispersion(&against.bins).sqrt();
    let middle = q * n as f64;
    let above = binomial_quantile(n, q, ONE_SIDE) as f64 + 1.0;
    let below = n as f64 - binomial_quantile(n, 1.0 - q, ONE_SIDE) as f64;
    let high = (middle + (above - middle) * wider).ceil();
    let low = (middle - (middle - below) * wider).floor();
    (low >= 1.0 && high <= n as f64).then(|| Spanned {
        value,
        low: slice.at_rank(low as u64),
        high: slice.at_rank(high as u64),
    })
}

fn latency([a, b]: [Option<Spanned>; 2]) -> Figure {
    let change = match (&a, &b) {
        (Some(a), Some(b)) if micros(b.low) > micros(a.high) => Change::Worse,
        (Some(a), Some(b)) if micros(b.high) < micros(a.low) => Change::Better,
        (Some(_), Some(_)) => Change::Noise,
        _ => Change::Unknown,
    };
    Figure {
        a: a.map(|span| span.value),
        b: b.map(|span| span.value),
        change,
    }
}

/// A response time that can be ordered: a failure is infinitely slow.
fn micros(value: Quantity) -> u64 {
    match value {
        Quantity::Micros(us) => us,
        _ => u64::MAX,
    }
}

fn recoveries(verdicts: &[Verdict; 2]) -> Vec<RecoveryComparison> {
    let took = |recovery: &Recovery| recovery.took.map(|range| range.end_us);
    let of_b = |fault: &str| {
        verdicts[1]
            .recoveries
            .iter()
            .find(|other| other.fault == fault)
    };
    let both = verdicts[0].recoveries.iter();
    both.filter_map(|recovery| {
        Some(RecoveryComparison {
            fault: recovery.fault.clone(),
            took_us: [took(recovery), took(of_b(&recovery.fault)?)],
        })
    })
    .collect()
}

fn breaches(verdicts: &[Verdict; 2]) -> Vec<Breach> {
    let mut breaches: Vec<Breach> = Vec::new();
    for (side, verdict) in verdicts.iter().enumerate() {
        let failed = verdict.gates_in(GateState::Fail);
        for gate in failed.filter(|gate| gate.origin == GateOrigin::Slo) {
            let name = gate.name();
            let known = breaches.iter().position(|breach| breach.gate == name);
            let at = known.unwrap_or_else(|| {
                breaches.push(Breach {
                    gate: name,
                    failed: [false; 2],
                });
                breaches.len() - 1
            });
            breaches[at].failed[side] = true;
        }
    }
    breaches
}

fn cpu(records: [&Record; 2]) -> Vec<CpuComparison> {
    let used = records.map(cpu_seconds);
    let mut names: Vec<&String> = used.iter().flat_map(BTreeMap::keys).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|process| CpuComparison {
            process: process.clone(),
            seconds: [0, 1].map(|side| used[side].get(process).copied()),
        })
        .collect()
}

/// CPU time by process. A process that was started again counts from zero
/// again, so only increments are added up.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of one run")]
fn cpu_seconds(record: &Record) -> BTreeMap<String, f64> {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut used_ms: BTreeMap<String, u64> = BTreeMap::new();
    for stamped in record.events.iter().filter(|stamped| stamped.at_us >= 0) {
        let RunEvent::Resources { usage } = &stamped.event else {
            continue;
        };
        for (process, now) in usage {
            let before = last.insert(process, now.cpu_ms);
            let more_ms = before.map_or(0, |before| {
                now.cpu_ms.checked_sub(before).unwrap_or(now.cpu_ms)
            });
            *used_ms.entry(process.clone()).or_default() += more_ms;
        }
    }
    let seconds = used_ms
        .into_iter()
        .map(|(process, ms)| (process, ms as f64 / 1e3));
    seconds.collect()
}
