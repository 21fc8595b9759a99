//! The view of faults: what was asked for, and what was measured of it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Scene, visible};
use crate::axis::{clock, clock_tenths, length};
use crate::model::faults::{Fault, Injection};
use crate::pen::Pen;
use crate::pointer::Target;

/// Rows below the table that tell of the selected fault.
const DETAIL_ROWS: u16 = 6;

/// Draws the table and the selected fault in detail.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let rows: Vec<_> = scene.run.faults.passing(scene.screen).collect();
    if rows.is_empty() {
        pen.put(0, 0, "no fault to show", scene.theme.dim);
        return;
    }
    let width = pen.width();
    let name = (width * 3 / 10).clamp(12, 40);
    let what = (width * 3 / 10).clamp(10, 40);
    pen.put(2, 0, "fault", scene.theme.dim);
    pen.put(name + 2, 0, "asked for", scene.theme.dim);
    pen.put(name + what + 2, 0, "seen", scene.theme.dim);
    let selected = scene.screen.cursor().min(rows.len() - 1);
    let room = pen.height().saturating_sub(2 + DETAIL_ROWS).max(1);
    for (y, index) in (1..).zip(visible(rows.len(), selected, usize::from(room))) {
        let fault = rows[index];
        pen.put_fit(2, y, name - 1, &fault.name, scene.theme.text);
        let asked = format!("{} into {}", fault.what, fault.into);
        pen.put_fit(name + 2, y, what - 1, &asked, scene.theme.text);
        let (words, style) = seen(scene, fault);
        pen.put_fit(name + what + 2, y, width, &words, style);
        let line = Rect::new(area.x, area.y.saturating_add(y), area.width, 1);
        scene.clickable(line, Target::Row(index));
        if index == selected {
            pen.put(0, y, "\u{25b8}", scene.theme.key);
            pen.style(0, y, width, scene.theme.selected);
        }
    }
    draw_detail(scene, &mut pen, rows[selected]);
}

fn seen(scene: &Scene<'_>, fault: &Fault) -> (String, Style) {
    let theme = scene.theme;
    let made = fault.injections.iter().filter(|i| i.spared.is_none());
    let count = made.count();
    let Some(last) = fault.injections.back() else {
        let start = fault.planned.first().map_or(0, |(start, _)| *start);
        return (format!("planned for {}", clock(start)), theme.dim);
    };
    if let Some(why) = &last.failed {
        return (format!("FAILED: {why}"), theme.bad);
    }
    if let Some(why) = &last.spared {
        return (format!("no kill: {why}"), theme.dim);
    }
    let times = match count {
        1 => String::new(),
        _ => format!(", {count} times"),
    };
    if last.in_force() {
        let since = length(scene.now_us() - last.active_us.unwrap_or(0));
        return (format!("in force for {since}{times}"), theme.fault);
    }
    match (last.removed_us, last.effective) {
        (Some(at), Some(false)) => (
            format!("removed at {}, NOT FELT by traffic{times}", clock(at)),
            theme.bad,
        ),
        (Some(at), _) => (format!("removed at {}{times}", clock(at)), theme.good),
        (None, _) => ("asked for, not in force yet".to_owned(), theme.open),
    }
}

/// The selected fault in words.
#[must_use]
pub fn selected(scene: &Scene<'_>) -> Option<String> {
    let rows: Vec<_> = scene.run.faults.passing(scene.screen).collect();
    let last = rows.len().checked_sub(1)?;
    let fault = rows[scene.screen.cursor().min(last)];
    let (words, _) = seen(scene, fault);
    let mut text = format!(
        "{}: {} into {}; {words}",
        fault.name, fault.what, fault.into
    );
    for (name, words) in fault.injections.back().map_or_else(Vec::new, detail) {
        text.push_str(&format!("; {name}: {words}"));
    }
    Some(text)
}

fn draw_detail(scene: &Scene<'_>, pen: &mut Pen<'_>, fault: &Fault) {
    if pen.height() < DETAIL_ROWS + 3 {
        return;
    }
    let top = pen.height() - DETAIL_ROWS;
    let width = pen.width();
    let rule = "\u{2500}".repeat(usize::from(width));
    pen.put(0, top, &rule, scene.theme.border);
    pen.put(2, top, &format!(" {} ", fault.name), scene.theme.title);
    let lines = fault.injections.back().map_or_else(Vec::new, detail);
    if lines.is_empty() {
        pen.put(2, top + 1, "not injected yet", scene.theme.dim);
    }
    for (y, (name, words)) in (top + 1..).zip(lines) {
        pen.put(2, y, name, scene.theme.dim);
        pen.put_fit(13, y, width.saturating_sub(14), &words, scene.theme.text);
    }
}

fn detail(last: &Injection) -> Vec<(&'static str, String)> {
    let time = |us: Option<i64>| us.map_or_else(|| "-".to_owned(), clock_tenths);
    let seen = last
        .seen
        .clone()
        .unwrap_or_else(|| "nothing yet".to_owned());
    vec![
        (
            "injection",
            format!("number {} into {}", last.number + 1, last.targets),
        ),
        (
            "asked for",
            format!(
                "{}   in force {}   removal asked {}   gone {}",
                time(Some(last.requested_us)),
                time(last.active_us),
                time(last.removal_us),
                time(last.removed_us)
            ),
        ),
        ("seen", seen),
        (
            "felt",
            match last.effective {
                Some(true) => "traffic met it".to_owned(),
                Some(false) => "no traffic met it".to_owned(),
                None => "known when it is removed".to_owned(),
            },
        ),
    ]
}
