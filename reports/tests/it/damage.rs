//! Records that were cut off, overwritten or never ours: a clear error or a
//! partial report that says so, never a panic, whoever reads them.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proptest::prelude::*;
use squall_judge::{RunOutcome, RunSummary, judge};
use squall_record::store::{
    EVENTS_FILE, INTERVALS_FILE, INTERVALS_LOG_FILE, MANIFEST_FILE, SAMPLES_FILE, VERDICT_FILE,
};
use squall_record::{Record, RecordWriter, Shard, ShardSet, merge};
use squall_reports::format::FORMATS;
use squall_reports::{IndexedRun, index_page};

/// Who wrote the record: today's squall, or the first one, whose intervals are a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    Today,
    First,
}

impl Writer {
    const fn files(self) -> [&'static str; 5] {
        let intervals = match self {
            Self::Today => INTERVALS_FILE,
            Self::First => INTERVALS_LOG_FILE,
        };
        [
            MANIFEST_FILE,
            EVENTS_FILE,
            intervals,
            SAMPLES_FILE,
            VERDICT_FILE,
        ]
    }
}

/// A real record, as a run wrote it.
fn real(writer: Writer) -> PathBuf {
    static TODAY: OnceLock<tempfile::TempDir> = OnceLock::new();
    let first = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/records/v1-0.1.0");
    match writer {
        Writer::First => first,
        Writer::Today => {
            let today = TODAY.get_or_init(|| {
                let dir = tempfile::tempdir().unwrap();
                let record = Record::read(&first).unwrap();
                let verdict = judge(&record);
                RecordWriter::write_whole(&dir.path().join("run"), &record, &verdict).unwrap();
                dir
            });
            today.path().join("run")
        }
    }
}

/// What happens to the bytes of a file.
#[derive(Debug, Clone)]
enum Damage {
    /// It ends here.
    CutOff(prop::sample::Index),
    /// A bit is wrong.
    Flip(prop::sample::Index, u8),
    /// Bytes are replaced.
    Overwrite(prop::sample::Index, Vec<u8>),
    /// A part is there twice.
    Double(prop::sample::Index, prop::sample::Index),
    /// A number is another one: what no checksum of a line would notice.
    Digit(prop::sample::Index, u8),
    /// It is something else altogether.
    Foreign(Vec<u8>),
    /// It is gone.
    Gone,
}

fn damage() -> impl Strategy<Value = Damage> {
    use prop::collection::vec;
    let at = any::<prop::sample::Index>;
    prop_oneof![
        3 => at().prop_map(Damage::CutOff),
        3 => (at(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        2 => (at(), vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Damage::Overwrite(at, bytes)),
        2 => (at(), at()).prop_map(|(from, to)| Damage::Double(from, to)),
        4 => (at(), b'0'..=b'9').prop_map(|(at, digit)| Damage::Digit(at, digit)),
        1 => vec(any::<u8>(), 0..200).prop_map(Damage::Foreign),
        1 => Just(Damage::Gone),
    ]
}

/// The bytes after the damage; `None` when the file is gone.
fn apply(damage: &Damage, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    match damage {
        Damage::CutOff(at) => bytes.truncate(at.index(bytes.len())),
        Damage::Flip(at, bit) => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Damage::Overwrite(at, new) => {
            let at = at.index(bytes.len());
            let end = (at + new.len()).min(bytes.len());
            bytes.splice(at..end, new.iter().copied());
        }
        Damage::Double(from, to) => {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let part = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.splice(from..from, part);
        }
        Damage::Digit(at, digit) => {
            let digits: Vec<_> = (0..bytes.len())
                .filter(|at| bytes[*at].is_ascii_digit())
                .collect();
            bytes[digits[at.index(digits.len())]] = *digit;
        }
        Damage::Foreign(new) => bytes.clone_from(new),
        Damage::Gone => return None,
    }
    Some(bytes)
}

/// A copy of the real record with one file damaged.
fn damaged(writer: Writer, nth: usize, damage: &Damage) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let files = writer.files();
    for name in files {
        let bytes = fs::read(real(writer).join(name)).unwrap();
        let bytes = if name == files[nth] {
            apply(damage, bytes)
        } else {
            Some(bytes)
        };
        if let Some(bytes) = bytes {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
    }
    dir
}

fn as_shard(mut record: Record, number: u32) -> (String, Record) {
    let shard = Shard::new(number, 2).unwrap();
    record.manifest.shards = Some(ShardSet::single(shard, None));
    (format!("shard-{number}"), record)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(240))]
    #[test]
    fn every_reader_survives_every_damage(
        writer in prop::sample::select(vec![Writer::Today, Writer::First]),
        nth in 0..5_usize,
        damage in damage(),
    ) {
        let file = writer.files()[nth];
        let dir = damaged(writer, nth, &damage);
        let index = IndexedRun {
            dir: "run".to_owned(),
            summary: RunSummary::read(dir.path()).map_err(|error| error.to_string()),
            has_page: false,
        };
        prop_assert!(!index_page(&[index]).is_empty());
        let record = match Record::read(dir.path()) {
            Ok(record) => record,
            Err(error) => {
                // Only a manifest is indispensable, and the error names it.
                prop_assert_eq!(file, MANIFEST_FILE);
                prop_assert!(error.to_string().contains(MANIFEST_FILE), "{}", error);
                return Ok(());
            }
        };
        let verdict = judge(&record);
        if !record.damage.is_empty() && record.damage.iter().any(|l| !l.starts_with(SAMPLES_FILE)) {
            prop_assert_ne!(verdict.outcome, RunOutcome::Pass, "{:?}", &record.damage);
        }
        for format in FORMATS {
            let _ = format.render(&record, &verdict);
        }
        let whole = Record::read(&real(writer)).unwrap();
        // A damaged name or seed makes it a record of another load.
        let merged = merge(vec![as_shard(whole, 1), as_shard(record.clone(), 2)]);
        if let Ok(merged) = merged {
            let outcome = judge(&merged).outcome;
            if !record.damage.is_empty() || !record.complete {
                prop_assert_ne!(outcome, RunOutcome::Pass);
            }
            let out = tempfile::tempdir().unwrap();
            let out = out.path().join("merged");
            RecordWriter::write_whole(&out, &merged, &judge(&merged)).unwrap();
            prop_assert!(Record::read(&out).is_ok());
        }
    }
}
