//! What a message does to the model, and what it asks of the world.

mod axis;
mod lists;
mod steer;

use std::path::PathBuf;
use std::sync::Arc;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use squall_judge::Verdict;
use squall_load::Gauges;
use squall_record::Stamped;

use crate::keys::{Action, BINDINGS, KeyMap};
use crate::model::Model;
use crate::pointer::{Pointer, Target};
use crate::screen::{Help, Prompt, Purpose};
use crate::views::VIEWS;
pub use axis::axis_range;

/// Longest mark or filter, in characters.
const TYPED_MAX: usize = 80;
/// Rows that a step of the wheel goes.
const WHEEL_ROWS: usize = 3;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Message {
    /// In the run.
    Event(Arc<Stamped>),
    /// Events were too fast to be read.
    Missed(u64),
    /// The load's gauges at a time in microseconds since time zero.
    Gauges(i64, Gauges),
    /// The judge has found, and everything was put back.
    Judged(Arc<Verdict>),
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was used.
    Pointer(Pointer),
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
    /// Leave the screen; the run, where there is one, goes on or is over.
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
    /// Copy the selected row to the clipboard of the terminal.
    Copy,
    /// Take the mouse, or give it back to the terminal.
    Mouse(bool),
    /// Open this report.
    OpenReport(PathBuf),
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
        Message::Judged(verdict) => {
            // Whatever was asked about the run needs no answer any more.
            model.screen.question = None;
            model.judged(verdict);
        }
        Message::Pointer(pointer) => pointed(model, pointer),
        Message::Key(key) => return pressed(model, keys, key),
    }
    Vec::new()
}

fn pressed(model: &mut Model, keys: &KeyMap, key: KeyEvent) -> Vec<Command> {
    model.screen.notice = None;
    let action = keys.action(&key);
    // Whatever is open, an interrupt is an interrupt.
    if action == Some(Action::Interrupt) {
        return steer::interrupt(model);
    }
    if let Some(question) = model.screen.question.take() {
        return steer::answered(question, key);
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
        KeyCode::Up => scroll_help(help, Action::Up),
        KeyCode::Down => scroll_help(help, Action::Down),
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
        | Action::Bottom => lists::move_cursor(model, action),
        Action::Open => lists::open(model),
        Action::Back => lists::back(model),
        Action::ZoomIn
        | Action::ZoomOut
        | Action::ZoomWhole
        | Action::PanLeft
        | Action::PanRight
        | Action::Follow => axis::move_axis(model, action),
        Action::Freeze => return steer::freeze(model),
        Action::Filter => {
            model.screen.prompt = Some(Prompt {
                purpose: Purpose::Filter,
                text: model.screen.filter.clone(),
            });
        }
        Action::Sort => model.screen.sort = model.screen.sort.next(),
        Action::Scope => model.screen.whole_run = !model.screen.whole_run,
        Action::Theme => model.screen.theme_steps += 1,
        Action::Unit => {
            model.screen.unit = model.screen.unit.next();
            model.screen.notice = Some(model.screen.unit.name().to_owned());
        }
        Action::Redraw => return vec![Command::Redraw],
        Action::Copy => return vec![Command::Copy],
        Action::Mouse => return vec![Command::Mouse(take_mouse(model))],
        Action::Report => return steer::report(model),
        Action::Mark | Action::StopFault | Action::RecoverAll | Action::Finish => {
            steer::steer(model, action);
        }
        Action::Leave => return steer::leave(model),
        Action::Suspend => {
            let text = "suspending squall would stop the load; use another terminal";
            model.screen.notice = Some(text.to_owned());
        }
        Action::Interrupt => return steer::interrupt(model),
        Action::SeekBack
        | Action::SeekOn
        | Action::PreviousEdge
        | Action::NextEdge
        | Action::Start
        | Action::End
        | Action::Slower
        | Action::Faster => {
            return steer::play(model, action);
        }
    }
    Vec::new()
}

fn show(model: &mut Model, place: usize) {
    model.screen.view = VIEWS[place % VIEWS.len()];
    model.screen.detail = false;
}

/// Takes the mouse or gives it back; whether it is taken now.
fn take_mouse(model: &mut Model) -> bool {
    let screen = &mut model.screen;
    screen.mouse = !screen.mouse;
    let text = if screen.mouse {
        "the mouse scrolls and selects here; the terminal may select text with shift"
    } else {
        "the mouse is the terminal's again"
    };
    screen.notice = Some(text.to_owned());
    screen.mouse
}

fn pointed(model: &mut Model, pointer: Pointer) {
    let action = match pointer {
        Pointer::WheelUp => Action::Up,
        Pointer::WheelDown => Action::Down,
        Pointer::Click { column, row } => return clicked(model, column, row),
    };
    for _ in 0..WHEEL_ROWS {
        match &mut model.screen.help {
            Some(help) => scroll_help(help, action),
            None => lists::move_cursor(model, action),
        }
    }
}

/// A click is no answer to a question, and types nothing.
fn clicked(model: &mut Model, column: u16, row: u16) {
    let screen = &mut model.screen;
    if screen.help.take().is_some() || screen.question.is_some() || screen.prompt.is_some() {
        return;
    }
    screen.notice = None;
    match screen.targets.at(column, row) {
        Some(Target::View(view)) => show(model, view as usize),
        Some(Target::Row(row)) => *screen.cursor_mut() = row,
        None => {}
    }
}

fn scroll_help(help: &mut Help, action: Action) {
    help.scroll = match action {
        Action::Up => help.scroll.saturating_sub(1),
        _ => (help.scroll + 1).min(BINDINGS.len()),
    };
}
