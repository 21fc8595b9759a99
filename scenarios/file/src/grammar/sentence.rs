//! What a sentence is read into, and why another text is no sentence.

use std::ops::Range;

use squall_scenario::{Comparison, Gate};

use crate::codes;

/// A gate and where its parts stand.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sentence {
    pub(crate) gate: Gate,
    /// `p99`, or the whole of a sentence without a metric.
    pub(crate) subject: Range<usize>,
    /// The request or breaker it speaks of.
    pub(crate) name: Option<Range<usize>>,
    /// `<`
    pub(crate) comparison: Option<Range<usize>>,
    /// `for 10s`
    pub(crate) sustained: Option<Range<usize>>,
    /// `in every 5s`
    pub(crate) every: Option<Range<usize>>,
}

/// Why a sentence is no gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GateError {
    pub(crate) code: &'static str,
    pub(crate) title: String,
    pub(crate) range: Range<usize>,
    pub(crate) label: String,
    pub(crate) help: String,
}

/// What reading a part of a sentence comes to.
pub(super) type Parsed<T> = Result<T, GateError>;

/// How a gate compares, by the sign for it.
pub(super) fn comparison(text: &str) -> Option<Comparison> {
    match text {
        "<" => Some(Comparison::Below),
        "<=" => Some(Comparison::AtMost),
        ">" => Some(Comparison::Above),
        ">=" => Some(Comparison::AtLeast),
        "=" => Some(Comparison::Equal),
        _ => None,
    }
}

/// A number of digits and at most one dot: no sign, no exponent.
pub(super) fn number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|_| plain)
}

/// The error for a sentence that is built wrongly.
pub(super) fn syntax(range: Range<usize>, title: &str, label: &str, help: &str) -> GateError {
    GateError {
        code: codes::GATE_SYNTAX,
        title: title.to_owned(),
        range,
        label: label.to_owned(),
        help: help.to_owned(),
    }
}
