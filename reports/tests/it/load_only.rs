//! Runs in which nothing was broken and nothing was asked: measured, and shown
//! as a load.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use crate::synthetic::*;
use squall_judge::*;
use squall_record::histogram::{new_histogram, record_us};
use squall_record::*;
use squall_reports::format::{FORMATS, format};
use squall_scenario::{Arrivals, Rate, Stage};

/// Seven seconds of load; `failing` is the share that fails in the fourth.
fn loaded(failing: f64) -> Record {
    let mut record = passing();
    let scenario = &mut record.manifest.scenario;
    scenario.faults.clear();
    scenario.slo.clear();
    scenario.variants.clear();
    scenario.steady_state = None;
    let behaviour = move |_: &str, s: f64| Behaviour {
        fail: if (3.0..4.0).contains(&s) {
            failing
        } else {
            0.0
        },
        ..Behaviour::healthy(14_000.0)
    };
    (record.intervals, record.samples) = intervals(scenario, 7.0, &[], &behaviour);
    record.events = vec![at(0.0, RunEvent::Phase(Phase::Load))];
    let scheduled = scheduled(&record.intervals);
    record.events.extend(closing_events(7.0, scheduled));
    record
}

fn text(record: &Record) -> String {
    let bytes = format("text").unwrap().render(record, &judge(record));
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_load_is_shown_with_its_quantiles() {
    insta::assert_snapshot!("load_failing", text(&loaded(0.5)));
    let calm = text(&loaded(0.0));
    assert!(!calm.contains("Timeline"), "nothing happened: {calm}");
    assert!(!calm.contains("Failures"), "{calm}");
}

/// Connections of one, two and five milliseconds; what was before time zero is left
/// out, and what there was not is not told.
#[test]
fn what_response_times_consist_of_is_told_where_it_is_known() {
    let mut record = loaded(0.0);
    assert!(!text(&record).contains("Of these times"));
    let times = |values: &[u64]| {
        let mut histogram = new_histogram();
        values.iter().for_each(|us| record_us(&mut histogram, *us));
        Some(Times::of(&histogram))
    };
    record.intervals[0].parts.connect = times(&[1_000, 5_000]);
    record.intervals[1].parts.connect = times(&[2_000]);
    record.intervals[1].parts.first_byte = times(&[700]);
    for (interval, gaps) in [(0, [300, 500]), (2, [100, 700])] {
        let messages = &mut record.intervals[interval].routes[1].messages;
        (messages.begun, messages.gaps) = (1, 2);
        messages.first = times(&[900]);
        messages.between = times(&gaps);
    }
    let mut warm_up = record.intervals[0].clone();
    (warm_up.start_us, warm_up.end_us) = (-SECOND, 0);
    warm_up.routes.clear();
    warm_up.parts.tls = times(&[90_000]);
    record.intervals.insert(0, warm_up);
    let told = text(&record)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let wanted = "Of these times: connect 2ms at the median, 5ms at p99, 5ms at most (3 of \
                  them); first byte 700µs at the median, 700µs at p99, 700µs at most (1 of them); \
                  first message 900µs at the median, 900µs at p99, 900µs at most (2 of them); \
                  gap between messages 300µs at the median, 700µs at p99, 700µs at most (4 of \
                  them).";
    assert!(told.contains(wanted), "{told}");
}

/// What caches answered is told, and moves no figure.
#[test]
fn hits_of_caches_are_told_by_route_and_are_in_no_figure() {
    let plain = loaded(0.5);
    let mut record = plain.clone();
    let route = &mut record.intervals[1].routes[1];
    let name = route.route.clone();
    route.counts.cache.hits = 1_200;
    record.intervals[2].routes[1].counts.cache.hits = 34;
    let verdict = judge(&record);
    let mut figures = verdict.clone();
    for window in &mut figures.windows {
        let slices = window.routes.iter_mut().chain([&mut window.all]);
        slices.for_each(|slice| slice.counts.cache = CacheUse::default());
    }
    figures.generator.summary = judge(&plain).generator.summary;
    assert_eq!(
        serde_json::to_value(&figures).unwrap(),
        serde_json::to_value(judge(&plain)).unwrap()
    );
    let told = |name: &str, record: &Record| {
        let bytes = format(name).unwrap().render(record, &judge(record));
        let text = String::from_utf8(bytes).unwrap().replace("&#x27;", "'");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let wanted = format!("Out of clients' caches, with nothing sent: {name} 1234.");
    for format in ["text", "html"] {
        let (with, without) = (told(format, &record), told(format, &plain));
        assert!(with.contains(&wanted), "{format}: {with}");
        assert!(with.contains("Caches of clients had the answer 1234 of 1234 times"));
        assert!(!without.contains("caches"), "{format}: {without}");
    }
}

#[test]
fn a_closed_loop_has_no_rate_that_stayed() {
    let stayed = |record: &Record| text(record).contains("while the rate stayed");
    let mut record = loaded(0.0);
    let load = &mut record.manifest.scenario.load;
    let duration = load.duration();
    let hold = |length| Stage::Hold {
        rate: Rate::per_second(1.0).unwrap(),
        duration: length,
        arrivals: Arrivals::Even,
    };
    load.shape = vec![hold(Duration::from_secs(1))];
    assert!(stayed(&record));
    record.manifest.scenario.load.shape = vec![Stage::Closed {
        users: 64,
        think: None,
        duration,
    }];
    assert!(!stayed(&record));
}

#[test]
fn nothing_asked_is_no_pass_in_any_format() {
    let record = loaded(0.0);
    let verdict = judge(&record);
    assert_eq!(verdict.outcome, RunOutcome::Measured);
    assert_eq!(verdict.exit_code, 0);
    for format in FORMATS {
        let bytes = format.render(&record, &verdict);
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("PASS"), "{}: {text}", format.name());
    }
    let github = format("github").unwrap().render(&record, &verdict);
    let github = String::from_utf8(github).unwrap();
    assert!(github.starts_with("::warning title=No gate::"), "{github}");
}

#[test]
fn a_gate_makes_it_a_verdict() {
    let mut record = loaded(0.5);
    record.manifest.scenario.slo = vec![during("whole run", 0, vec![success(99.0)], 1)];
    assert_eq!(judge(&record).outcome, RunOutcome::Fail);
    record.manifest.scenario.slo = vec![during("whole run", 0, vec![success(50.0)], 1)];
    assert_eq!(judge(&record).outcome, RunOutcome::Pass);
}

#[test]
fn what_ends_a_run_is_louder_than_measured() {
    let mut record = loaded(0.0);
    record.events.push(at(
        6.9,
        RunEvent::Interrupted {
            reason: StopReason::Interrupt,
        },
    ));
    assert_eq!(judge(&record).outcome, RunOutcome::Interrupted);
    let mut record = loaded(0.0);
    record.intervals.clear();
    record
        .events
        .retain(|stamped| !matches!(stamped.event, RunEvent::LoadFinished { .. }));
    let said = text(&record);
    assert!(said.contains("nothing was asked of the target"), "{said}");
    assert_ne!(judge(&record).outcome, RunOutcome::Measured);
}
