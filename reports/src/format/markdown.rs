//! `markdown`: for a step summary or a comment on a pull request.

use squall_judge::RunOutcome;
use squall_judge::quantity::{Quantity, clock, grouped, percent, significant};
use squall_judge::verdict::{GateOrigin, GateState, GateVerdict, SliceStats, Verdict};
use squall_record::{Record, terminal_text};

use super::effects::{Effect, LEGEND as EFFECTS, Row};
use super::escape::markdown_text;
use super::margin::margin_text;
use super::rendering::Format;
use super::strip::{LEGEND, LEGEND_BY_HAND, fitted, rows};
use super::told::Told;
use super::{by_hand, course};

/// GitHub drops a step summary of more than 1 MiB as a whole.
const BYTES_MAX: usize = 900_000;

/// Verdict, gates, windows and timeline as Markdown.
#[derive(Debug)]
pub(super) struct Markdown;

impl Format for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn file_name(&self) -> &'static str {
        "report.md"
    }

    fn about(&self) -> &'static str {
        "for a step summary or a pull request; at most 900 kB"
    }

    fn render(&self, record: &Record, verdict: &Verdict) -> Vec<u8> {
        // Whole sections are dropped, the least important first, so that what
        // is left is never cut in the middle.
        let sections = [
            head(record, verdict),
            gates(verdict),
            faults(verdict),
            effects(verdict),
            windows(verdict),
            timeline(record, verdict),
            foot(record, verdict),
        ];
        let mut text = String::new();
        for section in sections {
            if text.len() + section.len() <= BYTES_MAX {
                text.push_str(&section);
            }
        }
        text.into_bytes()
    }
}

fn head(record: &Record, verdict: &Verdict) -> String {
    let mark = match verdict.outcome {
        RunOutcome::Pass => "\u{2705}",
        RunOutcome::Measured => "\u{2139}\u{fe0f}",
        RunOutcome::Inconclusive => "\u{2754}",
        _ => "\u{274c}",
    };
    let name = markdown_text(&record.manifest.scenario.name);
    let variant = record.manifest.variant.as_ref();
    let variant = variant.map_or(String::new(), |variant| {
        format!(" ({})", markdown_text(variant))
    });
    let damage = record.damage.first().map_or(String::new(), |line| {
        format!("**The record is damaged:** {}\n\n", markdown_text(line))
    });
    format!(
        "## {mark} {}: {name}{variant}\n\n{}\n\n{damage}",
        verdict.outcome,
        markdown_text(&verdict.sentence)
    )
}

fn gates(verdict: &Verdict) -> String {
    if verdict.gates.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "| | when | gate | observed | margin | n | why |\n|---|---|---|---:|---:|---:|---|\n",
    );
    let mut told = Told::by_sentence(verdict);
    for gate in &verdict.gates {
        text.push_str(&gate_row(gate, &told.brief(&gate.explanation)));
    }
    text.push('\n');
    text
}

fn gate_row(gate: &GateVerdict, why: &str) -> String {
    let mark = match gate.state {
        GateState::Pass => "\u{2705} pass",
        GateState::Fail => "\u{274c} **fail**",
        GateState::Inconclusive => "\u{2754} inconclusive",
        GateState::NotReached => "\u{23ed} not reached",
    };
    let when = match gate.origin {
        GateOrigin::SteadyState => "steady state".to_owned(),
        GateOrigin::Slo => markdown_text(&gate.when),
    };
    let observed = gate
        .evidence
        .observed
        .map_or(String::new(), |q| q.to_string());
    let confidence = gate.confidence_text();
    format!(
        "| {mark} | {when} | {}{} | {observed} | {} | {} | {} |\n",
        markdown_text(&gate.gate),
        confidence.map_or(String::new(), |text| format!(" ({text})")),
        gate.evidence.margin.map_or(String::new(), margin_text),
        if gate.evidence.n > 0 {
            grouped(gate.evidence.n)
        } else {
            String::new()
        },
        markdown_text(why),
    )
}

fn faults(verdict: &Verdict) -> String {
    let mut text = String::new();
    for fault in &verdict.faults {
        let seen: Vec<String> = fault
            .seen
            .iter()
            .take(3)
            .map(|seen| markdown_text(seen))
            .collect();
        let problems: Vec<String> = fault
            .problems
            .iter()
            .chain(&fault.removal_problems)
            .map(|problem| format!(" **But it {}.**", markdown_text(problem)))
            .collect();
        let detection = verdict.detections.iter().find(|d| d.fault == fault.fault);
        let recovery = verdict.recoveries.iter().find(|r| r.fault == fault.fault);
        let told: Vec<String> = detection
            .iter()
            .flat_map(|detection| course::detection(detection))
            .chain(recovery.map(course::recovery))
            .map(|told| format!("  - {}\n", markdown_text(&told)))
            .collect();
        text.push_str(&format!(
            "- **{}**: {}. Seen: {}.{}\n{}",
            markdown_text(&fault.fault),
            markdown_text(&fault.requested),
            if seen.is_empty() {
                "nothing".to_owned()
            } else {
                seen.join("; ")
            },
            problems.concat(),
            told.concat(),
        ));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn effects(verdict: &Verdict) -> String {
    let mut text = String::new();
    for effect in &verdict.effects {
        let effect = Effect::of(effect);
        text.push_str(&format!(
            "**What {} changed**: {}.\n\n",
            markdown_text(&effect.fault),
            effect.cycles
        ));
        for problem in &effect.problems {
            text.push_str(&format!(
                "It proves nothing: {}.\n\n",
                markdown_text(problem)
            ));
        }
        text.push_str("| route | figure | without | with | effect | p | |\n|---|---|---:|---:|---:|---:|---|\n");
        for route in &effect.routes {
            text.push_str(
                &route
                    .rows
                    .iter()
                    .map(|row| effect_row(&route.route, row))
                    .collect::<String>(),
            );
        }
        text.push('\n');
    }
    if !text.is_empty() {
        text.push_str(&format!("<sub>{EFFECTS}</sub>\n\n"));
    }
    text
}

fn effect_row(route: &str, row: &Row) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |\n",
        markdown_text(route),
        row.metric,
        row.without,
        row.with,
        row.effect,
        row.p,
        row.finding,
    )
}

fn windows(verdict: &Verdict) -> String {
    let mut text = String::from(
        "| window | arrivals | rate | ok | p50 | p99 | p99.9 | max | failed |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for window in &verdict.windows {
        text.push_str(&window_row(&window.name, &window.all));
    }
    text.push('\n');
    let outages = course::outages(verdict);
    for outages in &outages {
        text.push_str(&format!("- {}\n", markdown_text(outages)));
    }
    if !outages.is_empty() {
        text.push('\n');
    }
    for window in &verdict.windows {
        if let Some(users) = window.users {
            let name = markdown_text(&window.name);
            text.push_str(&format!("- **{name}**: {users}\n"));
        }
    }
    if verdict.windows.iter().any(|window| window.users.is_some()) {
        text.push('\n');
    }
    text.push_str(&errors(verdict));
    text
}

/// Failures by kind, route and origin.
fn errors(verdict: &Verdict) -> String {
    const ROWS_MAX: usize = 20;
    if verdict.errors.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "| failure | route | origin | count | first | last | for instance |\n\
         |---|---|---|---:|---:|---:|---|\n",
    );
    for error in verdict.errors.iter().take(ROWS_MAX) {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            course::failure(error.kind, error.dropped),
            markdown_text(&error.route),
            error.origin,
            grouped(error.count),
            clock(error.first_us),
            clock(error.last_us),
            markdown_text(&course::instance(error)),
        ));
    }
    text.push('\n');
    text
}

fn window_row(name: &str, slice: &SliceStats) -> String {
    let show = |quantity: Option<Quantity>| {
        quantity.map_or_else(|| "n/a".to_owned(), |quantity| quantity.to_string())
    };
    format!(
        "| {} | {} | {}/s | {} | {} | {} | {} | {} | {} |\n",
        markdown_text(name),
        grouped(slice.counts.scheduled),
        significant(slice.rate),
        slice.success.map_or_else(|| "n/a".to_owned(), percent),
        show(slice.p50),
        show(slice.p99),
        show(slice.p999),
        show(slice.max),
        grouped(slice.counts.failed()),
    )
}

fn timeline(record: &Record, verdict: &Verdict) -> String {
    if verdict.load_end_us <= 0 {
        return String::new();
    }
    let mut text = String::from("```text\n");
    for row in rows(record, verdict, 72) {
        // A fence inside a label would end the block, and not every viewer
        // escapes what stands in one.
        let label = terminal_text(&row.label)
            .replace('`', "'")
            .replace('<', "\u{2039}")
            .replace('>', "\u{203a}");
        let label = fitted(&label, 28);
        text.push_str(&format!("{label:<28} |{}|\n", row.cells));
    }
    text.push_str(LEGEND);
    let (deeds, more) = by_hand::told(record);
    if !deeds.is_empty() {
        text.push('\n');
        text.push_str(LEGEND_BY_HAND);
    }
    text.push_str("\n```\n\n");
    for deed in &deeds {
        let (when, words) = (by_hand::when(deed.at_us), markdown_text(&deed.words));
        text.push_str(&format!("- {when} by hand: {words}\n"));
    }
    if more > 0 {
        text.push_str(&format!("- and {more} more by hand\n"));
    }
    if !deeds.is_empty() {
        text.push('\n');
    }
    text
}

fn foot(record: &Record, verdict: &Verdict) -> String {
    let manifest = &record.manifest;
    format!(
        "{}\n\n<sub>seed {} \u{b7} started {} \u{b7} squall {} \u{b7} again: <code>{}</code></sub>\n",
        markdown_text(&verdict.generator.summary),
        manifest.seed,
        markdown_text(&manifest.started_utc),
        markdown_text(&manifest.squall_version),
        super::html_text(&terminal_text(&manifest.rerun)),
    )
}
