//! The whole screen: which panels are shown where, at any size.
//!
//! ```text
//!  header
//!  +- timeline ----------------------+ +- arrivals --+
//!  | lanes                           | |             |
//!  +- latency -----------------------+ +- gates -----+
//!  | chart, the same axis of time    | |             |
//!  +- routes ------------------------+ +- processes -+
//!  |                                 | |             |
//!  +- events ------------------------------------------+
//!  footer
//! ```

use std::cell::RefCell;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use squall_scenario::acts;

use crate::keys::KeyMap;
use crate::model::Model;
use crate::panels::{
    Scene, arrivals, brief, events, faults, footer, gates, header, help, latency, processes, route,
    routes, system, timeline,
};
use crate::pen::{Pen, frame};
use crate::pointer::{Target, Targets};
use crate::theme::{Theme, flatten};
use crate::views::View;

/// Smaller than this there are no panels, only lines.
const PANELS_FROM: (u16, u16) = (60, 12);
/// Smaller than this only the timeline, the latency and the gates are shown.
const FRAMES_FROM: (u16, u16) = (80, 24);
/// From this width on there is a second column.
const TWO_COLUMNS_FROM: u16 = 100;
/// From this width on the second column holds the processes too.
const PROCESSES_FROM: u16 = 120;

/// Draws the model; what a click meets then.
pub fn view(model: &Model, frame: &mut Frame<'_>, theme: &Theme, keys: &KeyMap) -> Targets {
    let area = frame.area();
    let targets = draw(model, area, frame.buffer_mut(), theme, keys);
    make_inert(frame.buffer_mut());
    targets
}

/// The last look at what is drawn: a record may hold anything, and what acts on
/// the terminal takes no room, so that it hides behind other characters.
fn make_inert(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if cell.symbol().chars().any(acts) {
            let kept: String = cell.symbol().chars().filter(|c| !acts(*c)).collect();
            cell.set_symbol(if kept.is_empty() { " " } else { &kept });
        }
    }
}

/// Draws the model into a buffer; what a click meets then.
pub fn draw(
    model: &Model,
    area: Rect,
    buffer: &mut Buffer,
    theme: &Theme,
    keys: &KeyMap,
) -> Targets {
    let targets = RefCell::new(Targets::default());
    let scene = Scene::new(model, theme, keys, &targets);
    let area = area.intersection(buffer.area);
    if area.width < PANELS_FROM.0 || area.height < PANELS_FROM.1 {
        brief::draw(&scene, area, buffer);
    } else {
        let (top, body, bottom) = (row(area, 0), body(area), row(area, area.height - 1));
        header::draw(&scene, top, buffer);
        footer::draw(&scene, bottom, buffer);
        match scene.screen.view {
            View::Overview => overview(&scene, body, buffer),
            _ => single(&scene, body, buffer),
        }
    }
    if let Some(help) = &scene.screen.help {
        help::draw(&scene, help, area, buffer);
    }
    if theme.ascii {
        flatten(buffer);
    }
    targets.into_inner()
}

const fn row(area: Rect, y: u16) -> Rect {
    Rect::new(area.x, area.y + y, area.width, 1)
}

const fn body(area: Rect) -> Rect {
    Rect::new(area.x, area.y + 1, area.width, area.height - 2)
}

/// Draws a frame and gives the inside to a panel.
fn framed(
    scene: &Scene<'_>,
    area: Rect,
    buffer: &mut Buffer,
    titles: (&str, &str),
    panel: impl FnOnce(&Scene<'_>, Rect, &mut Buffer),
) {
    if area.width < 4 || area.height < 3 {
        return;
    }
    if let (View::Overview, Some(view)) = (scene.screen.view, view_of(titles.0)) {
        scene.clickable(area, Target::View(view));
    }
    let inside = frame(scene.theme, area, buffer, titles);
    panel(scene, inside, buffer);
}

/// The view that shows more of what a panel of the overview shows.
fn view_of(title: &str) -> Option<View> {
    Some(match title {
        "timeline" => View::Faults,
        "gates" => View::Gates,
        "processes" => View::System,
        "events" => View::Events,
        "routes" => View::Routes,
        _ => return None,
    })
}

/// Cuts `height` rows off the top of `area`.
fn cut(area: &mut Rect, height: u16) -> Rect {
    let height = height.min(area.height);
    let top = Rect::new(area.x, area.y, area.width, height);
    area.y += height;
    area.height -= height;
    top
}

fn overview(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    // The body lacks the header and the footer.
    if area.width < FRAMES_FROM.0 || area.height + 2 < FRAMES_FROM.1 {
        bare(scene, area, buffer);
    } else if area.width < TWO_COLUMNS_FROM {
        one_column(scene, area, buffer);
    } else {
        two_columns(scene, area, buffer);
    }
}

/// No frames: timeline, latency, gates.
fn bare(scene: &Scene<'_>, mut area: Rect, buffer: &mut Buffer) {
    let third = area.height / 3;
    timeline::draw(scene, cut(&mut area, third.max(3)), buffer);
    let gates_height = third.max(2);
    let chart = area.height.saturating_sub(gates_height);
    latency::draw(scene, cut(&mut area, chart), buffer);
    gates::draw(scene, area, buffer);
}

fn one_column(scene: &Scene<'_>, mut area: Rect, buffer: &mut Buffer) {
    let lanes = wanted_lanes(scene).min(area.height * 3 / 10);
    framed(
        scene,
        cut(&mut area, lanes),
        buffer,
        ("timeline", ""),
        timeline::draw,
    );
    let tables = (area.height * 4 / 10).clamp(5, 14);
    let log = (area.height / 6).clamp(3, 8);
    let chart = area.height.saturating_sub(tables + log + 1);
    let title = latency_title(scene);
    framed(
        scene,
        cut(&mut area, chart),
        buffer,
        ("latency", &title),
        latency::draw,
    );
    let line = cut(&mut area, 1);
    Pen::new(buffer, line).put(1, 0, &arrivals::brief(scene), scene.theme.text);
    let both = cut(&mut area, tables);
    let half = both.width * 45 / 100;
    let left = Rect::new(both.x, both.y, half, both.height);
    let right = Rect::new(both.x + half, both.y, both.width - half, both.height);
    let scope = routes::scope(scene);
    framed(scene, left, buffer, ("routes", &scope), |s, a, b| {
        routes::draw(s, a, b, true)
    });
    framed(scene, right, buffer, ("gates", ""), gates::draw);
    framed(scene, area, buffer, ("events", ""), |s, a, b| {
        events::draw(s, a, b, 0)
    });
}

fn two_columns(scene: &Scene<'_>, mut area: Rect, buffer: &mut Buffer) {
    let log = (area.height / 5).clamp(4, 14);
    let above = area.height.saturating_sub(log);
    let mut upper = cut(&mut area, above);
    framed(scene, area, buffer, ("events", ""), |s, a, b| {
        events::draw(s, a, b, 0)
    });
    let side = (upper.width / 3).clamp(36, 62);
    let mut right = Rect::new(upper.x + upper.width - side, upper.y, side, upper.height);
    upper.width -= side;
    left_column(scene, upper, buffer);
    let flow = if right.height > 24 { 8 } else { 7 };
    framed(
        scene,
        cut(&mut right, flow),
        buffer,
        ("arrivals", ""),
        arrivals::draw,
    );
    let gates_wanted = wanted_gates(scene);
    let gates_height = if scene.run.processes.each.is_empty() || scene_width(scene) < PROCESSES_FROM
    {
        right.height
    } else {
        gates_wanted
            .min(right.height.saturating_sub(6))
            .max(right.height / 2)
    };
    framed(
        scene,
        cut(&mut right, gates_height),
        buffer,
        ("gates", "margin"),
        gates::draw,
    );
    framed(
        scene,
        right,
        buffer,
        ("processes", "cpu    memory"),
        processes::draw,
    );
}

const fn scene_width(scene: &Scene<'_>) -> u16 {
    scene.screen.size.0
}

fn left_column(scene: &Scene<'_>, mut area: Rect, buffer: &mut Buffer) {
    let lanes = wanted_lanes(scene).min(area.height * 45 / 100);
    framed(
        scene,
        cut(&mut area, lanes),
        buffer,
        ("timeline", ""),
        timeline::draw,
    );
    let rows = u16::try_from(scene.run.routes.each.len()).unwrap_or(u16::MAX);
    let table = rows.saturating_add(4).min(area.height / 2).max(5);
    let chart = area.height.saturating_sub(table);
    let title = latency_title(scene);
    framed(
        scene,
        cut(&mut area, chart),
        buffer,
        ("latency", &title),
        latency::draw,
    );
    let scope = routes::scope(scene);
    framed(scene, area, buffer, ("routes", &scope), |s, a, b| {
        routes::draw(s, a, b, true)
    });
}

/// Rows of a timeline with every lane, its axis and its frame.
fn wanted_lanes(scene: &Scene<'_>) -> u16 {
    let run = scene.run;
    let down = run.processes.system().filter(|p| !p.outages.is_empty());
    let over = run.phase == squall_record::Phase::Finished;
    let down = if over { 0 } else { down.count() };
    let marks = usize::from(!run.marks.is_empty());
    let lanes = 3 + run.faults.each.len() + run.breakers.each.len() + down + marks;
    u16::try_from(lanes + 3).unwrap_or(u16::MAX)
}

/// Rows of a panel of gates with every gate, its headings and its frame.
fn wanted_gates(scene: &Scene<'_>) -> u16 {
    let slo = &scene.model.facts.scenario.slo;
    let rows: usize = slo.iter().map(|block| block.expect.len() + 1).sum();
    u16::try_from(rows + 2).unwrap_or(u16::MAX)
}

fn latency_title(scene: &Scene<'_>) -> String {
    let width_s = scene.run.series.width_us() / 1_000_000;
    match width_s {
        1 => "from the intended start".to_owned(),
        _ => format!("from the intended start, the worst second of each {width_s}"),
    }
}

/// One panel, with the timeline above it where there is room.
fn single(scene: &Scene<'_>, mut area: Rect, buffer: &mut Buffer) {
    if area.height >= 20 {
        let lanes = wanted_lanes(scene).min(area.height * 35 / 100);
        let lanes = if scene.screen.view == View::Faults {
            wanted_lanes(scene).min(area.height / 2)
        } else {
            lanes
        };
        framed(
            scene,
            cut(&mut area, lanes),
            buffer,
            ("timeline", ""),
            timeline::draw,
        );
    }
    let scope = routes::scope(scene);
    match scene.screen.view {
        View::Routes => draw_routes(scene, area, buffer, &scope),
        View::Faults => framed(
            scene,
            area,
            buffer,
            ("faults", "asked for, and seen"),
            faults::draw,
        ),
        View::System => {
            let rows = u16::try_from(system::breaker_rows(scene)).unwrap_or(u16::MAX);
            let height = rows.saturating_add(3).min(area.height / 2);
            let breakers = cut(&mut area, height);
            framed(
                scene,
                breakers,
                buffer,
                ("breakers", ""),
                system::draw_breakers,
            );
            framed(
                scene,
                area,
                buffer,
                ("processes", ""),
                system::draw_processes,
            );
        }
        View::Gates => framed(scene, area, buffer, ("gates", ""), gates::draw_all),
        View::Events | View::Overview => {
            let cursor = scene.screen.cursor();
            let right = if cursor > 0 {
                "scrolled"
            } else {
                "newest below"
            };
            framed(scene, area, buffer, ("events", right), |s, a, b| {
                events::draw(s, a, b, cursor);
            });
        }
    }
}

fn draw_routes(scene: &Scene<'_>, mut area: Rect, buffer: &mut Buffer, scope: &str) {
    let order = format!("{scope}, by {}", scene.screen.sort.name());
    if scene.screen.detail {
        let height = area.height * 4 / 10;
        let table = cut(&mut area, height);
        framed(scene, table, buffer, ("routes", &order), |s, a, b| {
            routes::draw(s, a, b, true)
        });
        let title = route::title(scene);
        framed(
            scene,
            area,
            buffer,
            (&title, "response times of good answers"),
            route::draw,
        );
    } else {
        framed(scene, area, buffer, ("routes", &order), |s, a, b| {
            routes::draw(s, a, b, true)
        });
    }
}
