//! Moving in the list of the present view, and opening what is selected.

use super::show;
use crate::keys::Action;
use crate::model::Model;
use crate::views::View;

/// Rows of a page.
const PAGE: usize = 10;

/// Rows of the list of the present view.
fn rows(model: &Model) -> usize {
    let run = model.shown();
    match model.screen.view {
        View::Overview | View::Routes => run.routes.each.len() + 1,
        View::Faults => run.faults.each.len(),
        View::System => run.processes.each.len(),
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

pub(super) fn move_cursor(model: &mut Model, action: Action) {
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

pub(super) fn open(model: &mut Model) {
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

pub(super) fn back(model: &mut Model) {
    let screen = &mut model.screen;
    if !screen.filter.is_empty() {
        screen.filter.clear();
    } else if screen.detail {
        screen.detail = false;
    } else {
        screen.view = View::Overview;
    }
}
