//! The table of routes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use squall_judge::quantity::{grouped, percent, significant};

use super::{Scene, bar, visible};
use crate::model::routes::{Route, Tally};
use crate::model::series::ResponseTime;
use crate::pen::Pen;
use crate::pointer::Target;
use crate::screen::SortBy;

/// The rows in their order: all routes together, then each that passes the
/// filter.
#[must_use]
pub fn ordered<'m>(scene: &Scene<'m>) -> Vec<&'m Route> {
    let routes = &scene.run.routes;
    let each = routes.each.iter();
    let mut rows: Vec<_> = each.filter(|r| scene.screen.lets_pass(&r.name)).collect();
    let tally = |route: &Route| -> Tally { tally(scene, route).clone() };
    match scene.screen.sort {
        SortBy::Scenario => {}
        SortBy::Rate => rows.sort_by_cached_key(|r| std::cmp::Reverse(tally(r).counts.scheduled)),
        SortBy::Errors => rows.sort_by_cached_key(|r| std::cmp::Reverse(tally(r).counts.failed())),
        SortBy::P99 => rows.sort_by_cached_key(|r| std::cmp::Reverse(tally(r).quantile(0.99))),
        SortBy::Success => rows.sort_by(|a, b| {
            let success = |route: &Route| tally(route).success().unwrap_or(2.0);
            success(a).total_cmp(&success(b))
        }),
    }
    rows.insert(0, &routes.all);
    rows
}

/// The arrivals of a route that the tables show: of the window or of the run.
#[must_use]
pub fn tally<'m>(scene: &Scene<'m>, route: &'m Route) -> &'m Tally {
    if scene.screen.whole_run {
        &route.run
    } else {
        &route.window
    }
}

/// What the tables show, in words.
#[must_use]
pub fn scope(scene: &Scene<'_>) -> String {
    if scene.screen.whole_run {
        "whole run".to_owned()
    } else {
        format!("window: {}", scene.run.window)
    }
}

/// A column: its heading, its width, and from which panel width on it is
/// shown.
const COLUMNS: [(&str, u16, u16); 8] = [
    ("rate", 9, 0),
    ("ok", 9, 0),
    ("p50", 8, 44),
    ("p99", 8, 0),
    ("p99.9", 8, 74),
    ("max", 8, 84),
    ("failed", 7, 54),
    ("mostly", 9, 64),
];

/// Draws the table with the row that is selected.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let width = pen.width();
    let rows = ordered(scene);
    let columns: Vec<_> = COLUMNS
        .iter()
        .enumerate()
        .filter(|(_, (_, _, from))| width >= *from)
        .collect();
    let figures: u16 = columns.iter().map(|(_, (_, width, _))| width).sum();
    // What is left shows each route's recent p99 as bars.
    let trend: u16 = if width >= figures + 24 + 34 { 34 } else { 0 };
    let name = width.saturating_sub(figures + trend);
    let heading = format!("  {}", "route");
    pen.put(0, 0, &heading, scene.theme.dim);
    let mut x = name;
    for (_, (title, wide, _)) in &columns {
        x += wide;
        pen.put_right(x, 0, title, scene.theme.dim);
    }
    if trend > 0 {
        pen.put(x + 2, 0, "p99 lately", scene.theme.dim);
    }
    let selected = scene.screen.cursor().min(rows.len() - 1);
    let room = usize::from(pen.height().saturating_sub(1));
    for (y, index) in (1..).zip(visible(rows.len(), selected, room)) {
        let route = rows[index];
        pen.put_fit(2, y, name.saturating_sub(3), &route.name, scene.theme.text);
        let mut x = name;
        for (column, (_, wide, _)) in &columns {
            x += wide;
            let (text, style) = figure(scene, tally(scene, route), *column);
            pen.put_right(x, y, &text, style);
        }
        if trend > 0 {
            pen.put(x + 2, y, &sparks(route), scene.theme.p99);
        }
        let row = Rect::new(area.x, area.y.saturating_add(y), area.width, 1);
        scene.clickable(row, Target::Row(index));
        if index == selected {
            pen.put(0, y, "\u{25b8}", scene.theme.key);
            pen.style(0, y, width, scene.theme.selected);
        }
    }
    if rows.len() == 1 && !scene.screen.filter.is_empty() {
        pen.put(2, 2, "no route holds these words", scene.theme.dim);
    }
}

fn figure(scene: &Scene<'_>, tally: &Tally, column: usize) -> (String, Style) {
    let theme = scene.theme;
    let time = |q: f64| scene.time(tally.quantile(q));
    let failed = tally.counts.failed();
    match column {
        0 => (format!("{}/s", significant(tally.rate())), theme.text),
        1 => {
            let text = tally.success().map_or_else(|| "-".to_owned(), percent);
            (text, if failed > 0 { theme.bad } else { theme.good })
        }
        2 => (time(0.5), theme.p50),
        3 => (time(0.99), theme.p99),
        4 => (time(0.999), theme.text),
        5 => (scene.time(tally.max()), theme.text),
        6 => (
            grouped(failed),
            if failed > 0 { theme.bad } else { theme.dim },
        ),
        _ => match tally.top_error() {
            Some((kind, _)) => (kind.to_owned(), theme.bad),
            None => ("-".to_owned(), theme.dim),
        },
    }
}

/// The selected row in words.
#[must_use]
pub fn selected(scene: &Scene<'_>) -> String {
    let rows = ordered(scene);
    let route = rows[scene.screen.cursor().min(rows.len() - 1)];
    let tally = tally(scene, route);
    let figures = COLUMNS.iter().enumerate();
    let figures = figures.map(|(column, (name, _, _))| {
        let (text, _) = figure(scene, tally, column);
        format!("{name} {text}")
    });
    let figures: Vec<_> = figures.collect();
    format!("{} ({}): {}", route.name, scope(scene), figures.join(", "))
}

/// Recent p99s as bars on a logarithmic scale from 1 ms to 10 s.
fn sparks(route: &Route) -> String {
    let height = |time: &ResponseTime| match time.us() {
        None => "\u{2717}",
        Some(us) => {
            #[expect(clippy::cast_precision_loss, reason = "height of a bar")]
            let decades = (us.max(1) as f64 / 1000.0).log10();
            bar(decades / 4.0)
        }
    };
    route.trend.iter().map(height).collect()
}
