//! The axis of time: how much of it is shown, and which part.

use crate::keys::Action;
use crate::model::Model;
use crate::screen::Reach;

/// The least and the most time an axis shows, in microseconds.
const REACH_US: (i64, i64) = (5_000_000, 86_400_000_000);

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

pub(super) fn move_axis(model: &mut Model, action: Action) {
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
