//! The mouse: what was drawn where, so that a click knows what it met.

use ratatui::layout::{Position, Rect};

use crate::views::View;

/// Places of one screen that are kept: far more than any screen shows.
const TARGETS_MAX: usize = 1024;

/// What a click does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Shows a view.
    View(View),
    /// Selects a row of the list that is shown, counted from 0.
    Row(usize),
}

/// What was drawn where, in the order it was drawn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Targets(Vec<(Rect, Target)>);

impl Targets {
    /// Notes that `target` was drawn into `area`.
    pub fn add(&mut self, area: Rect, target: Target) {
        if self.0.len() < TARGETS_MAX {
            self.0.push((area, target));
        }
    }

    /// What is at a place: what was drawn last, as it lies on top.
    #[must_use]
    pub fn at(&self, column: u16, row: u16) -> Option<Target> {
        let place = Position::new(column, row);
        let mut all = self.0.iter().rev();
        all.find(|(area, _)| area.contains(place))
            .map(|(_, target)| *target)
    }
}

/// What the mouse did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointer {
    /// The wheel was turned away from the hand.
    WheelUp,
    /// The wheel was turned towards the hand.
    WheelDown,
    /// The left button was pressed on this cell.
    Click {
        /// Its column.
        column: u16,
        /// Its row.
        row: u16,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_drawn_last_is_on_top() {
        let mut targets = Targets::default();
        targets.add(Rect::new(0, 0, 10, 10), Target::View(View::Gates));
        targets.add(Rect::new(2, 3, 5, 1), Target::Row(7));
        assert_eq!(targets.at(2, 3), Some(Target::Row(7)));
        assert_eq!(targets.at(2, 4), Some(Target::View(View::Gates)));
        assert_eq!(targets.at(10, 4), None);
    }
}
