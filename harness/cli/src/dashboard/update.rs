//! What a message does to the model, and what it asks of the world.

use std::sync::Arc;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use squall_harness::load::Gauges;
use squall_reports::Stamped;

use crate::keys::{Action, BINDINGS, KeyMap};
use crate::model::{Model, Source};
use crate::screen::{Help, Prompt, Purpose, Question, Reach, VIEWS, View};

/// Longest mark or filter, in characters.
const TYPED_MAX: usize = 80;
/// The least and the most time an axis shows, in microseconds.
const REACH_US: (i64, i64) = (5_000_000, 86_400_000_000);
/// How far a seek goes, in microseconds.
const SEEK_US: i64 = 10_000_000;
/// Rows of a page.
const PAGE: usize = 10;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Message {
    /// In the run.
    Event(Arc<Stamped>),
    /// Events were too fast to be read.
    Missed(u64),
    /// The load's gauges at a time in microseconds since time zero.
    Gauges(i64, Gauges),
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has so many columns and rows now.
    Resize(u16, u16),
    /// Time went on; microseconds since time zero.
    Tick(i64),
    /// Something to say until the next key.
    Notice(String),
}

/// Something to be done outside the model.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Leave the screen; the run, where there is one, goes on or has ended.
    Leave,
    /// Finish the run early.
    Finish,
    /// As a signal from the keyboard.
    Interrupt,
    /// Stop the fault of this name.
    StopFault(String),
    /// Stop every fault.
    RecoverAll,
    /// Mark the present moment.
    Mark(String),
    /// Move through a record.
    Play(Play),
    /// Draw everything anew.
    Redraw,
}

/// A move through a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Play {
    /// Plays or pauses.
    Toggle,
    /// By so many microseconds.
    By(i64),
    /// To the start.
    Start,
    /// To the end.
    End,
    /// To the edge of a fault before.
    PreviousEdge,
    /// To the next edge of a fault.
    NextEdge,
    /// Multiplies the speed.
    Speed(f64),
}

/// Takes a message into account.
pub fn update(model: &mut Model, keys: &KeyMap, message: Message) -> Vec<Command> {
    match message {
        Message::Event(stamped) => model.hear(&stamped),
        Message::Missed(events) => model.miss(events),
        Message::Gauges(at_us, gauges) => model.read(at_us, gauges),
        Message::Resize(columns, rows) => model.screen.size = (columns, rows),
        Message::Tick(now_us) => {
            model.advance(now_us);
            model.settle();
        }
        Message::Notice(text) => model.screen.notice = Some(text),
        Message::Key(key) => return pressed(model, keys, key),
    }
    Vec::new()
}

fn pressed(model: &mut Model, keys: &KeyMap, key: KeyEvent) -> Vec<Command> {
    model.screen.notice = None;
    let action = keys.action(&key);
    // Whatever is open, an interrupt is an interrupt.
    if action == Some(Action::Interrupt) {
        return interrupt(model);
    }
    if let Some(question) = model.screen.question.take() {
        return answered(question, key);
    }
    if model.screen.prompt.is_some() {
        return typed(model, key);
    }
    if model.screen.help.is_some() {
        search_help(model, action, key);
        return Vec::new();
    }
    match action {
        Some(action) => act(model, action),
        None => Vec::new(),
    }
}

fn interrupt(model: &Model) -> Vec<Command> {
    match model.facts.source {
        Source::Own => vec![Command::Interrupt],
        Source::Attached { .. } | Source::Record => vec![Command::Leave],
    }
}

fn answered(question: Question, key: KeyEvent) -> Vec<Command> {
    // Enter is no answer: it is pressed too easily.
    if !matches!(key.code, KeyCode::Char('y' | 'Y')) {
        return Vec::new();
    }
    vec![match question {
        Question::Finish => Command::Finish,
        Question::StopFault(name) => Command::StopFault(name),
        Question::RecoverAll => Command::RecoverAll,
    }]
}

fn typed(model: &mut Model, key: KeyEvent) -> Vec<Command> {
    let Some(mut prompt) = model.screen.prompt.take() else {
        return Vec::new();
    };
    let mut commands = Vec::new();
    let mut open = true;
    match key.code {
        KeyCode::Esc => {
            open = false;
            prompt.text.clear();
        }
        KeyCode::Enter => {
            open = false;
            if prompt.purpose == Purpose::Mark {
                let text = prompt.text.trim();
                let text = if text.is_empty() { "mark" } else { text };
                commands.push(Command::Mark(text.to_owned()));
            }
        }
        KeyCode::Backspace => {
            prompt.text.pop();
        }
        KeyCode::Char(character)
            if !key.modifiers.contains(KeyModifiers::CONTROL)
                && prompt.text.chars().count() < TYPED_MAX =>
        {
            prompt.text.push(character);
        }
        _ => {}
    }
    if prompt.purpose == Purpose::Filter {
        model.screen.filter.clone_from(&prompt.text);
        *model.screen.cursor_mut() = 0;
    }
    if open {
        model.screen.prompt = Some(prompt);
    }
    commands
}

fn search_help(model: &mut Model, action: Option<Action>, key: KeyEvent) {
    let Some(help) = &mut model.screen.help else {
        return;
    };
    match key.code {
        KeyCode::Esc if help.search.is_empty() => model.screen.help = None,
        KeyCode::Esc => help.search.clear(),
        KeyCode::Enter => model.screen.help = None,
        KeyCode::Up => help.scroll = help.scroll.saturating_sub(1),
        KeyCode::Down => help.scroll = (help.scroll + 1).min(BINDINGS.len()),
        KeyCode::Backspace => {
            help.search.pop();
        }
        KeyCode::Char(_) if action == Some(Action::Help) => model.screen.help = None,
        KeyCode::Char(character) if help.search.chars().count() < TYPED_MAX => {
            help.search.push(character);
            help.scroll = 0;
        }
        _ => {}
    }
}

fn act(model: &mut Model, action: Action) -> Vec<Command> {
    match action {
        Action::Help => model.screen.help = Some(Help::default()),
        Action::View(place) => show(model, usize::from(place)),
        Action::NextView => show(model, model.screen.view as usize + 1),
        Action::PreviousView => show(model, model.screen.view as usize + VIEWS.len() - 1),
        Action::Up
        | Action::Down
        | Action::PageUp
        | Action::PageDown
        | Action::Top
        | Action::Bottom => move_cursor(model, action),
        Action::Open => open(model),
        Action::Back => back(model),
        Action::ZoomIn
        | Action::ZoomOut
        | Action::ZoomWhole
        | Action::PanLeft
        | Action::PanRight
        | Action::Follow => move_axis(model, action),
        Action::Freeze => return freeze(model),
        Action::Filter => {
            model.screen.prompt = Some(Prompt {
                purpose: Purpose::Filter,
                text: model.screen.filter.clone(),
            });
        }
        Action::Sort => model.screen.sort = model.screen.sort.next(),
        Action::Scope => model.screen.whole_run = !model.screen.whole_run,
        Action::Theme => model.screen.theme_steps += 1,
        Action::Redraw => return vec![Command::Redraw],
        Action::Mark | Action::StopFault | Action::RecoverAll => steer(model, action),
        Action::Finish => return finish(model),
        Action::Suspend => {
            let text = "suspending squall would stop the load; use another terminal";
            model.screen.notice = Some(text.to_owned());
        }
        Action::Interrupt => return interrupt(model),
        Action::SeekBack
        | Action::SeekOn
        | Action::PreviousEdge
        | Action::NextEdge
        | Action::Start
        | Action::End
        | Action::Slower
        | Action::Faster => {
            return play(model, action);
        }
    }
    Vec::new()
}

fn show(model: &mut Model, place: usize) {
    model.screen.view = VIEWS[place % VIEWS.len()];
    model.screen.detail = false;
}

/// Rows of the list of the present view.
fn rows(model: &Model) -> usize {
    let run = model.shown();
    match model.screen.view {
        View::Overview | View::Routes => run.routes.each.len() + 1,
        View::Faults => run.faults.each.len(),
        View::System => run.breakers.each.len() + run.processes.each.len(),
        View::Gates => model
            .facts
            .scenario
            .slo
            .iter()
            .map(|b| b.expect.len())
            .sum(),
        View::Events => run.log.lines.len(),
    }
}

fn move_cursor(model: &mut Model, action: Action) {
    let last = rows(model).saturating_sub(1);
    // Events are scrolled from their newest end.
    let upwards = model.screen.view == View::Events;
    let cursor = model.screen.cursor_mut();
    let by = if matches!(action, Action::PageUp | Action::PageDown) {
        PAGE
    } else {
        1
    };
    let back = match action {
        Action::Top => {
            *cursor = if upwards { last } else { 0 };
            return;
        }
        Action::Bottom => {
            *cursor = if upwards { 0 } else { last };
            return;
        }
        Action::Up | Action::PageUp => !upwards,
        _ => upwards,
    };
    *cursor = if back {
        cursor.saturating_sub(by)
    } else {
        (*cursor + by).min(last)
    };
}

fn open(model: &mut Model) {
    match model.screen.view {
        View::Overview => {
            let row = model.screen.cursor();
            show(model, View::Routes as usize);
            *model.screen.cursor_mut() = row;
        }
        View::Routes => model.screen.detail = !model.screen.detail,
        View::Faults | View::System | View::Gates | View::Events => {}
    }
}

fn back(model: &mut Model) {
    let screen = &mut model.screen;
    if !screen.filter.is_empty() {
        screen.filter.clear();
    } else if screen.detail {
        screen.detail = false;
    } else {
        screen.view = View::Overview;
    }
}

/// Start and end of the time that is shown, in microseconds since time zero.
#[must_use]
pub fn axis_range(model: &Model) -> (i64, i64) {
    let now_us = model.shown().told_us.max(0);
    let whole = model.facts.planned_us.max(now_us).max(REACH_US.0);
    match model.screen.reach {
        Reach::Whole => (0, whole),
        Reach::Micros(reach_us) => {
            // A little of the future, so that the present is not at the edge.
            let end = model.screen.pan_us.unwrap_or(now_us + reach_us / 20);
            let end = end.max(reach_us);
            (end - reach_us, end)
        }
    }
}

fn move_axis(model: &mut Model, action: Action) {
    let (start_us, end_us) = axis_range(model);
    let reach_us = end_us - start_us;
    let now_us = model.shown().told_us.max(0);
    let screen = &mut model.screen;
    match action {
        Action::ZoomIn => screen.reach = Reach::Micros((reach_us / 2).max(REACH_US.0)),
        Action::ZoomOut => {
            let reach_us = (reach_us.saturating_mul(2)).min(REACH_US.1);
            screen.reach = Reach::Micros(reach_us);
            if reach_us >= model.facts.planned_us.max(now_us) {
                screen.reach = Reach::Whole;
                screen.pan_us = None;
            }
        }
        Action::ZoomWhole => {
            screen.reach = Reach::Whole;
            screen.pan_us = None;
        }
        Action::PanLeft | Action::PanRight => {
            let by = if action == Action::PanLeft {
                -reach_us / 4
            } else {
                reach_us / 4
            };
            screen.reach = Reach::Micros(reach_us);
            let latest = model.facts.planned_us.max(now_us).max(reach_us);
            screen.pan_us = Some((end_us + by).clamp(reach_us, latest));
        }
        _ => screen.pan_us = None,
    }
}

fn freeze(model: &mut Model) -> Vec<Command> {
    if model.facts.source == Source::Record {
        return vec![Command::Play(Play::Toggle)];
    }
    let frozen = !model.is_frozen();
    model.freeze(frozen);
    Vec::new()
}

fn steer(model: &mut Model, action: Action) {
    if !model.facts.source.steers() {
        let text = match model.facts.source {
            Source::Record => "this run is over: there is nothing left to steer",
            _ => "this screen only watches; `squall attach --control` may steer",
        };
        model.screen.notice = Some(text.to_owned());
        return;
    }
    match action {
        Action::Mark => {
            model.screen.prompt = Some(Prompt {
                purpose: Purpose::Mark,
                text: String::new(),
            });
        }
        Action::StopFault => match fault_to_stop(model) {
            Some(name) => model.screen.question = Some(Question::StopFault(name)),
            None => model.screen.notice = Some("no fault is in force".to_owned()),
        },
        _ => model.screen.question = Some(Question::RecoverAll),
    }
}

/// The selected fault in the view of faults, else the one injected last.
fn fault_to_stop(model: &Model) -> Option<String> {
    let faults = &model.run().faults;
    let selected = (model.screen.view == View::Faults)
        .then(|| faults.each.get(model.screen.cursor()))
        .flatten()
        .filter(|fault| fault.in_force());
    let newest = faults
        .each
        .iter()
        .filter(|fault| fault.in_force())
        .max_by_key(|fault| {
            fault
                .injections
                .back()
                .map(|injection| injection.requested_us)
        });
    selected.or(newest).map(|fault| fault.name.clone())
}

fn finish(model: &mut Model) -> Vec<Command> {
    match model.facts.source {
        Source::Own => model.screen.question = Some(Question::Finish),
        Source::Attached { .. } | Source::Record => return vec![Command::Leave],
    }
    Vec::new()
}

fn play(model: &mut Model, action: Action) -> Vec<Command> {
    if model.facts.source != Source::Record {
        let text = "only a replay can move in time; the run goes on as it does";
        model.screen.notice = Some(text.to_owned());
        return Vec::new();
    }
    vec![Command::Play(match action {
        Action::SeekBack => Play::By(-SEEK_US),
        Action::SeekOn => Play::By(SEEK_US),
        Action::PreviousEdge => Play::PreviousEdge,
        Action::NextEdge => Play::NextEdge,
        Action::Start => Play::Start,
        Action::End => Play::End,
        Action::Slower => Play::Speed(0.5),
        _ => Play::Speed(2.0),
    })]
}
