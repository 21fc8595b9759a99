//! Records of every released version still load, judge and render. A folder
//! in `fixtures/records` is never changed; CONTRIBUTING.md says how one comes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use squall_judge::{RunSummary, Verdict, judge};
use squall_record::{RECORD_SCHEMA_VERSION, Record};
use squall_reports::format::{FORMATS, format};

fn golden() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/records");
    let found = fs::read_dir(folder).unwrap();
    let mut folders: Vec<_> = found.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

#[test]
fn every_released_record_loads_whole_and_is_judged_as_it_was() {
    for dir in golden() {
        let record = Record::read(&dir).unwrap();
        assert!(
            record.complete && record.damage.is_empty(),
            "{:?}",
            record.damage
        );
        let then: Verdict =
            serde_json::from_slice(&fs::read(dir.join("verdict.json")).unwrap()).unwrap();
        let now = judge(&record);
        assert_eq!(now.outcome, then.outcome, "{}", dir.display());
        assert_eq!(now.conservation, then.conservation);
        assert_eq!(now.gates.len(), then.gates.len());
        for (now, then) in now.gates.iter().zip(&then.gates) {
            assert_eq!((now.name(), now.state), (then.name(), then.state));
            assert_eq!(
                now.evidence.observed,
                then.evidence.observed,
                "{}",
                now.name()
            );
        }
        assert!(RunSummary::read(&dir).unwrap().verdict.is_some());
    }
}

#[test]
fn every_released_record_renders() {
    for dir in golden() {
        let record = Record::read(&dir).unwrap();
        let verdict = judge(&record);
        for format in FORMATS {
            assert!(
                !format.render(&record, &verdict).is_empty(),
                "{}",
                format.name()
            );
        }
        let name = format!("golden_{}", dir.file_name().unwrap().to_str().unwrap());
        let text = format("text").unwrap().render(&record, &verdict);
        insta::assert_snapshot!(name, String::from_utf8(text).unwrap());
    }
}

#[test]
fn the_current_schema_has_a_record() {
    let versions: Vec<u32> = golden()
        .iter()
        .map(|dir| Record::read(dir).unwrap().manifest.schema_version)
        .collect();
    for version in 1..=RECORD_SCHEMA_VERSION {
        assert!(
            versions.contains(&version),
            "no record of schema version {version}"
        );
    }
}
