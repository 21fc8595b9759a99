//! `junit`: for CI systems that show test results.

use std::collections::HashMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use squall_judge::RunOutcome;
use squall_judge::quantity::{Quantity, grouped, percent};
use squall_judge::verdict::{GateState, GateVerdict, TimeRange, Verdict};
use squall_record::Record;

use super::course;
use super::effects::Effect;
use super::escape::xml_text;
use super::rendering::Format;

/// One suite per window, one case per gate, in the dialect of Jenkins.
#[derive(Debug)]
pub(super) struct Junit;

impl Format for Junit {
    fn name(&self) -> &'static str {
        "junit"
    }

    fn file_name(&self) -> &'static str {
        "junit.xml"
    }

    fn about(&self) -> &'static str {
        "for CI: one suite per window, one case per gate, inconclusive is an error"
    }

    fn render(&self, record: &Record, verdict: &Verdict) -> Vec<u8> {
        let mut report = Report::new(record.manifest.scenario.name.as_str());
        let mut names = Names::default();
        let mut suites: Vec<TestSuite> = Vec::new();
        for gate in &verdict.gates {
            let case = case(record, gate, &mut names);
            match suites
                .iter_mut()
                .find(|suite| suite.name.as_str() == gate.when)
            {
                Some(suite) => {
                    suite.add_test_case(case);
                }
                None => suites.push(suite(gate, case)),
            }
        }
        report.add_test_suites(suites);
        report.add_test_suite(run_suite(record, verdict, &mut names));
        // Writing to text fails for no name: illegal characters were removed
        // when the names were made.
        let document = report.to_string().unwrap_or_default();
        xml_text(&document).into_bytes()
    }
}

/// Names that were given out: some CI systems show only the first of equals.
#[derive(Default)]
struct Names(HashMap<String, u32>);

impl Names {
    fn unique(&mut self, name: String) -> String {
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 {
            name
        } else {
            format!("{name} ({count})")
        }
    }
}

fn suite(gate: &GateVerdict, case: TestCase) -> TestSuite {
    let mut suite = TestSuite::new(gate.when.as_str());
    suite.set_time(length(&gate.evidence.ranges));
    suite.add_test_case(case);
    suite
}

fn length(ranges: &[TimeRange]) -> Duration {
    let lengths = ranges.iter().map(TimeRange::length_us);
    let total_us = lengths.fold(0, u64::saturating_add);
    Duration::from_micros(total_us)
}

fn case(record: &Record, gate: &GateVerdict, names: &mut Names) -> TestCase {
    let kind = match gate.state {
        GateState::Pass => TestCaseStatus::success(),
        GateState::Fail => problem(NonSuccessKind::Failure, "slo", gate),
        GateState::Inconclusive => problem(NonSuccessKind::Error, "inconclusive", gate),
        GateState::NotReached => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(gate.explanation.as_str());
            status
        }
    };
    let mut case = TestCase::new(names.unique(gate.name()), kind);
    case.set_classname(record.manifest.scenario.name.as_str());
    case.set_time(length(&gate.evidence.ranges));
    for (name, value) in properties(gate) {
        case.add_property(Property::new(name, value));
    }
    case
}

/// The message, and the evidence again in the body, which is what GitLab shows.
fn problem(kind: NonSuccessKind, class: &str, gate: &GateVerdict) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(class);
    status.set_message(gate.explanation.as_str());
    status.set_description(body(gate));
    status
}

fn body(gate: &GateVerdict) -> String {
    let mut text = format!("{}\n{}\n", gate.name(), gate.explanation);
    for (name, value) in properties(gate) {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push_str(&format!("scenario line: {}\n", gate.span.line));
    for sample in &gate.evidence.samples {
        text.push_str(&format!(
            "arrival {} at {}: {} {} in {} {}\n",
            sample.arrival,
            squall_judge::quantity::clock(sample.scheduled_us),
            sample.request,
            sample
                .status
                .map_or_else(|| "no status".to_owned(), |status| status.to_string()),
            Quantity::Micros(sample.response_us),
            sample.detail.as_deref().unwrap_or_default(),
        ));
    }
    text
}

fn properties(gate: &GateVerdict) -> Vec<(&'static str, String)> {
    let evidence = &gate.evidence;
    let quantity = |quantity: Option<Quantity>| quantity.map(|quantity| quantity.to_string());
    let count = |count: Option<u64>| count.map(grouped);
    let all = [
        ("observed", quantity(evidence.observed)),
        ("threshold", quantity(evidence.threshold)),
        ("95% bound", quantity(evidence.bound)),
        ("n", (evidence.n > 0).then(|| grouped(evidence.n))),
        ("bad", (evidence.n > 0).then(|| grouped(evidence.bad))),
        ("bad allowed", count(evidence.bad_allowed)),
        ("n needed", count(evidence.needed)),
        ("confidence", gate.confidence.map(percent)),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// What faults changed by their cycles, one property for each figure.
fn effects(verdict: &Verdict) -> Vec<(String, String)> {
    let mut properties = Vec::new();
    for effect in verdict.effects.iter().map(Effect::of) {
        for route in &effect.routes {
            properties.extend(route.rows.iter().map(|row| {
                let name = format!(
                    "effect of {}: {} of {}",
                    effect.fault, row.metric, route.route
                );
                let value = format!(
                    "{} without, {} with; {}; p {}; {}",
                    row.without, row.with, row.effect, row.p, row.finding
                );
                (name, value)
            }));
        }
    }
    properties
}

/// One case for the run itself, so that an abort or a failed undo turns CI red
/// even when every gate passed.
fn run_suite(record: &Record, verdict: &Verdict, names: &mut Names) -> TestSuite {
    let told = match verdict.outcome {
        RunOutcome::Pass | RunOutcome::Measured | RunOutcome::Fail => true,
        // Its gates are errors already, unless it has none.
        RunOutcome::Inconclusive => verdict.gates_in(GateState::Inconclusive).next().is_some(),
        _ => false,
    };
    let mut status = if told {
        TestCaseStatus::success()
    } else {
        TestCaseStatus::non_success(NonSuccessKind::Error)
    };
    if !told {
        status.set_type(verdict.outcome.word());
        status.set_message(verdict.sentence.as_str());
        status.set_description(verdict.reasons.join("\n"));
    }
    let mut case = TestCase::new(names.unique("run: came to its end".to_owned()), status);
    case.set_classname(record.manifest.scenario.name.as_str());
    let mut suite = TestSuite::new("run");
    suite.add_property(Property::new("seed", record.manifest.seed.to_string()));
    suite.add_property(Property::new("outcome", verdict.outcome.word()));
    if let Some(origins) = course::origins(verdict) {
        suite.add_property(Property::new("failures", origins));
    }
    for (name, value) in effects(verdict) {
        suite.add_property(Property::new(name, value));
    }
    suite.add_property(Property::new("rerun", record.manifest.rerun.as_str()));
    suite.add_test_case(case);
    suite
}
