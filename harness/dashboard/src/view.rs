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
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};
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
        let [top, body, bottom] = Layout::vertical([Length(1), Fill(1), Length(1)]).areas(area);
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
fn bare(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let third = area.height / 3;
    let rows = Layout::vertical([Length(third), Fill(1), Length(third)]);
    let [lanes, chart, table] = rows.areas(area);
    timeline::draw(scene, lanes, buffer);
    latency::draw(scene, chart, buffer);
    gates::draw(scene, table, buffer);
}

fn one_column(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let lanes = wanted_lanes(scene).min(area.height * 3 / 10);
    let below = area.height - lanes;
    let tables = (below * 4 / 10).clamp(5, 14);
    let log = (below / 6).clamp(3, 8);
    let heights = [
        Length(lanes),
        Fill(1),
        Length(1),
        Length(tables),
        Length(log),
    ];
    let [lanes, chart, line, tables, log] = Layout::vertical(heights).areas(area);
    let half = Length(tables.width * 45 / 100);
    let [left, right] = Layout::horizontal([half, Fill(1)]).areas(tables);
    framed(scene, lanes, buffer, ("timeline", ""), timeline::draw);
    let titles = ("latency", &*latency_title(scene));
    framed(scene, chart, buffer, titles, latency::draw);
    Pen::new(buffer, line).put(1, 0, &arrivals::brief(scene), scene.theme.text);
    let titles = ("routes", &*routes::scope(scene));
    framed(scene, left, buffer, titles, routes::draw);
    framed(scene, right, buffer, ("gates", ""), gates::draw);
    framed(scene, log, buffer, ("events", ""), events::draw);
}

fn two_columns(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let log = (area.height / 5).clamp(4, 14);
    let [upper, log] = Layout::vertical([Fill(1), Length(log)]).areas(area);
    let side = (upper.width / 3).clamp(36, 62);
    let [left, right] = Layout::horizontal([Fill(1), Length(side)]).areas(upper);
    let flow = if right.height > 24 { 8 } else { 7 };
    let below = right.height - flow;
    let none = scene.run.processes.each.is_empty();
    let gates = if none || scene_width(scene) < PROCESSES_FROM {
        below
    } else {
        let wanted = wanted_gates(scene).min(below.saturating_sub(6));
        wanted.max(below / 2)
    };
    let heights = [Length(flow), Length(gates), Fill(1)];
    let [flow, gates, processes] = Layout::vertical(heights).areas(right);
    framed(scene, log, buffer, ("events", ""), events::draw);
    left_column(scene, left, buffer);
    framed(scene, flow, buffer, ("arrivals", ""), arrivals::draw);
    framed(scene, gates, buffer, ("gates", "margin"), gates::draw);
    let titles = ("processes", "cpu    memory");
    framed(scene, processes, buffer, titles, processes::draw);
}

const fn scene_width(scene: &Scene<'_>) -> u16 {
    scene.screen.size.0
}

fn left_column(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let lanes = wanted_lanes(scene).min(area.height * 45 / 100);
    let rows = u16::try_from(scene.run.routes.each.len()).unwrap_or(u16::MAX);
    let table = rows.saturating_add(4).min((area.height - lanes) / 2).max(5);
    let heights = [Length(lanes), Fill(1), Length(table)];
    let [lanes, chart, table] = Layout::vertical(heights).areas(area);
    framed(scene, lanes, buffer, ("timeline", ""), timeline::draw);
    let titles = ("latency", &*latency_title(scene));
    framed(scene, chart, buffer, titles, latency::draw);
    let titles = ("routes", &*routes::scope(scene));
    framed(scene, table, buffer, titles, routes::draw);
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
fn single(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let most = match scene.screen.view {
        _ if area.height < 20 => 0,
        View::Faults => area.height / 2,
        _ => area.height * 35 / 100,
    };
    let lanes = Length(wanted_lanes(scene).min(most));
    let [lanes, area] = Layout::vertical([lanes, Fill(1)]).areas(area);
    framed(scene, lanes, buffer, ("timeline", ""), timeline::draw);
    match scene.screen.view {
        View::Routes => draw_routes(scene, area, buffer),
        View::Faults => {
            let titles = ("faults", "asked for, and seen");
            framed(scene, area, buffer, titles, faults::draw);
        }
        View::System => {
            let rows = u16::try_from(system::breaker_rows(scene)).unwrap_or(u16::MAX);
            let height = rows.saturating_add(3).min(area.height / 2);
            let [above, below] = Layout::vertical([Length(height), Fill(1)]).areas(area);
            framed(scene, above, buffer, ("breakers", ""), system::draw);
            framed(scene, below, buffer, ("processes", ""), processes::draw_all);
        }
        View::Gates => framed(scene, area, buffer, ("gates", ""), gates::draw_all),
        View::Events | View::Overview => {
            let right = match scene.screen.cursor() {
                0 => "newest below",
                _ => "scrolled",
            };
            framed(scene, area, buffer, ("events", right), events::draw);
        }
    }
}

fn draw_routes(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let order = format!("{}, by {}", routes::scope(scene), scene.screen.sort.name());
    let titles = ("routes", &*order);
    if !scene.screen.detail {
        return framed(scene, area, buffer, titles, routes::draw);
    }
    let table = Length(area.height * 4 / 10);
    let [table, detail] = Layout::vertical([table, Fill(1)]).areas(area);
    framed(scene, table, buffer, titles, routes::draw);
    let titles = (&*route::title(scene), "response times of good answers");
    framed(scene, detail, buffer, titles, route::draw);
}
