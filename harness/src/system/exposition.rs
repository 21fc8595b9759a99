//! The text format in which Prometheus and its kin expose metrics.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::answer::Answer;
use super::names::there_is;

/// Names of metrics, or of their labels, that are looked at to say what there
/// is instead of what was looked for.
const NAMES_MAX: usize = 2_000;

/// One line: a value and the labels it is of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

impl Series {
    /// The value of a label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        let mut labels = self.labels.iter();
        labels
            .find(|(label, _)| label == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The series of a metric that have all of `labels`. Lines that cannot be read
/// are left out.
pub(crate) fn series(text: &str, name: &str, labels: &[(String, String)]) -> Vec<Series> {
    text.lines()
        .filter_map(|line| parse(line.trim_start(), name))
        .filter(|series| {
            labels
                .iter()
                .all(|(label, value)| series.label(label) == Some(value.as_str()))
        })
        .collect()
}

/// The whole lines of an exposition: of an answer whose end is not known, the
/// last line may be a part of one.
pub(crate) fn exposed(answer: &Answer) -> Cow<'_, str> {
    let whole = match answer.body.iter().rposition(|byte| *byte == b'\n') {
        _ if answer.has_end => &answer.body[..],
        Some(last) => &answer.body[..=last],
        None => &[],
    };
    String::from_utf8_lossy(whole)
}

/// That an exposition does not have the series that were looked for, and what
/// it has instead.
pub(crate) fn missing(text: &str, name: &str, labels: &[(String, String)]) -> String {
    let all = series(text, name, &[]);
    if all.is_empty() {
        let names: BTreeSet<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split(['{', ' ', '\t']).next().unwrap_or_default())
            .filter(|name| !name.is_empty())
            .take(NAMES_MAX)
            .collect();
        return format!("has no metric `{name}`; {}", there_is(name, &names));
    }
    let wrong = labels.iter().find(|(label, value)| {
        let mut values = all.iter().filter_map(|series| series.label(label));
        values.all(|other| other != value)
    });
    let Some((label, value)) = wrong else {
        return format!("has `{name}`, but no series of it with all of the labels");
    };
    let values: BTreeSet<&str> = all
        .iter()
        .filter_map(|series| series.label(label))
        .take(NAMES_MAX)
        .collect();
    let there_is = there_is(value, &values);
    format!("has no `{name}` with {label}=\"{value}\"; as {label} {there_is}")
}

/// One line of the metric `name`: `name{label="value"} 1.0 1700000000`.
fn parse(line: &str, name: &str) -> Option<Series> {
    let rest = line.strip_prefix(name)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => braces(rest)?,
        // Otherwise the name goes on, and it is another metric.
        None if rest.starts_with([' ', '\t']) => (Vec::new(), rest),
        None => return None,
    };
    let value = rest.split_whitespace().next()?;
    Some(Series {
        labels,
        value: value.parse().ok()?,
    })
}

/// Labels up to the closing brace, and what follows it.
fn braces(text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (label, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start().strip_prefix('"')?)?;
        labels.push((label.trim().to_owned(), value));
        rest = after;
    }
}

/// Text up to its closing quote, escapes resolved, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_told_apart_by_name_and_labels() {
        let text = "# HELP jobs Jobs.\n# TYPE jobs gauge\njobs 3\njobs_total 99\n\
                    jobs{queue=\"a,b}\\\"c\\\\\",kind=\"x\"} 4.5 1700000000000\njobs{queue=\"d\"} NaN\njobs{ 5\n";
        let all = series(text, "jobs", &[]);
        assert_eq!(all.len(), 3, "{all:?}");
        assert_eq!(all[1].label("queue"), Some("a,b}\"c\\"));
        let one = series(text, "jobs", &[("kind".to_owned(), "x".to_owned())]);
        assert_eq!(one.len(), 1);
        assert!((one[0].value - 4.5).abs() < f64::EPSILON);
        assert!(series(text, "job", &[]).is_empty());
    }

    #[test]
    fn what_is_missing_is_told_with_what_is_there() {
        let text = "# TYPE breaker_state gauge\nbreaker_state{name=\"payments\"} 0\nup 1\n";
        let labels = |name: &str| vec![("name".to_owned(), name.to_owned())];
        assert_eq!(
            missing(text, "braker_state", &[]),
            "has no metric `braker_state`; it has breaker_state, up: did you mean `breaker_state`?"
        );
        assert_eq!(
            missing(text, "breaker_state", &labels("paiments")),
            "has no `breaker_state` with name=\"paiments\"; as name it has payments: \
             did you mean `payments`?"
        );
        assert_eq!(missing("", "x", &[]), "has no metric `x`; it has nothing");
    }

    #[test]
    fn half_a_line_at_an_end_that_is_not_known_is_none() {
        let answer = |body: &str, has_end| Answer {
            status: 200,
            body: body.as_bytes().to_vec(),
            has_end,
        };
        assert_eq!(exposed(&answer("jobs 125", true)), "jobs 125");
        assert_eq!(exposed(&answer("up 1\njobs 12", false)), "up 1\n");
        assert_eq!(exposed(&answer("jobs 12", false)), "");
    }

    /// A label's value as the format has it.
    fn escaped(value: &str) -> String {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        value.replace('\n', "\\n")
    }

    proptest! {
        /// Whatever a label says, it is read as it was said, and its series is
        /// found by it and by no other.
        #[test]
        fn labels_of_anybody_are_read_as_they_were_written(
            said in prop::collection::vec(("[a-z_]{1,9}", "[\\PC\n\t\"\\\\{},= #]{0,20}"), 0..5),
            value in -1e12..1e12_f64,
            stamp in prop::option::of(any::<u32>()),
        ) {
            let labels: Vec<(String, String)> = said
                .iter()
                .enumerate()
                .map(|(number, (name, value))| (format!("{name}{number}"), value.clone()))
                .collect();
            let written: Vec<_> = labels
                .iter()
                .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
                .collect();
            let stamp = stamp.map_or(String::new(), |stamp| format!(" {stamp}"));
            let line = format!("jobs{{{}}} {value}{stamp}", written.join(","));
            let text = format!("# TYPE jobs gauge\njobs_total 1\n{line}\njobs{{other=\"x\"}} 2\n");
            let found = series(&text, "jobs", &labels);
            prop_assert_eq!(found.len(), 1 + usize::from(labels.is_empty()), "{}", text);
            prop_assert_eq!(&found[0].labels, &labels);
            prop_assert_eq!(found[0].value, value);
            for (name, value) in &labels {
                let other = [(name.clone(), format!("{value}x"))];
                prop_assert!(series(&text, "jobs", &other).is_empty());
            }
        }

        /// No text makes it panic, or find a metric of another name.
        #[test]
        fn any_text_is_read_as_far_as_it_goes(
            text in "([ab]{1,2}|[{}=,\"\\\\\n \t#]|[0-9.eE+-]{1,5}|\\PC){0,60}",
            name in "[ab]{1,2}",
        ) {
            for found in series(&text, &name, &[]) {
                let known = text.lines().any(|line| {
                    let rest = line.trim_start().strip_prefix(&name);
                    rest.is_some_and(|rest| rest.starts_with(['{', ' ', '\t']))
                });
                prop_assert!(known, "{found:?} of {name} in {text:?}");
            }
            let _ = missing(&text, &name, &[("label".to_owned(), "value".to_owned())]);
        }
    }
}
