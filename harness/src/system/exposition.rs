//! The text format in which Prometheus and its kin expose metrics.

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
}
