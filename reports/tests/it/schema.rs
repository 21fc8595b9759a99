//! The committed JSON Schemas are those the code writes, and accept what runs
//! leave. `SQUALL_BLESS=1` writes them.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use crate::synthetic::{passing, streaming};
use serde_json::Value;
use squall_judge::judge;
use squall_record::Record;
use squall_record::store::{EVENTS_FILE, MANIFEST_FILE, SAMPLES_FILE, VERDICT_FILE};
use squall_reports::SCHEMAS;
use squall_reports::format::format;

fn schema(name: &str) -> Value {
    SCHEMAS.iter().find(|s| s.name == name).unwrap().schema()
}

fn pretty(schema: &Value) -> String {
    serde_json::to_string_pretty(schema).unwrap() + "\n"
}

#[test]
fn committed_schemas_are_up_to_date() {
    let bless = std::env::var_os("SQUALL_BLESS").is_some();
    for published in SCHEMAS {
        let name = format!("{}.v1.json", published.name);
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("schema")
            .join(&name);
        let text = pretty(&published.schema());
        if bless {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(committed, text, "run with SQUALL_BLESS=1 to write {name}");
    }
}

/// What a schema has against a document.
fn problems(name: &str, document: &Value) -> Vec<String> {
    let validator = jsonschema::draft7::new(&schema(name)).unwrap();
    let errors = validator.iter_errors(document);
    errors.map(|error| error.to_string()).collect()
}

fn assert_valid(name: &str, document: &Value) {
    let problems = problems(name, document);
    assert!(problems.is_empty(), "{name}: {problems:#?}");
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn golden() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/records");
    let found = fs::read_dir(folder).unwrap();
    found.map(|entry| entry.unwrap().path()).collect()
}

/// Files as real runs wrote them.
#[test]
fn schemas_accept_what_runs_left() {
    for dir in golden() {
        assert_valid("record", &json(&dir.join(MANIFEST_FILE)));
        assert_valid("verdict", &json(&dir.join(VERDICT_FILE)));
        for line in lines(&dir.join(EVENTS_FILE)) {
            assert_valid("event", &line);
        }
        for line in lines(&dir.join(SAMPLES_FILE)) {
            assert_valid("sample", &line);
        }
    }
}

#[test]
fn schemas_accept_every_report() {
    for mut record in [passing(), streaming::failing_evening()] {
        record.intervals.truncate(30);
        let document: Value =
            serde_json::from_slice(&format("json").unwrap().render(&record, &judge(&record)))
                .unwrap();
        assert_valid("report", &document);
        assert_eq!(document["schema"], "squall/report.v1.json");
    }
}

/// A schema that accepts everything would pass the tests above.
#[test]
fn schemas_refuse_what_is_wrong() {
    let record: Record = passing();
    let mut verdict = serde_json::to_value(judge(&record)).unwrap();
    verdict["outcome"] = "splendid".into();
    assert!(!problems("verdict", &verdict).is_empty());
    let mut manifest = serde_json::to_value(&record.manifest).unwrap();
    manifest["seed"] = "42".into();
    assert!(!problems("record", &manifest).is_empty());
    manifest.as_object_mut().unwrap().remove("seed");
    assert!(!problems("record", &manifest).is_empty());
    let event = serde_json::json!({ "at_us": 1, "event": { "surprise": {} } });
    assert!(!problems("event", &event).is_empty());
    let sample = serde_json::json!({ "arrival": 1 });
    assert!(!problems("sample", &sample).is_empty());
}
