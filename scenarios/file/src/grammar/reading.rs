//! The sentences about what is read beside the arrivals: `memory of catalog <
//! 500MiB`, `probe queue length < 100`, `fallback of payments > 95%`.

use std::ops::Range;

use squall_scenario::{
    ByteCount, FallbackSource, Gate, GateValue, ProcessFigure, Reading, ReadingGate, Share, quoted,
};

use super::cursor::Cursor;
use super::sentence::{GateError, Parsed, Sentence, comparison, syntax};
use crate::codes;

/// First words of these sentences.
pub(super) const WORDS: [&str; 6] = ["cpu", "memory", "fds", "restarts", "probe", "fallback"];

/// Words people write for a figure of a process, and what to write instead.
const OTHER_WORDS: [(&str, &str); 9] = [
    ("rss", "memory"),
    ("mem", "memory"),
    ("ram", "memory"),
    ("cores", "cpu"),
    ("descriptors", "fds"),
    ("file_descriptors", "fds"),
    ("open_files", "fds"),
    ("restart", "restarts"),
    ("fallbacks", "fallback"),
];

/// The word that another one probably stands for.
pub(super) fn meant(word: &str) -> Option<&'static str> {
    let other = OTHER_WORDS.iter().find(|(other, _)| *other == word);
    other.map(|(_, known)| *known)
}

/// What a sentence is about, before its name is known.
#[derive(Clone, Copy)]
enum Subject {
    Process(ProcessFigure),
    Probe,
    Fallback,
}

impl Subject {
    fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "cpu" => Self::Process(ProcessFigure::Cpu),
            "memory" => Self::Process(ProcessFigure::Memory),
            "fds" => Self::Process(ProcessFigure::Fds),
            "restarts" => Self::Process(ProcessFigure::Restarts),
            "probe" => Self::Probe,
            "fallback" => Self::Fallback,
            _ => return None,
        })
    }

    const fn example(self) -> &'static str {
        match self {
            Self::Process(ProcessFigure::Cpu) => "cpu of NAME < 1.5",
            Self::Process(ProcessFigure::Memory) => "memory of NAME < 500MiB",
            Self::Process(ProcessFigure::Fds) => "fds of NAME < 1000",
            Self::Process(ProcessFigure::Restarts) => "restarts of NAME <= 1",
            Self::Probe => "probe NAME < 100",
            Self::Fallback => "fallback of NAME > 95%",
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Process(ProcessFigure::Cpu) => "a number of cores",
            Self::Process(ProcessFigure::Memory) => "a size",
            Self::Process(_) => "a whole number",
            Self::Probe => "a plain number",
            Self::Fallback => "a share",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Process(figure) => figure.word(),
            Self::Probe => "probe",
            Self::Fallback => "fallback",
        }
    }

    fn value(self, text: &str) -> Option<GateValue> {
        match self {
            Self::Process(ProcessFigure::Cpu) => number(text)
                .filter(|cores| *cores >= 0.0)
                .map(GateValue::Number),
            Self::Probe => number(text).map(GateValue::Number),
            Self::Process(ProcessFigure::Memory) => {
                text.parse::<ByteCount>().ok().map(GateValue::Bytes)
            }
            Self::Process(_) => text.parse().ok().map(GateValue::Count),
            Self::Fallback => text.parse::<Share>().ok().map(GateValue::Share),
        }
    }
}

/// A finite number without a unit.
fn number(text: &str) -> Option<f64> {
    let digits = text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
    text.parse().ok().filter(|n: &f64| digits && n.is_finite())
}

/// Reads a sentence that starts with one of [`WORDS`].
pub(super) fn reading_gate(cursor: &mut Cursor<'_>) -> Parsed<Sentence> {
    let first = cursor.word();
    let Some(subject) = Subject::of_word(cursor.get(&first)) else {
        let title = format!("{} is not read by anyone", quoted(cursor.get(&first)));
        return Err(syntax(
            first,
            &title,
            "not a reading",
            "write `cpu of NAME`",
        ));
    };
    let help = format!("write for instance `{}`", subject.example());
    let (source, name) = name(cursor, subject, &first, &help)?;
    let comparison_range = cursor.comparison();
    let Some(comparison) = comparison(cursor.get(&comparison_range)) else {
        let found = cursor.get(&comparison_range);
        let (at, title) = if found.is_empty() {
            let title = "a gate compares with <, <=, >, >= or =".to_owned();
            (cursor.all(), title)
        } else {
            let title = format!("{} is no comparison", quoted(found));
            (comparison_range.clone(), title)
        };
        return Err(syntax(at, &title, "<, <=, >, >= or =", &help));
    };
    let value_range = cursor.value();
    let value = value(cursor, subject, &value_range)?;
    let sustained = cursor.clause("for")?;
    cursor.end(&help)?;
    let of = cursor.get(&name).to_owned();
    let reading = match subject {
        Subject::Process(figure) => Reading::Process { figure, of },
        Subject::Probe => Reading::Probe(of),
        Subject::Fallback => Reading::Fallback { source, of },
    };
    Ok(Sentence {
        gate: Gate::Reading(ReadingGate {
            reading,
            comparison,
            value,
            sustained: sustained.as_ref().map(|(duration, _)| *duration),
        }),
        subject: first,
        name: Some(name),
        comparison: Some(comparison_range),
        sustained: sustained.map(|(_, range)| range),
        every: None,
    })
}

/// `of catalog`, `queue length`, `of breaker payments`.
fn name(
    cursor: &mut Cursor<'_>,
    subject: Subject,
    first: &Range<usize>,
    help: &str,
) -> Parsed<(Option<FallbackSource>, Range<usize>)> {
    if !matches!(subject, Subject::Probe) {
        if cursor.peek() != "of" {
            let title = format!("`{}` of what?", subject.word());
            return Err(syntax(first.clone(), &title, "`of` is missing", help));
        }
        cursor.word();
    }
    let source = match (subject, cursor.peek()) {
        (Subject::Fallback, "breaker") => Some(FallbackSource::Breaker),
        (Subject::Fallback, "request") => Some(FallbackSource::Request),
        _ => None,
    };
    // A request may itself be called `request`.
    let mut whole = cursor.clone();
    let alone = whole.until_comparison();
    let source = source.filter(|source| whole.get(&alone) != source.word());
    if source.is_some() {
        cursor.word();
    }
    let name = cursor.until_comparison();
    if name.is_empty() {
        let title = match subject {
            Subject::Probe => "which probe?".to_owned(),
            _ => format!("`{}` of what?", subject.word()),
        };
        return Err(syntax(cursor.all(), &title, "a name is missing", help));
    }
    Ok((source, name))
}

fn value(cursor: &Cursor<'_>, subject: Subject, range: &Range<usize>) -> Parsed<GateValue> {
    let text = cursor.get(range);
    let help = format!("write for instance `{}`", subject.example());
    if text.is_empty() {
        let title = "a gate needs a value";
        return Err(syntax(cursor.all(), title, "compared with what?", &help));
    }
    if let Some(value) = subject.value(text) {
        return Ok(value);
    }
    let before = cursor.before(range).trim();
    let unit = match subject {
        Subject::Process(ProcessFigure::Memory) => Some("MiB"),
        Subject::Fallback => Some("%"),
        _ => None,
    };
    if let (Some(unit), Some(_)) = (unit, number(text)) {
        return Err(GateError {
            code: codes::GATE_WITHOUT_UNIT,
            title: format!("a gate needs a unit after {text}"),
            range: range.clone(),
            label: format!("{text} what?"),
            help: format!("write `{before} {text}{unit}`"),
        });
    }
    let kind = subject.kind();
    Err(GateError {
        code: codes::VALUE_DOES_NOT_FIT,
        title: format!("{} is {kind}, {} is not", subject.word(), quoted(text)),
        range: range.clone(),
        label: format!("should be {kind}"),
        help,
    })
}
