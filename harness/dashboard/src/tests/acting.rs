//! What keys and clicks do, up to what they ask of the world.

use std::path::PathBuf;
use std::sync::Arc;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Replayed, text};
use crate::keys::KeyMap;
use crate::model::{Model, Source};
use crate::panels::{Scene, selected};
use crate::pointer::{Pointer, Targets};
use crate::theme::{Depth, Theme, ThemeName};
use crate::update::{Command, Message, update};
use crate::views::View;

fn mono() -> Theme {
    Theme::new(ThemeName::Mono, Depth::None, false)
}

/// The replayed run as if it were another kind of screen.
fn as_if(source: Source, seconds: f64) -> Replayed {
    let mut replayed = Replayed::at(seconds);
    replayed.model.facts.source = source;
    replayed.model.screen.position = None;
    replayed.model.facts.folder = Some(PathBuf::from("/runs/one"));
    replayed
}

/// A screen of the very terminal of a run, after the judge.
fn judged() -> Replayed {
    as_if(Source::Own, 1000.0)
}

fn key(model: &mut Model, character: char) -> Vec<Command> {
    let key = KeyEvent::new(KeyCode::Char(character), KeyModifiers::NONE);
    update(model, &KeyMap::default(), Message::Key(key))
}

fn click(model: &mut Model, column: u16, row: u16) {
    let click = Message::Pointer(Pointer::Click { column, row });
    update(model, &KeyMap::default(), click);
}

/// Draws, so that clicks know what they meet.
fn drawn(replayed: &mut Replayed, size: (u16, u16)) -> String {
    let buffer = replayed.screen(size, &mono());
    text(&buffer)
}

/// Column and row of the first place of some words.
fn place(screen: &str, words: &str) -> (u16, u16) {
    let found = screen.lines().enumerate().find_map(|(row, line)| {
        let at = line.find(words)?;
        Some((line[..at].chars().count(), row))
    });
    let (column, row) = found.unwrap_or_else(|| panic!("no {words:?} in\n{screen}"));
    (column.try_into().unwrap(), row.try_into().unwrap())
}

fn copied(replayed: &Replayed) -> Option<String> {
    let targets = Targets::default().into();
    let theme = mono();
    let scene = Scene::new(&replayed.model, &theme, &replayed.keys, &targets);
    selected(&scene)
}

#[test]
fn after_the_end_the_screen_says_so_and_q_leaves() {
    for size in [(80, 24), (120, 34), (200, 60), (60, 12)] {
        let screen = drawn(&mut judged(), size);
        for words in ["run finished: PASS", "q leaves", "r opens the report"] {
            assert!(screen.contains(words), "no {words:?} in\n{screen}");
        }
    }
    let tiny = drawn(&mut judged(), (40, 1));
    assert!(tiny.contains("run finished: PASS"), "{tiny}");
    let mut model = judged().model;
    assert_eq!(key(&mut model, 'q'), [Command::Leave]);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    let asked = update(&mut model, &KeyMap::default(), Message::Key(interrupt));
    assert_eq!(asked, [Command::Leave]);
    for acting in ['x', '!', 'a', 'Q'] {
        assert_eq!(key(&mut model, acting), []);
        let notice = model.screen.notice.take().unwrap();
        assert!(notice.contains("nothing left to steer"), "{notice}");
        assert!(model.screen.question.is_none() && model.screen.prompt.is_none());
    }
}

#[test]
fn the_end_answers_what_was_being_asked() {
    let mut replayed = as_if(Source::Own, 27.5);
    assert_eq!(key(&mut replayed.model, 'q'), []);
    assert!(replayed.model.screen.question.is_some());
    let verdict = judged().model.run().verdict.clone().unwrap();
    let judged = Message::Judged(Arc::clone(&verdict));
    update(&mut replayed.model, &replayed.keys, judged);
    assert!(replayed.model.screen.question.is_none());
    assert_eq!(key(&mut replayed.model, 'q'), [Command::Leave]);
    let last = replayed.model.run().log.lines.back().unwrap();
    assert!(last.text.starts_with("PASS: "), "{}", last.text);
}

#[test]
fn a_frozen_screen_stays_frozen_at_the_end_and_can_still_be_left() {
    let mut replayed = as_if(Source::Own, 27.5);
    key(&mut replayed.model, ' ');
    let verdict = judged().model.run().verdict.clone().unwrap();
    update(
        &mut replayed.model,
        &replayed.keys,
        Message::Judged(verdict),
    );
    let screen = drawn(&mut replayed, (120, 34));
    assert!(screen.contains("FROZEN"), "{screen}");
    assert!(screen.contains("run finished: PASS"), "{screen}");
    assert_eq!(key(&mut replayed.model, 'q'), [Command::Leave]);
}

#[test]
fn who_may_finish_a_run_is_asked_first() {
    for (source, acting) in [
        (Source::Own, 'q'),
        (Source::Own, 'Q'),
        (Source::Attached { control: true }, 'Q'),
    ] {
        let mut model = as_if(source, 27.5).model;
        assert_eq!(key(&mut model, acting), []);
        assert_eq!(key(&mut model, 'n'), [], "no is no");
        assert_eq!(key(&mut model, acting), []);
        assert_eq!(key(&mut model, 'y'), [Command::Finish]);
    }
    let mut watching = as_if(Source::Attached { control: false }, 27.5).model;
    assert_eq!(key(&mut watching, 'Q'), []);
    let notice = watching.screen.notice.clone().unwrap();
    assert!(notice.contains("--control"), "{notice}");
    assert_eq!(
        key(&mut watching, 'y'),
        [Command::Copy],
        "nothing was asked"
    );
    assert_eq!(key(&mut watching, 'q'), [Command::Leave]);
}

#[test]
fn the_report_opens_once_it_is_there() {
    let mut running = as_if(Source::Own, 27.5).model;
    assert_eq!(key(&mut running, 'r'), []);
    assert!(running.screen.notice.is_some());
    let page = PathBuf::from("/runs/one/report.html");
    for source in [Source::Own, Source::Attached { control: false }] {
        let mut over = as_if(source, 1000.0).model;
        assert_eq!(key(&mut over, 'r'), [Command::OpenReport(page.clone())]);
    }
    let mut replay = as_if(Source::Record, 27.5).model;
    assert_eq!(key(&mut replay, 'r'), [Command::OpenReport(page)]);
}

#[test]
fn the_selected_row_of_every_view_is_copied_in_full() {
    let mut replayed = as_if(Source::Own, 27.5);
    for (keys, words) in [
        ("1", "all (window: slow recommendations): rate "),
        ("2j", "homepage (window: slow recommendations): rate "),
        ("3", "slow recommendations: delay"),
        ("4", ", memory "),
        ("5", "p99 of homepage"),
        ("6", "recommendations"),
    ] {
        replayed.typed(keys);
        if keys == "5" {
            replayed.typed("j");
        }
        let text = copied(&replayed).unwrap();
        assert!(text.contains(words), "{words:?} in {text:?}");
        assert!(!text.contains('\u{2026}'), "cut: {text:?}");
    }
    assert_eq!(key(&mut replayed.model, 'y'), [Command::Copy]);
    replayed.typed("3/no such fault").press(KeyCode::Enter);
    assert_eq!(copied(&replayed), None);
}

#[test]
fn times_change_their_unit_everywhere() {
    let mut replayed = as_if(Source::Own, 27.5);
    let fitting = drawn(&mut replayed, (120, 34));
    assert!(fitting.contains("10ms"), "{fitting}");
    replayed.typed("uu");
    replayed.model.screen.notice = None;
    let seconds = drawn(&mut replayed, (120, 34));
    // The scenario's own words stay as they are.
    let unit = |line: &&str| line.contains("ms") && !line.contains("p99 of homepage");
    let left: Vec<_> = seconds.lines().filter(unit).collect();
    let left: Vec<_> = left.iter().filter(|line| !line.contains("r ")).collect();
    assert!(seconds.contains("0.01s"), "{seconds}");
    assert!(left.iter().all(|line| !line.contains("p50")), "{left:#?}");
    replayed.typed("u");
    replayed.model.screen.notice = None;
    assert_eq!(drawn(&mut replayed, (120, 34)), fitting);
}

#[test]
fn the_mouse_is_the_terminals_until_it_is_taken() {
    let mut replayed = as_if(Source::Own, 27.5);
    let before = drawn(&mut replayed, (120, 34));
    assert_eq!(key(&mut replayed.model, 'm'), [Command::Mouse(true)]);
    replayed.model.screen.notice = None;
    let with = drawn(&mut replayed, (120, 34));
    let (column, row) = place(&with, " gates  events ");
    click(&mut replayed.model, column + 1, row);
    assert_eq!(replayed.model.screen.view, View::Gates);
    assert_eq!(key(&mut replayed.model, 'm'), [Command::Mouse(false)]);
    replayed.typed("1");
    replayed.model.screen.notice = None;
    assert_eq!(drawn(&mut replayed, (120, 34)), before);
}

#[test]
fn clicks_select_rows_and_open_views_and_the_wheel_scrolls() {
    let mut replayed = as_if(Source::Own, 27.5);
    key(&mut replayed.model, 'm');
    let screen = drawn(&mut replayed, (120, 34));
    let (column, row) = place(&screen, "  play ");
    click(&mut replayed.model, column + 3, row);
    let text = copied(&replayed).unwrap();
    assert!(text.starts_with("play "), "{text}");
    let (column, row) = place(&screen, "\u{2500} events \u{2500}");
    click(&mut replayed.model, column, row);
    assert_eq!(replayed.model.screen.view, View::Events);
    for (pointer, cursor) in [
        (Pointer::WheelUp, 3),
        (Pointer::WheelUp, 6),
        (Pointer::WheelDown, 3),
    ] {
        update(
            &mut replayed.model,
            &KeyMap::default(),
            Message::Pointer(pointer),
        );
        assert_eq!(replayed.model.screen.cursor(), cursor);
    }
    // A click is no answer.
    key(&mut replayed.model, 'q');
    drawn(&mut replayed, (120, 34));
    click(&mut replayed.model, 5, 33);
    assert!(replayed.model.screen.question.is_some());
}

#[test]
fn a_filter_does_not_move_what_a_key_stops() {
    let mut replayed = as_if(Source::Own, 27.5);
    let facts = replayed.model.facts.clone();
    let planned = &facts.scenario.faults[0].name.value;
    replayed.typed("3/slow rec").press(KeyCode::Enter);
    replayed.typed("x");
    let screen = drawn(&mut replayed, (120, 34));
    assert!(
        screen.contains(&format!("Stop the fault {planned}")),
        "{screen}"
    );
}
