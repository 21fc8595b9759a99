//! What was written to a run directory is judged as what was written.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use squall_judge::*;
use squall_record::store::{EVENTS_FILE, INTERVALS_FILE, MANIFEST_FILE, SAMPLES_FILE};
use squall_record::*;

use crate::synthetic::*;

/// A short run and its verdict.
fn write(dir: &Path) {
    let mut record = passing();
    record.intervals.truncate(6);
    record.samples.truncate(20);
    RecordWriter::write_whole(dir, &record, &judge(&record)).unwrap();
}

#[test]
fn a_verdict_survives_the_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let read = Record::read(dir.path()).unwrap();
    let verdict = Verdict::read(dir.path()).unwrap();
    // Floats survive the JSON but for their last digit, so judge what was read.
    assert_eq!(verdict.outcome, judge(&read).outcome);
    assert_eq!(verdict.gates.len(), judge(&read).gates.len());
}

#[test]
fn lost_response_times_are_never_a_pass() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    fs::remove_file(dir.path().join(INTERVALS_FILE)).unwrap();
    let read = Record::read(dir.path()).unwrap();
    assert_eq!(judge(&read).outcome, RunOutcome::Inconclusive);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever happened to the bytes, reading and judging never panics, and
    /// a record that lost something never passes.
    #[test]
    fn mutated_records_never_panic(
        file in prop::sample::select(vec![MANIFEST_FILE, EVENTS_FILE, INTERVALS_FILE, SAMPLES_FILE]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        let path = dir.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            let cut = cut.index(bytes.len());
            bytes.truncate(cut);
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(record) = Record::read(dir.path()) {
            let verdict = judge(&record);
            if record.damage.iter().any(|line| !line.starts_with(SAMPLES_FILE)) {
                prop_assert_ne!(verdict.outcome, RunOutcome::Pass);
            }
        }
    }
}
