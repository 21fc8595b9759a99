//! What acts on the run, or on the way it is played.

use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::{Command, Play};
use crate::keys::Action;
use crate::model::{Model, Source};
use crate::screen::{Prompt, Purpose, Question};
use crate::views::View;

/// How far a seek goes, in microseconds.
const SEEK_US: i64 = 10_000_000;

/// What is said where there is no run to act on any more.
const OVER: &str = "this run is over: there is nothing left to steer";

pub(super) fn interrupt(model: &Model) -> Vec<Command> {
    match model.facts.source {
        Source::Own if !model.is_over() => vec![Command::Interrupt],
        _ => vec![Command::Leave],
    }
}

/// Leaves; a run of this very terminal ends with its screen, which is asked
/// for first.
pub(super) fn leave(model: &mut Model) -> Vec<Command> {
    if model.facts.source == Source::Own && !model.is_over() {
        model.screen.question = Some(Question::Finish);
        return Vec::new();
    }
    vec![Command::Leave]
}

/// Opens the report, which is there once the run was judged.
pub(super) fn report(model: &mut Model) -> Vec<Command> {
    let source = model.facts.source;
    let there = source == Source::Record || model.is_over();
    match &model.facts.folder {
        Some(folder) if there => vec![Command::OpenReport(folder.join("report.html"))],
        _ => {
            let text = "the report is written when the run is over";
            model.screen.notice = Some(text.to_owned());
            Vec::new()
        }
    }
}

pub(super) fn answered(question: Question, key: KeyEvent) -> Vec<Command> {
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

pub(super) fn freeze(model: &mut Model) -> Vec<Command> {
    if model.facts.source == Source::Record {
        return vec![Command::Play(Play::Toggle)];
    }
    let frozen = !model.is_frozen();
    model.freeze(frozen);
    Vec::new()
}

pub(super) fn steer(model: &mut Model, action: Action) {
    let source = model.facts.source;
    if model.is_over() || !source.steers() {
        let text = match source {
            Source::Attached { control: false } if !model.is_over() => {
                "this screen only watches; `squall attach --control` may steer"
            }
            _ => OVER,
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
        Action::Finish => model.screen.question = Some(Question::Finish),
        _ => model.screen.question = Some(Question::RecoverAll),
    }
}

/// The selected fault in the view of faults, else the one injected last.
fn fault_to_stop(model: &Model) -> Option<String> {
    let faults = &model.run().faults;
    let selected = (model.screen.view == View::Faults)
        .then(|| selected_fault(model))
        .flatten()
        .and_then(|name| faults.each.iter().find(|fault| fault.name == name))
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

/// The name on the selected row, which a filter may have moved.
fn selected_fault(model: &Model) -> Option<&str> {
    let rows: Vec<_> = model.shown().faults.passing(&model.screen).collect();
    let last = rows.len().checked_sub(1)?;
    Some(&rows[model.screen.cursor().min(last)].name)
}

pub(super) fn play(model: &mut Model, action: Action) -> Vec<Command> {
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
