//! The judge on records of runs that never happened: every path to a verdict.

mod ends;
mod failures;
mod recovery;
mod unheard;
mod validity;

use std::time::Duration;

use crate::synthetic::*;
use squall_judge::verdict::{GateState, GateVerdict};
use squall_judge::*;
use squall_record::*;
use squall_scenario::*;
use squall_scenario_file::parse_gate;

fn gate<'a>(verdict: &'a Verdict, text: &str) -> &'a GateVerdict {
    verdict
        .gates
        .iter()
        .find(|gate| gate.name().contains(text))
        .unwrap_or_else(|| panic!("no gate {text}: {:#?}", verdict.gates))
}

fn only(record: &mut Record, block: SloBlock) {
    record.manifest.scenario.slo = vec![block];
}

fn remove(record: &mut Record, unwanted: fn(&FaultChange) -> bool) {
    record.events.retain(
        |stamped| !matches!(&stamped.event, RunEvent::Fault { change, .. } if unwanted(change)),
    );
}

#[test]
fn a_healthy_run_passes() {
    let verdict = judge(&passing());
    assert_eq!(verdict.outcome, RunOutcome::Pass, "{:#?}", verdict.reasons);
    assert_eq!(verdict.exit_code, 0);
    assert_eq!(verdict.gates.len(), 8);
    let opens = gate(&verdict, "opens");
    assert_eq!(
        opens.evidence.observed,
        Some(quantity::Quantity::Micros(3_087_000))
    );
    let closes = gate(&verdict, "closes");
    assert_eq!(
        closes.evidence.observed,
        Some(quantity::Quantity::Micros(2_379_000))
    );
    assert!(
        gate(&verdict, "baseline returns")
            .explanation
            .starts_with("back at the baseline after 0")
    );
}

#[test]
fn windows_are_cut_where_the_fault_was_seen() {
    let verdict = judge(&passing());
    let ranges: Vec<_> = verdict
        .windows
        .iter()
        .map(|w| (w.name.as_str(), w.ranges[0].start_us, w.ranges[0].end_us))
        .collect();
    assert_eq!(
        ranges,
        [
            ("baseline", 0, 20_000_000),
            ("slow recommendations", 20_013_000, 40_000_000),
            ("recovery", 40_021_000, 60_000_000),
            ("hold", 0, 60_000_000),
            ("whole run", 0, 60_000_000),
        ]
    );
    let whole = verdict.windows.last().unwrap();
    assert_eq!(whole.all.counts.scheduled, verdict.conservation.scheduled);
    let routes: u64 = whole.routes.iter().map(|r| r.counts.scheduled).sum();
    assert_eq!(routes, whole.all.counts.scheduled);
}

#[test]
fn failures_fail_the_gate_they_break() {
    let verdict = judge(&failing(0.02, 25.0, 35.0));
    assert_eq!(verdict.outcome, RunOutcome::Fail, "{:#?}", verdict.reasons);
    let success = gate(&verdict, "during slow recommendations: success");
    assert_eq!(success.state, GateState::Fail);
    assert!(success.evidence.bad > success.evidence.bad_allowed.unwrap());
    assert!(!success.evidence.samples.is_empty());
    assert!(success.evidence.margin.unwrap() < 0.0);
    assert_eq!(success.span.line, 38);
}

#[test]
fn failures_are_infinitely_slow() {
    let verdict = judge(&failing(0.05, 25.0, 35.0));
    let p99 = gate(&verdict, "p99 of homepage < 600ms");
    assert_eq!(p99.state, GateState::Fail);
    assert_eq!(p99.evidence.observed, Some(quantity::Quantity::Never));
}

#[test]
fn a_quantile_and_its_share_agree() {
    let record = passing();
    for ms in [20, 40, 100, 330, 360, 400, 700] {
        let mut record = record.clone();
        only(
            &mut record,
            during("whole run", 0, vec![p99_below(None, ms)], 1),
        );
        let verdict = judge(&record);
        let gate = gate(&verdict, "whole run");
        let quantity::Quantity::Micros(p99_us) = gate.evidence.observed.unwrap() else {
            panic!()
        };
        assert_eq!(
            gate.state == GateState::Pass,
            p99_us < ms * 1000,
            "{ms}: {gate:#?}"
        );
        assert_eq!(
            gate.state == GateState::Pass,
            gate.evidence.bad <= gate.evidence.bad_allowed.unwrap()
        );
    }
}

#[test]
fn too_few_samples_prove_nothing_but_a_disaster_still_fails() {
    let mut record = passing();
    // play gets 20/s: 20 s are 400 arrivals, too few for p99.9.
    let p999 = |ms| {
        metric(
            Metric::Quantile(0.999),
            Some("play"),
            Comparison::Below,
            GateValue::Duration(Duration::from_millis(ms)),
        )
    };
    only(
        &mut record,
        during("slow recommendations", 0, vec![p999(900)], 1),
    );
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Inconclusive);
    let evidence = &gate(&verdict, "p99.9").evidence;
    assert_eq!(evidence.needed, Some(2_995));
    assert!(verdict.sentence.contains("too few"), "{}", verdict.sentence);
    only(
        &mut record,
        during("slow recommendations", 0, vec![p999(5)], 1),
    );
    assert_eq!(judge(&record).outcome, RunOutcome::Fail);
}

#[test]
fn confidence_asks_for_more_than_arithmetic() {
    let mut record = passing();
    let mut block = during("slow recommendations", 0, vec![success(99.99)], 1);
    only(&mut record, block.clone());
    assert_eq!(judge(&record).outcome, RunOutcome::Pass);
    block.confidence = Share::new(0.95);
    only(&mut record, block);
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Inconclusive);
    let success = gate(&verdict, "during slow recommendations: success");
    assert_eq!(success.evidence.needed, Some(299_559), "{success:#?}");
    assert!(
        success.explanation.contains("needs"),
        "{}",
        success.explanation
    );
}
