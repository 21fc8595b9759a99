//! `text`: the verdict for a terminal, the last thing a run prints.

use squall_judge::RunOutcome;
use squall_judge::quantity::{clock, grouped, percent, significant};
use squall_judge::verdict::{
    GateOrigin, GateState, GateVerdict, ProcessTimeline, SliceStats, Verdict, WindowKind,
};
use squall_record::{Record, terminal_line, terminal_text};

use super::margin::margin_text;
use super::rendering::Format;
use super::strip::{LEGEND, LEGEND_BY_HAND, fitted, rows};
use super::told::Told;
use super::{by_hand, course};

mod effects;
mod failures;
mod histogram;
mod load;

/// How text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI colours may be used; they never carry meaning alone.
    pub color: bool,
    /// Whether only ASCII may be used.
    pub ascii: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            color: false,
            ascii: false,
            width: 100,
        }
    }
}

/// The verdict as plain text.
#[derive(Debug)]
pub(super) struct Text;

impl Format for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn file_name(&self) -> &'static str {
        "report.txt"
    }

    fn about(&self) -> &'static str {
        "the verdict as it ends a run in the terminal"
    }

    fn render(&self, record: &Record, verdict: &Verdict) -> Vec<u8> {
        verdict_block(record, verdict, &Style::default(), &[]).into_bytes()
    }
}

/// The block that ends a run: verdict, gates, what broke and how it came back,
/// the load, and where the `reports` are.
#[must_use]
pub fn verdict_block(
    record: &Record,
    verdict: &Verdict,
    style: &Style,
    reports: &[String],
) -> String {
    let mut page = Page {
        text: String::new(),
        style: *style,
    };
    page.banner(record, verdict);
    page.gates(verdict);
    page.faults(verdict);
    page.effects(verdict);
    if verdict.faults.is_empty() {
        page.load(record, verdict);
    } else {
        page.windows(verdict);
    }
    page.failures(verdict);
    let touched = by_hand::deeds(record).next().is_some();
    if touched || has_a_course(verdict) {
        page.timeline(record, verdict);
    }
    page.footer(record, verdict, reports);
    if style.ascii {
        page.text = ascii(&page.text);
    }
    page.text
}

/// Whether time has something to tell: a load that nothing disturbed has one
/// window and no failure.
fn has_a_course(verdict: &Verdict) -> bool {
    let down = |process: &ProcessTimeline| !process.down.is_empty();
    !verdict.faults.is_empty()
        || !verdict.errors.is_empty()
        || !verdict.breakers.is_empty()
        || verdict.processes.iter().any(down)
}

struct Page {
    text: String,
    style: Style,
}

/// ANSI codes by meaning; named colours only, so every theme can be read.
#[derive(Clone, Copy)]
enum Tone {
    Good,
    Bad,
    Open,
    Faint,
    Strong,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn tone(&self, tone: Tone, text: &str) -> String {
        if !self.style.color {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "1;32",
            Tone::Bad => "1;31",
            Tone::Open => "1;33",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    fn heading(&mut self, text: &str) {
        self.line("");
        let heading = self.tone(Tone::Strong, text);
        self.line(&heading);
    }

    /// `text` broken into lines that start with `indent` columns.
    fn paragraph(&mut self, text: &str, indent: usize) {
        let width = self.style.width.max(40);
        let mut line = String::new();
        for word in terminal_line(text).split(' ') {
            let length = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && indent + length > width {
                let full = format!("{}{line}", " ".repeat(indent));
                self.line(&full);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        let full = format!("{}{line}", " ".repeat(indent));
        self.line(&full);
    }

    fn banner(&mut self, record: &Record, verdict: &Verdict) {
        let tone = match verdict.outcome {
            RunOutcome::Pass => Tone::Good,
            RunOutcome::Measured => Tone::Strong,
            RunOutcome::Inconclusive => Tone::Open,
            _ => Tone::Bad,
        };
        let word = self.tone(tone, verdict.outcome.word());
        let name = terminal_text(&record.manifest.scenario.name);
        let name = self.tone(Tone::Strong, &name);
        let variant = record.manifest.variant.as_ref();
        let variant = variant.map_or(String::new(), |v| format!(" ({})", terminal_text(v)));
        self.line("");
        self.line(&format!("{word}  {name}{variant}"));
        self.paragraph(&verdict.sentence, 2);
    }

    fn gates(&mut self, verdict: &Verdict) {
        if verdict.gates.is_empty() {
            return;
        }
        self.heading("Gates");
        let name_width = verdict
            .gates
            .iter()
            .map(|gate| gate.gate.chars().count())
            .max();
        let name_width = name_width.unwrap_or(0).min(48);
        let mut when = String::new();
        let mut told = Told::by_sentence(verdict);
        for gate in &verdict.gates {
            let place = match gate.origin {
                GateOrigin::SteadyState => "steady state, on the baseline".to_owned(),
                GateOrigin::Slo => terminal_text(&gate.when),
            };
            if place != when {
                let faint = self.tone(Tone::Faint, &place);
                self.line(&format!("  {faint}"));
                when = place;
            }
            self.gate(gate, name_width, &told.brief(&gate.explanation));
        }
    }

    fn gate(&mut self, gate: &GateVerdict, name_width: usize, why: &str) {
        let (mark, tone) = match gate.state {
            GateState::Pass => ("\u{2713}", Tone::Good),
            GateState::Fail => ("\u{2717}", Tone::Bad),
            GateState::Inconclusive => ("?", Tone::Open),
            GateState::NotReached => ("\u{b7}", Tone::Faint),
        };
        let mark = self.tone(tone, mark);
        let observed = gate
            .evidence
            .observed
            .map_or_else(|| "-".to_owned(), |q| q.to_string());
        let name = terminal_text(&gate.gate);
        self.line(&format!(
            "  {mark} {name:<name_width$}  {observed:>9}  {}",
            figures(gate)
        ));
        if gate.state != GateState::Pass {
            self.paragraph(why, 6);
        }
    }

    fn faults(&mut self, verdict: &Verdict) {
        if verdict.faults.is_empty() {
            return;
        }
        self.heading("What was broken");
        for fault in &verdict.faults {
            let name = self.tone(Tone::Strong, &terminal_text(&fault.fault));
            self.line(&format!("  {name}: {}", terminal_text(&fault.requested)));
            if let (Some(from_us), Some(to_us)) = (fault.active_us, fault.removed_us) {
                let first = if fault.active > 1 { "first " } else { "" };
                let times = format!(
                    "{first}in force at {}, gone at {}",
                    clock(from_us),
                    clock(to_us)
                );
                self.paragraph(&times, 4);
            }
            for seen in fault.seen.iter().take(3) {
                self.paragraph(&format!("seen: {seen}"), 4);
            }
            for problem in fault.problems.iter().chain(&fault.removal_problems) {
                self.paragraph(&format!("but it {problem}"), 4);
            }
            let detection = verdict.detections.iter().find(|d| d.fault == fault.fault);
            for told in detection.iter().flat_map(|d| course::detection(d)) {
                self.paragraph(&told, 4);
            }
            let recovery = verdict.recoveries.iter().find(|r| r.fault == fault.fault);
            if let Some(recovery) = recovery {
                self.paragraph(&course::recovery(recovery), 4);
                if recovery.metastable {
                    self.paragraph(
                        "metastable: it was gone, and something else kept the system down",
                        4,
                    );
                }
            }
        }
    }

    fn windows(&mut self, verdict: &Verdict) {
        self.heading("Windows");
        let shown = |kind| !matches!(kind, WindowKind::Hold);
        let windows: Vec<_> = verdict.windows.iter().filter(|w| shown(w.kind)).collect();
        let width = windows
            .iter()
            .map(|w| w.name.chars().count())
            .max()
            .unwrap_or(0)
            .clamp(9, 32);
        let head = format!(
            "  {:<width$} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}",
            "", "arrivals", "rate", "ok", "p50", "p99", "p99.9", "max", "failed"
        );
        let head = self.tone(Tone::Faint, &head);
        self.line(&head);
        for window in windows {
            let name: String = terminal_text(&window.name).chars().take(width).collect();
            let cells = cells(&window.all);
            self.line(&format!("  {name:<width$} {cells}"));
        }
        for outages in course::outages(verdict) {
            self.paragraph(&outages, 2);
        }
        for window in verdict.windows.iter().filter(|w| shown(w.kind)) {
            if let Some(users) = window.users {
                let name = terminal_text(&window.name);
                self.paragraph(&format!("{name}: {users}"), 2);
            }
        }
    }

    /// Why arrivals failed, the most frequent reason first.
    fn failures(&mut self, verdict: &Verdict) {
        if verdict.errors.is_empty() {
            return;
        }
        self.heading("Failures");
        let table = failures::table(&verdict.errors);
        let head = self.tone(Tone::Faint, &table.head);
        self.line(&head);
        for row in table.rows {
            let cells: String = row.cells.chars().take(self.style.width.max(80)).collect();
            self.line(&cells);
            if !row.note.is_empty() {
                self.paragraph(&row.note, 11);
            }
        }
        if table.more > 0 {
            let more = format!("and {} more reasons, in the other reports", table.more);
            self.paragraph(&more, 2);
        }
    }

    fn timeline(&mut self, record: &Record, verdict: &Verdict) {
        if verdict.load_end_us <= 0 {
            return;
        }
        self.heading("Timeline");
        let label_width = 26.min(self.style.width / 3);
        let width = self
            .style
            .width
            .saturating_sub(label_width + 5)
            .clamp(20, 100);
        for row in rows(record, verdict, width) {
            let label = fitted(&terminal_text(&row.label), label_width);
            self.line(&format!("  {label:<label_width$} |{}|", row.cells));
        }
        let legend = self.tone(Tone::Faint, LEGEND);
        self.line(&format!("  {legend}"));
        self.by_hand(record);
    }

    /// What people marked and did, with the marks of the timeline above it.
    fn by_hand(&mut self, record: &Record) {
        let (deeds, more) = by_hand::told(record);
        if deeds.is_empty() {
            return;
        }
        let legend = self.tone(Tone::Faint, LEGEND_BY_HAND);
        self.line(&format!("  {legend}"));
        for deed in deeds {
            let when = by_hand::when(deed.at_us);
            self.paragraph(&format!("{when} by hand: {}", deed.words), 4);
        }
        if more > 0 {
            self.paragraph(&format!("and {more} more"), 4);
        }
    }

    fn footer(&mut self, record: &Record, verdict: &Verdict, reports: &[String]) {
        self.heading("Load generator");
        self.paragraph(&verdict.generator.summary, 2);
        if let Some(damage) = record.damage.first() {
            self.paragraph(&format!("the record is damaged: {damage}"), 2);
        }
        if !reports.is_empty() {
            self.heading("Reports");
            for report in reports {
                self.line(&format!("  {}", terminal_text(report)));
            }
        }
        self.line("");
        let again = format!("again: {}", terminal_text(&record.manifest.rerun));
        let again = self.tone(Tone::Faint, &again);
        self.line(&again);
    }
}

/// The figures of a gate that passed or failed, on one line.
fn figures(gate: &GateVerdict) -> String {
    let evidence = &gate.evidence;
    let mut parts = Vec::new();
    if let Some(margin) = evidence.margin {
        parts.push(margin_text(margin));
    }
    if evidence.n > 0 {
        parts.push(format!("n={}", grouped(evidence.n)));
    }
    if let Some(allowed) = evidence.bad_allowed {
        parts.push(format!(
            "{} bad of {} allowed",
            grouped(evidence.bad),
            grouped(allowed)
        ));
    }
    parts.extend(gate.confidence_text());
    if gate.closed_loop {
        parts.push("closed loop: hides waiting".to_owned());
    }
    parts.join(", ")
}

fn cells(slice: &SliceStats) -> String {
    let show = |quantity: Option<squall_judge::quantity::Quantity>| {
        quantity.map_or_else(|| "n/a".to_owned(), |quantity| quantity.to_string())
    };
    format!(
        "{:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}",
        grouped(slice.counts.scheduled),
        format!("{}/s", significant(slice.rate)),
        slice.success.map_or_else(|| "n/a".to_owned(), percent),
        show(slice.p50),
        show(slice.p99),
        show(slice.p999),
        show(slice.max),
        grouped(slice.counts.failed()),
    )
}

/// Replaces what is not ASCII by what reads alike.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\u{2713}' => '+',
            '\u{2717}' => 'X',
            '\u{b5}' => 'u',
            '\u{a0}' => ' ',
            '\u{b7}' => '.',
            '\u{2026}' => '~',
            other if other.is_ascii() => other,
            _ => '?',
        })
        .collect()
}
