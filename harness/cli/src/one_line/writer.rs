//! Writes the scenario, and remembers which argument each part came from.

use std::ops::Range;

use squall_scenario_file::{Diagnostic, Label, escape, is_plain};

use super::arguments::{Argument, Arguments};

/// The text of a scenario as it grows.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    origins: Vec<Origin>,
}

/// A part of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    /// What is written.
    pub(super) text: &'a str,
    /// Where it came from: an argument, and the first byte in its value.
    pub(super) from: Option<(Argument, usize)>,
}

/// Where a part of the text came from.
#[derive(Debug)]
struct Origin {
    /// With the quotes beside it.
    outer: Range<usize>,
    written: Range<usize>,
    argument: Argument,
    /// First byte in the argument's value.
    at: usize,
}

impl<'a> Piece<'a> {
    /// Text of squall's own.
    pub(super) const fn own(text: &'a str) -> Self {
        Self { text, from: None }
    }

    /// The text of an argument, or what was made of it.
    pub(super) const fn of(argument: Argument, text: &'a str) -> Self {
        Self {
            text,
            from: Some((argument, 0)),
        }
    }
}

impl Writer {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// A line of squall's own.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A key whose name is not squall's own; its value comes next.
    pub(super) fn key(&mut self, before: &str, name: Piece<'_>) {
        self.text.push_str(before);
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let plain = name.text.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.text.chars().all(letter);
        self.put(!plain, &[name]);
        self.text.push(':');
    }

    /// `key: value`, or `- value` where `before` says so. Nothing in it is taken
    /// from the environment.
    pub(super) fn value(&mut self, before: &str, pieces: &[Piece<'_>]) {
        let whole: String = pieces.iter().map(|piece| piece.text).collect();
        self.text.push_str(before);
        self.text.push(' ');
        self.put(!is_plain(&whole), pieces);
        self.text.push('\n');
    }

    /// The same of what is YAML already.
    pub(super) fn as_it_is(&mut self, before: &str, piece: Piece<'_>) {
        self.text.push_str(before);
        self.text.push(' ');
        self.put(false, &[piece]);
        self.text.push('\n');
    }

    fn put(&mut self, quote: bool, pieces: &[Piece<'_>]) {
        let mark = if quote { "\"" } else { "" };
        self.text.push_str(mark);
        for (number, piece) in pieces.iter().enumerate() {
            let start = self.text.len();
            if quote {
                piece.text.chars().for_each(|c| escape(c, &mut self.text));
            } else {
                self.text.push_str(piece.text);
            }
            let end = self.text.len();
            if let Some((argument, at)) = piece.from {
                let before = if number == 0 { mark.len() } else { 0 };
                let last = number + 1 == pieces.len();
                let after = if last { mark.len() } else { 0 };
                self.origins.push(Origin {
                    outer: start - before..end + after,
                    written: start..end,
                    argument,
                    at,
                });
            }
        }
        self.text.push_str(mark);
    }

    /// Lets a finding about this text speak of the arguments instead. A label
    /// at what squall wrote by itself is left out.
    pub(super) fn point_back(&self, finding: &mut Diagnostic, arguments: &Arguments) {
        let labels = std::mem::take(&mut finding.labels);
        finding.labels = labels
            .iter()
            .filter_map(|label| self.at_argument(label, arguments))
            .collect();
    }

    fn at_argument(&self, label: &Label, arguments: &Arguments) -> Option<Label> {
        // What is missing altogether has no length.
        let (start, end) = (label.span.start, label.span.end.max(label.span.start + 1));
        let shared = |origin: &&Origin| {
            let (from, to) = (origin.outer.start.max(start), origin.outer.end.min(end));
            to.saturating_sub(from)
        };
        let origin = self.origins.iter().max_by_key(shared)?;
        if shared(&origin) == 0 {
            return None;
        }
        let value = arguments.value(origin.argument);
        let written = &self.text[origin.written.clone()];
        // What had to be escaped is pointed at as a whole.
        let part = match value.get(origin.at..origin.at + written.len()) {
            Some(same) if same == written => {
                let Range {
                    start: low,
                    end: high,
                } = origin.written;
                let inside = |at: usize| origin.at + at.clamp(low, high) - low;
                inside(start)..inside(end)
            }
            _ => origin.at..value.len(),
        };
        Some(Label {
            primary: label.primary,
            ..arguments.label(origin.argument, part, &label.text)
        })
    }
}
