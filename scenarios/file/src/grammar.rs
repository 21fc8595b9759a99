//! The sentences of gates: `p99 of homepage < 600ms`, `breaker origin opens
//! within 8s`, `baseline returns`, and the `success during NAME` of variants.
//!
//! Everything here works on the text alone; ranges are byte offsets into it,
//! so that a message can point inside the sentence.

mod cursor;
mod outage;
mod reading;
mod relative;
mod sentence;
mod viewing;

use std::ops::Range;

use squall_scenario::{
    BreakerChange, BreakerState, Gate, GateValue, Metric, MetricGate, QuantityError,
    QuantityProblem, Share, listed, nearest, parse_duration, quoted,
};

pub(crate) use self::sentence::{GateError, Sentence};

use self::cursor::Cursor;
use self::sentence::{Parsed, comparison, number, syntax};
use crate::codes;

/// Words people write for a metric, and what to write instead.
const OTHER_WORDS: [(&str, &str); 12] = [
    ("availability", "success"),
    ("success_rate", "success"),
    ("errors", "error_rate"),
    ("error", "error_rate"),
    ("failures", "error_rate"),
    ("failure_rate", "error_rate"),
    ("throughput", "goodput"),
    ("rps", "goodput"),
    ("avg", "mean"),
    ("average", "mean"),
    ("median", "p50"),
    ("dropped", "dropped_arrivals"),
];

const METRICS: [&str; 8] = [
    "max",
    "mean",
    "success",
    "error_rate",
    "goodput",
    "dropped_arrivals",
    "outages",
    "longest_outage",
];

/// Whether the left-hand side of a gate speaks of a reading beside the
/// arrivals, which users do not notice.
pub(crate) fn is_about_readings(subject: &str) -> bool {
    let first = subject.split_whitespace().next().unwrap_or_default();
    reading::WORDS.contains(&first)
}

/// Reads one gate.
pub(crate) fn parse_gate(text: &str) -> Parsed<Sentence> {
    let mut cursor = Cursor::new(text);
    let whole = cursor.rest();
    match cursor.peek() {
        "" => Err(syntax(whole, "a gate is missing", "nothing here", EXAMPLES)),
        "breaker" => breaker(&mut cursor),
        "baseline" => baseline(&mut cursor),
        word if reading::WORDS.contains(&word) => reading::reading_gate(&mut cursor),
        word if viewing::WORDS.contains(&word) => viewing::viewing_gate(&mut cursor),
        _ => metric_gate(&mut cursor),
    }
}

const EXAMPLES: &str = "gates read `p99 < 300ms`, `success >= 99.9%`, `breaker NAME opens within 8s` or `baseline returns`";

/// A failure a variant must show: the gate's left-hand side and its window,
/// which is `after FAULT` for a gate on recovery.
pub(crate) fn parse_failure(text: &str) -> Parsed<(String, String)> {
    let whole = 0..text.len();
    let help = "write for instance `success during NAME OF A FAULT`, or \
                `baseline returns after NAME OF A FAULT`";
    // Requests have names with spaces; breakers and the baseline do not.
    let during = match is_recovery(text) {
        true => text.split_once(" during "),
        false => text.rsplit_once(" during "),
    };
    let after = text.split_once(" after ");
    let first = |(metric, _): &(&str, &str)| metric.len();
    let (metric, window) = match (during, after) {
        (Some(during), Some(after)) if first(&after) < first(&during) && is_recovery(after.0) => {
            (after.0, format!("after {}", after.1.trim()))
        }
        (Some((metric, window)), _) => (metric, window.trim().to_owned()),
        (None, Some((metric, fault))) => (metric, format!("after {}", fault.trim())),
        (None, None) => {
            return Err(syntax(whole, "this names no gate", "needs a window", help));
        }
    };
    let metric = metric.split_whitespace().collect::<Vec<_>>().join(" ");
    if metric.is_empty() || ["", "after "].contains(&window.as_str()) {
        return Err(syntax(
            whole,
            "this names no gate",
            "half of it is missing",
            help,
        ));
    }
    Ok((metric, window))
}

/// Whether the left-hand side of a gate is one that `after` can ask for.
fn is_recovery(subject: &str) -> bool {
    subject.starts_with("breaker ") || subject.starts_with("baseline ")
}

fn breaker(cursor: &mut Cursor<'_>) -> Parsed<Sentence> {
    const HELP: &str =
        "write `breaker NAME opens within 8s`, `breaker NAME closes` or `breaker NAME is closed`";
    let subject = cursor.word();
    let name_range = cursor.word();
    let name = cursor.get(&name_range).to_owned();
    let verb = cursor.word();
    if verb.is_empty() {
        let title = "a breaker gate needs a name and a verb";
        return Err(syntax(cursor.all(), title, "stops too early", HELP));
    }
    let change = match cursor.get(&verb) {
        "opens" => Some(BreakerChange::Opens),
        "closes" => Some(BreakerChange::Closes),
        "is" => None,
        other => {
            let title = format!("{} is nothing that a breaker does", quoted(other));
            return Err(syntax(verb, &title, "opens, closes or is", HELP));
        }
    };
    let gate = match change {
        Some(change) => Gate::Breaker {
            name,
            change,
            within: cursor.clause("within")?.map(|(duration, _)| duration),
        },
        None => {
            let word = cursor.word();
            let state = match cursor.get(&word) {
                "closed" => BreakerState::Closed,
                "open" => BreakerState::Open,
                "half-open" => BreakerState::HalfOpen,
                _ => {
                    let at = if word.is_empty() { verb } else { word };
                    let title = "a breaker is open, closed or half-open";
                    return Err(syntax(at, title, "not a state", HELP));
                }
            };
            Gate::BreakerIs { name, state }
        }
    };
    cursor.end(HELP)?;
    Ok(Sentence {
        gate,
        subject,
        name: Some(name_range),
        comparison: None,
        sustained: None,
        every: None,
    })
}

fn baseline(cursor: &mut Cursor<'_>) -> Parsed<Sentence> {
    const HELP: &str = "write `baseline returns`";
    cursor.word();
    let verb = cursor.word();
    if cursor.get(&verb) != "returns" {
        let title = "a baseline can only return";
        return Err(syntax(cursor.all(), title, "`baseline returns`?", HELP));
    }
    cursor.end(HELP)?;
    Ok(Sentence {
        gate: Gate::BaselineReturns,
        subject: cursor.all(),
        name: None,
        comparison: None,
        sustained: None,
        every: None,
    })
}

fn metric_gate(cursor: &mut Cursor<'_>) -> Parsed<Sentence> {
    let subject = cursor.word();
    let metric = metric(cursor.get(&subject), &subject)?;
    let name = match cursor.peek() {
        "of" => {
            cursor.word();
            let name = cursor.until_comparison();
            if name.is_empty() {
                let help = format!("write `{metric} of NAME < …`, or leave out `of`");
                return Err(syntax(
                    cursor.all(),
                    "`of` what?",
                    "a request is missing",
                    &help,
                ));
            }
            Some(name)
        }
        _ => None,
    };
    let (metric, name) = outage::below(cursor, metric, name)?;
    let comparison_range = cursor.comparison();
    let Some(comparison) = comparison(cursor.get(&comparison_range)) else {
        return Err(no_comparison(cursor, metric, comparison_range));
    };
    let value_range = cursor.value();
    let value = value(cursor, metric, &value_range)?;
    let every = cursor.every()?;
    let sustained = cursor.clause("for")?;
    cursor.end(EXAMPLES)?;
    let gate = MetricGate {
        metric,
        of: name.as_ref().map(|range| cursor.get(range).to_owned()),
        comparison,
        value,
        sustained: sustained.as_ref().map(|(duration, _)| *duration),
        every: every.as_ref().map(|(duration, _)| *duration),
    };
    Ok(Sentence {
        gate: Gate::Metric(gate),
        subject,
        name,
        comparison: Some(comparison_range),
        sustained: sustained.map(|(_, range)| range),
        every: every.map(|(_, range)| range),
    })
}

fn named_metric(word: &str) -> Option<Metric> {
    Some(match word {
        "max" => Metric::Max,
        "mean" => Metric::Mean,
        "success" => Metric::Success,
        "error_rate" => Metric::ErrorRate,
        "goodput" => Metric::Goodput,
        "dropped_arrivals" => Metric::DroppedArrivals,
        "outages" => Metric::Outages { below: None },
        "longest_outage" => Metric::LongestOutage { below: None },
        _ => return None,
    })
}

fn metric(word: &str, range: &Range<usize>) -> Parsed<Metric> {
    let error = |code, title: String, label: &str, help: String| GateError {
        code,
        title,
        range: range.clone(),
        label: label.to_owned(),
        help,
    };
    if let Some(named) = named_metric(word) {
        return Ok(named);
    }
    if ["latency", "response_time", "response", "duration", "time"].contains(&word) {
        let title = format!("{} is not one number", quoted(word));
        let help = format!("which one? write for instance `p99` instead of `{word}`");
        let label = "p50, p99, mean or max?";
        return Err(error(codes::WHICH_LATENCY, title, label, help));
    }
    if let Some(percent) = word.strip_prefix('p').and_then(number) {
        if percent > 0.0 && percent < 100.0 {
            return Ok(Metric::Quantile(percent / 100.0));
        }
        let help = "write a percentile between, such as p99.9, or `max`".to_owned();
        let title = format!("{word} is no percentile");
        return Err(error(
            codes::NO_QUANTILE,
            title,
            "above 0 and below 100",
            help,
        ));
    }
    let digits: String = word
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let rest: String = word
        .chars()
        .filter(|c| !c.is_ascii_digit() && *c != '.')
        .collect();
    if !digits.is_empty() && ["p", "P", "th", "p%", "pct"].contains(&rest.as_str()) {
        let title = format!("percentiles are written p{digits}");
        let help = format!("write `p{digits}`");
        return Err(error(
            codes::PERCENTILE_SPELLING,
            title,
            "not a metric",
            help,
        ));
    }
    let known = METRICS
        .into_iter()
        .chain(["breaker", "baseline", "p99"])
        .chain(reading::WORDS)
        .chain(viewing::WORDS);
    let instead = OTHER_WORDS
        .iter()
        .find(|(other, _)| *other == word)
        .map(|(_, known)| *known)
        .or_else(|| reading::meant(word))
        .or_else(|| viewing::meant(word))
        .or_else(|| nearest(word, known));
    let help = match instead {
        Some(instead) => format!("did you mean `{instead}`?"),
        None => format!("metrics: p99 and other percentiles, {}", listed(&METRICS)),
    };
    let title = format!("I do not know the metric {}", quoted(word));
    Err(error(codes::GATE_SYNTAX, title, "not a metric", help))
}

fn no_comparison(cursor: &Cursor<'_>, metric: Metric, found: Range<usize>) -> GateError {
    let help = format!("write for instance `{}`", example(metric));
    if found.is_empty() {
        let at = cursor.rest();
        let at = if at.is_empty() { cursor.all() } else { at };
        return syntax(
            at,
            "a gate compares with <, <=, >, >= or =",
            "compared how?",
            &help,
        );
    }
    let title = format!("{} is no comparison", quoted(cursor.get(&found)));
    syntax(found, &title, "<, <=, >, >= or =", &help)
}

fn example(metric: Metric) -> String {
    let rest = match metric {
        Metric::Quantile(_) | Metric::Max | Metric::Mean => "< 300ms",
        Metric::Success => ">= 99.9%",
        Metric::ErrorRate => "< 1%",
        Metric::Goodput => "> 100/s",
        Metric::DroppedArrivals => "= 0",
        Metric::Outages { .. } => "<= 1",
        Metric::LongestOutage { .. } => "<= 3s",
    };
    format!("{metric} {rest}")
}

fn value(cursor: &Cursor<'_>, metric: Metric, range: &Range<usize>) -> Parsed<GateValue> {
    let text = cursor.get(range);
    if text.is_empty() {
        let help = format!("write for instance `{}`", example(metric));
        return Err(syntax(
            cursor.all(),
            "a gate needs a value",
            "compared with what?",
            &help,
        ));
    }
    if let Some(factor) = relative::factor(text, metric, range)? {
        return Ok(GateValue::TimesBaseline(factor));
    }
    let parsed = match metric {
        Metric::Quantile(_) | Metric::Max | Metric::Mean | Metric::LongestOutage { .. } => {
            parse_duration(text).map(GateValue::Duration)
        }
        Metric::Success | Metric::ErrorRate => text.parse().map(GateValue::Share),
        Metric::Goodput => text.parse().map(GateValue::Rate),
        Metric::DroppedArrivals | Metric::Outages { .. } => match text.parse() {
            Ok(count) => Ok(GateValue::Count(count)),
            Err(_) => return Err(does_not_fit(text, range, metric)),
        },
    };
    parsed.map_err(|error| bad_value(cursor, metric, range, &error))
}

fn bad_value(
    cursor: &Cursor<'_>,
    metric: Metric,
    range: &Range<usize>,
    error: &QuantityError,
) -> GateError {
    let text = cursor.get(range);
    if error.problem == QuantityProblem::BareNumber {
        let before = cursor.before(range).trim();
        let unit = error.help.split('`').nth(1).unwrap_or(text);
        let unit = match metric {
            // Seconds are the first suggestion elsewhere; gates are about ms.
            Metric::Quantile(_) | Metric::Max | Metric::Mean => format!("{text}ms"),
            Metric::LongestOutage { .. } => format!("{text}s"),
            _ => unit.to_owned(),
        };
        return GateError {
            code: codes::GATE_WITHOUT_UNIT,
            title: format!("a gate needs a unit after {text}"),
            range: range.clone(),
            label: format!("{text} what?"),
            help: format!("write `{before} {unit}`"),
        };
    }
    let other_kind = parse_duration(text).is_ok()
        || text.parse::<Share>().is_ok()
        || text.parse::<squall_scenario::Rate>().is_ok()
        || text.parse::<squall_scenario::ByteCount>().is_ok();
    if other_kind {
        return does_not_fit(text, range, metric);
    }
    GateError {
        code: codes::GATE_SYNTAX,
        title: error.title.clone(),
        range: range.clone(),
        label: error.label.to_owned(),
        help: format!("write for instance `{}`", example(metric)),
    }
}

fn does_not_fit(text: &str, range: &Range<usize>, metric: Metric) -> GateError {
    let kind = match metric {
        Metric::Quantile(_) | Metric::Max | Metric::Mean | Metric::LongestOutage { .. } => "a time",
        Metric::Success | Metric::ErrorRate => "a share",
        Metric::Goodput => "a rate",
        Metric::DroppedArrivals | Metric::Outages { .. } => "a whole number",
    };
    GateError {
        code: codes::VALUE_DOES_NOT_FIT,
        title: format!("{metric} is {kind}, {} is not", quoted(text)),
        range: range.clone(),
        label: format!("should be {kind}"),
        help: format!("write for instance `{}`", example(metric)),
    }
}
