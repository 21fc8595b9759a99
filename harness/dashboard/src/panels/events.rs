//! Events in words, newest at the bottom.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::Scene;
use crate::axis::clock_tenths;
use crate::model::log::{Line, Topic};
use crate::pen::Pen;
use crate::views::View;

/// Draws the last lines, or in the view of events those that were scrolled to.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let scrolled = match scene.screen.view {
        View::Events => scene.screen.cursor(),
        _ => 0,
    };
    let room = usize::from(pen.height());
    let lines = scene.run.log.lines.iter().rev();
    let lines = lines.filter(|line| scene.screen.lets_pass(&line.text));
    let shown: Vec<&Line> = lines.skip(scrolled).take(room).collect();
    if shown.is_empty() {
        pen.put(0, 0, "nothing happened yet", scene.theme.dim);
    }
    for (y, line) in (0..).zip(shown.iter().rev()) {
        let time = line.at_us.map_or_else(|| "  --".to_owned(), clock_tenths);
        pen.put_right(9, y, &time, scene.theme.dim);
        pen.put(10, y, line.topic.letter(), style(scene, line.topic));
        let room = pen.width().saturating_sub(12);
        let words = match line.topic {
            Topic::Trouble | Topic::ByHand => style(scene, line.topic),
            _ => scene.theme.text,
        };
        pen.put_fit(12, y, room, &line.text, words);
    }
}

/// The lowest line that is shown.
#[must_use]
pub fn selected(scene: &Scene<'_>) -> Option<String> {
    let lines = scene.run.log.lines.iter().rev();
    let mut lines = lines.filter(|line| scene.screen.lets_pass(&line.text));
    let line = lines.nth(scene.screen.cursor())?;
    let time = line.at_us.map_or_else(|| "--".to_owned(), clock_tenths);
    Some(format!("{time} {}", line.text))
}

fn style(scene: &Scene<'_>, topic: Topic) -> Style {
    match topic {
        Topic::Run => scene.theme.dim,
        Topic::Fault => scene.theme.fault,
        Topic::Breaker => scene.theme.open,
        Topic::Process => scene.theme.p50,
        Topic::Trouble => scene.theme.bad,
        Topic::ByHand => scene.theme.key,
    }
}
