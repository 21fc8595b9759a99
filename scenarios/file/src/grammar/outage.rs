//! `outages of play below 99%`: what counts as an outage.

use std::ops::Range;

use squall_scenario::{Metric, Share};

use super::cursor::Cursor;
use super::sentence::{GateError, Parsed, syntax};
use crate::codes;

/// Reads the `below 99%` of an outage metric, which stands after the request's
/// name. Other metrics and requests pass unchanged, so that a request may have
/// the word in its name.
pub(super) fn below(
    cursor: &mut Cursor<'_>,
    metric: Metric,
    name: Option<Range<usize>>,
) -> Parsed<(Metric, Option<Range<usize>>)> {
    const WORD: &str = " below ";
    if !matches!(
        metric,
        Metric::Outages { .. } | Metric::LongestOutage { .. }
    ) {
        return Ok((metric, name));
    }
    let (name, share) = match name {
        Some(name) => {
            let text = cursor.get(&name);
            match text.rfind(WORD) {
                Some(at) => {
                    let shared = name.start + at + WORD.len();
                    let end = name.start + text[..at].trim_end().len();
                    (Some(name.start..end), shared..name.end)
                }
                None => return Ok((metric, Some(name))),
            }
        }
        None if cursor.peek() == "below" => {
            cursor.word();
            (None, cursor.until_comparison())
        }
        None => return Ok((metric, None)),
    };
    let below = Some(share_of(cursor, metric, share)?);
    let metric = match metric {
        Metric::Outages { .. } => Metric::Outages { below },
        _ => Metric::LongestOutage { below },
    };
    Ok((metric, name))
}

fn share_of(cursor: &Cursor<'_>, metric: Metric, range: Range<usize>) -> Parsed<Share> {
    let help = format!("write for instance `{metric} below 99% \u{2026}`");
    if range.is_empty() {
        let title = "below what share of good arrivals?";
        return Err(syntax(cursor.all(), title, "a share is missing", &help));
    }
    match cursor.get(&range).trim().parse::<Share>() {
        Ok(share) if share.get() > 0.0 && share.get() < 1.0 => Ok(share),
        Ok(_) => Err(GateError {
            code: codes::OUT_OF_RANGE,
            title: "an outage is a stretch with too few good arrivals".to_owned(),
            range,
            label: "above 0% and below 100%".to_owned(),
            help,
        }),
        Err(error) => Err(GateError {
            code: codes::GATE_SYNTAX,
            title: error.title,
            range,
            label: error.label.to_owned(),
            help,
        }),
    }
}
