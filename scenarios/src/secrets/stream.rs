//! Takes values out of a text that comes in pieces.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;

use aho_corasick::automaton::StateID;

use super::forms::FRAGMENT_CHARACTERS;
use super::matcher::{Matcher, Part};
use super::reading::{Decoder, Sieve, Unit, begins_encoded};

/// Characters between two parts of a value that count as nothing (see
/// [`Sieve`]) may be this many; more of them end it.
const GAP_BYTES_MAX: u64 = 4096;
/// In place of a text that cannot be searched.
const NOT_SHOWN: &[u8] = b"[not shown: too many secrets to look for]";

/// Takes values out of a text that comes in pieces; see
/// [`super::Secrets::redaction`]. A part that may be the beginning of a value
/// is held back until more is known.
#[derive(Debug)]
pub struct Redaction {
    matcher: Arc<Matcher>,
    /// What was not given out, from this byte of the whole on.
    held: Vec<u8>,
    held_from: u64,
    plain: Plain,
    decoded: Decoded,
    /// Parts that were found and not given out.
    parts: Vec<Part>,
    /// Behind the last part that was given out.
    covered: u64,
    /// Whether it was said that nothing is shown.
    refused: bool,
}

impl Redaction {
    pub(super) fn new(matcher: Arc<Matcher>) -> Self {
        Self {
            plain: Plain::new(&matcher),
            decoded: Decoded::new(&matcher),
            matcher,
            held: Vec::new(),
            held_from: 0,
            parts: Vec::new(),
            covered: 0,
            refused: false,
        }
    }

    /// Takes in a piece and adds to `out` what can be shown by now.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if self.matcher.is_empty() {
            return out.extend_from_slice(piece);
        }
        if self.matcher.is_blind() {
            if !std::mem::replace(&mut self.refused, true) {
                out.extend_from_slice(NOT_SHOWN);
            }
            return;
        }
        let begins = self.behind();
        self.held.extend_from_slice(piece);
        for (start, byte) in (begins..).zip(piece.iter().copied()) {
            let end = start + 1;
            self.read(Unit { byte, start, end });
        }
        self.give_out(self.undecided_from(), out);
    }

    /// Whether something is held back.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Gives out what was held back, but for half a character, and for the
    /// beginning of a value in a line that is not whole: nothing came for a
    /// moment, and its writer may have been interrupted.
    pub fn flush_but_beginnings(&mut self, out: &mut Vec<u8>) {
        let mut until = self.half_from();
        if self.held.last() != Some(&b'\n') {
            let plain = self.plain.scanner.cut(&self.matcher);
            let decoded = self.decoded.scanner.cut(&self.matcher);
            let begun = [plain, decoded.filter(|_| self.decoded.awake)];
            for part in begun.into_iter().flatten() {
                until = until.min(part.start);
            }
        }
        self.give_out(until, out);
    }

    /// Gives out what was held back, but for half a character: nothing came for
    /// a while. The rest of a value is still found if it comes after all.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        self.give_out(self.half_from(), out);
    }

    /// Where half a character is held, or behind everything.
    fn half_from(&self) -> u64 {
        let half = [self.plain.sieve.holds_from(), self.decoded.holds_from()];
        let half = half.into_iter().flatten().min();
        half.unwrap_or(self.behind())
    }

    /// Gives out what was held back: nothing comes any more. The text may have
    /// been cut within a value.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        let matcher = Arc::clone(&self.matcher);
        self.plain.end(&matcher, &mut self.parts);
        self.decoded.end(&matcher, &mut self.parts);
        self.parts.extend(self.plain.scanner.cut(&matcher));
        if self.decoded.awake {
            self.parts.extend(self.decoded.scanner.cut(&matcher));
        }
        self.give_out(self.behind(), out);
        let told_from = self.behind();
        *self = Self {
            held_from: told_from,
            covered: told_from,
            refused: self.refused,
            ..Self::new(matcher)
        };
    }

    fn behind(&self) -> u64 {
        self.held_from + self.held.len() as u64
    }

    fn read(&mut self, unit: Unit) {
        if self.plain.scanner.is_past(unit.start) {
            self.plain = Plain::new(&self.matcher);
            self.decoded = Decoded::new(&self.matcher);
        }
        if begins_encoded(unit.byte) {
            self.decoded.wake(&self.plain, &self.matcher);
        }
        self.decoded.read(unit, &self.matcher, &mut self.parts);
        self.plain.read(unit, &self.matcher, &mut self.parts);
    }

    /// Where a part could begin that is not known yet.
    fn undecided_from(&self) -> u64 {
        let behind = self.behind();
        if self.plain.scanner.is_past(behind) {
            return behind;
        }
        let longest = self.matcher.longest();
        let decoded = self.decoded.undecided_from(longest);
        let both = [self.plain.undecided_from(longest), decoded];
        both.into_iter().flatten().min().unwrap_or(behind)
    }

    /// Gives out everything before `until`, parts replaced.
    fn give_out(&mut self, until: u64, out: &mut Vec<u8>) {
        self.parts
            .sort_unstable_by_key(|part| (part.start, Reverse(part.end)));
        let known = self.parts.partition_point(|part| part.start < until);
        let mut at = self.held_from;
        for part in self.parts.drain(..known) {
            if part.start < self.covered {
                // It overlaps the one before.
                self.covered = self.covered.max(part.end);
                continue;
            }
            at = at.max(self.covered);
            let start = part.start.max(at);
            out.extend_from_slice(
                &self.held[place(self.held_from, at)..place(self.held_from, start)],
            );
            out.extend_from_slice(self.matcher.placeholder(part.of).as_bytes());
            self.covered = part.end.max(start);
            at = start;
        }
        at = at.max(self.covered.min(self.behind()));
        if at < until {
            out.extend_from_slice(
                &self.held[place(self.held_from, at)..place(self.held_from, until)],
            );
            at = until;
        }
        self.held.drain(..place(self.held_from, at));
        self.held_from = at;
    }
}

/// Where a byte of the whole stands in what is held.
fn place(from: u64, at: u64) -> usize {
    usize::try_from(at.saturating_sub(from)).unwrap_or(usize::MAX)
}

/// Finds parts in one way of reading the text.
#[derive(Debug)]
struct Scanner {
    state: StateID,
    /// As many of the last bytes as the longest part has, and some.
    recent: VecDeque<Unit>,
}

impl Scanner {
    fn new(matcher: &Matcher) -> Self {
        Self {
            state: matcher.start(),
            recent: VecDeque::new(),
        }
    }

    fn read(&mut self, unit: Unit, matcher: &Matcher, parts: &mut Vec<Part>) {
        if self.recent.len() > matcher.longest() + 4 * FRAGMENT_CHARACTERS {
            self.recent.pop_front();
        }
        self.recent.push_back(unit);
        self.state = matcher.next(self.state, unit.byte);
        for (length, of) in matcher.found(self.state) {
            let Some(first) = self.recent.len().checked_sub(length) else {
                continue;
            };
            let start = self.recent[first].start;
            let end = unit.end;
            match parts.last_mut() {
                // Stretches of one value follow each other.
                Some(last) if last.of == of && last.start <= start && start < last.end => {
                    last.end = last.end.max(end);
                }
                _ => parts.push(Part { start, end, of }),
            }
        }
    }

    /// Whether what was read before `at` lies too far back to go on there.
    fn is_past(&self, at: u64) -> bool {
        let last = self.recent.back();
        last.is_some_and(|last| at.saturating_sub(last.end) > GAP_BYTES_MAX)
    }

    fn undecided_from(&self, longest: usize) -> Option<u64> {
        let first = (self.recent.len() + 1).saturating_sub(longest);
        self.recent.get(first).map(|unit| unit.start)
    }

    /// What the text ends with, if that is the beginning of a value.
    fn cut(&self, matcher: &Matcher) -> Option<Part> {
        let mut units: Vec<Unit> = self.recent.iter().copied().collect();
        // Who cuts a text may say so with dots.
        for _ in 0..4 {
            if let Some(part) = matcher.cut(&units, FRAGMENT_CHARACTERS / 2) {
                return Some(part);
            }
            units.pop_if(|unit| unit.byte == b'.')?;
        }
        None
    }
}

/// The text as it is.
#[derive(Debug)]
struct Plain {
    sieve: Sieve,
    scanner: Scanner,
    sieved: Vec<Unit>,
}

impl Plain {
    fn new(matcher: &Matcher) -> Self {
        Self {
            sieve: Sieve::default(),
            scanner: Scanner::new(matcher),
            sieved: Vec::new(),
        }
    }

    fn read(&mut self, unit: Unit, matcher: &Matcher, parts: &mut Vec<Part>) {
        self.sieve.feed(unit, &mut self.sieved);
        for unit in self.sieved.drain(..) {
            self.scanner.read(unit, matcher, parts);
        }
    }

    fn undecided_from(&self, longest: usize) -> Option<u64> {
        let held = self.sieve.holds_from();
        [self.scanner.undecided_from(longest), held]
            .into_iter()
            .flatten()
            .min()
    }

    fn end(&mut self, matcher: &Matcher, parts: &mut Vec<Part>) {
        self.sieve.flush(&mut self.sieved);
        for unit in self.sieved.drain(..) {
            self.scanner.read(unit, matcher, parts);
        }
    }
}

/// The text with what is encoded in it decoded, twice: encodings come in
/// layers. It is read only around what may be encoded.
#[derive(Debug)]
struct Decoded {
    awake: bool,
    /// Bytes that were read since the last encoded one.
    calm: usize,
    decoders: [Decoder; 2],
    sieve: Sieve,
    scanner: Scanner,
    stages: [Vec<Unit>; 3],
}

impl Decoded {
    fn new(matcher: &Matcher) -> Self {
        Self {
            awake: false,
            calm: 0,
            decoders: Default::default(),
            sieve: Sieve::default(),
            scanner: Scanner::new(matcher),
            stages: Default::default(),
        }
    }

    /// Begins to read, with what was read plainly before.
    fn wake(&mut self, plain: &Plain, matcher: &Matcher) {
        self.calm = 0;
        if self.awake {
            return;
        }
        self.awake = true;
        self.sieve = plain.sieve.clone();
        self.scanner = Scanner::new(matcher);
        self.scanner.state = plain.scanner.state;
        self.scanner.recent.clone_from(&plain.scanner.recent);
    }

    fn read(&mut self, unit: Unit, matcher: &Matcher, parts: &mut Vec<Part>) {
        if !self.awake {
            return;
        }
        self.decoders[0].feed(unit, &mut self.stages[0]);
        self.pass_on(false);
        for unit in self.stages[2].drain(..) {
            self.calm += 1;
            self.scanner.read(unit, matcher, parts);
        }
        let idle = self.decoders.iter().all(Decoder::is_idle) && self.sieve.is_idle();
        if idle && self.calm > matcher.longest() {
            self.awake = false;
        }
    }

    fn pass_on(&mut self, at_end: bool) {
        let [first, second, third] = &mut self.stages;
        for unit in first.drain(..) {
            self.decoders[1].feed(unit, second);
        }
        if at_end {
            self.decoders[1].flush(second);
        }
        for unit in second.drain(..) {
            self.sieve.feed(unit, third);
        }
        if at_end {
            self.sieve.flush(third);
        }
    }

    /// Where an encoded character begins that is not whole.
    fn holds_from(&self) -> Option<u64> {
        let decoders = self.decoders.iter().map(Decoder::holds_from);
        let held = decoders.chain([self.sieve.holds_from()]).flatten();
        held.min().filter(|_| self.awake)
    }

    fn undecided_from(&self, longest: usize) -> Option<u64> {
        let scanner = self.scanner.undecided_from(longest);
        let both = [self.holds_from(), scanner.filter(|_| self.awake)];
        both.into_iter().flatten().min()
    }

    fn end(&mut self, matcher: &Matcher, parts: &mut Vec<Part>) {
        if self.awake {
            self.decoders[0].flush(&mut self.stages[0]);
            self.pass_on(true);
            for unit in self.stages[2].drain(..) {
                self.scanner.read(unit, matcher, parts);
            }
        }
    }
}
