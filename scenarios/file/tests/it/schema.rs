//! The committed JSON Schemas are those the code writes, and accept every
//! valid file. `SQUALL_BLESS=1` writes them.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test it helps"
)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use squall_scenario_file::{scenario_schema, system_schema};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn pretty(schema: &Value) -> String {
    serde_json::to_string_pretty(schema).unwrap() + "\n"
}

#[test]
fn committed_schemas_are_up_to_date() {
    let bless = std::env::var_os("SQUALL_BLESS").is_some();
    for (name, schema) in [
        ("scenario.v1.json", scenario_schema()),
        ("system.v1.json", system_schema()),
    ] {
        let path = root().join("schema").join(name);
        if bless {
            fs::write(&path, pretty(&schema)).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            committed,
            pretty(&schema),
            "run with SQUALL_BLESS=1 to write {name}"
        );
    }
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    files
}

fn json_of(path: &Path) -> Value {
    serde_json::from_str(
        &squall_scenario_file::to_json(&fs::read_to_string(path).unwrap()).unwrap(),
    )
    .unwrap()
}

#[test]
fn schemas_accept_every_valid_file() {
    let (scenario, system) = (scenario_schema(), system_schema());
    let mut count = 0;
    for folder in ["fixtures/valid", "library", "systems"] {
        for path in yaml_files(folder) {
            // Objectives have the schema of OpenSLO.
            if path.to_string_lossy().contains(".openslo.") {
                continue;
            }
            let is_system = folder == "systems" || path.to_string_lossy().contains(".system.");
            let schema = if is_system { &system } else { &scenario };
            let problem = problem(schema, &json_of(&path), "");
            assert_eq!(problem, None, "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 30);
}

#[test]
fn schemas_refuse_mistakes_of_form() {
    let schema = scenario_schema();
    for name in [
        "S0101-fault",
        "S0101-nested",
        "S0102-rate",
        "S0103-list",
        "S0103-map",
        "S0103-two-faults",
        "S0104-version",
        "S0105-fault",
        "S0106-no-stage",
        "S0108-weight",
        "S0108-status",
        "S0110-at",
        "S0110-rate",
        "S0111-unit",
        "S0114-method",
        "S0302-order",
        "S0303-latency",
    ] {
        let path = root().join(format!("fixtures/invalid/{name}.yaml"));
        assert!(problem(&schema, &json_of(&path), "").is_some(), "{name}");
    }
}

/// A small validator of the part of draft-07 that the schemas use; any other
/// keyword is an error, so that nothing goes unchecked.
fn problem(schema: &Value, value: &Value, at: &str) -> Option<String> {
    for (keyword, rule) in schema.as_object().unwrap() {
        let fits = match keyword.as_str() {
            "$schema" | "title" | "description" | "examples" => true,
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is(value, kind)),
                kind => is(value, kind),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|n| n <= rule.as_f64().unwrap()),
            "exclusiveMinimum" => value.as_f64().is_none_or(|n| n > rule.as_f64().unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| {
                regex_lite::Regex::new(rule.as_str().unwrap())
                    .unwrap()
                    .is_match(text)
            }),
            "anyOf" => {
                let forms = rule.as_array().unwrap();
                let problems: Vec<_> = forms.iter().map(|form| problem(form, value, at)).collect();
                if problems.iter().all(Option::is_some) {
                    return Some(format!("{at}: {problems:?}"));
                }
                true
            }
            "required" => value.as_object().is_none_or(|map| {
                let keys = rule.as_array().unwrap();
                keys.iter()
                    .all(|key| map.contains_key(key.as_str().unwrap()))
            }),
            "items" => {
                let items = value.as_array().map_or(&[][..], Vec::as_slice);
                let found = items.iter().find_map(|item| problem(rule, item, at));
                if found.is_some() {
                    return found;
                }
                true
            }
            "properties" | "additionalProperties" => {
                let found = map_problem(schema, value, at);
                if found.is_some() {
                    return found;
                }
                true
            }
            other => panic!("the schema uses {other}, which this test does not check"),
        };
        if !fits {
            return Some(format!("{at}: {value} does not fit {keyword} {rule}"));
        }
    }
    None
}

fn map_problem(schema: &Value, value: &Value, at: &str) -> Option<String> {
    for (key, value) in value.as_object()? {
        let at = format!("{at}/{key}");
        let found = match (&schema["properties"][key], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => Some(format!("{at}: not a key")),
            (Value::Null, rule @ Value::Object(_)) => problem(rule, value, &at),
            (Value::Null, _) => None,
            (rule, _) => problem(rule, value, &at),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn is(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    }
}
