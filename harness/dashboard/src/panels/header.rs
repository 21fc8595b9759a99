//! The first line: what runs, where it is, and how its gates stand.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use squall_judge::{RunOutcome, Verdict};
use squall_record::Phase;

use super::{Scene, gates};
use crate::axis::clock;
use crate::model::Source;
use crate::pen::{Pen, cells};

/// Draws the line; what matters least goes first where there is no room.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let theme = scene.theme;
    let width = pen.width();
    let mut right = right_hand(scene);
    let name = &scene.model.facts.scenario.name;
    let taken = |right: &[(String, Style, u8)]| -> u16 {
        right.iter().map(|(text, _, _)| cells(text) + 2).sum()
    };
    let wanted = cells(name).min(width / 3) + 10;
    while taken(&right) + wanted > width && right.len() > 1 {
        let most = right.iter().map(|(_, _, rank)| *rank).max().unwrap_or(0);
        right.retain(|(_, _, rank)| *rank != most);
    }
    let start = width.saturating_sub(taken(&right));
    let x = pen.put(1, 0, "squall", theme.title);
    pen.put_fit(x + 2, 0, start.saturating_sub(x + 3), name, theme.text);
    let mut x = start;
    for (text, style, _) in &right {
        x = pen.put(x, 0, text, *style) + 2;
    }
}

/// Pieces of the right-hand side, each with a rank: the greatest go first.
fn right_hand(scene: &Scene<'_>) -> Vec<(String, Style, u8)> {
    let theme = scene.theme;
    let mut pieces = Vec::new();
    if scene.run.missed > 0 {
        let text = format!("{} events not shown", scene.run.missed);
        pieces.push((text, theme.bad, 2));
    }
    pieces.push((format!("seed {}", scene.model.facts.seed), theme.dim, 5));
    if let Some(badge) = mode(scene) {
        pieces.push((badge, theme.badge, 0));
    }
    let (words, style) = phase(scene);
    pieces.push((words, style, 2));
    let planned = clock(scene.model.facts.planned_us);
    let time = match scene.run.phase {
        Phase::Starting | Phase::WarmUp | Phase::SteadyState => format!("--:-- / {planned}"),
        _ => format!("{} / {planned}", clock(scene.now_us())),
    };
    pieces.push((time, theme.title, 1));
    pieces.extend(standing(scene));
    pieces
}

fn mode(scene: &Scene<'_>) -> Option<String> {
    if let Some(position) = scene.screen.position {
        let sign = if position.playing {
            "\u{25b6}"
        } else {
            "\u{2016}"
        };
        return Some(format!(" REPLAY {sign} {}x ", position.speed));
    }
    if scene.model.is_frozen() {
        return Some(" FROZEN ".to_owned());
    }
    match scene.model.facts.source {
        Source::Attached { control: true } => Some(" ATTACHED ".to_owned()),
        Source::Attached { control: false } => Some(" WATCHING ".to_owned()),
        Source::Own | Source::Record => None,
    }
}

fn phase(scene: &Scene<'_>) -> (String, Style) {
    let theme = scene.theme;
    if scene.run.cut_short.is_some() {
        return ("CUT SHORT".to_owned(), theme.bad);
    }
    let words = match scene.run.phase {
        Phase::Starting => "starting the system",
        Phase::WarmUp => "warming up",
        Phase::SteadyState => "checking the steady state",
        Phase::Load => {
            let active = !scene.run.faults.in_force().is_empty();
            let style = if active { theme.fault } else { theme.good };
            return (scene.run.window.clone(), style);
        }
        Phase::Drain => "waiting for answers",
        Phase::Stopping => "putting everything back",
        Phase::Finished => "finished",
    };
    (words.to_owned(), theme.open)
}

fn standing(scene: &Scene<'_>) -> Vec<(String, Style, u8)> {
    let theme = scene.theme;
    if let Some(verdict) = &scene.run.verdict {
        let style = verdict_style(scene, verdict);
        return vec![(format!("verdict {}", verdict.outcome.word()), style, 0)];
    }
    let (holding, failing, open) = gates::count(&gates::rows(scene));
    let failed = if failing > 0 { theme.bad } else { theme.dim };
    vec![
        (format!("gates \u{2713}{holding}"), theme.good, 3),
        (format!("\u{2717}{failing}"), failed, 3),
        (format!("\u{b7}{open}"), theme.dim, 3),
    ]
}

/// How a verdict is drawn.
#[must_use]
pub fn verdict_style(scene: &Scene<'_>, verdict: &Verdict) -> Style {
    match verdict.outcome {
        RunOutcome::Pass => scene.theme.good,
        RunOutcome::Measured => scene.theme.text,
        RunOutcome::Inconclusive => scene.theme.open,
        _ => scene.theme.bad,
    }
}
