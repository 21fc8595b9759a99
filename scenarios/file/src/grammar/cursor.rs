//! Moving through the text of a gate, part by part.

use std::ops::Range;
use std::time::Duration;

use squall_scenario::{QuantityProblem, parse_duration};

use super::sentence::{GateError, Parsed, syntax};
use crate::codes;

/// A place in a sentence that moves forward.
#[derive(Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The text before a range.
    pub(super) fn before(&self, range: &Range<usize>) -> &'t str {
        self.get(&(0..range.start))
    }

    pub(super) fn get(&self, range: &Range<usize>) -> &'t str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// The text without the space around it.
    pub(super) fn all(&self) -> Range<usize> {
        trimmed(self.text, 0..self.text.len())
    }

    pub(super) fn rest(&self) -> Range<usize> {
        trimmed(self.text, self.at..self.text.len())
    }

    /// The next word, without moving.
    pub(super) fn peek(&self) -> &'t str {
        let mut ahead = Cursor { ..*self };
        let word = ahead.word();
        self.get(&word)
    }

    /// The next word: up to a space or a comparison.
    pub(super) fn word(&mut self) -> Range<usize> {
        let rest = self.rest();
        let length = self
            .get(&rest)
            .find(|c: char| c.is_whitespace() || is_comparison(c))
            .unwrap_or(rest.len());
        self.at = rest.start + length;
        rest.start..self.at
    }

    pub(super) fn until_comparison(&mut self) -> Range<usize> {
        let rest = self.rest();
        let length = self.get(&rest).find(is_comparison).unwrap_or(rest.len());
        self.at = rest.start + length;
        trimmed(self.text, rest.start..self.at)
    }

    pub(super) fn comparison(&mut self) -> Range<usize> {
        let rest = self.rest();
        let length = self
            .get(&rest)
            .find(|c| !is_comparison(c))
            .unwrap_or(rest.len());
        self.at = rest.start + length;
        rest.start..self.at
    }

    /// Everything up to a `for` or an `in every` clause.
    pub(super) fn value(&mut self) -> Range<usize> {
        let rest = self.rest();
        let text = self.get(&rest);
        let length = [" for ", " in every"]
            .iter()
            .filter_map(|clause| text.find(clause))
            .min()
            .unwrap_or(text.len());
        self.at = rest.start + length;
        trimmed(self.text, rest.start..self.at)
    }

    /// `within 8s`, if it stands here.
    pub(super) fn clause(&mut self, word: &str) -> Parsed<Option<(Duration, Range<usize>)>> {
        if self.peek() != word {
            return Ok(None);
        }
        let clause = self.rest();
        self.word();
        self.duration(clause)
    }

    /// `in every 5s`, if it stands here.
    pub(super) fn every(&mut self) -> Parsed<Option<(Duration, Range<usize>)>> {
        let clause = self.rest();
        if !self.get(&clause).starts_with("in every") {
            return Ok(None);
        }
        self.word();
        self.word();
        self.duration(clause)
    }

    /// The duration that ends the sentence and the `clause`.
    fn duration(&mut self, clause: Range<usize>) -> Parsed<Option<(Duration, Range<usize>)>> {
        let range = self.rest();
        self.at = self.text.len();
        match parse_duration(self.get(&range)) {
            Ok(duration) => Ok(Some((duration, clause))),
            Err(error) => Err(GateError {
                code: if error.problem == QuantityProblem::BareNumber {
                    codes::GATE_WITHOUT_UNIT
                } else {
                    codes::GATE_SYNTAX
                },
                title: error.title,
                range: if range.is_empty() { clause } else { range },
                label: error.label.to_owned(),
                help: error.help,
            }),
        }
    }

    pub(super) fn end(&self, help: &str) -> Parsed<()> {
        let rest = self.rest();
        if rest.is_empty() {
            return Ok(());
        }
        Err(syntax(rest, "the gate should end here", "too much", help))
    }
}

fn is_comparison(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '!' | '≤' | '≥')
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let part = text.get(range.clone()).unwrap_or_default();
    let start = range.start + (part.len() - part.trim_start().len());
    start..(start + part.trim().len())
}
