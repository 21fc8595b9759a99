//! The page with the history of runs, from real records.

use std::path::Path;

use crate::support::{Sandbox, entries};

#[test]
fn a_damaged_run_is_listed_and_stops_nothing() {
    let sandbox = Sandbox::new();
    let record =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reports/fixtures/records/v1-0.1.0");
    let run = sandbox.out().join("golden/20261122T191822Z");
    std::fs::create_dir_all(&run).unwrap();
    for file in entries(&record) {
        std::fs::copy(&file, run.join(file.file_name().unwrap())).unwrap();
    }
    let broken = sandbox.out().join("golden/broken");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("run.json"), "{\"schema_version\": 99}").unwrap();
    let out = sandbox.out();
    let out = out.to_str().unwrap();
    sandbox.squall(&["report", out]).assert_code(2);
    sandbox
        .squall(&["report", "--index", out])
        .assert_code(0)
        .assert_stdout(&["index.html"]);
    let page = std::fs::read_to_string(sandbox.out().join("index.html")).unwrap();
    for part in [
        "golden",
        "FAIL",
        "Damaged",
        "schema version 99",
        "no report.html",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    sandbox
        .squall(&["report", "--index", "nowhere"])
        .assert_code(2);
    sandbox.squall(&["report"]).assert_code(2);
}
