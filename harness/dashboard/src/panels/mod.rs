//! One file per panel. Each draws from the model into a part of the screen.

pub mod arrivals;
pub mod brief;
pub mod events;
pub mod faults;
pub mod footer;
pub mod gates;
pub mod header;
pub mod help;
pub mod latency;
pub mod processes;
pub mod route;
pub mod routes;
pub mod system;
pub mod timeline;

use std::cell::RefCell;

use ratatui::layout::Rect;
use squall_judge::quantity::Quantity;

use crate::axis::Axis;
use crate::keys::KeyMap;
use crate::model::series::ResponseTime;
use crate::model::{Model, RunState};
use crate::pointer::{Target, Targets};
use crate::screen::Screen;
use crate::theme::Theme;
use crate::update::axis_range;
use crate::views::View;

/// What panels draw from.
#[derive(Clone, Copy)]
pub struct Scene<'m> {
    /// Everything.
    pub model: &'m Model,
    /// The run as it is shown.
    pub run: &'m RunState,
    /// What the screen was told.
    pub screen: &'m Screen,
    /// Colours and glyphs.
    pub theme: &'m Theme,
    /// Which key does what.
    pub keys: &'m KeyMap,
    /// What a click meets; filled while it is drawn.
    targets: &'m RefCell<Targets>,
}

impl<'m> Scene<'m> {
    /// A scene of the model, which notes in `targets` what it draws where.
    #[must_use]
    pub fn new(
        model: &'m Model,
        theme: &'m Theme,
        keys: &'m KeyMap,
        targets: &'m RefCell<Targets>,
    ) -> Self {
        Self {
            model,
            run: model.shown(),
            screen: &model.screen,
            theme,
            keys,
            targets,
        }
    }

    /// Notes what a click into `area` does.
    pub fn clickable(&self, area: Rect, target: Target) {
        self.targets.borrow_mut().add(area, target);
    }

    /// So many microseconds, in the unit that was chosen.
    #[must_use]
    pub fn micros(&self, us: u64) -> String {
        self.screen.unit.write(us)
    }

    /// A response time in few characters; failures are slower than any.
    #[must_use]
    pub fn time(&self, time: Option<ResponseTime>) -> String {
        match time.map(ResponseTime::us) {
            None => "-".to_owned(),
            Some(None) => "failed".to_owned(),
            Some(Some(us)) => self.micros(us),
        }
    }

    /// A measured value, times in the unit that was chosen.
    #[must_use]
    pub fn quantity(&self, quantity: Quantity) -> String {
        self.screen.unit.write_quantity(quantity)
    }

    /// The axis of time over so many columns.
    #[must_use]
    pub fn axis(&self, columns: u16) -> Axis {
        let (start_us, end_us) = axis_range(self.model);
        Axis {
            start_us,
            end_us,
            columns,
        }
    }

    /// The present of the run in microseconds since time zero.
    #[must_use]
    pub fn now_us(&self) -> i64 {
        self.run.told_us.max(0)
    }
}

/// Columns beside the plot: labels on its left, what is so now on its right.
/// Lanes and charts share them, so that their times stand above one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Margins {
    /// On the left.
    pub left: u16,
    /// On the right.
    pub right: u16,
}

impl Margins {
    /// Those of a panel this wide inside.
    #[must_use]
    pub const fn of(width: u16) -> Self {
        match width {
            0..40 => Self { left: 8, right: 0 },
            40..60 => Self { left: 14, right: 0 },
            60..76 => Self { left: 18, right: 0 },
            76..100 => Self {
                left: 21,
                right: 13,
            },
            _ => Self {
                left: 24,
                right: 15,
            },
        }
    }

    /// Columns of the plot in between.
    #[must_use]
    pub const fn plot(self, width: u16) -> u16 {
        width.saturating_sub(self.left + self.right)
    }
}

/// The rows that a list shows, so that the selected one is among them.
#[must_use]
pub fn visible(rows: usize, selected: usize, room: usize) -> std::ops::Range<usize> {
    if rows <= room {
        return 0..rows;
    }
    let first = selected.saturating_sub(room / 2).min(rows - room);
    first..first + room
}

/// A row of bars, one per value from 0 to 1.
#[must_use]
pub fn bar(value: f64) -> &'static str {
    const BARS: [&str; 8] = [
        "\u{2581}", "\u{2582}", "\u{2583}", "\u{2584}", "\u{2585}", "\u{2586}", "\u{2587}",
        "\u{2588}",
    ];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=7"
    )]
    let step = (value * 8.0).floor().clamp(0.0, 7.0) as usize;
    BARS[step]
}

/// The selected row of the present view, in words to be copied; `None` where
/// nothing can be selected.
#[must_use]
pub fn selected(scene: &Scene<'_>) -> Option<String> {
    match scene.screen.view {
        View::Overview | View::Routes => Some(routes::selected(scene)),
        View::Faults => faults::selected(scene),
        View::System => processes::selected(scene),
        View::Gates => gates::selected(scene),
        View::Events => events::selected(scene),
    }
}
