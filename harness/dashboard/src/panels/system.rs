//! Breakers in the view of the system.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use squall_judge::quantity::grouped;
use squall_scenario::BreakerState;

use super::Scene;
use crate::axis::length;
use crate::pen::Pen;

/// Rows of the table of breakers: one per breaker and instance.
#[must_use]
pub fn breaker_rows(scene: &Scene<'_>) -> usize {
    let breakers = scene.run.breakers.each.iter();
    breakers.map(|breaker| breaker.holders.len().max(1)).sum()
}

/// Draws the table of breakers.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let theme = scene.theme;
    if scene.run.breakers.each.is_empty() {
        pen.put(0, 0, "the system tells of no breakers", theme.dim);
        return;
    }
    let name = (pen.width() / 4).clamp(10, 28);
    let head = format!(
        "{:<11} {:>7} {:>8} {:>8}",
        "state", "for", "errors", "calls"
    );
    pen.put(0, 0, "breaker", theme.dim);
    pen.put(name, 0, "instance", theme.dim);
    pen.put(2 * name, 0, &head, theme.dim);
    let mut y = 1;
    for breaker in &scene.run.breakers.each {
        if !scene.screen.lets_pass(&breaker.name) {
            continue;
        }
        pen.put_fit(0, y, name - 1, &breaker.name, theme.text);
        if breaker.holders.is_empty() {
            pen.put(name, y, "not heard of yet", theme.dim);
            y += 1;
        }
        for holder in &breaker.holders {
            pen.put_fit(name, y, name - 1, &holder.instance, theme.text);
            let (state, style) = match holder.state {
                Some(BreakerState::Open) => ("OPEN", theme.breaker_open),
                Some(BreakerState::HalfOpen) => ("half-open", theme.open),
                Some(BreakerState::Closed) => ("closed", theme.good),
                None => ("not read", theme.dim),
            };
            pen.put(2 * name, y, state, style);
            let figures = format!(
                "{:>7} {:>7}% {:>8}",
                length(scene.now_us() - holder.since_us.max(0)),
                holder.error_percent,
                grouped(holder.calls)
            );
            pen.put(2 * name + 12, y, &figures, theme.text);
            y += 1;
        }
    }
}
