//! Processes: up or down, CPU and memory.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Scene, bar, visible};
use crate::model::processes::{Condition, Instance, SQUALL};
use crate::pen::Pen;
use crate::pointer::Target;

/// Instances that pass the filter; those in trouble first where `by_trouble`.
fn ordered<'m>(scene: &Scene<'m>, by_trouble: bool) -> Vec<&'m Instance> {
    let each = scene.run.processes.each.iter();
    let mut rows: Vec<_> = each.filter(|p| scene.screen.lets_pass(&p.name)).collect();
    if by_trouble {
        let busy = |p: &Instance| p.cpu.back().copied().unwrap_or(0.0);
        rows.sort_by(|a, b| {
            let well = |p: &Instance| p.condition == Condition::Ready;
            well(a).cmp(&well(b)).then(busy(b).total_cmp(&busy(a)))
        });
    }
    rows
}

fn condition(scene: &Scene<'_>, instance: &Instance) -> (String, Style) {
    let over = scene.run.phase as u8 >= squall_record::Phase::Stopping as u8;
    match &instance.condition {
        Condition::Starting => ("starting".to_owned(), scene.theme.open),
        Condition::Ready if instance.name == SQUALL => ("this tool".to_owned(), scene.theme.dim),
        Condition::Ready => ("serves".to_owned(), scene.theme.good),
        Condition::Ended(status) if over => (format!("ended, {status}"), scene.theme.dim),
        Condition::Ended(status) => (format!("DOWN, {status}"), scene.theme.bad),
        Condition::Restarting => ("restarting".to_owned(), scene.theme.open),
    }
}

fn cpu(instance: &Instance) -> String {
    let last = instance.cpu.back();
    last.map_or_else(|| "-".to_owned(), |share| format!("{:.0}%", share * 100.0))
}

fn memory(instance: &Instance) -> String {
    match instance.rss_bytes {
        0 => "-".to_owned(),
        bytes => format!("{}M", bytes.div_ceil(1 << 20)),
    }
}

/// Draws the small panel.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let rows = ordered(scene, true);
    if rows.is_empty() {
        pen.put(0, 0, "no process of the system yet", scene.theme.dim);
        return;
    }
    let width = pen.width();
    let name = width.saturating_sub(28);
    for (y, instance) in (0..pen.height()).zip(&rows) {
        pen.put_fit(0, y, name, &instance.name, scene.theme.text);
        let (words, style) = condition(scene, instance);
        pen.put_fit(name + 1, y, 13, &words, style);
        pen.put_right(width.saturating_sub(7), y, &cpu(instance), scene.theme.text);
        pen.put_right(width, y, &memory(instance), scene.theme.dim);
    }
    let room = usize::from(pen.height());
    if rows.len() > room {
        let more = format!(" +{} in 4 ", rows.len() - room + 1);
        let y = pen.height().saturating_sub(1);
        pen.put(0, y, &" ".repeat(usize::from(width)), scene.theme.dim);
        pen.put_right(width, y, &more, scene.theme.dim);
    }
}

/// The selected process of the view in words.
#[must_use]
pub fn selected(scene: &Scene<'_>) -> Option<String> {
    let rows = ordered(scene, false);
    let last = rows.len().checked_sub(1)?;
    let instance = rows[scene.screen.cursor().min(last)];
    let (condition, _) = condition(scene, instance);
    let pid = instance
        .pid
        .map_or_else(String::new, |pid| format!(" (pid {pid})"));
    Some(format!(
        "{}{pid}: {condition}, cpu {}, memory {}, restarts {}",
        instance.name,
        cpu(instance),
        memory(instance),
        instance.restarts
    ))
}

/// Draws the table of the view.
pub fn draw_all(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let rows = ordered(scene, false);
    let width = pen.width();
    let name = (width / 4).clamp(10, 28);
    let head = format!(
        "{:>7} {:>6} {:>8} {:>9}",
        "pid", "cpu", "memory", "restarts"
    );
    pen.put(0, 0, "process", scene.theme.dim);
    pen.put(name + 19, 0, &head, scene.theme.dim);
    pen.put(name + 53, 0, "cpu lately", scene.theme.dim);
    let selected = scene.screen.cursor().min(rows.len().saturating_sub(1));
    let room = usize::from(pen.height().saturating_sub(1));
    for (y, index) in (1..).zip(visible(rows.len(), selected, room)) {
        let instance = rows[index];
        pen.put_fit(0, y, name - 1, &instance.name, scene.theme.text);
        let (words, style) = condition(scene, instance);
        pen.put_fit(name, y, 18, &words, style);
        let pid = instance
            .pid
            .map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let figures = format!(
            "{pid:>7} {:>6} {:>8} {:>9}",
            cpu(instance),
            memory(instance),
            instance.restarts
        );
        pen.put(name + 19, y, &figures, scene.theme.text);
        let row = Rect::new(area.x, area.y.saturating_add(y), area.width, 1);
        scene.clickable(row, Target::Row(index));
        if index == selected {
            pen.style(0, y, width, scene.theme.selected);
        }
        let most = instance.cpu.iter().copied().fold(0.01, f32::max);
        let sparks: String = instance
            .cpu
            .iter()
            .map(|c| bar(f64::from(c / most) * 0.99))
            .collect();
        pen.put(name + 53, y, &sparks, scene.theme.p50);
    }
}
