//! The table of gates with the evidence behind each.

use serde::Serialize;
use squall_judge::quantity::{clock, grouped, micros};
use squall_judge::verdict::{GateOrigin, GateState, GateVerdict, Verdict};
use squall_record::{Outcome, Sample, terminal_text};

use crate::format::html::words::{quoted, shown};
use crate::format::margin::margin_text;
use crate::format::svg::{Svg, color};
use crate::format::told::Told;

#[derive(Serialize)]
pub(super) struct Group {
    when: String,
    gates: Vec<GateRow>,
}

#[derive(Serialize)]
struct GateRow {
    class: &'static str,
    mark: &'static str,
    state: String,
    gate: String,
    confidence: Option<String>,
    line: u32,
    observed: String,
    bound: String,
    bar: Option<String>,
    margin: String,
    n: String,
    bad: String,
    why: String,
    samples: Vec<SampleRow>,
}

#[derive(Serialize)]
struct SampleRow {
    at: String,
    request: String,
    answer: String,
    response: String,
    parts: String,
    detail: String,
}

/// The gates, grouped by when they are judged.
pub(super) fn groups(verdict: &Verdict) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut told = Told::by_sentence(verdict);
    for gate in &verdict.gates {
        let when = match gate.origin {
            GateOrigin::SteadyState => "steady state, on the baseline".to_owned(),
            GateOrigin::Slo => gate.when.clone(),
        };
        let row = gate_row(gate, &told.brief(&gate.explanation));
        match groups.last_mut() {
            Some(group) if group.when == when => group.gates.push(row),
            _ => groups.push(Group {
                when,
                gates: vec![row],
            }),
        }
    }
    groups
}

fn state_look(state: GateState) -> (&'static str, &'static str) {
    match state {
        GateState::Pass => ("pass", "\u{2713}"),
        GateState::Fail => ("fail", "\u{2717}"),
        GateState::Inconclusive => ("open", "?"),
        GateState::NotReached => ("none", "\u{2013}"),
    }
}

fn gate_row(gate: &GateVerdict, why: &str) -> GateRow {
    let (class, mark) = state_look(gate.state);
    let evidence = &gate.evidence;
    let bad = match evidence.bad_allowed {
        Some(allowed) => format!("{} of {}", grouped(evidence.bad), grouped(allowed)),
        None => String::new(),
    };
    GateRow {
        class,
        mark,
        state: gate.state.to_string().to_lowercase(),
        gate: gate.gate.clone(),
        confidence: gate.confidence_text(),
        line: gate.span.line,
        observed: shown(evidence.observed, "\u{2013}"),
        bound: shown(evidence.bound, ""),
        bar: evidence.margin.map(bar),
        margin: evidence.margin.map_or(String::new(), margin_text),
        n: if evidence.n > 0 {
            grouped(evidence.n)
        } else {
            String::new()
        },
        bad,
        why: quoted(why),
        samples: evidence.samples.iter().map(sample_row).collect(),
    }
}

/// How much of the allowance is used: a bar, with a mark where it ends.
fn bar(margin: f64) -> String {
    const WIDTH: f64 = 84.0;
    let used = (1.0 - margin).clamp(0.0, 1.25);
    let scale = WIDTH / 1.25;
    let title = margin_text(margin);
    let mut svg = Svg::new(
        "bar",
        (WIDTH, 12.0),
        &title,
        "share of the allowance that is used",
    );
    svg.rect(
        (0.0, 3.0),
        (WIDTH, 6.0),
        &[("fill", color::GRID), ("class", "fill-grid"), ("rx", "3")],
    );
    let (fill, class) = if margin < 0.0 {
        (color::VERMILION, "fill-red")
    } else {
        (color::BLUE, "fill-blue")
    };
    svg.rect(
        (0.0, 3.0),
        ((used * scale).max(2.0), 6.0),
        &[("fill", fill), ("class", class), ("rx", "3")],
    );
    svg.line(
        (scale, 0.0),
        (scale, 12.0),
        &[
            ("stroke", color::INK),
            ("class", "line-ink"),
            ("stroke-width", "1.5"),
        ],
    );
    // Many bars share a page, so they go without ids: the text beside a bar
    // says the same.
    let text = svg.finish();
    let start = text.find("<title").unwrap_or(0);
    let end = text.find("</desc>").map_or(0, |at| at + "</desc>".len());
    format!("{}{}", &text[..start], &text[end..]).replace(
        " role=\"img\" aria-labelledby=\"bar-title bar-desc\"",
        " aria-hidden=\"true\"",
    )
}

fn sample_row(sample: &Sample) -> SampleRow {
    let answer = match (sample.outcome, sample.status) {
        (Outcome::Dropped, _) => match sample.dropped {
            Some(cause) => format!("dropped ({})", cause.name()),
            None => "dropped".to_owned(),
        },
        (Outcome::Unfinished, _) => "unfinished".to_owned(),
        (Outcome::Good, Some(status)) => status.to_string(),
        (Outcome::Bad(kind), Some(status)) => format!("{status} ({kind:?})").to_lowercase(),
        (Outcome::Bad(kind), None) => format!("{kind:?}").to_lowercase(),
        (Outcome::Good, None) => "good".to_owned(),
    };
    SampleRow {
        at: clock(sample.scheduled_us),
        request: terminal_text(&sample.request),
        answer,
        response: micros(sample.response_us),
        parts: parts(sample),
        detail: sample
            .detail
            .as_deref()
            .map(terminal_text)
            .unwrap_or_default(),
    }
}

/// What the response time of a sample consists of.
fn parts(sample: &Sample) -> String {
    let within = |name: &str, part: Option<u64>| {
        part.map_or_else(String::new, |us| format!(" ({name} {})", micros(us)))
    };
    format!(
        "{} lag + {} wait{}{} + {} service{}{}{}",
        micros(sample.lag_us),
        micros(sample.wait_us),
        within("connect", sample.parts.connect_us),
        within("TLS", sample.parts.tls_us),
        micros(sample.service_us),
        within("first byte", sample.parts.first_byte_us),
        within("first message", sample.parts.first_message_us),
        within("longest gap", sample.parts.longest_gap_us),
    )
}
