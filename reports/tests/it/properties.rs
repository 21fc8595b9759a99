//! The judge and every renderer on records that make no sense: they never
//! panic, and what does not add up is never a pass.

use crate::synthetic::*;
use proptest::prelude::*;
use squall_judge::live::{AbortGuard, GateBoard};
use squall_judge::*;
use squall_record::*;
use squall_reports::format::FORMATS;
use squall_scenario::*;

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => (-20..90_i64).prop_map(|s| s * SECOND),
        1 => any::<i64>(),
    ]
}

fn change() -> impl Strategy<Value = FaultChange> {
    let text = ".{0,20}";
    prop_oneof![
        Just(FaultChange::Requested),
        text.prop_map(|words| FaultChange::Active {
            evidence: FaultSeen::Words(words)
        }),
        (text, any::<bool>(), any::<bool>()).prop_map(|(words, effective, lost)| {
            FaultChange::Observed {
                evidence: FaultSeen::Words(words),
                effective,
                lost,
            }
        }),
        Just(FaultChange::RemovalRequested),
        text.prop_map(|words| FaultChange::Removed {
            evidence: FaultSeen::Words(words)
        }),
        text.prop_map(|detail| FaultChange::Failed { detail }),
    ]
}

fn event() -> impl Strategy<Value = RunEvent> {
    let state = prop::sample::select(vec![
        BreakerState::Closed,
        BreakerState::Open,
        BreakerState::HalfOpen,
    ]);
    prop_oneof![
        (0..3_u32, change()).prop_map(|(n, change)| fault(
            "slow recommendations",
            n,
            &["recommendations-0"],
            change
        )),
        (state, any::<u64>(), any::<u32>()).prop_map(|(state, calls, errors)| breaker(
            "recommendations",
            "api-0",
            state,
            calls,
            errors
        )),
        any::<bool>().prop_map(|reached| RunEvent::SteadyState {
            reached,
            detail: String::new()
        }),
        any::<u64>().prop_map(|scheduled| RunEvent::LoadFinished {
            scheduled,
            lag_max_us: 0
        }),
        ".{0,30}".prop_map(|text| RunEvent::Note { text }),
        Just(RunEvent::Abort {
            guard: "g".to_owned(),
            detail: String::new()
        }),
        Just(RunEvent::Phase(Phase::Drain)),
    ]
}

fn counts() -> impl Strategy<Value = Counts> {
    (
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
    )
        .prop_map(|(scheduled, good, late, dropped, unfinished)| Counts {
            scheduled,
            good,
            late,
            dropped,
            unfinished,
            late_by_lag: late,
            ..Counts::default()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn nonsense_is_judged_and_rendered_without_a_panic(
        events in prop::collection::vec((time(), event()), 0..60),
        edits in prop::collection::vec((any::<prop::sample::Index>(), counts(), time(), time()), 0..4),
        complete in any::<bool>(),
    ) {
        let mut record = passing();
        record.intervals.truncate(45);
        record.complete = complete;
        record.events.extend(events.into_iter().map(|(at_us, event)| Stamped { at_us, event }));
        for (at, counts, start_us, end_us) in edits {
            let at = at.index(record.intervals.len());
            let interval = &mut record.intervals[at];
            interval.routes[0].counts = counts;
            (interval.start_us, interval.end_us) = (start_us, end_us);
        }
        let verdict = judge(&record);
        for format in FORMATS {
            prop_assert!(!format.render(&record, &verdict).is_empty(), "{}", format.name());
        }
        let mut board = GateBoard::new(&record.manifest.scenario);
        let limit = Gate::Metric(MetricGate {
            metric: Metric::ErrorRate,
            of: None,
            comparison: Comparison::Above,
            value: GateValue::Share(Share::new(0.8).unwrap()),
            sustained: Some(std::time::Duration::from_secs(3)),
            every: None,
        });
        let Gate::Metric(gate) = limit else { unreachable!() };
        let mut guard = AbortGuard::new(AbortRule { gate });
        for stamped in &record.events {
            board.hear(stamped);
        }
        for interval in &record.intervals {
            let stamped = Stamped { at_us: interval.end_us, event: RunEvent::Interval(interval.clone()) };
            board.hear(&stamped);
            let _ = guard.hear(&stamped);
        }
        prop_assert_eq!(board.gates().len(), 6);
    }
}
