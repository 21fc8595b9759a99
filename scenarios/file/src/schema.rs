//! The JSON Schema (draft-07) of scenario and system files, for editors. It is
//! written from the same shapes that the reader uses.

use serde_json::{Map, Value, json};

use crate::keys;
use crate::shape::{Key, Kind, Shape};

const DURATION: &str = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$";
const DURATION_RANGE: &str =
    r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+(\.\.([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)?$";
const RATE: &str = r"^[0-9]+(\.[0-9]+)?(/(s|m|h)| per (second|minute|hour))$";
const SHARE: &str = r"^[0-9]+(\.[0-9]+)?%$";
const SHARE_OF_CONNECTIONS: &str = r"^[0-9]+(\.[0-9]+)?%( of connections)?$";
const SIZE: &str = r"^[0-9]+(\.[0-9]+)?(B|KiB|MiB|GiB)$";
const BYTES_PER_SECOND: &str = r"^[0-9]+(\.[0-9]+)?(B|KiB|MiB|GiB)/s$";
const STATUS: &str = "^([1-5][0-9][0-9]|[1-5]xx)$";
/// A status of gRPC, in capitals or not.
const STATUS_OF_CALL: &str = "^([A-Z]+(_[A-Z]+)*|[a-z]+(_[a-z]+)*)$";
const SEND: &str = "^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /[^ ]*$";
const GATE: &str = r"^(p[0-9.]+|max|mean|success|error_rate|goodput|dropped_arrivals|outages|longest_outage|breaker|baseline|cpu|memory|fds|restarts|probe|fallback|rebuffer_ratio|time_to_first_frame|bitrate)\b";
const WORD: &str = "^[a-z][a-z0-9_-]*$";

/// A value that comes from the environment when the file is read.
const ENVIRONMENT: &str = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:[-?][^}]*)?\}";

/// The schema of scenario files.
#[must_use]
pub fn scenario_schema() -> Value {
    root(&keys::SCENARIO, "squall scenario")
}

/// The schema of system files.
#[must_use]
pub fn system_schema() -> Value {
    root(&keys::SYSTEM, "squall system")
}

fn root(shape: &Shape, title: &str) -> Value {
    let mut schema = object(shape);
    schema.insert(
        "$schema".to_owned(),
        json!("http://json-schema.org/draft-07/schema#"),
    );
    schema.insert("title".to_owned(), json!(title));
    Value::Object(schema)
}

fn object(shape: &Shape) -> Map<String, Value> {
    let properties: Map<String, Value> = shape
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let required: Vec<&str> = shape
        .keys
        .iter()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("description".to_owned(), json!(shape.about));
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = of(&key.kind);
    if let Value::Object(map) = &mut schema {
        map.insert("description".to_owned(), json!(key.about));
    }
    schema
}

fn of(kind: &Kind) -> Value {
    match kind {
        Kind::Text | Kind::Template | Kind::FaultTarget => text(),
        Kind::Word => pattern(WORD, &["catalog"]),
        Kind::Duration => pattern(DURATION, &["30s", "1m30s", "250ms"]),
        Kind::DurationRange => pattern(DURATION_RANGE, &["1s..3s", "2s"]),
        Kind::Rate => pattern(RATE, &["200/s"]),
        Kind::Share => pattern(SHARE, &["95%"]),
        Kind::ShareOfConnections => pattern(SHARE_OF_CONNECTIONS, &["20% of connections"]),
        Kind::BytesPerSecond => pattern(BYTES_PER_SECOND, &["64KiB/s"]),
        Kind::Size => pattern(SIZE, &["16MiB"]),
        Kind::Flag => any_of(vec![json!({ "type": "boolean" }), environment()]),
        Kind::Whole(low, high) => whole(*low, *high),
        Kind::Decimal => any_of(vec![
            json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 100 }),
            environment(),
        ]),
        Kind::Status => any_of(vec![
            json!({ "type": "integer", "minimum": 100, "maximum": 599 }),
            // Of sockets.
            json!({ "type": "integer", "minimum": 1000, "maximum": 4999 }),
            pattern(STATUS, &["2xx"]),
            pattern(STATUS_OF_CALL, &["NOT_FOUND"]),
        ]),
        Kind::Instances => any_of(vec![
            json!({ "type": "integer", "minimum": 1, "maximum": 100 }),
            json!({ "type": "string", "pattern": r"^\$settings\.[a-z][a-z0-9_-]*$" }),
            environment(),
        ]),
        Kind::Send => pattern(SEND, &["GET /"]),
        Kind::Gate => pattern(
            GATE,
            &["p99 < 300ms", "success >= 99.9%", "baseline returns"],
        ),
        Kind::Failure => pattern(
            r" (during|after) ",
            &["success during slow recommendations"],
        ),
        Kind::Object(shape) => Value::Object(object(shape)),
        Kind::List(item) => json!({ "type": "array", "minItems": 1, "items": of(item) }),
        Kind::Names(value) => json!({ "type": "object", "additionalProperties": of(value) }),
        Kind::Words(words) => {
            let words: Vec<Value> = words
                .iter()
                .map(|(word, about)| json!({ "const": word, "description": about }))
                .collect();
            any_of(words)
        }
        Kind::OneOf(keys) => one_of(keys),
        Kind::Json => json!({}),
        Kind::Fault => one_of(keys::faults()),
        Kind::Either(kinds) => any_of(kinds.iter().map(of).collect()),
    }
}

/// Text; editors read unquoted numbers and truth values as such.
fn text() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn pattern(pattern: &str, examples: &[&str]) -> Value {
    json!({
        "anyOf": [{ "pattern": pattern, "type": "string" }, { "pattern": ENVIRONMENT, "type": "string" }],
        "examples": examples,
    })
}

fn environment() -> Value {
    json!({ "type": "string", "pattern": ENVIRONMENT })
}

fn any_of(schemas: Vec<Value>) -> Value {
    json!({ "anyOf": schemas })
}

fn whole(low: u64, high: u64) -> Value {
    let mut number = json!({ "type": "integer", "minimum": low });
    if high != u64::MAX {
        number["maximum"] = json!(high);
    }
    any_of(vec![number, environment()])
}

fn one_of(keys: &[Key]) -> Value {
    let words: Vec<&str> = keys
        .iter()
        .filter(|key| !key.required)
        .map(|key| key.name)
        .collect();
    let mut forms: Vec<Value> = keys
        .iter()
        .map(|key| {
            let mut value = property(key);
            if !key.required {
                value = any_of(vec![value, json!({ "type": "null" })]);
            }
            json!({
                "type": "object",
                "description": key.about,
                "additionalProperties": false,
                "required": [key.name],
                "properties": { key.name: value },
            })
        })
        .collect();
    if !words.is_empty() {
        forms.push(json!({ "enum": words }));
    }
    any_of(forms)
}
