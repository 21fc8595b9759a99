//! What is wrong with a file, where, and what to write instead.

use std::fmt::Write;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;
use squall_scenario::{Span, visible};

use crate::source::{Source, floor_char_boundary};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be run.
    Error,
    /// The file can be run, but probably does not mean what it says.
    Warning,
}

/// A place in one of the sources, with a remark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    /// Number of the source in [`crate::parse::Checked::sources`].
    pub source: usize,
    /// Where.
    pub span: Span,
    /// The remark; may be empty.
    pub text: String,
    /// Whether this is the place of the mistake, as against a place that
    /// explains it.
    pub primary: bool,
}

/// One finding. The same value is rendered as text, JSON or an annotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable code, explained by [`crate::codes::explain`].
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub title: String,
    /// Where; the first one is primary. Empty only when there is no text.
    pub labels: Vec<Label>,
    /// What to write or do instead.
    pub help: Vec<String>,
    /// What else is good to know.
    pub notes: Vec<String>,
}

/// A span and the source it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) source: usize,
    pub(crate) span: Span,
}

impl Diagnostic {
    pub(crate) fn error(code: &'static str, title: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            title: title.into(),
            labels: Vec::new(),
            help: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn warning(code: &'static str, title: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, title)
        }
    }

    /// Adds the place of the mistake.
    pub(crate) fn at(self, place: Place, text: impl Into<String>) -> Self {
        self.label(place, text.into(), true)
    }

    /// Adds a place that explains the mistake.
    pub(crate) fn also(self, place: Place, text: impl Into<String>) -> Self {
        self.label(place, text.into(), false)
    }

    fn label(mut self, place: Place, text: String, primary: bool) -> Self {
        self.labels.push(Label {
            source: place.source,
            span: place.span,
            text,
            primary,
        });
        self
    }

    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    pub(crate) fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Whether the file cannot be run because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The place of the mistake.
    #[must_use]
    pub fn primary(&self) -> Option<&Label> {
        self.labels.iter().find(|label| label.primary)
    }

    /// The finding as text in the manner of rustc, with the lines it speaks
    /// of. `color` adds ANSI styles.
    #[must_use]
    pub fn render(&self, sources: &[Source], color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(&self.title).id(self.code));
        for (number, source) in sources_in_order(&self.labels)
            .into_iter()
            .filter_map(|number| sources.get(number).map(|source| (number, source)))
        {
            group = group.element(self.snippet(number, source));
        }
        for help in &self.help {
            group = group.element(Level::HELP.message(help));
        }
        for note in &self.notes {
            group = group.element(Level::NOTE.message(note));
        }
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut text = renderer.decor_style(DecorStyle::Ascii).render(&[group]);
        text.push('\n');
        text
    }

    fn snippet<'a>(
        &'a self,
        number: usize,
        source: &'a Source,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let annotations = self
            .labels
            .iter()
            .filter(move |label| label.source == number)
            .map(move |label| {
                let kind = if label.primary {
                    AnnotationKind::Primary
                } else {
                    AnnotationKind::Context
                };
                let range = shown_range(&source.text, label.span);
                let annotation = kind.span(range);
                if label.text.is_empty() {
                    annotation
                } else {
                    annotation.label(&label.text)
                }
            });
        Snippet::source(&source.text)
            .path(&source.name)
            .fold(true)
            .annotations(annotations)
    }

    /// The finding as a JSON object with file names, lines and columns.
    #[must_use]
    pub fn to_json(&self, sources: &[Source]) -> serde_json::Value {
        let labels: Vec<_> = self
            .labels
            .iter()
            .map(|label| {
                serde_json::json!({
                    "file": sources.get(label.source).map(|source| &source.name),
                    "line": label.span.line,
                    "column": label.span.column,
                    "start": label.span.start,
                    "end": label.span.end,
                    "text": label.text,
                    "primary": label.primary,
                })
            })
            .collect();
        serde_json::json!({
            "code": self.code,
            "severity": self.severity,
            "title": self.title,
            "labels": labels,
            "help": self.help,
            "notes": self.notes,
        })
    }

    /// The finding as a workflow command, one line, which GitHub shows beside
    /// the line of the file it speaks of.
    #[must_use]
    pub fn github_annotation(&self, sources: &[Source]) -> String {
        let level = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut line = format!("::{level} ");
        let place = self
            .primary()
            .and_then(|label| Some((sources.get(label.source)?, label.span)));
        if let Some((source, span)) = place {
            let file = escape_property(&source.name);
            let (row, column) = (span.line, span.column);
            // Writing to a string cannot fail.
            let _ = write!(line, "file={file},line={row},col={column},");
        }
        let mut message = self.title.clone();
        for help in &self.help {
            message.push_str("\nhelp: ");
            message.push_str(help);
        }
        let _ = write!(line, "title={}::{}", self.code, escape_data(&message));
        line
    }
}

/// Numbers of the sources that labels speak of, the one of the mistake first.
fn sources_in_order(labels: &[Label]) -> Vec<usize> {
    let mut numbers: Vec<usize> = Vec::new();
    let primary_first = labels
        .iter()
        .filter(|label| label.primary)
        .chain(labels.iter().filter(|label| !label.primary));
    for label in primary_first {
        if !numbers.contains(&label.source) {
            numbers.push(label.source);
        }
    }
    numbers
}

/// A range that lies in the text, on character borders, and ends on the line
/// it starts on: one line is enough to find the place.
fn shown_range(text: &str, span: Span) -> std::ops::Range<usize> {
    let start = floor_char_boundary(text, span.start);
    let end = floor_char_boundary(text, span.end).max(start);
    let line_end = text[start..end]
        .find(['\n', '\r'])
        .map_or(end, |at| start + at);
    start..line_end
}

/// Line breaks are those of the message; what else acts is written by its
/// number.
fn escape_data(text: &str) -> String {
    visible(text, &['\n'])
        .replace('%', "%25")
        .replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A message with everything long in backticks cut short, so that one line can
/// hold it.
pub(crate) fn shortened(message: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let cut = |(number, part): (usize, &str)| {
        // Every other part stands between backticks.
        if number % 2 == 0 || part.chars().count() <= CHARACTERS_MAX {
            return part.to_owned();
        }
        part.chars().take(CHARACTERS_MAX).chain(['…']).collect()
    };
    let parts: Vec<String> = message.split('`').enumerate().map(cut).collect();
    parts.join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Source, Diagnostic) {
        let source = Source::new("a,b.yaml", "version: 1\nname: x\n");
        let place = Place {
            source: 0,
            span: source.span(11, 15),
        };
        let diagnostic = Diagnostic::error("S0101", "100% wrong")
            .at(place, "here")
            .help("write\nthat");
        (source, diagnostic)
    }

    #[test]
    fn text_points_at_the_place() {
        let (source, diagnostic) = example();
        let text = diagnostic.render(&[source], false);
        assert!(text.starts_with("error[S0101]: 100% wrong"), "{text}");
        assert!(text.contains("a,b.yaml:2:1"), "{text}");
        assert!(text.contains("^^^^ here"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn colour_is_only_added_on_request() {
        let (source, diagnostic) = example();
        assert!(diagnostic.render(&[source], true).contains('\u{1b}'));
    }

    #[test]
    fn an_annotation_is_one_escaped_line() {
        let (source, diagnostic) = example();
        assert_eq!(
            diagnostic.github_annotation(&[source]),
            "::error file=a%2Cb.yaml,line=2,col=1,title=S0101::100%25 wrong%0Ahelp: write%0Athat"
        );
    }

    #[test]
    fn nothing_in_an_annotation_acts() {
        let source = Source::new("a\n::error::\u{202e}", "version: 1\n");
        let place = Place {
            source: 0,
            span: source.span(0, 7),
        };
        let finding = Diagnostic::error("S0101", "x\r\u{2028}\u{1b}y").at(place, "");
        assert_eq!(
            finding.github_annotation(&[source]),
            "::error file=a%0A%3A%3Aerror%3A%3A\\u{202e},line=1,col=1,title=S0101\
             ::x\\u{d}\\u{2028}\\u{1b}y"
        );
    }

    #[test]
    fn json_names_the_file() {
        let (source, diagnostic) = example();
        let json = diagnostic.to_json(&[source]);
        assert_eq!(json["labels"][0]["file"], "a,b.yaml");
        assert_eq!(json["severity"], "error");
    }

    #[test]
    fn long_texts_of_users_are_cut() {
        let long = format!("`{}`", "x".repeat(99));
        assert_eq!(shortened(&long).chars().count(), 63);
        assert_eq!(shortened("a `b` c"), "a `b` c");
    }
}
