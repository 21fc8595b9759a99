//! The last line: keys, or what is being asked or typed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use squall_judge::Verdict;

use super::{Scene, header};
use crate::keys::Action;
use crate::model::Source;
use crate::pen::{Pen, cells};
use crate::pointer::Target;
use crate::screen::{Purpose, Question};
use crate::views::{VIEWS, View};

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
    if let Some(verdict) = ended(scene) {
        let words = format!("run finished: {}", verdict.outcome.word());
        x = pen.put(x, 0, &words, header::verdict_style(scene, verdict)) + 2;
    }
    if scene.screen.mouse {
        x = tabs(scene, &mut pen, area, x);
    }
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

/// The verdict of a run that is over and whose screen stays. What is shown may
/// be frozen at a time before it.
fn ended<'s>(scene: &Scene<'s>) -> Option<&'s Verdict> {
    let verdict = scene.model.run().verdict.as_deref();
    verdict.filter(|_| scene.model.is_over())
}

/// The views by name, to be clicked.
fn tabs(scene: &Scene<'_>, pen: &mut Pen<'_>, area: Rect, mut x: u16) -> u16 {
    for view in VIEWS {
        let name = format!(" {} ", view.name());
        let width = cells(&name);
        if x + width > pen.width() {
            break;
        }
        let style = if view == scene.screen.view {
            scene.theme.badge
        } else {
            scene.theme.key
        };
        pen.put(x, 0, &name, style);
        let tab = Rect::new(area.x + x, area.y, width, 1);
        scene.clickable(tab, Target::View(view));
        x += width;
    }
    x + 1
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
    let mut hints = Vec::new();
    let over = scene.model.is_over();
    if over {
        hints.push((key(Action::Leave), "leaves"));
        hints.push((key(Action::Report), "opens the report"));
    }
    hints.push((key(Action::Help), "help"));
    if !scene.screen.mouse {
        let views = format!("{}-{}", key(Action::View(0)), VIEWS.len());
        hints.push((views, scene.screen.view.name()));
    }
    if scene.model.facts.source == Source::Record {
        hints.extend(playing(scene));
    } else if !over {
        hints.push((key(Action::Freeze), "freeze"));
    }
    if scene.model.facts.source.steers() && !over {
        hints.push((key(Action::Mark), "mark"));
        hints.push((key(Action::StopFault), "stop fault"));
        hints.push((key(Action::RecoverAll), "recover all"));
    }
    if !over {
        hints.extend(leaving(scene));
    }
    let zoom = format!("{} {}", key(Action::ZoomIn), key(Action::ZoomOut));
    hints.push((zoom, "zoom"));
    hints.push((key(Action::Filter), "filter"));
    if matches!(scene.screen.view, View::Overview | View::Routes) {
        hints.push((key(Action::Sort), scene.screen.sort.name()));
        hints.push((key(Action::Scope), "window/run"));
    }
    hints
}

/// How to move through a record.
fn playing(scene: &Scene<'_>) -> [(String, &'static str); 4] {
    let key = |action| scene.keys.key_of(action);
    let both = |one, other| format!("{} {}", key(one), key(other));
    let playing = scene.screen.position.is_some_and(|p| p.playing);
    let toggle = if playing { "pause" } else { "play" };
    [
        (key(Action::Freeze).to_owned(), toggle),
        (both(Action::SeekBack, Action::SeekOn), "10s"),
        (both(Action::PreviousEdge, Action::NextEdge), "edge"),
        (both(Action::Slower, Action::Faster), "speed"),
    ]
}

/// How to leave the screen, and how to end the run from another terminal.
fn leaving(scene: &Scene<'_>) -> Vec<(String, &'static str)> {
    let key = |action| scene.keys.key_of(action).to_owned();
    match scene.model.facts.source {
        Source::Own => vec![(key(Action::Leave), "finish")],
        Source::Attached { control: true } => vec![
            (key(Action::Finish), "finish"),
            (key(Action::Leave), "leave"),
        ],
        _ => vec![(key(Action::Leave), "leave")],
    }
}
