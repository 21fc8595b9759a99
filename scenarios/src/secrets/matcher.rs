//! The automaton that finds parts of values, compiled once for a run.

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;

use super::forms::{Beginning, Forms};
use super::reading::Unit;

/// Finds parts of values in a text that was brought into the form of `reading`.
#[derive(Debug)]
pub(super) struct Matcher {
    names: Vec<String>,
    /// Absent when it would be too large: then nothing is shown.
    automaton: Option<NFA>,
    start: StateID,
    /// Whose part each of the patterns is.
    owners: Vec<usize>,
    /// Bytes of the longest part.
    longest: usize,
    beginnings: Vec<Beginning>,
}

/// A part of a value: from byte `start` of the source to before byte `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) of: usize,
}

impl Matcher {
    pub(super) fn new<'v>(values: impl Iterator<Item = (&'v str, &'v str)>) -> Self {
        let mut forms = Forms::default();
        let mut names = Vec::new();
        for (name, value) in values {
            names.push(name.to_owned());
            forms.add(value);
        }
        let (wanted, owners): (Vec<Vec<u8>>, Vec<usize>) = forms.wanted.into_iter().unzip();
        let longest = wanted.iter().map(Vec::len).max().unwrap_or_default();
        let automaton = NFA::new(&wanted).ok();
        let start = automaton.as_ref().map(|all| all.start_state(Anchored::No));
        Self {
            names,
            start: start.and_then(Result::ok).unwrap_or_default(),
            automaton,
            owners,
            longest,
            beginnings: forms.beginnings,
        }
    }

    /// Whether there is nothing to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Whether what is looked for cannot be found.
    pub(super) const fn is_blind(&self) -> bool {
        self.automaton.is_none()
    }

    pub(super) const fn start(&self) -> StateID {
        self.start
    }

    /// Bytes of the longest part.
    pub(super) const fn longest(&self) -> usize {
        self.longest
    }

    /// What stands in place of a value.
    pub(super) fn placeholder(&self, of: usize) -> String {
        format!("${{{}}}", self.names[of])
    }

    pub(super) fn next(&self, state: StateID, byte: u8) -> StateID {
        match &self.automaton {
            Some(automaton) => automaton.next_state(Anchored::No, state, byte),
            None => state,
        }
    }

    /// Parts that end in this state, by the number of their bytes.
    pub(super) fn found(&self, state: StateID) -> impl Iterator<Item = (usize, usize)> {
        let automaton = self.automaton.as_ref();
        let automaton = automaton.filter(|all| all.is_special(state) && all.is_match(state));
        automaton.into_iter().flat_map(move |all| {
            (0..all.match_len(state)).map(move |number| {
                let pattern = all.match_pattern(state, number);
                (all.pattern_len(pattern), self.owners[pattern.as_usize()])
            })
        })
    }

    /// The longest beginning of a value, of at least `characters`, with which
    /// the units end.
    pub(super) fn cut(&self, units: &[Unit], characters: usize) -> Option<Part> {
        let ends_with = |bytes: &[u8]| {
            units.len() >= bytes.len()
                && units[units.len() - bytes.len()..]
                    .iter()
                    .map(|unit| unit.byte)
                    .eq(bytes.iter().copied())
        };
        let cuts = self.beginnings.iter().filter_map(|beginning| {
            let ends = beginning.ends.iter().skip(characters - 1).rev();
            let length = ends
                .copied()
                .find(|end| ends_with(&beginning.bytes[..*end]))?;
            Some(Part {
                start: units[units.len() - length].start,
                end: units.last()?.end,
                of: beginning.of,
            })
        });
        cuts.min_by_key(|part| part.start)
    }
}
