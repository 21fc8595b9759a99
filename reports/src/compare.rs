//! Two runs side by side: what changed, what is only noise, and what each cost.

mod breaches;
mod change;
mod cost;
mod differs;
mod markdown;
mod noise;
mod recoveries;
mod rows;
mod text;

use serde::{Deserialize, Serialize};
use squall_judge::statistics::Estimate;
use squall_judge::verdict::{Verdict, WindowKind};
use squall_judge::{RunOutcome, Slice, Window, judge, windows};
use squall_record::Record;

pub use breaches::Breach;
pub use change::{Change, Margins};
pub use cost::{Cost, CostUnit, CpuComparison};
pub use differs::CompareError;
pub use noise::Bounded;
pub use recoveries::RecoveryComparison;

use noise::{Noise, QUANTILES};
use squall_scenario::{CONFIDENCE, samples_for_quantile};

/// Version of the schema of a [`RunComparison`].
pub const COMPARISON_SCHEMA_VERSION: u32 = 1;

/// Two runs side by side. Made by [`compare`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunComparison {
    /// Version of this schema.
    pub schema_version: u32,
    /// The run that is compared with.
    pub a: ComparedRun,
    /// The run that is compared.
    pub b: ComparedRun,
    /// Differences that count for nothing.
    pub margins: Margins,
    /// What else differs, or makes either run a poor witness, in words.
    pub notes: Vec<String>,
    /// Every window that both runs have; `hold` where it is not the whole run.
    pub windows: Vec<WindowComparison>,
    /// How the system came back after each fault that both runs saw removed.
    pub recoveries: Vec<RecoveryComparison>,
    /// Gates that failed in only one of them or in both.
    pub breaches: Vec<Breach>,
    /// What each run took and gave.
    pub costs: Vec<Cost>,
    /// CPU time of each process that either run read, by name.
    pub cpu: Vec<CpuComparison>,
}

/// One of the two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedRun {
    /// Its id: the start in UTC.
    pub run_id: String,
    /// Name of its scenario.
    pub scenario: String,
    /// Weakened variant that was run, if any.
    pub variant: Option<String>,
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub outcome: RunOutcome,
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
    /// `success`, `p50`, `p90`, `p99` and `p99.9`, in this order.
    pub figures: Vec<Figure>,
}

impl RouteComparison {
    /// The figure of this name.
    #[must_use]
    pub fn figure(&self, metric: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.metric == metric)
    }
}

/// A figure of both runs, and what the difference amounts to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name.
    pub metric: String,
    /// In the run that is compared with; `None` where it has too few arrivals.
    pub a: Option<Bounded>,
    /// In the run that is compared.
    pub b: Option<Bounded>,
    /// `b` against `a` with bounds at 95 %: the ratio of response times, or the
    /// difference of shares (0.01 is one percentage point). A ratio above 1e5
    /// means that there is no bound.
    pub difference: Option<Estimate>,
    /// Settled arrivals in each run.
    pub n: [u64; 2],
    /// Arrivals the figure needs in each run.
    pub needed: u64,
    /// What the difference amounts to.
    pub change: Change,
}

impl RunComparison {
    /// How many figures changed so.
    #[must_use]
    pub fn count(&self, change: Change) -> usize {
        let routes = self.windows.iter().flat_map(|window| &window.routes);
        let figures = routes.flat_map(|route| &route.figures);
        figures.filter(|figure| figure.change == change).count()
    }
}

/// Compares run `b` with run `a`, each judged by its own objectives.
///
/// # Errors
/// When their load differs, or when they have no window in common: nothing
/// could be told about the system then.
pub fn compare(a: &Record, b: &Record, margins: Margins) -> Result<RunComparison, CompareError> {
    differs::refuse_other_load(a, b)?;
    let verdicts = [judge(a), judge(b)];
    let windows = compare_windows([a, b], &margins);
    if windows.is_empty() {
        return Err(differs::no_window_in_common());
    }
    let recoveries = recoveries::recoveries(&verdicts);
    let cpu = cost::cpu([a, b]);
    Ok(RunComparison {
        schema_version: COMPARISON_SCHEMA_VERSION,
        a: compared(a, &verdicts[0]),
        b: compared(b, &verdicts[1]),
        margins,
        notes: differs::notes([a, b], &verdicts),
        windows,
        costs: cost::costs([a, b], &verdicts, &recoveries, &cpu),
        recoveries,
        breaches: breaches::breaches(&verdicts),
        cpu,
    })
}

fn compared(record: &Record, verdict: &Verdict) -> ComparedRun {
    let manifest = &record.manifest;
    ComparedRun {
        run_id: manifest.run_id.clone(),
        scenario: manifest.scenario.name.clone(),
        variant: manifest.variant.clone(),
        seed: manifest.seed,
        outcome: verdict.outcome,
    }
}

fn compare_windows(records: [&Record; 2], margins: &Margins) -> Vec<WindowComparison> {
    let requests = records[0].manifest.scenario.load.routes();
    let mut routes: Vec<Option<&str>> = requests.map(|r| Some(r.name.as_str())).collect();
    // One route is all of them.
    if routes.len() > 1 {
        routes.insert(0, None);
    }
    let [of_a, of_b] = records.map(windows);
    let mut compared = Vec::new();
    let whole = of_a.iter().find(|w| w.kind == WindowKind::WholeRun);
    // A load without a ramp holds all the time, and need not be told twice.
    let told_twice = |window: &Window| {
        window.kind == WindowKind::Hold && whole.is_some_and(|w| w.ranges == window.ranges)
    };
    for window in of_a
        .iter()
        .filter(|w| !w.ranges.is_empty() && !told_twice(w))
    {
        let other = of_b
            .iter()
            .find(|other| other.name == window.name && !other.ranges.is_empty());
        let Some(other) = other else { continue };
        let sides = [(records[0], window), (records[1], other)];
        let routes = routes.iter();
        compared.push(WindowComparison {
            window: window.name.clone(),
            routes: routes
                .map(|route| compare_route(sides, *route, margins))
                .collect(),
        });
    }
    compared
}

fn compare_route(
    sides: [(&Record, &Window); 2],
    route: Option<&str>,
    margins: &Margins,
) -> RouteComparison {
    let slices =
        sides.map(|(record, window)| Slice::to_show().gather(&record.intervals, window, route));
    let noises = [0, 1].map(|side| {
        let (record, window) = sides[side];
        Noise::of(record, window, route, &slices[side])
    });
    let n = [0, 1].map(|side| slices[side].counts.settled());
    let mut figures = vec![success(&noises, n, margins)];
    for (index, (name, q)) in QUANTILES.into_iter().enumerate() {
        let estimates = [0, 1].map(|side| noises[side].quantiles.get(index).copied().flatten());
        let (difference, change) = margins.latency(estimates);
        let [a, b] = estimates.map(|estimate| estimate.map(noise::times));
        figures.push(Figure {
            metric: name.to_owned(),
            a,
            b,
            difference,
            n,
            needed: samples_for_quantile(q, CONFIDENCE),
            change,
        });
    }
    RouteComparison {
        route: route.unwrap_or("all").to_owned(),
        rate: [0, 1].map(|side| slices[side].per_second(slices[side].counts.scheduled)),
        bytes: [0, 1].map(|side| slices[side].counts.bytes),
        figures,
    }
}

fn success(noises: &[Noise; 2], n: [u64; 2], margins: &Margins) -> Figure {
    let estimates = [noises[0].success, noises[1].success];
    let (difference, change) = margins.success(estimates);
    let [a, b] = estimates.map(|estimate| estimate.map(noise::shares));
    Figure {
        metric: "success".to_owned(),
        a,
        b,
        difference,
        n,
        needed: 1,
        change,
    }
}
