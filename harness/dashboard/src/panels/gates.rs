//! Gates as they stand, with what is left of their allowance.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use squall_judge::live::LiveState;
use squall_judge::quantity::grouped;
use squall_judge::verdict::{Evidence, GateOrigin, GateState};

use super::{Scene, visible};
use crate::pen::{Pen, cells, wrap};
use crate::pointer::Target;

/// Rows that the words on one gate may take.
const WORDS_ROWS_MAX: usize = 4;

/// How a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It holds so far, or it passed.
    Holds,
    /// It does not hold.
    Fails,
    /// Nothing can be said yet.
    Open,
    /// The judge could not decide it.
    Undecided,
}

impl Standing {
    const fn glyph(self) -> &'static str {
        match self {
            Self::Holds => "\u{2713}",
            Self::Fails => "\u{2717}",
            Self::Open => "\u{b7}",
            Self::Undecided => "?",
        }
    }

    fn style(self, scene: &Scene<'_>) -> Style {
        match self {
            Self::Holds => scene.theme.good,
            Self::Fails => scene.theme.bad,
            Self::Open => scene.theme.dim,
            Self::Undecided => scene.theme.open,
        }
    }
}

/// One gate, live or judged.
pub struct GateRow {
    /// How it stands.
    pub standing: Standing,
    /// When it is judged.
    pub when: String,
    /// The gate as it stands in the scenario.
    pub gate: String,
    /// The figures.
    pub evidence: Evidence,
    /// Why, where the judge has said.
    pub why: Option<String>,
    /// What the figures say so far, where they say anything.
    pub so_far: Option<String>,
}

/// Every gate of `slo`: as judged where the run was, else as it stands.
#[must_use]
pub fn rows(scene: &Scene<'_>) -> Vec<GateRow> {
    if let Some(verdict) = &scene.run.verdict {
        let gates = verdict.gates.iter().filter(|g| g.origin == GateOrigin::Slo);
        return gates
            .map(|gate| GateRow {
                standing: match gate.state {
                    GateState::Pass => Standing::Holds,
                    GateState::Fail => Standing::Fails,
                    GateState::Inconclusive | GateState::NotReached => Standing::Undecided,
                },
                when: gate.when.clone(),
                gate: gate.gate.clone(),
                evidence: gate.evidence.clone(),
                why: Some(gate.explanation.clone()),
                so_far: None,
            })
            .collect();
    }
    let gates = scene.run.gates.iter();
    gates
        .map(|gate| GateRow {
            standing: match gate.state {
                LiveState::Pending => Standing::Open,
                LiveState::OnTrack => Standing::Holds,
                LiveState::Failing => Standing::Fails,
            },
            when: gate.when.clone(),
            gate: gate.gate.clone(),
            evidence: gate.evidence.clone(),
            why: None,
            so_far: gate.explanation.clone(),
        })
        .collect()
}

/// How many hold, fail and are open.
#[must_use]
pub fn count(rows: &[GateRow]) -> (usize, usize, usize) {
    let of = |standing| rows.iter().filter(|row| row.standing == standing).count();
    let open = of(Standing::Open) + of(Standing::Undecided);
    (of(Standing::Holds), of(Standing::Fails), open)
}

fn observed(scene: &Scene<'_>, row: &GateRow) -> String {
    let observed = row.evidence.observed;
    observed.map_or_else(String::new, |observed| scene.quantity(observed))
}

/// Lines of the small panel: a heading per window, its gates below.
enum Entry<'r> {
    When(&'r str),
    Gate(&'r GateRow),
}

/// Draws the small panel.
pub fn draw(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let rows = rows(scene);
    let mut entries = Vec::new();
    let mut when = "";
    for row in rows.iter().filter(|row| shown(scene, row)) {
        if row.when != when {
            when = &row.when;
            entries.push(Entry::When(when));
        }
        entries.push(Entry::Gate(row));
    }
    if entries.is_empty() {
        pen.put(0, 0, "the scenario has no gates", scene.theme.dim);
        return;
    }
    let room = usize::from(pen.height());
    if entries.len() > room {
        // Headings go first, then what stands well.
        entries.retain(|entry| matches!(entry, Entry::Gate(_)));
        let weight = |entry: &Entry<'_>| match entry {
            Entry::Gate(row) if row.standing == Standing::Fails => 0,
            Entry::Gate(row) if row.standing == Standing::Holds => 1,
            _ => 2,
        };
        if entries.len() > room {
            entries.sort_by_key(weight);
        }
    }
    let hidden = entries.len().saturating_sub(room);
    for (y, entry) in (0..pen.height()).zip(&entries) {
        match entry {
            Entry::When(when) => {
                pen.put_fit(0, y, pen.width(), when, scene.theme.dim);
            }
            Entry::Gate(row) => draw_gate(scene, &mut pen, y, row),
        }
    }
    if hidden > 0 {
        let more = format!(" +{hidden} in 5 ");
        pen.put_right(pen.width(), pen.height() - 1, &more, scene.theme.dim);
    }
}

fn shown(scene: &Scene<'_>, row: &GateRow) -> bool {
    scene
        .screen
        .lets_pass(&format!("{} {}", row.when, row.gate))
}

fn draw_gate(scene: &Scene<'_>, pen: &mut Pen<'_>, y: u16, row: &GateRow) {
    let style = row.standing.style(scene);
    pen.put(1, y, row.standing.glyph(), style);
    let width = pen.width();
    let mut tail = observed(scene, row);
    let evidence = &row.evidence;
    if width >= 46 && evidence.n > 0 {
        tail = format!("{tail}  n={}", grouped(evidence.n));
    }
    if width >= 36
        && let Some(margin) = evidence.margin
    {
        tail = format!("{tail} {:>5}", margin_text(margin));
    }
    let room = width.saturating_sub(4 + cells(&tail));
    pen.put_fit(3, y, room, &row.gate, scene.theme.text);
    pen.put_right(width, y, &tail, style);
}

/// What is left of the allowance, in percent of it.
fn margin_text(margin: f64) -> String {
    let percent = (margin * 100.0).clamp(-999.0, 999.0);
    format!("{percent:+.0}%")
}

/// Draws the view: every number behind a gate.
pub fn draw_all(scene: &Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen::new(buffer, area);
    let rows = rows(scene);
    let rows: Vec<_> = rows.iter().filter(|row| shown(scene, row)).collect();
    if rows.is_empty() {
        pen.put(0, 0, "no gate to show", scene.theme.dim);
        return;
    }
    let width = pen.width();
    let figures: u16 = if width >= 96 { 64 } else { 42 };
    let room = width.saturating_sub(figures + 3);
    let head = header(width >= 96);
    pen.put(3, 0, "gate", scene.theme.dim);
    pen.put(room + 3, 0, &head, scene.theme.dim);
    let selected = scene.screen.cursor().min(rows.len() - 1);
    let mut words = wrap(&explanation(rows[selected]), width.saturating_sub(2));
    words.truncate(WORDS_ROWS_MAX.min(usize::from(pen.height()) / 3).max(1));
    let below = u16::try_from(words.len()).unwrap_or(1) + 2;
    let height = usize::from(pen.height().saturating_sub(below));
    for (y, index) in (1..).zip(visible(rows.len(), selected, height)) {
        let row = rows[index];
        let style = row.standing.style(scene);
        pen.put(1, y, row.standing.glyph(), style);
        let name = format!("{}: {}", row.when, row.gate);
        pen.put_fit(3, y, room.saturating_sub(1), &name, scene.theme.text);
        pen.put(room + 3, y, &figure_line(scene, row, width >= 96), style);
        let line = Rect::new(area.x, area.y.saturating_add(y), area.width, 1);
        scene.clickable(line, Target::Row(index));
        if index == selected {
            pen.style(0, y, width, scene.theme.selected);
        }
    }
    let top = pen.height().saturating_sub(below - 2);
    for (y, line) in (top..).zip(&words) {
        pen.put_fit(1, y, width.saturating_sub(2), line, scene.theme.text);
    }
}

/// The selected gate of the view in words.
#[must_use]
pub fn selected(scene: &Scene<'_>) -> Option<String> {
    let rows = rows(scene);
    let rows: Vec<_> = rows.iter().filter(|row| shown(scene, row)).collect();
    let last = rows.len().checked_sub(1)?;
    let row = rows[scene.screen.cursor().min(last)];
    let observed = row.evidence.observed;
    let observed = observed.map_or_else(|| "nothing".to_owned(), |q| scene.quantity(q));
    Some(format!(
        "{} {}: {}: {observed} observed, n={}; {}",
        row.standing.glyph(),
        row.when,
        row.gate,
        row.evidence.n,
        explanation(row)
    ))
}

fn header(wide: bool) -> String {
    let narrow = format!(
        "{:>10} {:>10} {:>7} {:>9}",
        "observed", "limit", "margin", "n"
    );
    match wide {
        true => format!("{narrow} {:>8} {:>8}", "against", "allowed"),
        false => narrow,
    }
}

fn figure_line(scene: &Scene<'_>, row: &GateRow, wide: bool) -> String {
    let evidence = &row.evidence;
    let quantity = |q: Option<squall_judge::quantity::Quantity>| {
        q.map_or_else(|| "-".to_owned(), |q| scene.quantity(q))
    };
    let margin = evidence.margin.map_or_else(|| "-".to_owned(), margin_text);
    let narrow = format!(
        "{:>10} {:>10} {:>7} {:>9}",
        quantity(evidence.observed),
        quantity(evidence.threshold),
        margin,
        grouped(evidence.n),
    );
    let allowed = evidence.bad_allowed.map_or_else(|| "-".to_owned(), grouped);
    match wide {
        true => format!("{narrow} {:>8} {:>8}", grouped(evidence.bad), allowed),
        false => narrow,
    }
}

fn explanation(row: &GateRow) -> String {
    if let Some(why) = &row.why {
        return why.clone();
    }
    let evidence = &row.evidence;
    match (row.standing, evidence.needed, &row.so_far) {
        (Standing::Open, Some(needed), _) => format!(
            "{} settled arrivals so far; it takes {} to decide",
            grouped(evidence.n),
            grouped(needed)
        ),
        (Standing::Open, None, Some(so_far)) => format!("if the run ended now: {so_far}"),
        (Standing::Open, None, None) => {
            "open: its window has not begun, or only the judge can tell, after the run".to_owned()
        }
        (Standing::Undecided, ..) => "not decided".to_owned(),
        (Standing::Holds, _, so_far) => format!(
            "holds so far{}; only the judge decides, on the whole record",
            after_colon(so_far.as_deref())
        ),
        (Standing::Fails, _, so_far) => format!(
            "would fail if the run ended now{}; only the judge decides",
            after_colon(so_far.as_deref())
        ),
    }
}

fn after_colon(words: Option<&str>) -> String {
    words.map_or_else(String::new, |words| format!(": {words}"))
}
