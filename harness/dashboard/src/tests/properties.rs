//! Any stream of events and keys: nothing panics, nothing grows without bound,
//! and the run that is shown is a fold of the events alone.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use squall_judge::Verdict;
use squall_load::Gauges;
use squall_record::histogram::{new_histogram, record_us};
use squall_record::{
    BreakerReport, Counts, DropCause, FaultChange, FaultSeen, HandAction, HandSide, Interval,
    LinkShort, Phase, ProcessChange, ResourceUse, RouteInterval, RunEvent, Stamped, StopReason,
    Times,
};
use squall_scenario::BreakerState;

use super::Replayed;
use crate::keys::KeyMap;
use crate::model::{Facts, Model, Source};
use crate::pointer::Pointer;
use crate::theme::{Depth, Theme, ThemeName};
use crate::update::{Message, update};
use crate::view::draw;

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![-1_000_000..200_000_000_i64, -(1_i64 << 53)..(1_i64 << 53)]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("slow recommendations".to_owned()),
        Just("homepage".to_owned()),
        Just("recommendations".to_owned()),
        "\\PC{0,12}",
        Just("\u{1b}[31m\u{202e}\n\t\u{0}".to_owned()),
    ]
}

fn interval() -> impl Strategy<Value = RunEvent> {
    let counts = (0..200_u64, 0..50_u64, 0..50_u64);
    let times = prop::collection::vec(1..60_000_000_u64, 0..20);
    (time(), 1..5_000_000_i64, name(), counts, times).prop_map(
        |(start_us, length_us, route, (late, dropped, unfinished), times)| {
            let mut response = new_histogram();
            for time in &times {
                record_us(&mut response, *time);
            }
            let good = times.len() as u64;
            let counts = Counts {
                scheduled: good + late + dropped + unfinished,
                good,
                late,
                dropped,
                unfinished,
                ..Counts::default()
            };
            let lag = Some(Times::of(&response));
            RunEvent::Interval(Interval {
                start_us,
                end_us: start_us + length_us,
                routes: vec![RouteInterval {
                    route,
                    counts,
                    response: Some(Times::of(&response)),
                    unlagged: None,
                    ..RouteInterval::default()
                }],
                lag: lag.clone(),
                wait: lag,
                parts: squall_record::IntervalParts::default(),
                users: None,
            })
        },
    )
}

fn change() -> impl Strategy<Value = FaultChange> {
    prop_oneof![
        Just(FaultChange::Requested),
        name().prop_map(|words| FaultChange::Active {
            evidence: FaultSeen::Words(words)
        }),
        (name(), any::<bool>(), any::<bool>()).prop_map(|(words, effective, lost)| {
            FaultChange::Observed {
                evidence: FaultSeen::Words(words),
                effective,
                lost,
            }
        }),
        Just(FaultChange::RemovalRequested),
        name().prop_map(|words| FaultChange::Removed {
            evidence: FaultSeen::Words(words)
        }),
        name().prop_map(|detail| FaultChange::Failed { detail }),
    ]
}

fn event() -> impl Strategy<Value = RunEvent> {
    let phases = [
        Phase::Starting,
        Phase::WarmUp,
        Phase::SteadyState,
        Phase::Load,
        Phase::Drain,
        Phase::Stopping,
        Phase::Finished,
    ];
    let state = prop_oneof![
        Just(None),
        Just(Some(BreakerState::Closed)),
        Just(Some(BreakerState::HalfOpen)),
        Just(Some(BreakerState::Open)),
    ];
    let process = prop_oneof![
        any::<u32>().prop_map(|pid| ProcessChange::Started { pid }),
        Just(ProcessChange::Ready),
        (name(), any::<bool>())
            .prop_map(|(status, expected)| ProcessChange::Exited { status, expected }),
        Just(ProcessChange::Restarting),
    ];
    prop_oneof![
        3 => interval(),
        1 => prop::sample::select(phases.to_vec()).prop_map(RunEvent::Phase),
        3 => (name(), 0..4_u32, change()).prop_map(|(fault, injection, change)| {
            RunEvent::Fault { fault, injection, targets: vec!["api".to_owned()], change }
        }),
        2 => (name(), name(), state, any::<u32>(), any::<u64>()).prop_map(
            |(breaker, instance, state, error_percent, calls)| {
                RunEvent::Breaker(BreakerReport {
                    breaker, instance, state, has_volume: true, error_percent, calls,
                    why: None, assumed: false,
                })
            }
        ),
        1 => (name(), process).prop_map(|(instance, change)| RunEvent::Process {
            process: instance.clone(), instance, change,
        }),
        1 => (name(), any::<u64>(), any::<u64>()).prop_map(|(name, cpu_ms, rss_bytes)| {
            RunEvent::Resources { usage: [(name, ResourceUse { cpu_ms, rss_bytes, fds: None })].into() }
        }),
        1 => name().prop_map(|text| RunEvent::Note { text }),
        1 => (name(), any::<u64>()).prop_map(|(link, times)| {
            let cause = DropCause::Ports;
            RunEvent::LinkShort(LinkShort { link, cause, times, over_us: 1_000_000 })
        }),
        1 => name().prop_map(|text| RunEvent::ByHand {
            action: HandAction::Mark { text }, from: HandSide::Own,
        }),
        1 => name().prop_map(|fault| RunEvent::ByHand {
            action: HandAction::StopFault { fault }, from: HandSide::Attached,
        }),
        1 => Just(RunEvent::Interrupted { reason: StopReason::Finish }),
        1 => name().prop_map(|detail| RunEvent::Abort { guard: "p99 < 1s".to_owned(), detail }),
    ]
}

/// The verdict of the replayed run.
static VERDICT: LazyLock<Arc<Verdict>> = LazyLock::new(|| {
    let model = Replayed::at(1000.0).model;
    Arc::clone(model.run().verdict.as_ref().unwrap())
});

/// What the run tells.
fn told() -> impl Strategy<Value = Message> {
    let gauges = (any::<u32>(), any::<u32>(), prop::option::of(any::<u64>()));
    prop_oneof![
        6 => (time(), event()).prop_map(|(at_us, event)| {
            Message::Event(Arc::new(Stamped { at_us, event }))
        }),
        1 => (time(), gauges).prop_map(|(at_us, (scheduled, good, p99_us))| {
            let gauges = Gauges {
                scheduled: scheduled.into(),
                good: good.into(),
                p50_us: p99_us,
                p99_us,
                ..Gauges::default()
            };
            Message::Gauges(at_us, gauges)
        }),
        1 => any::<u32>().prop_map(|events| Message::Missed(events.into())),
        1 => Just(()).prop_map(|()| Message::Judged(Arc::clone(&VERDICT))),
    ]
}

/// What a person does.
fn done() -> impl Strategy<Value = Message> {
    let keys = prop_oneof![
        8 => prop::sample::select("?123456kjgG/swtum+-0hlf ax!qQr[]{}<>pnyYzoom".chars().collect::<Vec<_>>())
            .prop_map(KeyCode::Char),
        1 => any::<char>().prop_map(KeyCode::Char),
        3 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up,
            KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::PageUp, KeyCode::PageDown,
            KeyCode::Home, KeyCode::End, KeyCode::Backspace, KeyCode::F(5), KeyCode::Null,
        ]),
    ];
    let modifiers = prop_oneof![
        9 => Just(KeyModifiers::NONE),
        1 => Just(KeyModifiers::CONTROL),
    ];
    prop_oneof![
        8 => (keys, modifiers).prop_map(|(code, with)| Message::Key(KeyEvent::new(code, with))),
        1 => (0..220_u16, 0..70_u16).prop_map(|(columns, rows)| Message::Resize(columns, rows)),
        1 => (0..220_u16, 0..70_u16).prop_map(|(column, row)| {
            Message::Pointer(Pointer::Click { column, row })
        }),
        1 => any::<bool>().prop_map(|up| {
            Message::Pointer(if up { Pointer::WheelUp } else { Pointer::WheelDown })
        }),
    ]
}

/// Stack of the thread that generates: values of many nested choices take more
/// than a test's own thread has.
const STACK_BYTES: usize = 64 << 20;

#[test]
fn nothing_panics_and_the_run_is_a_fold_of_its_events() {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let checked = thread.spawn(|| {
        let sources = [
            Source::Own,
            Source::Record,
            Source::Attached { control: false },
        ];
        let messages = prop::collection::vec(prop_oneof![told(), done()], 0..120);
        let cases = (messages, prop::sample::select(sources.to_vec()));
        let mut runner = TestRunner::new(ProptestConfig::with_cases(48));
        let known = Replayed::at(0.0).model.facts;
        runner.run(&cases, |(messages, source)| {
            let facts = Facts {
                source,
                ..known.clone()
            };
            check(&facts, messages)
        })
    });
    checked.unwrap().join().unwrap().unwrap();
}

fn check(facts: &Facts, messages: Vec<Message>) -> Result<(), TestCaseError> {
    let keys = KeyMap::default();
    let theme = Theme::new(ThemeName::Standard, Depth::True, false);
    let mut model = Model::new(facts.clone());
    let mut fold = Model::new(facts.clone());
    for (number, message) in messages.into_iter().enumerate() {
        if !matches!(
            message,
            Message::Key(_) | Message::Pointer(_) | Message::Resize(..)
        ) {
            update(&mut fold, &keys, message.clone());
        }
        update(&mut model, &keys, message);
        model.settle();
        // Not every frame is drawn in a run either.
        if number % 3 == 0 {
            let (columns, rows) = model.screen.size;
            let area = Rect::new(0, 0, columns, rows);
            let targets = draw(&model, area, &mut Buffer::empty(area), &theme, &keys);
            model.screen.targets = targets;
        }
    }
    fold.settle();
    prop_assert_eq!(model.run(), fold.run());
    Ok(())
}
