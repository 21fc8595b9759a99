//! What the page shows, as plain strings: the template only lays it out.

use serde::Serialize;
use squall_judge::RunOutcome;
use squall_judge::quantity::{Quantity, clock, grouped, micros, percent, significant};
use squall_judge::verdict::{
    ErrorSummary, FaultEvidence, GateState, SliceStats, Verdict, WindowKind, WindowStats,
};
use squall_record::{Record, store, terminal_text};

use super::words::{quoted, shown};
use super::{percentiles, timeline, zoom};
use crate::format::effects::{Effect, LEGEND};
use crate::format::rendering::RunFiles;
use crate::format::{course, told, url_path};

mod events;
mod gates;

/// Most lines of the scenario that are shown.
const SCENARIO_LINES_MAX: usize = 1_000;
/// Most rows of errors.
const ERRORS_MAX: usize = 40;
/// Most routes in the table of routes.
const ROUTES_MAX: usize = 40;

/// What a run directory always holds, and what for.
const FILES: [(&str, &str); 5] = [
    (store::MANIFEST_FILE, "the scenario as run"),
    (store::EVENTS_FILE, "what happened"),
    (store::INTERVALS_FILE, "response times of every second"),
    (store::SAMPLES_FILE, "single requests"),
    (store::VERDICT_FILE, "the verdict"),
];

#[derive(Serialize)]
pub(super) struct Page {
    outcome: &'static str,
    class: &'static str,
    mark: &'static str,
    scenario: String,
    about: Option<String>,
    variant: Option<String>,
    sentence: String,
    reasons: Vec<String>,
    style: &'static str,
    script: &'static str,
    policy: String,
    seconds: String,
    version: String,
    beside: bool,
    files: [FileLink; 5],
    facts: Vec<(&'static str, String)>,
    groups: Vec<gates::Group>,
    timeline: String,
    timeline_summary: String,
    windows: Vec<StatRow>,
    outages: Vec<String>,
    users: Vec<(String, String)>,
    routes: Vec<RouteGroup>,
    cached: Option<String>,
    percentiles: Option<String>,
    faults: Vec<FaultBlock>,
    effects: Vec<Effect>,
    effects_legend: &'static str,
    generator: String,
    generator_facts: Vec<(&'static str, String)>,
    conservation: String,
    errors: Vec<ErrorRow>,
    events: Vec<events::EventRow>,
    events_left_out: usize,
    lines: Vec<SourceLine>,
    rerun: String,
    damage: Vec<String>,
}

#[derive(Serialize)]
struct FileLink {
    name: &'static str,
    about: &'static str,
    href: Option<String>,
}

#[derive(Serialize)]
struct StatRow {
    name: String,
    kind: String,
    span: String,
    arrivals: String,
    rate: String,
    success: String,
    failed: String,
    fallback: String,
    p50: String,
    p90: String,
    p99: String,
    p999: String,
    max: String,
    change: String,
}

#[derive(Serialize)]
struct RouteGroup {
    window: String,
    rows: Vec<StatRow>,
}

#[derive(Serialize)]
struct FaultBlock {
    name: String,
    requested: String,
    targets: String,
    times: Vec<(&'static str, String)>,
    seen: Vec<String>,
    problems: Vec<String>,
    detection: Vec<String>,
    recovery: Option<String>,
    metastable: bool,
    criterion: Option<String>,
}

#[derive(Serialize)]
struct ErrorRow {
    kind: String,
    origin: String,
    route: String,
    count: String,
    first: String,
    last: String,
    example: String,
}

#[derive(Serialize)]
struct SourceLine {
    number: usize,
    text: String,
    class: &'static str,
    note: &'static str,
}

impl Page {
    pub(super) fn of(record: &Record, verdict: &Verdict, files: &RunFiles) -> Self {
        let manifest = &record.manifest;
        let timeline_summary = timeline::summary(record, verdict);
        let points = timeline::points(&record.intervals, verdict.load_end_us);
        let (events, events_left_out) = events::rows(record);
        let (class, mark) = match verdict.outcome {
            RunOutcome::Pass => ("pass", "\u{2713}"),
            RunOutcome::Measured => ("none", "\u{2013}"),
            RunOutcome::Inconclusive => ("open", "?"),
            _ => ("fail", "\u{2717}"),
        };
        Self {
            outcome: verdict.outcome.word(),
            class,
            mark,
            scenario: manifest.scenario.name.clone(),
            about: manifest.scenario.about.clone(),
            variant: manifest.variant.clone(),
            sentence: quoted(&verdict.sentence),
            reasons: told::further_reasons(verdict, 8)
                .iter()
                .map(|reason| quoted(reason))
                .collect(),
            style: zoom::STYLE,
            script: zoom::SCRIPT,
            policy: zoom::policy(zoom::STYLE, Some(zoom::SCRIPT)),
            seconds: zoom::data(&points, verdict),
            version: manifest.squall_version.clone(),
            beside: *files == RunFiles::Beside,
            files: FILES.map(|(name, about)| FileLink {
                name,
                about,
                href: href(files, name),
            }),
            facts: facts(record, verdict),
            groups: gates::groups(verdict),
            timeline: timeline::chart(record, verdict, &points, &timeline_summary),
            timeline_summary,
            windows: windows(verdict),
            outages: course::outages(verdict),
            users: users(verdict),
            routes: routes(verdict),
            cached: course::cached(verdict),
            percentiles: percentiles::chart(record, verdict),
            faults: verdict
                .faults
                .iter()
                .map(|fault| fault_block(fault, verdict))
                .collect(),
            effects: verdict.effects.iter().map(Effect::of).collect(),
            effects_legend: LEGEND,
            generator: verdict.generator.summary.clone(),
            generator_facts: generator_facts(verdict),
            conservation: conservation(verdict),
            errors: verdict
                .errors
                .iter()
                .take(ERRORS_MAX)
                .map(error_row)
                .collect(),
            events,
            events_left_out,
            lines: lines(record, verdict),
            rerun: manifest.rerun.clone(),
            damage: record.damage.clone(),
        }
    }
}

/// The address of a file of the run; a relative one starts with `./`, so that
/// no name is taken for a scheme.
fn href(files: &RunFiles, name: &str) -> Option<String> {
    match files {
        RunFiles::Beside => Some(name.to_owned()),
        RunFiles::In(folder) => {
            let start = if folder.is_absolute() { "" } else { "./" };
            let path = url_path(folder.join(name).as_os_str().as_encoded_bytes());
            Some(format!("{start}{path}"))
        }
        RunFiles::Unknown => None,
    }
}

fn facts(record: &Record, verdict: &Verdict) -> Vec<(&'static str, String)> {
    let manifest = &record.manifest;
    let length = u64::try_from(verdict.load_end_us).unwrap_or(0);
    vec![
        ("load", micros(length)),
        ("arrivals", grouped(verdict.conservation.scheduled)),
        ("seed", manifest.seed.to_string()),
        ("started", to_the_second(&manifest.started_utc)),
        ("machine", manifest.host.clone()),
        ("squall", manifest.squall_version.clone()),
        ("run", manifest.run_id.clone()),
        ("exit code", verdict.exit_code.to_string()),
    ]
}

/// `2026-11-22T20:42:00.264571349Z` without its fraction, easier to read.
fn to_the_second(utc: &str) -> String {
    match (utc.split_once('T'), utc.strip_suffix('Z')) {
        (Some((date, time)), Some(_)) => {
            let time = time.trim_end_matches('Z');
            let time = time.split_once('.').map_or(time, |(whole, _)| whole);
            format!("{date} {time} UTC")
        }
        _ => utc.to_owned(),
    }
}

/// How many users each window hurt.
fn users(verdict: &Verdict) -> Vec<(String, String)> {
    let windows = verdict.windows.iter();
    let known = windows.filter_map(|window| Some((window.name.clone(), window.users?.to_string())));
    known.collect()
}

fn stat_row(name: &str, slice: &SliceStats, baseline: Option<&SliceStats>) -> StatRow {
    let counts = &slice.counts;
    let change = match (slice.p99, baseline.and_then(|baseline| baseline.p99)) {
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        (Some(Quantity::Micros(now)), Some(Quantity::Micros(before))) if before > 0 => {
            format!("\u{d7}{}", significant(now as f64 / before as f64))
        }
        _ => String::new(),
    };
    StatRow {
        name: name.to_owned(),
        kind: String::new(),
        span: String::new(),
        arrivals: grouped(counts.scheduled),
        rate: format!("{}/s", significant(slice.rate)),
        success: slice.success.map_or_else(|| "n/a".to_owned(), percent),
        failed: grouped(counts.failed()),
        fallback: grouped(counts.fallback),
        p50: shown(slice.p50, "n/a"),
        p90: shown(slice.p90, "n/a"),
        p99: shown(slice.p99, "n/a"),
        p999: shown(slice.p999, "n/a"),
        max: shown(slice.max, "n/a"),
        change,
    }
}

fn windows(verdict: &Verdict) -> Vec<StatRow> {
    let baseline = verdict
        .windows
        .iter()
        .find(|window| window.kind == WindowKind::Baseline);
    verdict
        .windows
        .iter()
        .map(|window| {
            let before = baseline.filter(|b| b.name != window.name).map(|b| &b.all);
            let mut row = stat_row(&window.name, &window.all, before);
            if window.kind == WindowKind::Fault {
                row.kind = "fault".to_owned();
            }
            row.span = span(window);
            row
        })
        .collect()
}

fn span(window: &WindowStats) -> String {
    match (window.ranges.first(), window.ranges.last()) {
        (Some(first), Some(last)) => {
            format!("{} \u{2013} {}", clock(first.start_us), clock(last.end_us))
        }
        _ => "never".to_owned(),
    }
}

fn routes(verdict: &Verdict) -> Vec<RouteGroup> {
    let baseline = verdict
        .windows
        .iter()
        .find(|window| window.kind == WindowKind::Baseline);
    verdict
        .windows
        .iter()
        .filter(|window| window.kind != WindowKind::Hold && window.routes.len() > 1)
        .map(|window| RouteGroup {
            window: window.name.clone(),
            rows: window
                .routes
                .iter()
                .take(ROUTES_MAX)
                .map(|route| {
                    let before = baseline
                        .filter(|b| b.name != window.name)
                        .and_then(|b| b.routes.iter().find(|known| known.route == route.route));
                    stat_row(&route.route, route, before)
                })
                .collect(),
        })
        .collect()
}

fn fault_block(fault: &FaultEvidence, verdict: &Verdict) -> FaultBlock {
    let recovery = verdict
        .recoveries
        .iter()
        .find(|recovery| recovery.fault == fault.fault);
    let detection = verdict
        .detections
        .iter()
        .find(|detection| detection.fault == fault.fault);
    let moments = [
        ("asked for", fault.requested_us),
        ("seen in force", fault.active_us),
        ("removal asked for", fault.removal_requested_us),
        ("seen to be gone", fault.removed_us),
    ];
    let mut times: Vec<_> = moments
        .into_iter()
        .map(|(label, at_us)| (label, at_us.map_or_else(|| "never".to_owned(), clock)))
        .collect();
    let felt = match fault.effective {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not looked at",
    };
    times.push(("felt by traffic", felt.to_owned()));
    if fault.planned > 1 {
        let text = format!(
            "{} active, {} felt, {} removed, of {}",
            fault.active, fault.felt, fault.removed, fault.planned
        );
        times.push(("injections", text));
    }
    FaultBlock {
        name: fault.fault.clone(),
        requested: fault.requested.clone(),
        targets: fault.targets.join(", "),
        times,
        seen: fault
            .seen
            .iter()
            .take(12)
            .map(|seen| terminal_text(seen))
            .collect(),
        problems: fault
            .problems
            .iter()
            .chain(&fault.removal_problems)
            .cloned()
            .collect(),
        detection: detection.map(course::detection).unwrap_or_default(),
        recovery: recovery.map(course::recovery),
        metastable: recovery.is_some_and(|recovery| recovery.metastable),
        criterion: recovery.map(|recovery| recovery.criterion.clone()),
    }
}

fn generator_facts(verdict: &Verdict) -> Vec<(&'static str, String)> {
    let trust = &verdict.generator;
    let cores = trust
        .cpu_cores
        .map_or_else(|| "n/a".to_owned(), |cores| format!("{cores:.2} cores"));
    let mut facts = vec![
        ("lag p50", shown(trust.lag_p50, "n/a")),
        ("lag p99", shown(trust.lag_p99, "n/a")),
        ("lag max", shown(trust.lag_max, "n/a")),
        ("wait p50", shown(trust.wait_p50, "n/a")),
        ("wait p99", shown(trust.wait_p99, "n/a")),
        ("dropped", grouped(trust.dropped)),
        ("late by lag only", grouped(trust.late_by_lag)),
        ("sent again on a new connection", grouped(trust.resent)),
        ("CPU of squall", cores),
    ];
    let parts = verdict.parts.named();
    facts.extend(parts.map(|(name, stats)| (name, course::part(stats))));
    facts
}

fn conservation(verdict: &Verdict) -> String {
    let sum = &verdict.conservation;
    let text = format!(
        "{} scheduled = {} good + {} bad + {} dropped + {} unfinished",
        grouped(sum.scheduled),
        grouped(sum.good),
        grouped(sum.bad),
        grouped(sum.dropped),
        grouped(sum.unfinished)
    );
    match sum.violations.first() {
        None => format!("Every arrival is accounted for: {text}."),
        Some(violation) => format!("Arrivals do not add up ({text}): {violation}."),
    }
}

fn error_row(error: &ErrorSummary) -> ErrorRow {
    ErrorRow {
        kind: course::failure(error.kind, error.dropped),
        origin: error.origin.to_string(),
        route: error.route.clone(),
        count: grouped(error.count),
        first: clock(error.first_us),
        last: clock(error.last_us),
        example: terminal_text(&course::instance(error)),
    }
}

/// The scenario with the lines of failed and undecided gates marked.
fn lines(record: &Record, verdict: &Verdict) -> Vec<SourceLine> {
    let text = record
        .manifest
        .scenario_text
        .lines()
        .take(SCENARIO_LINES_MAX);
    text.enumerate()
        .map(|(index, text)| {
            let number = index + 1;
            let here = |state| {
                verdict
                    .gates_in(state)
                    .any(|gate| usize::try_from(gate.span.line).is_ok_and(|line| line == number))
            };
            let (class, note) = if here(GateState::Fail) {
                ("fail", "\u{2717} failed")
            } else if here(GateState::Inconclusive) {
                ("open", "? undecided")
            } else if here(GateState::Pass) {
                ("pass", "\u{2713}")
            } else {
                ("", "")
            };
            SourceLine {
                number,
                text: text.to_owned(),
                class,
                note,
            }
        })
        .collect()
}
