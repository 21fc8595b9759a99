//! One route in detail: its histogram, its quantiles, its failures by kind.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use squall_judge::quantity::{grouped, percent};
use squall_record::ALL_BAD_KINDS;

use super::Scene;
use super::routes::{ordered, scope, tally};
use crate::model::routes::{Tally, bad_word};
use crate::pen::Pen;

/// The name of the selected route.
#[must_use]
pub fn title(scene: &Scene<'_>) -> String {
    let rows = ordered(scene);
    let route = rows[scene.screen.cursor().min(rows.len() - 1)];
    format!("{} ({})", route.name, scope(scene))
}

/// Draws the detail of the selected route.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let rows = ordered(scene);
    let route = rows[scene.screen.cursor().min(rows.len() - 1)];
    let tally = tally(scene, route);
    let theme = scene.theme;
    let mut x = 0;
    for (name, q) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
        x = pen.put(x, 0, &format!("{name} "), theme.dim);
        x = pen.put(x, 0, &scene.time(tally.quantile(q)), theme.text) + 2;
    }
    let failures = failures(tally);
    let below = u16::try_from(failures.len()).unwrap_or(0) + 1;
    let bars = pen.height().saturating_sub(2 + below);
    draw_bars(scene, &mut pen, (2, bars), tally);
    let top = pen.height().saturating_sub(below);
    pen.put(0, top, &summary(tally), theme.dim);
    for (y, (kind, count)) in (top + 1..).zip(failures) {
        let share = share(count, tally.counts.settled());
        let text = format!("{kind:<9} {:>8}  {}", grouped(count), percent(share));
        pen.put(0, y, &text, theme.bad);
    }
}

fn summary(tally: &Tally) -> String {
    let counts = &tally.counts;
    format!(
        "{} arrivals, {} good, {} by a fallback",
        grouped(counts.scheduled),
        grouped(counts.good),
        grouped(counts.fallback)
    )
}

fn failures(tally: &Tally) -> Vec<(&'static str, u64)> {
    let counts = &tally.counts;
    let kinds = ALL_BAD_KINDS.map(|kind| (bad_word(kind), counts.of(kind)));
    let dropped = [("dropped", counts.dropped)];
    let all = kinds.into_iter().chain(dropped);
    all.filter(|(_, count)| *count > 0).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn share(count: u64, of: u64) -> f64 {
    if of == 0 {
        0.0
    } else {
        count as f64 / of as f64
    }
}

/// Round limits of the bars in microseconds: 1, 2, 5 of each decade.
fn limits() -> impl Iterator<Item = u64> {
    (2..9).flat_map(|decade| [1, 2, 5].map(|step| step * 10_u64.pow(decade)))
}

fn draw_bars(scene: &Scene<'_>, pen: &mut Pen<'_>, (top, rows): (u16, u16), tally: &Tally) {
    let response = &tally.response;
    if response.is_empty() {
        pen.put(0, top, "no good answers yet", scene.theme.dim);
        return;
    }
    let limits: Vec<u64> = limits().collect();
    let mut counts = vec![0_u64; limits.len() + 1];
    for step in response.iter_recorded() {
        let place = limits.partition_point(|limit| *limit < step.value_iterated_to());
        counts[place] += step.count_since_last_iteration();
    }
    let first = counts.iter().position(|count| *count > 0).unwrap_or(0);
    let last = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
    let most = counts.iter().copied().max().unwrap_or(1);
    let room = pen.width().saturating_sub(30);
    for (y, place) in (top..top + rows).zip(first..=last) {
        let label = match limits.get(place) {
            Some(limit) => format!("\u{2264} {}", scene.micros(*limit)),
            None => "longer".to_owned(),
        };
        pen.put_right(9, y, &label, scene.theme.dim);
        let count = counts[place];
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most the room there is"
        )]
        let long = (share(count, most) * f64::from(room)).ceil() as usize;
        pen.put(10, y, &"\u{2588}".repeat(long), scene.theme.p50);
        let figures = format!(
            "{} {:>7}",
            grouped(count),
            percent(share(count, response.len()))
        );
        pen.put_right(pen.width(), y, &figures, scene.theme.text);
    }
}
