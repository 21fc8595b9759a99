//! A file as JSON, as an editor with a JSON Schema sees it.

use serde_json::{Map, Value};

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::yaml;
use crate::yaml::{Node, NodeKind, Scalar};

/// The YAML text as JSON, aliases resolved and environment placeholders left
/// as they are. Plain scalars become numbers and truth values where YAML says
/// so.
///
/// # Errors
/// What is wrong with the YAML; nothing is said about its meaning.
pub fn to_json(text: &str) -> Result<String, Vec<Diagnostic>> {
    let mut findings = Vec::new();
    let root = yaml::parse(&Source::new("text", text), 0, &mut findings);
    match root.filter(|_| findings.is_empty()) {
        Some(root) => Ok(value(&root).to_string()),
        None => Err(findings),
    }
}

fn value(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Scalar(scalar) => scalar_value(scalar),
        NodeKind::List(items) => items.iter().map(value).collect(),
        NodeKind::Map(entries) => {
            let entries = entries.iter();
            let map: Map<String, Value> = entries
                .map(|entry| (entry.key.clone(), value(&entry.value)))
                .collect();
            Value::Object(map)
        }
    }
}

fn scalar_value(scalar: &Scalar) -> Value {
    if scalar.is_nothing() {
        return Value::Null;
    }
    let text = scalar.text.as_str();
    let number = || {
        let whole = text.parse::<u64>().map(Value::from);
        whole.or_else(|_| text.parse::<f64>().map(Value::from)).ok()
    };
    let digits = text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
    match text {
        _ if !scalar.plain => Value::from(text),
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ if digits => number().unwrap_or_else(|| Value::from(text)),
        _ => Value::from(text),
    }
}
