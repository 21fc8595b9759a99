//! A few lines for screens too small for panels.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Scene, arrivals, gates};
use crate::axis::clock;
use crate::pen::Pen;

/// Draws as many facts as there are lines, the most important first.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let theme = scene.theme;
    let run = scene.run;
    let (holding, failing, open) = gates::count(&gates::rows(scene));
    let last = run.series.last();
    let latency = format!(
        "p50 {} p99 {}",
        scene.time(last.map(|point| point.p50)),
        scene.time(last.map(|point| point.p99))
    );
    let gates = format!("gates {holding} hold {failing} fail {open} open");
    let events = run
        .log
        .lines
        .back()
        .map_or_else(String::new, |line| line.text.clone());
    let present = match &run.verdict {
        Some(verdict) => format!("run finished: {}  {gates}", verdict.outcome.word()),
        None => format!("{} {} {latency} {gates}", clock(scene.now_us()), run.window),
    };
    let lines = [
        present,
        gates,
        latency,
        arrivals::brief(scene),
        events,
        scene.model.facts.scenario.name.clone(),
    ];
    let width = pen.width();
    let shown: Vec<&String> = match pen.height() {
        0 => return,
        1 => vec![&lines[0]],
        _ => [
            &lines[5], &lines[0], &lines[1], &lines[2], &lines[3], &lines[4],
        ]
        .to_vec(),
    };
    for (y, line) in (0..).zip(shown) {
        let style = if failing > 0 && line == &lines[1] {
            theme.bad
        } else {
            theme.text
        };
        pen.put_fit(0, y, width, line, style);
    }
}
