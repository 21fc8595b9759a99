//! The arguments as a text that messages can point into.

use std::ops::Range;

use squall_scenario_file::{Diagnostic, Label, Severity, Source};

use super::COMMAND_LINE;

/// An argument of [`Arguments`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Argument(usize);

/// One argument a line: `--rate 200/s`.
#[derive(Debug)]
pub(super) struct Arguments {
    source: Source,
    /// Where the value of each stands.
    values: Vec<Range<usize>>,
}

impl Arguments {
    pub(super) fn new() -> Self {
        Self {
            source: Source::new(COMMAND_LINE, ""),
            values: Vec::new(),
        }
    }

    /// Takes an argument, with what stands before its value.
    pub(super) fn add(&mut self, before: &str, value: &str) -> Argument {
        let text = &mut self.source.text;
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(before);
        let start = text.len();
        text.extend(value.chars().map(on_one_line));
        self.values.push(start..text.len());
        Argument(self.values.len() - 1)
    }

    pub(super) const fn source(&self) -> &Source {
        &self.source
    }

    /// The value as it is shown.
    pub(super) fn value(&self, argument: Argument) -> &str {
        &self.source.text[self.range(argument)]
    }

    fn range(&self, argument: Argument) -> Range<usize> {
        self.values.get(argument.0).cloned().unwrap_or_default()
    }

    /// A label at a part of an argument's value, in bytes.
    pub(super) fn label(&self, argument: Argument, part: Range<usize>, text: &str) -> Label {
        let value = self.range(argument);
        let end = (value.start + part.end).min(value.end);
        Label {
            source: 0,
            span: self.source.span(value.start + part.start, end),
            text: text.to_owned(),
            primary: true,
        }
    }

    /// An error at a part of an argument's value.
    pub(super) fn refuse(
        &self,
        argument: Argument,
        part: Range<usize>,
        mistake: Mistake,
    ) -> Diagnostic {
        Diagnostic {
            code: mistake.code,
            severity: Severity::Error,
            title: mistake.title,
            labels: vec![self.label(argument, part, mistake.remark)],
            help: vec![mistake.help],
            notes: Vec::new(),
        }
    }

    /// The same at the whole value.
    pub(super) fn refuse_all(&self, argument: Argument, mistake: Mistake) -> Diagnostic {
        let length = self.range(argument).len();
        self.refuse(argument, 0..length, mistake)
    }
}

/// What is wrong with an argument that no scenario could hold.
pub(super) struct Mistake {
    /// Code of the same mistake in a file.
    pub(super) code: &'static str,
    /// What is wrong, in one sentence.
    pub(super) title: String,
    /// Short remark for the place.
    pub(super) remark: &'static str,
    /// What to write.
    pub(super) help: String,
}

/// The same number of bytes, and never a second line.
const fn on_one_line(character: char) -> char {
    match character {
        '\u{0}'..='\u{1f}' | '\u{7f}' => ' ',
        '\u{80}'..='\u{9f}' => '\u{a0}',
        '\u{2028}' | '\u{2029}' => '\u{2003}',
        other => other,
    }
}
