//! `github`: annotations that point at the line of the gate, in the syntax of
//! GitHub's workflow commands.

use squall_judge::RunOutcome;
use squall_judge::verdict::{GateState, GateVerdict, Verdict};
use squall_record::{Record, terminal_line};

use super::course;
use super::rendering::Format;

/// GitHub shows ten annotations of a kind per step and drops the rest.
const PER_KIND_MAX: usize = 10;

/// One `::error` per failed gate, one `::warning` per undecided one, and with
/// them a `::notice` of whose doing the failures were.
#[derive(Debug)]
pub(super) struct Github;

impl Format for Github {
    fn name(&self) -> &'static str {
        "github"
    }

    fn file_name(&self) -> &'static str {
        "annotations.txt"
    }

    fn about(&self) -> &'static str {
        "workflow commands that annotate the failed gate's own line: `--report github=-`"
    }

    fn render(&self, record: &Record, verdict: &Verdict) -> Vec<u8> {
        let mut errors = Vec::new();
        if !told_by_gates(verdict) {
            let title = property(verdict.outcome.word());
            let message = data(&verdict.sentence);
            errors.push(format!("::error title={title}::{message}"));
        }
        errors.extend(annotations(record, verdict, GateState::Fail));
        let mut warnings = annotations(record, verdict, GateState::Inconclusive);
        if verdict.outcome == RunOutcome::Measured {
            let message = data(&verdict.sentence);
            warnings.push(format!("::warning title=No gate::{message}"));
        }
        let told = !errors.is_empty() || !warnings.is_empty();
        let origins = course::origins(verdict).filter(|_| told);
        let notice = origins.map(|origins| format!("::notice title=Failures::{}", data(&origins)));
        let mut text = String::new();
        for line in bounded(errors, "error")
            .iter()
            .chain(&bounded(warnings, "warning"))
            .chain(&notice)
        {
            text.push_str(line);
            text.push('\n');
        }
        text.into_bytes()
    }
}

/// Whether the gates say why the run ended as it did.
fn told_by_gates(verdict: &Verdict) -> bool {
    let has = |state| verdict.gates_in(state).next().is_some();
    match verdict.outcome {
        RunOutcome::Pass | RunOutcome::Measured => true,
        RunOutcome::Fail => has(GateState::Fail),
        RunOutcome::Inconclusive => has(GateState::Inconclusive),
        _ => false,
    }
}

fn annotations(record: &Record, verdict: &Verdict, state: GateState) -> Vec<String> {
    let (level, title) = match state {
        GateState::Fail => ("error", "SLO failed"),
        _ => ("warning", "SLO not decided"),
    };
    let gates = verdict.gates_in(state);
    gates
        .map(|gate| {
            let place = place(record, gate);
            let message = data(&format!("{}: {}", gate.name(), gate.explanation));
            format!("::{level} {place}title={title}::{message}")
        })
        .collect()
}

/// Where the gate stands; empty for a scenario of the library, which is no
/// file of the repository.
fn place(record: &Record, gate: &GateVerdict) -> String {
    let path = &record.manifest.scenario_path;
    if !path.contains(['/', '.']) || gate.span.line == 0 {
        return String::new();
    }
    let file = property(path);
    let (line, column) = (gate.span.line, gate.span.column);
    format!("file={file},line={line},col={column},")
}

/// At most as many as are shown; the last one says how many are not.
fn bounded(mut lines: Vec<String>, level: &str) -> Vec<String> {
    if lines.len() > PER_KIND_MAX {
        let more = lines.len() - (PER_KIND_MAX - 1);
        lines.truncate(PER_KIND_MAX - 1);
        lines.push(format!(
            "::{level} title=and more::{more} more; the report has all of them"
        ));
    }
    lines
}

/// A message: no control character, no line break.
fn data(text: &str) -> String {
    terminal_line(text).replace('%', "%25")
}

/// A property's value: neither may it end nor may the next one begin.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_property_or_a_command() {
        assert_eq!(property("50%: a,b"), "50%25%3A a%2Cb");
        assert_eq!(data("a: b\r\n::error::x"), "a: b\\u{d}\\u{a}::error::x");
    }

    #[test]
    fn ten_of_a_kind_are_shown() {
        let lines = |count: usize| vec!["::error::x".to_owned(); count];
        assert_eq!(bounded(lines(10), "error").len(), 10);
        let many = bounded(lines(25), "error");
        assert_eq!(many.len(), 10);
        assert!(many[9].ends_with("::16 more; the report has all of them"));
    }
}
