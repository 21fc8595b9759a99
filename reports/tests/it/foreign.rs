//! Records by anybody: every text in them made hostile, every number absurd.
//! Nothing in any report acts on what shows it, and nobody panics.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::Value;
use squall_judge::live::GateBoard;
use squall_judge::{RunSummary, judge};
use squall_record::store::{
    EVENTS_FILE, INTERVALS_LOG_FILE, MANIFEST_FILE, RecordTail, SAMPLES_FILE, VERDICT_FILE,
};
use squall_record::{Manifest, Record, Sample, Stamped};
use squall_reports::compare::compare;
use squall_reports::format::{FORMATS, Style, verdict_block};
use squall_reports::{IndexedRun, index_page};
use squall_scenario::acts;

/// A real record, as a run wrote it.
fn real(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/records/v1-0.1.0");
    dir.join(name)
}

fn lines(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(real(name)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Pointers to every leaf that `is_it`.
fn leaves(value: &Value, at: &str, is_it: fn(&Value) -> bool, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{at}/{index}"), is_it, found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                leaves(field, &format!("{at}/{name}"), is_it, found);
            }
        }
        leaf if is_it(leaf) => found.push(at.to_owned()),
        _ => {}
    }
}

/// Changes every leaf that `is_it` where the whole is still a `T` then: words
/// that are not free stay.
fn change<T: DeserializeOwned>(
    value: &mut Value,
    is_it: fn(&Value) -> bool,
    mut new: impl FnMut(&Value) -> Value,
) {
    let mut places = Vec::new();
    leaves(value, "", is_it, &mut places);
    for place in places {
        let leaf = value.pointer_mut(&place).unwrap();
        let changed = new(leaf);
        let before = std::mem::replace(leaf, changed);
        if serde_json::from_value::<T>(value.clone()).is_err() {
            *value.pointer_mut(&place).unwrap() = before;
        }
    }
}

/// Writes a record whose every leaf that `is_it` was changed.
fn changed(is_it: fn(&Value) -> bool, mut new: impl FnMut(&Value) -> Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let mut manifest: Value =
        serde_json::from_slice(&fs::read(real(MANIFEST_FILE)).unwrap()).unwrap();
    change::<Manifest>(&mut manifest, is_it, &mut new);
    manifest["schema_version"] = 1.into();
    fs::write(at(MANIFEST_FILE), manifest.to_string()).unwrap();
    let journal = |mut lines: Vec<Value>, change: &mut dyn FnMut(&mut Value)| {
        lines.iter_mut().for_each(change);
        let lines: Vec<_> = lines.iter().map(|line| format!("{line}\n")).collect();
        lines.concat()
    };
    let events = journal(lines(EVENTS_FILE), &mut |line| {
        change::<Stamped>(line, is_it, &mut new);
    });
    fs::write(at(EVENTS_FILE), events).unwrap();
    let samples = journal(lines(SAMPLES_FILE), &mut |line| {
        change::<Sample>(line, is_it, &mut new);
    });
    fs::write(at(SAMPLES_FILE), samples).unwrap();
    for name in [INTERVALS_LOG_FILE, VERDICT_FILE] {
        fs::copy(real(name), at(name)).unwrap();
    }
    dir
}

/// Everything that is made of a record, by its name.
fn everything(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let record = Record::read(dir).unwrap();
    let verdict = judge(&record);
    let mut made: Vec<_> = FORMATS
        .iter()
        .map(|format| (format.name().to_owned(), format.render(&record, &verdict)))
        .collect();
    let style = Style {
        color: false,
        ..Style::default()
    };
    let block = verdict_block(&record, &verdict, &style, &[]);
    made.push(("block".to_owned(), block.into_bytes()));
    let index = IndexedRun {
        dir: "run".to_owned(),
        summary: RunSummary::read(dir).map_err(|error| error.to_string()),
        has_page: true,
    };
    made.push(("index".to_owned(), index_page(&[index])));
    let whole = Record::read(&real("")).unwrap();
    for other in [&record, &whole] {
        if let Ok(comparison) = compare(&record, other, Default::default()) {
            made.push(("compared".to_owned(), comparison.to_text().into_bytes()));
            made.push(("compared".to_owned(), comparison.to_markdown().into_bytes()));
        }
    }
    let (_, mut tail) = RecordTail::open(dir).unwrap();
    let mut board = GateBoard::new(&record.manifest.scenario);
    while let Some(events) = Some(tail.read().unwrap()).filter(|events| !events.is_empty()) {
        events.iter().for_each(|stamped| board.hear(stamped));
    }
    made
}

/// What acts, in all its kinds.
fn hostile() -> impl Strategy<Value = String> {
    let kinds = "[\u{0}-\u{1f}\u{7f}-\u{9f}\u{ad}\u{61c}\u{200b}-\u{200f}\u{2028}-\u{202e}\
                 \u{2060}-\u{206f}\u{feff}\u{fff9}-\u{fffb}\u{e0001}-\u{e007f}]{1,6}";
    let markup = prop::sample::select(vec![
        "\u{1b}[2J\u{1b}]0;x\u{7}",
        "\r\n::error::x",
        "]]><b>",
        "=1+1",
        "\",|`",
        "",
    ]);
    (kinds, markup).prop_map(|(acting, markup)| format!("{acting}{markup}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_text_of_a_record_acts_on_what_shows_it(hostile in hostile()) {
        let dir = changed(Value::is_string, |text| {
            let text = text.as_str().unwrap();
            format!("{text}{hostile}").into()
        });
        for (name, bytes) in everything(dir.path()) {
            let text = String::from_utf8(bytes).unwrap();
            // A page shows the scenario's own text with its tabs.
            let page = name == "html" || name == "index";
            let acts = |c: char| acts(c) && c != '\n' && !(page && c == '\t');
            let acting = text.char_indices().find(|(_, c)| acts(*c));
            prop_assert!(
                acting.is_none(),
                "{}: {:?} in {:?}", name, acting,
                text.chars().skip_while(|c| !acts(*c)).take(60).collect::<String>()
            );
            if name == "junit" {
                prop_assert!(roxmltree::Document::parse(&text).is_ok(), "{}", text);
            }
        }
    }
}

/// What stands in place of a number.
fn absurd() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::from(0),
        Value::from(-1),
        Value::from(1),
        Value::from(i64::MIN),
        Value::from(i64::MAX),
        Value::from(u64::MAX),
        Value::from(u32::MAX),
        Value::from(1_u64 << 52),
        Value::from(-(1_i64 << 52)),
        Value::from(1e300),
        Value::from(-1e300),
        Value::from(1e-300),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Some numbers, or nearly all: a record in which only one is wrong is
    /// another one than that in which nothing is right.
    #[test]
    fn no_number_of_a_record_makes_anybody_panic(
        numbers in prop::collection::vec(absurd(), 1..5),
        one_in in prop::sample::select(vec![1_usize, 3, 50, 400]),
        first in 0_usize..400,
    ) {
        let mut seen = first;
        let mut taken = 0;
        let dir = changed(Value::is_number, |number| {
            seen += 1;
            if !seen.is_multiple_of(one_in) {
                return number.clone();
            }
            taken += 1;
            numbers[taken % numbers.len()].clone()
        });
        prop_assert!(everything(dir.path()).len() > FORMATS.len());
    }
}
