//! The timeline chart: windows, latency, arrivals, breakers and processes on
//! one axis of time.

mod lanes;

use squall_judge::quantity::{Quantity, clock, micros};
use squall_judge::verdict::{TimeRange, Verdict, WindowKind, WindowStats};
use squall_judge::{Slice, Window};
use squall_record::{Interval, Record};
use squall_scenario::{BreakerState, Gate, GateValue, Metric};

use super::axis::{LogAxis, TimeAxis};
use crate::format::by_hand::{Deed, deeds};
use crate::format::svg::{Anchor, Svg, color, fitted};

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 58.0;
const LATENCY_TOP: f64 = 52.0;
const LATENCY_HEIGHT: f64 = 210.0;
const ARRIVALS_TOP: f64 = LATENCY_TOP + LATENCY_HEIGHT + 44.0;
const ARRIVALS_HEIGHT: f64 = 110.0;
const FAILED_TOP: f64 = ARRIVALS_TOP + ARRIVALS_HEIGHT + 24.0;
const FAILED_HEIGHT: f64 = 34.0;
const LANES_TOP: f64 = FAILED_TOP + FAILED_HEIGHT + 28.0;
const LANE_HEIGHT: f64 = 22.0;
/// Most lanes of breakers, and of processes; the tables hold them all.
const LANES_MAX: usize = 16;
/// Most points of a line; a longer run is drawn in longer steps.
const POINTS_MAX: i64 = 600;
/// A shorter stretch (a cut at a fault edge) joins its neighbour.
const POINT_US_MIN: i64 = 500_000;

/// One point of the lines: a second, or more in a long run.
pub(super) struct Point {
    pub(super) start_us: i64,
    pub(super) end_us: i64,
    pub(super) slice: Slice,
}

impl Point {
    fn middle_us(&self) -> i64 {
        i64::midpoint(self.start_us, self.end_us)
    }

    fn quantile_us(&self, q: f64) -> Option<u64> {
        match self.slice.quantile(q)? {
            Quantity::Micros(us) => Some(us),
            _ => None,
        }
    }
}

/// The chart as SVG.
pub(super) fn chart(record: &Record, verdict: &Verdict, points: &[Point], summary: &str) -> String {
    let breakers = verdict.breakers.len().min(LANES_MAX);
    let processes = verdict
        .processes
        .iter()
        .filter(|p| !p.down.is_empty())
        .take(LANES_MAX);
    let deeds: Vec<Deed> = deeds(record).filter(|deed| deed.at_us >= 0).collect();
    let by_hand = usize::from(!deeds.is_empty());
    #[expect(clippy::cast_precision_loss, reason = "at most 33 lanes")]
    let lanes = (by_hand + breakers + processes.clone().count()) as f64;
    let bottom = LANES_TOP + lanes * LANE_HEIGHT + if lanes > 0.0 { 8.0 } else { -20.0 };
    let mut chart = Chart {
        svg: Svg::new(
            "timeline",
            (WIDTH, bottom + 30.0),
            "Timeline of the run",
            summary,
        ),
        time: TimeAxis {
            left: LEFT,
            width: WIDTH - LEFT - RIGHT,
            end_us: verdict.load_end_us.max(1),
        },
        bottom,
    };
    chart.describe();
    chart.svg.hatch("hatch-fault", color::AMBER, "1.4");
    chart.svg.hatch("hatch-failed", color::VERMILION, "2.4");
    chart.svg.hatch("hatch-half", color::AMBER, "3");
    chart.frame();
    chart.windows(&verdict.windows);
    chart.latency(record, verdict, points);
    chart.arrivals(points);
    chart.failed(points);
    let mut lane = LANES_TOP;
    if !deeds.is_empty() {
        chart.by_hand(lane, &deeds);
        lane += LANE_HEIGHT;
    }
    for breaker in verdict.breakers.iter().take(LANES_MAX) {
        let label = format!("{} {}", breaker.breaker, breaker.instance);
        let states: Vec<_> = breaker
            .segments
            .iter()
            .map(|s| (s.range, s.state))
            .collect();
        chart.breaker(lane, &label, &states);
        lane += LANE_HEIGHT;
    }
    for process in processes {
        chart.process(lane, &process.instance, &process.down);
        lane += LANE_HEIGHT;
    }
    chart.svg.finish()
}

/// The points of the lines.
pub(super) fn points(intervals: &[Interval], load_end_us: i64) -> Vec<Point> {
    let step_us = (load_end_us / POINTS_MAX).max(POINT_US_MIN);
    let mut points: Vec<Point> = Vec::new();
    for interval in intervals.iter().filter(|interval| interval.start_us >= 0) {
        match points.last_mut() {
            Some(point) if point.end_us.saturating_sub(point.start_us) < step_us => {
                point.end_us = interval.end_us;
                point.slice.add(interval, None);
            }
            _ => {
                let mut slice = Slice::to_show();
                slice.add(interval, None);
                points.push(Point {
                    start_us: interval.start_us,
                    end_us: interval.end_us,
                    slice,
                });
            }
        }
    }
    points
}

struct Chart {
    svg: Svg,
    time: TimeAxis,
    /// Where the lanes end and the axis begins.
    bottom: f64,
}

impl Chart {
    /// Where the script of the page finds the axis of time.
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a run")]
    fn describe(&mut self) {
        self.svg.data("left", self.time.left);
        self.svg.data("width", self.time.width);
        self.svg.data("end", self.time.end_us as f64);
        self.svg.data("top", 30.0);
        self.svg.data("bottom", self.bottom);
    }

    /// Vertical grid and the axis of time.
    fn frame(&mut self) {
        for tick_us in self.time.ticks() {
            let x = self.time.x(tick_us);
            let grid = [("class", "grid"), ("stroke", color::GRID)];
            self.svg.line((x, 30.0), (x, self.bottom), &grid);
            let label = format!("{}s", tick_us / 1_000_000);
            self.svg.text(
                (x, self.bottom + 16.0),
                Anchor::Middle,
                "faint tick",
                color::FAINT,
                &label,
            );
        }
    }

    /// Shaded, hatched and labelled bands; faults reach through all rows.
    fn windows(&mut self, windows: &[WindowStats]) {
        for window in windows {
            let (fill, class) = match window.kind {
                WindowKind::Baseline | WindowKind::Control => (color::SKY, "band"),
                WindowKind::Fault => (color::AMBER, "band"),
                WindowKind::Recovery => (color::GREEN, "band"),
                WindowKind::Hold | WindowKind::WholeRun => continue,
            };
            for range in &window.ranges {
                let (x, end) = (self.time.x(range.start_us), self.time.x(range.end_us));
                let width = end - x;
                if window.kind == WindowKind::Fault {
                    let size = (width, self.bottom - 30.0);
                    self.svg.rect(
                        (x, 30.0),
                        size,
                        &[("fill", color::AMBER), ("fill-opacity", "0.10")],
                    );
                    self.svg.rect(
                        (x, 30.0),
                        size,
                        &[("fill", "url(#hatch-fault)"), ("fill-opacity", "0.22")],
                    );
                    for edge in [x, end] {
                        let line = [("stroke", color::AMBER), ("stroke-dasharray", "3 3")];
                        self.svg.line((edge, 8.0), (edge, self.bottom), &line);
                    }
                }
                let band = [
                    ("fill", fill),
                    ("fill-opacity", "0.34"),
                    ("class", class),
                    ("rx", "2"),
                ];
                self.svg.rect((x, 8.0), (width, 19.0), &band);
                if let Some(label) = fitted(&window.name, width - 8.0) {
                    let at = (f64::midpoint(x, end), 21.5);
                    self.svg
                        .text(at, Anchor::Middle, "ink strong", color::INK, &label);
                }
            }
        }
        self.label(21.5, "windows");
    }

    fn label(&mut self, y: f64, text: &str) {
        let text = fitted(text, LEFT - 16.0).unwrap_or_default();
        self.svg
            .text((LEFT - 12.0, y), Anchor::End, "ink", color::INK, &text);
    }

    fn title(&mut self, y: f64, text: &str) {
        self.svg
            .text((4.0, y), Anchor::Start, "ink strong", color::INK, text);
    }

    fn latency(&mut self, record: &Record, verdict: &Verdict, points: &[Point]) {
        let objectives = objectives(record, verdict);
        let p50: Vec<_> = points.iter().map(|point| point.quantile_us(0.5)).collect();
        let p99: Vec<_> = points.iter().map(|point| point.quantile_us(0.99)).collect();
        let limits = objectives.iter().map(|objective| objective.limit_us);
        let values = p50
            .iter()
            .chain(&p99)
            .filter_map(|value| *value)
            .chain(limits);
        let axis = LogAxis::over(values, LATENCY_TOP, LATENCY_HEIGHT);
        self.title(LATENCY_TOP + 10.0, "response time");
        self.svg.text(
            (4.0, LATENCY_TOP + 25.0),
            Anchor::Start,
            "faint",
            color::FAINT,
            "all routes, log",
        );
        for tick_us in axis.ticks() {
            let y = axis.y(tick_us);
            let grid = [("class", "grid"), ("stroke", color::GRID)];
            self.svg.line((LEFT, y), (self.time.right(), y), &grid);
            self.svg.text(
                (LEFT - 8.0, y + 4.0),
                Anchor::End,
                "faint",
                color::FAINT,
                &micros(tick_us),
            );
        }
        for objective in &objectives {
            self.objective(&axis, objective);
        }
        let lines = [
            ("p50", &p50, color::BLUE, "blue", ""),
            ("p99", &p99, color::VERMILION, "red", "6 2"),
        ];
        let mut named_at: Option<f64> = None;
        for (name, values, stroke, class, dashes) in lines {
            let curve: Vec<_> = points
                .iter()
                .zip(values)
                .map(|(point, value)| value.map(|us| (self.time.x(point.middle_us()), axis.y(us))))
                .collect();
            let class = format!("line-{class}");
            let look = [
                ("stroke", stroke),
                ("stroke-width", "1.8"),
                ("stroke-linejoin", "round"),
                ("class", class.as_str()),
                ("stroke-dasharray", dashes),
            ];
            self.svg.curve(&curve, &look);
            if let Some((_, y)) = curve.iter().rev().find_map(|point| *point) {
                // p99 is never below p50, so its name moves up from it.
                let y = named_at.map_or(y, |below| y.min(below - 12.0));
                named_at = Some(y);
                let at = (self.time.right() + 6.0, y + 4.0);
                let class = format!("text-{}", &class[5..]);
                self.svg.text(at, Anchor::Start, &class, stroke, name);
            }
        }
        self.failed_seconds(points, &p99);
    }

    /// Where more than 1 % failed, p99 is no time at all: a mark at the top.
    fn failed_seconds(&mut self, points: &[Point], p99: &[Option<u64>]) {
        let mut any = false;
        for (point, _) in points
            .iter()
            .zip(p99)
            .filter(|(point, value)| value.is_none() && point.slice.counts.settled() > 0)
        {
            let (x, end) = (self.time.x(point.start_us), self.time.x(point.end_us));
            self.svg.rect(
                (x, LATENCY_TOP - 8.0),
                (end - x, 6.0),
                &[("fill", "url(#hatch-failed)")],
            );
            any = true;
        }
        if any {
            let at = (self.time.right() + 6.0, LATENCY_TOP - 1.0);
            self.svg
                .text(at, Anchor::Start, "text-red", color::VERMILION, "failed");
        }
    }

    fn objective(&mut self, axis: &LogAxis, objective: &Objective) {
        let y = axis.y(objective.limit_us);
        for range in &objective.ranges {
            let (x, end) = (self.time.x(range.start_us), self.time.x(range.end_us));
            let look = [
                ("class", "line-ink"),
                ("stroke", color::INK),
                ("stroke-width", "1.2"),
                ("stroke-dasharray", "2 3"),
            ];
            self.svg.line((x, y), (end, y), &look);
            if let Some(label) = fitted(&objective.text, end - x - 8.0) {
                self.svg.text(
                    (x + 5.0, y - 4.0),
                    Anchor::Start,
                    "ink halo",
                    color::INK,
                    &label,
                );
            }
        }
    }
}

/// A latency objective and where it applies.
struct Objective {
    text: String,
    limit_us: u64,
    ranges: Vec<TimeRange>,
}

fn objectives(record: &Record, verdict: &Verdict) -> Vec<Objective> {
    let mut found: Vec<Objective> = Vec::new();
    let blocks = record
        .manifest
        .scenario
        .slo
        .iter()
        .flat_map(|block| &block.expect);
    for gate in blocks {
        let Gate::Metric(metric) = &gate.value else {
            continue;
        };
        let (Metric::Quantile(_) | Metric::Max, GateValue::Duration(limit)) =
            (metric.metric, metric.value)
        else {
            continue;
        };
        let judged = verdict
            .gates
            .iter()
            .filter(|known| known.span == gate.span && known.gate == metric.to_string());
        for judged in judged {
            found.push(Objective {
                text: judged.gate.clone(),
                limit_us: u64::try_from(limit.as_micros()).unwrap_or(u64::MAX),
                ranges: judged.evidence.ranges.clone(),
            });
        }
    }
    found
}

/// The chart in words.
pub(super) fn summary(record: &Record, verdict: &Verdict) -> String {
    let mut parts = Vec::new();
    for window in &verdict.windows {
        if matches!(window.kind, WindowKind::Hold | WindowKind::WholeRun)
            || window.ranges.is_empty()
        {
            continue;
        }
        let from = window.ranges.first().map_or(0, |range| range.start_us);
        let to = window.ranges.last().map_or(0, |range| range.end_us);
        let p99 = window
            .all
            .p99
            .map_or_else(|| "unknown".to_owned(), |p99| p99.to_string());
        let ok = window
            .all
            .success
            .map_or_else(|| "nothing".to_owned(), squall_judge::quantity::percent);
        parts.push(format!(
            "{} ({} to {}): {ok} good, p99 {p99}",
            window.name,
            clock(from),
            clock(to)
        ));
    }
    for breaker in &verdict.breakers {
        let open = breaker
            .segments
            .iter()
            .filter(|s| s.state == Some(BreakerState::Open));
        let opened: Vec<String> = open
            .map(|s| format!("{} to {}", clock(s.range.start_us), clock(s.range.end_us)))
            .take(4)
            .collect();
        if !opened.is_empty() {
            parts.push(format!(
                "breaker {} of {} open {}",
                breaker.breaker,
                breaker.instance,
                opened.join(", ")
            ));
        }
    }
    let routes = record.manifest.scenario.load.routes().count();
    let noun = if routes == 1 { "route" } else { "routes" };
    format!("{routes} {noun}. {}.", parts.join("; "))
}

/// The window of a verdict as the judge cuts it.
pub(super) fn window_of(stats: &WindowStats) -> Window {
    Window::new(&stats.name, stats.kind, stats.ranges.clone())
}
