//! Reading tables of data that stand in files beside the scenario.

use std::collections::HashSet;

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};
use squall_scenario::quoted;

use crate::body_file::read_body;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::digest::sha256;

/// Most rows of a table.
const ROWS_MAX: usize = 1_000_000;

/// A table as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// As the scenario writes it.
    pub(crate) path: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub(crate) sha256: String,
    /// Each with its values, row by row; all of the same length, which is not 0.
    pub(crate) columns: Vec<(String, Vec<String>)>,
}

/// Reads the table at a path that the scenario called `scenario` writes.
///
/// # Errors
/// A diagnostic without a place: the file cannot be read, or is no such table.
pub(crate) fn read_table(path: &str, scenario: &str) -> Result<Table, Box<Diagnostic>> {
    let content = read_body(path, scenario)?.content;
    let table = match path.rsplit_once('.').map(|(_, kind)| kind) {
        Some("csv") => of_csv(&content),
        Some("jsonl" | "ndjson") => of_json_lines(&content),
        _ => Err("its name ends neither in .csv nor in .jsonl".to_owned()),
    };
    let columns = table.and_then(|columns| {
        let rows = columns.first().map_or(0, |(_, values)| values.len());
        match rows {
            0 => Err("it has no row".to_owned()),
            rows if rows > ROWS_MAX => Err(format!("it has more than {ROWS_MAX} rows")),
            _ => Ok(columns),
        }
    });
    match columns {
        Ok(columns) => Ok(Table {
            path: path.to_owned(),
            sha256: sha256(&content),
            columns,
        }),
        Err(why) => {
            let title = format!("{} is no table: {why}", quoted(path));
            let help = "a table is CSV with column names in its first line, or an object of \
                        JSON in each line";
            let diagnostic = Diagnostic::error(codes::UNREADABLE, title).help(help);
            Err(Box::new(diagnostic))
        }
    }
}

type Columns = Vec<(String, Vec<String>)>;

fn of_csv(content: &[u8]) -> Result<Columns, String> {
    let mut reader = ReaderBuilder::new().from_reader(content);
    let names = reader.headers().map_err(|error| error.to_string())?;
    let names: Vec<_> = names.iter().map(|name| name.trim().to_owned()).collect();
    let mut columns = empty(names)?;
    let mut record = StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| error.to_string())?
    {
        for ((_, values), value) in columns.iter_mut().zip(&record) {
            values.push(value.to_owned());
        }
    }
    Ok(columns)
}

fn of_json_lines(content: &[u8]) -> Result<Columns, String> {
    let text = std::str::from_utf8(content).map_err(|error| error.to_string())?;
    let mut columns = Columns::new();
    let lines = text.lines().enumerate();
    for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let number = index + 1;
        let object: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?;
        if columns.is_empty() {
            columns = empty(object.keys().cloned())?;
        }
        for (name, values) in &mut columns {
            let value = object.get(name);
            let value = value.ok_or_else(|| format!("line {number} has no {}", quoted(name)))?;
            values.push(match value {
                Value::String(text) => text.clone(),
                Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    return Err(format!(
                        "line {number}: {} is no single value",
                        quoted(name)
                    ));
                }
            });
        }
    }
    Ok(columns)
}

/// Columns without rows.
fn empty(names: impl IntoIterator<Item = String>) -> Result<Columns, String> {
    let mut known = HashSet::new();
    names
        .into_iter()
        .map(|name| {
            if !is_name(&name) {
                let shown = quoted(&name);
                return Err(format!(
                    "a column is called {shown}; names have small letters, digits, `-` and `_`"
                ));
            }
            if !known.insert(name.clone()) {
                return Err(format!("two columns are called {}", quoted(&name)));
            }
            Ok((name, Vec::new()))
        })
        .collect()
}

/// Whether a part of a `$name` may be called so.
fn is_name(name: &str) -> bool {
    let goes_on = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(goes_on)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, values: &[&str]) -> (String, Vec<String>) {
        let values = values.iter().map(ToString::to_string).collect();
        (name.to_owned(), values)
    }

    #[test]
    fn a_table_may_be_csv_or_json_lines() {
        let csv = b"user, word\r\n1,\"a,\"\"b\"\r\n2,x\r\n";
        let expected = vec![column("user", &["1", "2"]), column("word", &["a,\"b", "x"])];
        assert_eq!(of_csv(csv).unwrap(), expected);
        let lines =
            b"{\"user\":1,\"word\":\"a,\\\"b\"}\n\n{\"word\":\"x\",\"user\":2,\"more\":[]}\n";
        assert_eq!(of_json_lines(lines).unwrap(), expected);
    }

    #[test]
    fn what_is_no_table_says_why() {
        for (text, why) in [
            ("User\n1\n", "a column is called `User`"),
            ("a,a\n1,2\n", "two columns are called `a`"),
            ("a,b\n1\n", "found record with 1 fields"),
        ] {
            let error = of_csv(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        for (text, why) in [
            ("{\"a\":1}\n{\"b\":1}", "line 2 has no `a`"),
            ("[1]", "line 1"),
            ("{\"a\":[1]}", "`a` is no single value"),
        ] {
            let error = of_json_lines(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let scenario = folder.path().join("shop.yaml").display().to_string();
        for (name, text) in [("a.csv", "a\n"), ("a.txt", "a\n1\n"), ("a.jsonl", "")] {
            std::fs::write(folder.path().join(name), text).unwrap();
            let problem = read_table(name, &scenario).unwrap_err();
            assert_eq!(problem.code, codes::UNREADABLE, "{name}");
        }
        std::fs::write(folder.path().join("b.csv"), "a\n1\n").unwrap();
        let table = read_table("b.csv", &scenario).unwrap();
        assert_eq!(table.columns, [column("a", &["1"])]);
    }
}
