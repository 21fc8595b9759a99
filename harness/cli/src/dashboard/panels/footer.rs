//! The last line: keys, or what is being asked or typed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Scene;
use crate::keys::Action;
use crate::model::Source;
use crate::pen::{Pen, cells};
use crate::screen::{Purpose, Question, VIEWS, View};

/// Draws the line.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let theme = scene.theme;
    let width = pen.width();
    if let Some(question) = &scene.screen.question {
        let words = format!(" {}  y/N ", asked(question));
        pen.put(0, 0, &" ".repeat(usize::from(width)), theme.badge);
        pen.put_fit(0, 0, width, &words, theme.badge);
        return;
    }
    if let Some(prompt) = &scene.screen.prompt {
        let what = match prompt.purpose {
            Purpose::Filter => "filter",
            Purpose::Mark => "mark this moment",
        };
        let x = pen.put(1, 0, &format!("{what}: "), theme.key);
        let x = pen.put(x, 0, &prompt.text, theme.text);
        let x = pen.put(x, 0, "_", theme.key);
        pen.put(x + 2, 0, "enter keeps, esc leaves", theme.dim);
        return;
    }
    if let Some(notice) = &scene.screen.notice {
        pen.put_fit(1, 0, width.saturating_sub(1), notice, theme.open);
        return;
    }
    let mut x = 1;
    for (keys, words) in hints(scene) {
        if x + cells(&keys) + cells(words) + 1 > width {
            break;
        }
        x = pen.put(x, 0, &keys, theme.key);
        x = pen.put(x + 1, 0, words, theme.dim) + 2;
    }
    let filter = &scene.screen.filter;
    if !filter.is_empty() {
        let words = format!(" filter: {filter} (esc) ");
        pen.put_right(width, 0, &words, theme.open);
    }
}

fn asked(question: &Question) -> String {
    match question {
        Question::Finish => {
            "Finish now: remove every fault, put all back, judge what there is?".to_owned()
        }
        Question::StopFault(name) => format!("Stop the fault {name} and put it back?"),
        Question::RecoverAll => "Stop EVERY fault and put all back? The load goes on.".to_owned(),
    }
}

/// The keys that are worth telling now, the most useful first.
fn hints<'s>(scene: &Scene<'s>) -> Vec<(String, &'s str)> {
    let key = |action| scene.keys.key_of(action).to_owned();
    let mut hints = vec![(key(Action::Help), "help")];
    let views = format!("{}-{}", key(Action::View(0)), VIEWS.len());
    hints.push((views, scene.screen.view.name()));
    let replay = scene.model.facts.source == Source::Record;
    if replay {
        let playing = scene.screen.position.is_some_and(|p| p.playing);
        hints.push((key(Action::Freeze), if playing { "pause" } else { "play" }));
        let seek = format!("{} {}", key(Action::SeekBack), key(Action::SeekOn));
        hints.push((seek, "10s"));
        let edges = format!("{} {}", key(Action::PreviousEdge), key(Action::NextEdge));
        hints.push((edges, "edge"));
        let speed = format!("{} {}", key(Action::Slower), key(Action::Faster));
        hints.push((speed, "speed"));
    } else {
        hints.push((key(Action::Freeze), "freeze"));
    }
    if scene.model.facts.source.steers() {
        hints.push((key(Action::Mark), "mark"));
        hints.push((key(Action::StopFault), "stop fault"));
        hints.push((key(Action::RecoverAll), "recover all"));
    }
    let leave = match scene.model.facts.source {
        Source::Own => "finish",
        Source::Attached { .. } | Source::Record => "leave",
    };
    hints.push((key(Action::Finish), leave));
    let zoom = format!("{} {}", key(Action::ZoomIn), key(Action::ZoomOut));
    hints.push((zoom, "zoom"));
    hints.push((key(Action::Filter), "filter"));
    if matches!(scene.screen.view, View::Overview | View::Routes) {
        hints.push((key(Action::Sort), scene.screen.sort.name()));
        hints.push((key(Action::Scope), "window/run"));
    }
    hints
}
