//! The list of keys over everything else; typing searches it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use super::Scene;
use crate::keys::{BINDINGS, Section};
use crate::model::Source;
use crate::pen::{Pen, fit, frame};
use crate::screen::Help;

/// Draws the list in the middle of the screen.
pub fn draw(scene: &Scene<'_>, help: &Help, area: Rect, buffer: &mut Buffer) {
    let lines = lines(scene, &help.search);
    let width = area.width.min(72);
    let wanted = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(4);
    let height = area.height.min(wanted);
    let left = area.x + (area.width - width) / 2;
    let top = area.y + (area.height - height) / 2;
    let area = Rect::new(left, top, width, height);
    Clear.render(area, buffer);
    let titles = ("keys", "type to search, esc closes");
    let inside = frame(scene.theme, area, buffer, titles);
    let mut pen = Pen::new(buffer, inside);
    let x = pen.put(1, 0, "search: ", scene.theme.dim);
    let x = pen.put(x, 0, &help.search, scene.theme.text);
    pen.put(x, 0, "_", scene.theme.key);
    let room = usize::from(pen.height().saturating_sub(1));
    let first = help.scroll.min(lines.len().saturating_sub(room));
    if lines.is_empty() {
        pen.put(1, 1, "no key does that", scene.theme.dim);
    }
    for (y, line) in (1..).zip(lines.iter().skip(first).take(room)) {
        match line {
            Line::Title(title) => {
                pen.put(1, y, title, scene.theme.title);
            }
            Line::Key(keys, words) => {
                pen.put(3, y, &fit(keys, 11), scene.theme.key);
                pen.put_fit(
                    15,
                    y,
                    inside.width.saturating_sub(16),
                    words,
                    scene.theme.text,
                );
            }
        }
    }
}

enum Line {
    Title(&'static str),
    Key(String, &'static str),
}

/// Keys that hold the words, under their titles; sections that do not apply
/// here are left out.
fn lines(scene: &Scene<'_>, search: &str) -> Vec<Line> {
    let search = search.to_lowercase();
    let replay = scene.model.facts.source == Source::Record;
    let mut lines = Vec::new();
    for section in [
        Section::Look,
        Section::Time,
        Section::GameDay,
        Section::Replay,
    ] {
        if section == Section::Replay && !replay {
            continue;
        }
        let rows = BINDINGS
            .iter()
            .enumerate()
            .filter(|(_, row)| row.section == section);
        let found = rows.filter(|(place, row)| {
            let text = format!("{} {} {}", row.words, row.name, scene.keys.keys(*place));
            text.to_lowercase().contains(&search)
        });
        let found: Vec<_> = found
            .map(|(place, row)| Line::Key(scene.keys.keys(place), row.words))
            .collect();
        if !found.is_empty() {
            lines.push(Line::Title(section.title()));
            lines.extend(found);
        }
    }
    lines
}
