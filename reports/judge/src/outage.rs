//! Outages: stretches of time in which too small a share of arrivals was good.

use squall_record::{Counts, Interval};
use squall_scenario::{Metric, MetricGate, OUTAGE_BELOW, samples_for_a_failure};

use crate::case::Case;
use crate::generator::excuse;
use crate::quantity::{Quantity, clock, grouped, micros, percent};
use crate::ruling::{Ruling, undecided, unit_threshold};
use crate::slice::share;
use crate::verdict::{Evidence, GateState, Outage, Outages, TimeRange};
use crate::window::Window;

/// Most outages that are listed.
const LISTED_MAX: usize = 20;

/// Faults cut seconds into parts; shorter ones than this are joined with what
/// follows.
const LENGTH_MIN_US: i64 = 500_000;

/// A stretch that is long enough to be judged.
#[derive(Debug, Clone, Copy)]
struct Bin {
    range: TimeRange,
    counts: Counts,
    /// Whether it continues the one before it.
    joined: bool,
}

/// Everything there is to say about the outages of a window.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    pub(super) outages: Vec<Outage>,
    /// Widest stretch, which is how exactly their edges are known.
    resolution_us: u64,
    counts: Counts,
    intervals: u64,
}

impl Course {
    fn longest_us(&self) -> u64 {
        let lengths = self.outages.iter().map(|outage| outage.range.length_us());
        lengths.max().unwrap_or(0)
    }

    fn value(&self, metric: Metric) -> u64 {
        match metric {
            Metric::LongestOutage { .. } => self.longest_us(),
            _ => self.outages.len() as u64,
        }
    }
}

/// Finds the outages below a share of good arrivals, with the failures that
/// `failed` sees.
fn find(
    intervals: &[Interval],
    window: &Window,
    route: Option<&str>,
    below: f64,
    failed: fn(&Counts) -> u64,
) -> Course {
    let mut course = Course::default();
    let bins = bins(intervals, window, route, below, &mut course.intervals);
    let mut open = false;
    for bin in &bins {
        course.resolution_us = course.resolution_us.max(bin.range.length_us());
        course.counts.add(&bin.counts);
        let (bad, n) = (failed(&bin.counts), bin.counts.settled());
        if !is_down(bad, n, below) {
            open = false;
            continue;
        }
        match course.outages.last_mut() {
            Some(last) if open && bin.joined => {
                last.range.end_us = bin.range.end_us;
                last.n = last.n.saturating_add(n);
                last.bad = last.bad.saturating_add(bad);
            }
            _ => course.outages.push(Outage {
                range: bin.range,
                n,
                bad,
            }),
        }
        open = true;
    }
    course
}

/// One failure alone is never an outage, however few arrivals there are.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn is_down(bad: u64, n: u64, below: f64) -> bool {
    bad > 1 && bad as f64 > (1.0 - below) * n as f64 * (1.0 + 1e-9)
}

/// Joins intervals to seconds, and seconds until each holds enough arrivals.
fn bins(
    intervals: &[Interval],
    window: &Window,
    route: Option<&str>,
    below: f64,
    seen: &mut u64,
) -> Vec<Bin> {
    const SECOND_US: i64 = 1_000_000;
    let needed = samples_for_a_failure(below);
    let mut bins: Vec<Bin> = Vec::new();
    let mut current: Option<Bin> = None;
    for interval in intervals
        .iter()
        .filter(|interval| window.contains(interval))
    {
        *seen += 1;
        let counts = counts(interval, route);
        let follows = |range: TimeRange| range.end_us == interval.start_us;
        if let Some(bin) = current.take_if(|bin| !follows(bin.range)) {
            close(&mut bins, bin);
        }
        let joined = bins.last().is_some_and(|last| follows(last.range));
        let bin = current.get_or_insert(Bin {
            range: TimeRange {
                start_us: interval.start_us,
                end_us: interval.start_us,
            },
            counts: Counts::default(),
            joined,
        });
        bin.counts.add(&counts);
        bin.range.end_us = interval.end_us;
        let whole = interval.end_us.rem_euclid(SECOND_US) == 0
            && bin.range.end_us - bin.range.start_us >= LENGTH_MIN_US;
        if whole && bin.counts.settled() >= needed {
            bins.extend(current.take());
        }
    }
    if let Some(bin) = current {
        close(&mut bins, bin);
    }
    bins
}

/// What is left over at the end of a stretch belongs to the last whole bin.
fn close(bins: &mut Vec<Bin>, rest: Bin) {
    match bins.last_mut() {
        Some(last) if rest.joined => {
            last.range.end_us = rest.range.end_us;
            last.counts.add(&rest.counts);
        }
        _ => bins.push(rest),
    }
}

fn counts(interval: &Interval, route: Option<&str>) -> Counts {
    let mut counts = Counts::default();
    for entry in &interval.routes {
        if route.is_none_or(|name| name == entry.route) {
            counts.add(&entry.counts);
        }
    }
    counts
}

/// The outages of a window, all routes together; `None` without arrivals.
pub(super) fn summary(intervals: &[Interval], window: &Window) -> Option<Outages> {
    let course = find(intervals, window, None, OUTAGE_BELOW, Counts::failed);
    (course.counts.settled() > 0).then(|| Outages {
        below: OUTAGE_BELOW,
        count: course.outages.len() as u64,
        longest_us: course.longest_us(),
        total_us: course
            .outages
            .iter()
            .map(|outage| outage.range.length_us())
            .sum(),
        resolution_us: course.resolution_us,
    })
}

/// Judges `outages <= 1` and `longest_outage <= 3s`.
pub(super) fn rule(case: &Case<'_>, window: &Window, gate: &MetricGate) -> Ruling {
    let (Metric::Outages { below } | Metric::LongestOutage { below }) = gate.metric else {
        return undecided("this is no gate on outages");
    };
    let below = below.map_or(OUTAGE_BELOW, squall_scenario::Share::get);
    let find = |failed| {
        find(
            &case.record.intervals,
            window,
            gate.of.as_deref(),
            below,
            failed,
        )
    };
    let course = find(Counts::failed);
    let unlagged = find(Counts::failed_unexcused);
    let (value, limit) = (course.value(gate.metric), unit_threshold(gate.value));
    let evidence = evidence(&course, gate, limit, window);
    if evidence.n == 0 {
        return Ruling {
            state: GateState::Inconclusive,
            explanation: "no arrival of this window settled: no data is never a pass".to_owned(),
            evidence,
        };
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and times are far below 2^52"
    )]
    let holds = |value: u64| {
        let limit = limit.map_or(f64::NAN, Quantity::as_number);
        gate.comparison.holds(value as f64, limit)
    };
    let fact = describe(&course, below);
    let (state, reason) = if !holds(value) {
        if holds(unlagged.value(gate.metric)) {
            let excuse = excuse(course.counts.drops);
            (GateState::Inconclusive, format!("; {excuse} it would hold"))
        } else {
            (GateState::Fail, String::new())
        }
    } else if course.counts.unfinished > 0 {
        let reason = "; some arrivals never settled".to_owned();
        (GateState::Inconclusive, reason)
    } else {
        (GateState::Pass, String::new())
    };
    Ruling {
        state,
        explanation: format!("{fact}{reason}"),
        evidence,
    }
}

fn evidence(
    course: &Course,
    gate: &MetricGate,
    limit: Option<Quantity>,
    window: &Window,
) -> Evidence {
    let value = course.value(gate.metric);
    let (observed, margin) = match (gate.metric, limit) {
        (Metric::LongestOutage { .. }, Some(Quantity::Micros(limit_us))) if limit_us > 0 => {
            let used = share(value, limit_us).unwrap_or(0.0);
            (Quantity::Micros(value), Some(1.0 - used))
        }
        (Metric::LongestOutage { .. }, _) => (Quantity::Micros(value), None),
        _ => (Quantity::Count(value), None),
    };
    Evidence {
        observed: Some(observed),
        threshold: limit,
        margin,
        n: course.counts.settled(),
        bad: course.counts.failed(),
        ranges: window.ranges.clone(),
        intervals: course.intervals,
        resolution_us: Some(course.resolution_us),
        outages: course.outages.iter().take(LISTED_MAX).copied().collect(),
        ..Evidence::default()
    }
}

/// The outages in words: when they were, and what counts as one.
fn describe(course: &Course, below: f64) -> String {
    const SHOWN_MAX: usize = 3;
    let what = format!(
        "less than {} good, to the nearest {}",
        percent(below),
        micros(course.resolution_us)
    );
    if course.outages.is_empty() {
        return format!("no outage ({what})");
    }
    let shown = course.outages.iter().take(SHOWN_MAX).map(|outage| {
        format!(
            "{}\u{2013}{} ({} of {} failed)",
            clock(outage.range.start_us),
            clock(outage.range.end_us),
            grouped(outage.bad),
            grouped(outage.n)
        )
    });
    let shown: Vec<String> = shown.collect();
    let more = course.outages.len().saturating_sub(SHOWN_MAX);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let count = match course.outages.len() {
        1 => "one outage".to_owned(),
        many => format!("{many} outages"),
    };
    format!("{count}: {}{more} ({what})", shown.join(", "))
}
