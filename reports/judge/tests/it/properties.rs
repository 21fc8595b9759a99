//! Laws of the judge.
#![expect(
    clippy::expect_used,
    reason = "a helper of a test fails the test it helps"
)]

use proptest::prelude::*;
use squall_judge::verdict::GateState;
use squall_judge::*;
use squall_record::{Counts, Record, RunEvent};
use squall_scenario::SloBlock;
use squall_scenario_file::parse_gate;

use crate::synthetic::*;

const FAULT: &str = "slow recommendations";

/// Runs with failures of some share in some stretch, built once: they take their
/// time, and no test changes them.
fn records() -> &'static [Record] {
    static RECORDS: std::sync::OnceLock<Vec<Record>> = std::sync::OnceLock::new();
    RECORDS.get_or_init(|| {
        let troubles = [
            (0.0, 0.0, 0.0),
            (0.002, 0.0, 60.0),
            (0.05, 20.0, 40.0),
            (0.5, 30.0, 33.0),
            (1.0, 41.0, 60.0),
        ];
        let mut records: Vec<_> = troubles
            .map(|(share, from_s, to_s)| failing(share, from_s, to_s))
            .into();
        records.push(passing());
        records
    })
}

/// One of them by its number, which says more than all of it would.
fn any_record() -> impl Strategy<Value = usize> {
    0..records().len()
}

fn window() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["baseline", FAULT, "recovery", "hold", "whole run"])
}

/// A block that expects these gates in a window.
fn block(window: &str, settle_s: u64, gates: &[String]) -> SloBlock {
    let gates = gates.iter().map(|text| match parse_gate(text) {
        Ok(gate) => gate,
        Err(diagnostic) => panic!("{text}: {diagnostic:?}"),
    });
    during(window, settle_s, gates.collect(), 1)
}

/// The record of a run that asked for this alone.
fn expecting(record: &Record, block: SloBlock) -> Record {
    let mut record = record.clone();
    record.manifest.scenario.steady_state = None;
    record.manifest.scenario.slo = vec![block];
    record
}

/// How each gate ends in this record.
fn states(record: &Record, block: SloBlock) -> Vec<GateState> {
    let verdict = judge(&expecting(record, block));
    verdict.gates.into_iter().map(|gate| gate.state).collect()
}

/// Gates on one metric, each stricter than the one before.
fn ever_stricter() -> impl Strategy<Value = Vec<String>> {
    let of = prop::sample::select(vec!["", " of homepage", " of play"]);
    let steps = prop::collection::vec(1..1_500_u32, 2..6);
    (0..6_usize, of, 0..9_990_u32, steps).prop_map(|(metric, of, start, steps)| {
        let mut level = start;
        let levels = steps.iter().map(|step| {
            level += step;
            level
        });
        let strict = |level: u32| {
            let percent = f64::from(level.min(9_999)) / 100.0;
            let loose = f64::from(10_000 - level.min(9_999));
            match metric {
                0 => format!("success{of} >= {percent:.2}%"),
                1 => format!("error_rate{of} <= {:.2}%", loose / 100.0),
                2 => format!("p50{of} < {loose}us"),
                3 => format!("p99{of} < {:.1}ms", loose / 10.0),
                4 => format!("max{of} < {loose}ms"),
                _ => format!("goodput{of} > {:.1}/s", f64::from(level) / 10.0),
            }
        };
        levels.map(strict).collect()
    })
}

/// Turns good arrivals into wrong answers, from the start of the record on.
fn spoil(record: &mut Record, mut arrivals: u64) {
    for interval in &mut record.intervals {
        for route in &mut interval.routes {
            let bad = route.counts.good.min(arrivals);
            route.counts.good -= bad;
            route.counts.status += bad;
            arrivals -= bad;
            if bad > 0 {
                // As a reader does where times are missing.
                route.response = None;
                route.unlagged = None;
            }
        }
    }
}

/// All of a verdict, as its file has it.
fn told(verdict: &Verdict) -> String {
    serde_json::to_string(verdict).expect("a verdict is JSON")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Losing or inventing one arrival anywhere is always noticed.
    #[test]
    fn conservation_is_enforced(at in any::<prop::sample::Index>(), field in 0..4_usize, more in any::<bool>()) {
        let mut record = passing();
        let at = at.index(record.intervals.len());
        // The stretch between two fault edges is too short for the rare route.
        let counts = &mut record.intervals[at].routes[0].counts;
        let field = match field {
            0 => &mut counts.scheduled,
            1 => &mut counts.good,
            2 => &mut counts.dropped,
            _ => &mut counts.unfinished,
        };
        *field = if more || *field == 0 { *field + 1 } else { *field - 1 };
        prop_assert_eq!(judge(&record).outcome, RunOutcome::Internal);
    }

    /// What is too much to ask stays so when more is asked.
    #[test]
    fn a_stricter_gate_never_passes_where_a_looser_one_fails(
        number in any_record(), window in window(), settle_s in 0..3_u64, gates in ever_stricter(),
    ) {
        let states = states(&records()[number], block(window, settle_s, &gates));
        prop_assert_eq!(states.len(), gates.len());
        let fails = states.iter().position(|state| *state == GateState::Fail);
        let passes = states.iter().rposition(|state| *state == GateState::Pass);
        if let (Some(fails), Some(passes)) = (fails, passes) {
            prop_assert!(passes < fails, "{:?}", gates.iter().zip(&states).collect::<Vec<_>>());
        }
    }

    /// A system that did worse is never judged better.
    #[test]
    fn more_failures_never_help(
        number in any_record(), window in window(), few in 0..500_u64, more in 1..2_000_u64,
        percent in 9_000..10_000_u32,
    ) {
        let percent = f64::from(percent) / 100.0;
        let gates = [
            format!("success >= {percent:.2}%"),
            format!("error_rate <= {:.2}%", 100.0 - percent),
            "goodput > 150/s".to_owned(),
        ];
        let [better, worse] = [few, few + more].map(|arrivals| {
            let mut record = records()[number].clone();
            spoil(&mut record, arrivals);
            states(&record, block(window, 0, &gates))
        });
        for ((gate, better), worse) in gates.iter().zip(better).zip(worse) {
            prop_assert!(
                better != GateState::Fail || worse != GateState::Pass,
                "{} fails, and passes with {} failures more", gate, more
            );
        }
    }

    /// A verdict follows from the record and the gates alone: not from what was
    /// judged before, nor from the order or number of the other gates.
    #[test]
    fn gates_are_judged_each_for_itself(
        number in any_record(), window in window(), gates in ever_stricter(), seed in any::<u64>(),
    ) {
        let record = &records()[number];
        let all = states(record, block(window, 0, &gates));
        prop_assert_eq!(&all, &states(record, block(window, 0, &gates)));
        let mut places: Vec<usize> = (0..gates.len()).chain([0]).collect();
        let turn = usize::try_from(seed % gates.len() as u64).unwrap_or_default();
        places.rotate_left(turn);
        let shuffled: Vec<_> = places.iter().map(|place| gates[*place].clone()).collect();
        let wanted: Vec<_> = places.iter().map(|place| all[*place]).collect();
        prop_assert_eq!(states(record, block(window, 0, &shuffled)), wanted);
    }

    /// What a run comes to is at least as bad as any of its gates.
    #[test]
    fn no_run_is_better_than_its_gates(
        number in any_record(), window in window(), gates in ever_stricter(),
    ) {
        let verdict = judge(&expecting(&records()[number], block(window, 0, &gates)));
        let all_pass = verdict.gates.iter().all(|gate| gate.state == GateState::Pass);
        prop_assert!(all_pass || verdict.outcome != RunOutcome::Pass);
        // What made a run worthless goes before what its gates say.
        let fails = verdict.gates.iter().any(|gate| gate.state == GateState::Fail);
        prop_assert!(fails || verdict.outcome != RunOutcome::Fail);
        prop_assert_eq!(verdict.exit_code, verdict.outcome.exit_code());
    }

    /// What stands in verdict.json is the verdict.
    #[test]
    fn a_verdict_survives_its_file(number in any_record(), spoilt in 0..100_u64) {
        let mut record = records()[number].clone();
        spoil(&mut record, spoilt);
        let verdict = judge(&record);
        let read: Verdict = serde_json::from_str(&told(&verdict)).expect("what was written");
        prop_assert!(read == verdict, "{}\n{}", told(&read), told(&verdict));
        prop_assert_eq!(told(&judge(&record)), told(&verdict), "twice the same");
    }

    /// Nobody is counted twice or left out: windows add up over routes, and over
    /// the run.
    #[test]
    fn windows_add_up(number in any_record(), spoilt in 0..3_000_u64) {
        let mut record = records()[number].clone();
        spoil(&mut record, spoilt);
        let verdict = judge(&record);
        let mut total = Counts::default();
        for route in record.intervals.iter().flat_map(|interval| &interval.routes) {
            total.add(&route.counts);
        }
        let of = |name: &str| verdict.windows.iter().find(|window| window.name == name);
        for window in &verdict.windows {
            let mut sum = Counts::default();
            for route in &window.routes {
                sum.add(&route.counts);
                prop_assert!(route.counts.is_conserved(), "{}: {:?}", window.name, route);
            }
            prop_assert_eq!(&sum, &window.all.counts, "{}", window.name);
            prop_assert!(sum.scheduled <= total.scheduled, "{}", window.name);
            for pair in window.ranges.windows(2) {
                prop_assert!(pair[0].end_us <= pair[1].start_us, "{}: {:?}", window.name, pair);
            }
        }
        prop_assert_eq!(&of("whole run").map(|window| window.all.counts), &Some(total));
        // One fault: before it, under it, the moment of its removal, after it.
        let parts = ["baseline", FAULT, "recovery"].map(|name| {
            of(name).map_or(0, |window| window.all.counts.scheduled)
        });
        let missing = total.scheduled - parts.iter().sum::<u64>();
        let told_us = |wanted: fn(&RunEvent) -> bool| {
            record.events.iter().find(|stamped| wanted(&stamped.event)).map(|stamped| stamped.at_us)
        };
        let ends_us = told_us(|event| matches!(event, RunEvent::LoadFinished { .. }));
        prop_assert!(ends_us >= Some(60 * SECOND));
        // Its edges took 34 ms of a load of 200 arrivals a second.
        prop_assert!(missing < 20, "{missing} of {} are in no part", total.scheduled);
    }
}
