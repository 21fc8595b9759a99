//! The sentences about what viewers saw: `rebuffer_ratio <= 1%`,
//! `time_to_first_frame p95 of watch/title < 2s`, `bitrate mean >= 1.5Mbit/s`.

use squall_scenario::{
    BitRate, Comparison, Gate, GateValue, Share, ViewingFigure, ViewingGate, parse_duration, quoted,
};

use super::cursor::Cursor;
use super::sentence::{Parsed, Sentence, comparison, number, syntax};

/// First words of these sentences.
pub(super) const WORDS: [&str; 3] = ["rebuffer_ratio", "time_to_first_frame", "bitrate"];

/// The word that another one probably stands for.
pub(super) fn meant(word: &str) -> Option<&'static str> {
    match word {
        "rebuffer" | "rebuffering" | "rebuffers" | "stalls" => Some("rebuffer_ratio"),
        "ttff" | "first_frame" | "startup" => Some("time_to_first_frame"),
        "bit_rate" | "quality" | "kbps" => Some("bitrate"),
        _ => None,
    }
}

/// Reads a sentence that starts with one of [`WORDS`].
pub(super) fn viewing_gate(cursor: &mut Cursor<'_>) -> Parsed<Sentence> {
    let first = cursor.word();
    let figure = match cursor.get(&first) {
        "time_to_first_frame" => quantile(cursor, &first)?,
        "bitrate" => mean(cursor, &first)?,
        _ => ViewingFigure::RebufferRatio,
    };
    let example = example(figure);
    let name = match cursor.peek() {
        "of" => {
            cursor.word();
            let name = cursor.until_comparison();
            if name.is_empty() {
                return Err(syntax(
                    cursor.all(),
                    "`of` what?",
                    "a player is missing",
                    example,
                ));
            }
            Some(name)
        }
        _ => None,
    };
    let comparison = compared(cursor, figure)?;
    let value = value(cursor, figure)?;
    cursor.end(example)?;
    let of = name.as_ref().map(|range| cursor.get(range).to_owned());
    Ok(Sentence {
        gate: Gate::Viewing(ViewingGate {
            figure,
            of,
            comparison,
            value,
        }),
        subject: first,
        name,
        comparison: None,
        sustained: None,
        every: None,
    })
}

/// The comparison, which goes the way that viewers want.
fn compared(cursor: &mut Cursor<'_>, figure: ViewingFigure) -> Parsed<Comparison> {
    let example = example(figure);
    let found = cursor.comparison();
    let upper = !matches!(figure, ViewingFigure::MeanBitRate);
    match (comparison(cursor.get(&found)), upper) {
        (Some(it @ (Comparison::Below | Comparison::AtMost)), true)
        | (Some(it @ (Comparison::Above | Comparison::AtLeast)), false) => Ok(it),
        (known, _) => {
            let at = if found.is_empty() {
                cursor.all()
            } else {
                found
            };
            let (title, label) = match (known, upper) {
                (None, _) => ("a gate compares with <, <=, > or >=", "compared how?"),
                (_, true) => ("viewers want this to be small", "< or <="),
                (_, false) => ("viewers want this to be great", "> or >="),
            };
            Err(syntax(at, title, label, example))
        }
    }
}

fn value(cursor: &mut Cursor<'_>, figure: ViewingFigure) -> Parsed<GateValue> {
    let value_range = cursor.value();
    let text = cursor.get(&value_range);
    let value = match figure {
        ViewingFigure::RebufferRatio => text.parse::<Share>().ok().map(GateValue::Share),
        ViewingFigure::TimeToFirstFrame(_) => parse_duration(text).ok().map(GateValue::Duration),
        ViewingFigure::MeanBitRate => BitRate::parse(text).map(GateValue::BitRate),
    };
    value.ok_or_else(|| {
        let (title, label) = match figure {
            ViewingFigure::RebufferRatio => ("a rebuffer ratio is a share", "not a share"),
            ViewingFigure::TimeToFirstFrame(_) => ("a first frame takes a time", "not a time"),
            ViewingFigure::MeanBitRate => ("a bit rate has a unit", "kbit/s or Mbit/s"),
        };
        let at = if value_range.is_empty() {
            cursor.all()
        } else {
            value_range
        };
        syntax(at, title, label, example(figure))
    })
}

const fn example(figure: ViewingFigure) -> &'static str {
    match figure {
        ViewingFigure::RebufferRatio => "write for instance `rebuffer_ratio <= 1%`",
        ViewingFigure::TimeToFirstFrame(_) => "write for instance `time_to_first_frame p95 < 2s`",
        ViewingFigure::MeanBitRate => "write for instance `bitrate mean >= 1.5Mbit/s`",
    }
}

fn quantile(cursor: &mut Cursor<'_>, first: &std::ops::Range<usize>) -> Parsed<ViewingFigure> {
    let word = cursor.word();
    let percent = cursor.get(&word).strip_prefix('p').and_then(number);
    match percent.filter(|percent| *percent > 0.0 && *percent < 100.0) {
        Some(percent) => Ok(ViewingFigure::TimeToFirstFrame(percent / 100.0)),
        None => {
            let title = match cursor.get(&word) {
                "" => "which of all the first frames?".to_owned(),
                other => format!("{} is no percentile", quoted(other)),
            };
            let at = if word.is_empty() { first.clone() } else { word };
            let help = example(ViewingFigure::TimeToFirstFrame(0.95));
            Err(syntax(at, &title, "p50, p95 or p99?", help))
        }
    }
}

fn mean(cursor: &mut Cursor<'_>, first: &std::ops::Range<usize>) -> Parsed<ViewingFigure> {
    let word = cursor.word();
    match cursor.get(&word) {
        "mean" => Ok(ViewingFigure::MeanBitRate),
        _ => {
            let at = if word.is_empty() { first.clone() } else { word };
            let title = "of the bit rate there is a mean only";
            let help = example(ViewingFigure::MeanBitRate);
            Err(syntax(at, title, "`bitrate mean`?", help))
        }
    }
}
