//! `p99 <= 1.25x baseline`: a value that is a multiple of the baseline's.

use std::ops::Range;

use squall_scenario::{Metric, quoted};

use super::sentence::{GateError, Parsed, number};
use crate::codes;

/// Reads `1.25x baseline`; `None` for any other value.
pub(super) fn factor(text: &str, metric: Metric, range: &Range<usize>) -> Parsed<Option<f64>> {
    let Some(times) = text.strip_suffix("baseline") else {
        return Ok(None);
    };
    let error = |code, title: String, label: &str, help: &str| GateError {
        code,
        title,
        range: range.clone(),
        label: label.to_owned(),
        help: help.to_owned(),
    };
    if !matches!(metric, Metric::Quantile(_) | Metric::Mean) {
        return Err(error(
            codes::VALUE_DOES_NOT_FIT,
            format!("{metric} is not compared with the baseline"),
            "only p50, p99 and so on, and mean",
            "write for instance `p99 <= 1.25x baseline`",
        ));
    }
    let times = times.trim();
    let factor = times
        .strip_suffix('x')
        .or_else(|| times.strip_suffix('\u{d7}'))
        .and_then(|times| number(times.trim_end()))
        .filter(|factor| *factor > 0.0 && factor.is_finite());
    match factor {
        Some(factor) => Ok(Some(factor)),
        None => Err(error(
            codes::GATE_SYNTAX,
            format!("{} is no multiple of the baseline", quoted(text)),
            "how many times?",
            "write for instance `1.25x baseline`",
        )),
    }
}
