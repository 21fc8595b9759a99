//! The history of many runs as one static page: grouped by scenario, newest
//! first, with the trend of success and p99.

mod shown;
mod trend;

use std::collections::BTreeMap;

use minijinja::{AutoEscape, Environment};
use serde::Serialize;
use squall_judge::quantity::{grouped, micros, percent};
use squall_judge::verdict::{GateOrigin, GateState, Verdict, WindowKind};
use squall_judge::{RunOutcome, RunSummary};

use self::shown::{look, whole_run};
use crate::format::{html_text, inert, policy, url_path};

const TEMPLATE: &str = include_str!("../templates/index.html");
const STYLE: &str = include_str!("../templates/index.css");
/// Most runs of one scenario that are shown; the newest.
const RUNS_MAX: usize = 200;
/// Most failed gates that are named for one run.
const GATES_MAX: usize = 3;

/// A run as the index finds it.
#[derive(Debug)]
pub struct IndexedRun {
    /// Its directory, relative to the page.
    pub dir: String,
    /// What it was and how it ended, or why that cannot be told.
    pub summary: Result<RunSummary, String>,
    /// Whether its directory holds a `report.html`.
    pub has_page: bool,
}

#[derive(Serialize)]
struct Page {
    style: &'static str,
    policy: String,
    runs: String,
    scenarios: Vec<Group>,
    damaged: Vec<Damaged>,
}

#[derive(Serialize)]
struct Damaged {
    dir: String,
    why: String,
}

#[derive(Serialize)]
struct Group {
    name: String,
    about: Option<String>,
    latest: &'static str,
    class: &'static str,
    mark: &'static str,
    tally: String,
    success: Option<String>,
    p99: Option<String>,
    rows: Vec<Row>,
    left_out: usize,
}

#[derive(Serialize)]
struct Row {
    started: String,
    href: Option<String>,
    dir: String,
    outcome: &'static str,
    class: &'static str,
    mark: &'static str,
    sentence: String,
    length: String,
    seed: String,
    failed: Vec<String>,
    failed_more: usize,
    arrivals: String,
    success: String,
    worst: String,
    p99: String,
}

/// The page. It needs no script and no network, and escapes every name.
#[must_use]
pub fn index_page(runs: &[IndexedRun]) -> Vec<u8> {
    let page = page(runs);
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let rendered = environment
        .template_from_str(TEMPLATE)
        .and_then(|template| template.render(minijinja::value::Serde(&page)));
    match rendered {
        Ok(text) => inert(&text).into_bytes(),
        // The template is part of the program and tested; should it fail all
        // the same, the page says so instead of being empty.
        Err(error) => inert(&format!(
            "<!doctype html><title>squall</title><p>the index could not be rendered: {}",
            html_text(&error.to_string())
        ))
        .into_bytes(),
    }
}

fn page(runs: &[IndexedRun]) -> Page {
    let mut groups: BTreeMap<String, Vec<(&IndexedRun, &RunSummary)>> = BTreeMap::new();
    let mut damaged = Vec::new();
    for run in runs {
        match &run.summary {
            Ok(summary) => {
                let entry = groups.entry(name_of(summary)).or_default();
                entry.push((run, summary));
            }
            Err(why) => damaged.push(Damaged {
                dir: run.dir.clone(),
                why: why.clone(),
            }),
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    for (_, runs) in &mut groups {
        runs.sort_by(|(a, x), (b, y)| started(y, b).cmp(&started(x, a)));
    }
    // The scenario that ran last stands first.
    groups.sort_by(|(_, a), (_, b)| newest(b).cmp(&newest(a)));
    Page {
        style: STYLE,
        policy: policy(STYLE, None),
        runs: counted(runs.len(), "run"),
        scenarios: groups
            .into_iter()
            .map(|(name, runs)| group(name, &runs))
            .collect(),
        damaged,
    }
}

fn name_of(summary: &RunSummary) -> String {
    let manifest = &summary.manifest;
    let name = &manifest.scenario.name;
    match &manifest.variant {
        Some(variant) => format!("{name}, variant {variant}"),
        None => name.clone(),
    }
}

/// By time; starts in RFC 3339 and UTC sort as text.
fn started<'a>(summary: &'a RunSummary, run: &'a IndexedRun) -> (&'a str, &'a str) {
    (&summary.manifest.started_utc, &run.dir)
}

fn newest<'a>(runs: &[(&'a IndexedRun, &'a RunSummary)]) -> Option<(&'a str, &'a str)> {
    runs.first().map(|(run, summary)| started(summary, run))
}

fn group(name: String, runs: &[(&IndexedRun, &RunSummary)]) -> Group {
    let shown = &runs[..runs.len().min(RUNS_MAX)];
    let rows: Vec<Row> = shown
        .iter()
        .map(|(run, summary)| row(run, summary))
        .collect();
    let verdicts = || {
        shown
            .iter()
            .rev()
            .map(|(_, summary)| summary.verdict.as_ref())
    };
    let latest = shown.first().map(|(_, summary)| *summary);
    let (class, mark, word) = look(latest.and_then(|summary| summary.verdict.as_ref()));
    Group {
        about: latest.and_then(|summary| summary.manifest.scenario.about.clone()),
        latest: word,
        class,
        mark,
        tally: tally(runs),
        success: trend::success(&name, verdicts()),
        p99: trend::p99(&name, verdicts()),
        name,
        rows,
        left_out: runs.len() - shown.len(),
    }
}

fn tally(runs: &[(&IndexedRun, &RunSummary)]) -> String {
    let passed = runs
        .iter()
        .filter(|(_, summary)| {
            let verdict = summary.verdict.as_ref();
            verdict.is_some_and(|verdict| verdict.outcome == RunOutcome::Pass)
        })
        .count();
    format!("{}, {passed} passed", counted(runs.len(), "run"))
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn row(run: &IndexedRun, summary: &RunSummary) -> Row {
    let manifest = &summary.manifest;
    let verdict = summary.verdict.as_ref();
    let (class, mark, outcome) = look(verdict);
    let failed = failed_gates(verdict);
    let whole = verdict.and_then(whole_run);
    let none = || "\u{2013}".to_owned();
    Row {
        started: manifest.started_utc.clone(),
        href: run.has_page.then(|| href(&run.dir)),
        dir: run.dir.clone(),
        outcome,
        class,
        mark,
        sentence: verdict.map_or_else(String::new, |verdict| verdict.sentence.clone()),
        length: verdict.map_or_else(none, |v| micros(v.load_end_us.max(0).unsigned_abs())),
        seed: manifest.seed.to_string(),
        failed_more: failed.len().saturating_sub(GATES_MAX),
        failed: failed.into_iter().take(GATES_MAX).collect(),
        arrivals: verdict.map_or_else(none, |v| grouped(v.conservation.scheduled)),
        success: whole
            .and_then(|slice| slice.success)
            .map_or_else(none, percent),
        worst: verdict.and_then(worst).unwrap_or_else(none),
        p99: whole
            .and_then(|slice| slice.p99)
            .map_or_else(none, |p99| p99.to_string()),
    }
}

fn failed_gates(verdict: Option<&Verdict>) -> Vec<String> {
    let gates = verdict.into_iter().flat_map(|verdict| &verdict.gates);
    gates
        .filter(|gate| gate.state == GateState::Fail)
        .map(|gate| match gate.origin {
            GateOrigin::Slo => format!("{} {}", gate.gate, gate.when),
            GateOrigin::SteadyState => format!("{} in the steady state", gate.gate),
        })
        .collect()
}

/// The fault whose window had the least success.
fn worst(verdict: &Verdict) -> Option<String> {
    let faults = verdict
        .windows
        .iter()
        .filter(|w| w.kind == WindowKind::Fault);
    let known = faults.filter_map(|window| Some((window.all.success?, &window.name)));
    let (success, name) = known.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some(format!("{} during {name}", percent(success)))
}

/// A relative address: it starts with `./`, so that no name is taken for a
/// scheme.
fn href(dir: &str) -> String {
    format!("./{}/report.html", url_path(dir.as_bytes()))
}
