//! The run directory: what is written can be read, whatever happened to it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;

use crate::synthetic::*;
use proptest::prelude::*;
use serde_json::json;
use squall_record::histogram::{new_histogram, record_us};
use squall_record::store::{
    EVENTS_FILE, INTERVALS_FILE, MANIFEST_FILE, RecordTail, SAMPLES_FILE, read_verdict,
};
use squall_record::*;

/// A short run, written the way the engine writes it.
fn write(dir: &Path) -> Record {
    let mut record = passing();
    record.intervals.truncate(6);
    record.samples.truncate(20);
    let mut writer = RecordWriter::create(dir, &record.manifest).unwrap();
    for stamped in &record.events {
        writer.event(stamped).unwrap();
    }
    for interval in &record.intervals {
        let event = RunEvent::Interval(interval.clone());
        writer
            .event(&Stamped {
                at_us: interval.end_us,
                event,
            })
            .unwrap();
    }
    for sample in &record.samples {
        writer.sample(sample).unwrap();
    }
    writer.finish(&json!({ "outcome": "pass" })).unwrap();
    record
}

#[test]
fn a_record_is_followed_while_it_is_written() {
    let whole = tempfile::tempdir().unwrap();
    write(whole.path());
    let read = |name: &str| fs::read(whole.path().join(name)).unwrap();
    let (events, histograms) = (read(EVENTS_FILE), read(INTERVALS_FILE));
    let growing = tempfile::tempdir().unwrap();
    let dir = growing.path();
    fs::copy(whole.path().join(MANIFEST_FILE), dir.join(MANIFEST_FILE)).unwrap();
    fs::write(dir.join(EVENTS_FILE), "").unwrap();
    fs::write(dir.join(INTERVALS_FILE), "").unwrap();
    let (_, mut tail) = RecordTail::open(dir).unwrap();
    assert!(tail.read().unwrap().is_empty());
    let mut followed = Vec::new();
    // Cut in the middle of lines: the histograms first, as they are written.
    fs::write(dir.join(INTERVALS_FILE), &histograms).unwrap();
    for end in (0..events.len()).step_by(997).chain([events.len()]) {
        fs::write(dir.join(EVENTS_FILE), &events[..end]).unwrap();
        followed.extend(tail.read().unwrap());
    }
    while let Some(more) = Some(tail.read().unwrap()).filter(|more| !more.is_empty()) {
        followed.extend(more);
    }
    assert_eq!(tail.damaged, 0);
    let record = Record::read(whole.path()).unwrap();
    let intervals: Vec<_> = followed
        .iter()
        .filter_map(|stamped| match &stamped.event {
            RunEvent::Interval(interval) => Some(interval),
            _ => None,
        })
        .collect();
    assert_eq!(followed.len(), record.events.len() + record.intervals.len());
    assert_eq!(intervals.len(), record.intervals.len());
    for (a, b) in intervals.iter().zip(&record.intervals) {
        assert_eq!(a.start_us, b.start_us);
        assert_eq!(a.lag, b.lag);
        assert_eq!(a.wait, b.wait);
        for (a, b) in a.routes.iter().zip(&b.routes) {
            assert_eq!(a.counts, b.counts);
            assert_eq!(a.response, b.response);
        }
    }
}

/// Times of an interval of so many routes take several lines, and more than is read
/// at once.
#[test]
fn an_interval_of_many_routes_is_followed_with_all_its_times() {
    let mut dice = Dice(1);
    let route = |nth: usize| {
        let mut histogram = new_histogram();
        for _ in 0..3_000 {
            record_us(&mut histogram, (dice.next() * 2e6) as u64);
        }
        RouteInterval {
            route: format!("route {nth}"),
            counts: Counts {
                scheduled: histogram.len(),
                good: histogram.len(),
                ..Counts::default()
            },
            response: Some(Times::of(&histogram)),
            ..RouteInterval::default()
        }
    };
    let mut record = passing();
    record.intervals.truncate(1);
    record.intervals[0].routes = (0..800).map(route).collect();
    record.events.clear();
    let dir = tempfile::tempdir().unwrap();
    RecordWriter::write_whole(dir.path(), &record, &json!(null)).unwrap();
    let times = fs::metadata(dir.path().join(INTERVALS_FILE)).unwrap();
    assert!(times.len() > 1 << 20, "{}", times.len());

    let (_, mut tail) = RecordTail::open(dir.path()).unwrap();
    let events = tail.read().unwrap();
    let [
        Stamped {
            event: RunEvent::Interval(read),
            ..
        },
    ] = events.as_slice()
    else {
        panic!("one interval: {events:?}");
    };
    assert!(read.routes.iter().all(|route| route.response.is_some()));
    assert_eq!(tail.damaged, 0);
}

#[test]
fn times_that_lost_some_are_damage_and_not_used() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let mut other = passing();
    other.intervals.truncate(1);
    other.intervals[0].routes[0].response = other.intervals[0].routes[1].response.clone();
    let short = tempfile::tempdir().unwrap();
    RecordWriter::write_whole(short.path(), &other, &json!(null)).unwrap();
    fs::copy(
        short.path().join(INTERVALS_FILE),
        dir.path().join(INTERVALS_FILE),
    )
    .unwrap();
    let read = Record::read(dir.path()).unwrap();
    let first = &read.intervals[0].routes;
    assert!(first[0].response.is_none() && first[1].response.is_some());
    assert!(
        read.damage[0].contains("good answers of homepage but"),
        "{:?}",
        read.damage
    );
}

#[test]
fn a_record_survives_the_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let written = write(dir.path());
    let read = Record::read(dir.path()).unwrap();
    assert!(read.complete && read.damage.is_empty(), "{:?}", read.damage);
    assert_eq!(read.manifest.scenario, written.manifest.scenario);
    assert_eq!(read.samples, written.samples);
    assert_eq!(read.events.len(), written.events.len());
    for (a, b) in read.intervals.iter().zip(&written.intervals) {
        assert_eq!((a.start_us, a.end_us), (b.start_us, b.end_us));
        assert_eq!(a.lag, b.lag);
        for (a, b) in a.routes.iter().zip(&b.routes) {
            assert_eq!(a.counts, b.counts);
            assert_eq!(a.response, b.response);
            assert_eq!(a.unlagged, b.unlagged);
        }
    }
    let verdict: serde_json::Value = read_verdict(dir.path()).unwrap();
    assert_eq!(verdict["outcome"], "pass");
}

/// When the messages of streams came is in a record too, and adds up over shards.
#[test]
fn times_of_messages_survive_the_round_trip_and_add_up() {
    let times = |values: &[u64]| {
        let mut histogram = new_histogram();
        values.iter().for_each(|us| record_us(&mut histogram, *us));
        Some(Times::of(&histogram))
    };
    let mut record = passing();
    let told = RouteMessages {
        begun: 2,
        empty: 1,
        gaps: 3,
        first: times(&[900, 70_000]),
        first_unlagged: times(&[800, 60_000]),
        between: times(&[5, 6, 1_000_000]),
        between_unlagged: times(&[4, 6, 900_000]),
    };
    record.intervals[1].routes[0].messages = told.clone();
    let dir = tempfile::tempdir().unwrap();
    RecordWriter::write_whole(dir.path(), &record, &json!(null)).unwrap();
    let read = Record::read(dir.path()).unwrap();
    assert_eq!(read.damage, Vec::<String>::new());
    assert_eq!(read.intervals[1].routes[0].messages, told);
    assert!(read.intervals[0].routes[0].messages.is_empty());

    let shard = |number| {
        let mut record = record.clone();
        record.manifest.shards = Some(ShardSet {
            of: 2,
            present: vec![number],
            start_at: None,
            doubts: Vec::new(),
        });
        (format!("shard {number}"), record)
    };
    let merged = merge(vec![shard(1), shard(2)]).unwrap();
    let sum = &merged.intervals[1].routes[0].messages;
    assert_eq!((sum.begun, sum.empty, sum.gaps), (4, 2, 6));
    assert_eq!(sum.first, times(&[900, 900, 70_000, 70_000]));
    assert_eq!(sum.first_unlagged, times(&[800, 800, 60_000, 60_000]));
    assert_eq!(sum.between, times(&[5, 5, 6, 6, 1_000_000, 1_000_000]));
    let unlagged = times(&[4, 4, 6, 6, 900_000, 900_000]);
    assert_eq!(sum.between_unlagged, unlagged);

    // One that is missing would flatter, so none of them is used.
    record.intervals[1].routes[0].messages.gaps = 4;
    let dir = tempfile::tempdir().unwrap();
    RecordWriter::write_whole(dir.path(), &record, &json!(null)).unwrap();
    let read = Record::read(dir.path()).unwrap();
    let messages = &read.intervals[1].routes[0].messages;
    assert_eq!(
        (&messages.between, &messages.between_unlagged),
        (&None, &None)
    );
    assert_eq!(messages.first, told.first);
    let damage = read.damage.join(" ");
    assert!(damage.contains("4 times of messages"), "{damage}");
}

#[test]
fn a_run_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let record = write(dir.path());
    assert!(matches!(
        RecordWriter::create(dir.path(), &record.manifest),
        Err(RecordError::Io { .. })
    ));
}

#[test]
fn what_is_missing_is_said() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    fs::remove_file(dir.path().join(INTERVALS_FILE)).unwrap();
    fs::remove_file(dir.path().join(SAMPLES_FILE)).unwrap();
    let read = Record::read(dir.path()).unwrap();
    assert!(
        read.damage
            .iter()
            .any(|line| line == "intervals.times: the file is missing")
    );
    assert!(
        read.damage
            .iter()
            .any(|line| line == "samples.ndjson: the file is missing")
    );
    assert!(
        read.intervals
            .iter()
            .all(|i| i.routes.iter().all(|r| r.response.is_none()))
    );
}

#[test]
fn a_line_that_was_cut_off_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let written = write(dir.path());
    let path = dir.path().join(EVENTS_FILE);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 7]).unwrap();
    let read = Record::read(dir.path()).unwrap();
    assert_eq!(read.intervals.len(), written.intervals.len() - 1);
    assert!(read.damage[0].contains("was cut off"), "{:?}", read.damage);
}

#[test]
fn foreign_and_newer_records_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        Record::read(dir.path()),
        Err(RecordError::NotARun { .. })
    ));
    let manifest = dir.path().join(MANIFEST_FILE);
    for foreign in [
        "",
        "[]",
        "{\"name\": \"x\"}",
        "{\"schema_version\": 1}",
        "\u{0}",
    ] {
        fs::write(&manifest, foreign).unwrap();
        assert!(
            matches!(Record::read(dir.path()), Err(RecordError::Foreign { .. })),
            "{foreign}"
        );
    }
    fs::write(&manifest, "{\"schema_version\": 2}").unwrap();
    let error = Record::read(dir.path()).unwrap_err();
    assert!(matches!(
        error,
        RecordError::Newer {
            found: 2,
            known: 1,
            ..
        }
    ));
    assert!(
        error.to_string().contains("use the squall that wrote it"),
        "{error}"
    );
}

/// What anybody may have said in a run.
fn event() -> impl Strategy<Value = RunEvent> {
    let words = "(\\PC|[\n\t\u{0}\u{1b}\u{202e}\"\\\\]){0,30}";
    prop_oneof![
        words.prop_map(|text| RunEvent::Note { text }),
        words.prop_map(|detail| RunEvent::Internal { detail }),
        (words, words).prop_map(|(guard, detail)| RunEvent::Abort { guard, detail }),
        (any::<bool>(), words)
            .prop_map(|(reached, detail)| RunEvent::SteadyState { reached, detail }),
        (words, 0..9_u32, words).prop_map(|(name, injection, detail)| fault(
            &name,
            injection,
            &["api-0"],
            FaultChange::Failed { detail }
        )),
        (any::<u32>(), 0..1_000_000_i64).prop_map(|(scheduled, lag_max_us)| {
            RunEvent::LoadFinished {
                scheduled: scheduled.into(),
                lag_max_us: lag_max_us.unsigned_abs(),
            }
        }),
    ]
}

fn events() -> impl Strategy<Value = Vec<Stamped>> {
    let stamped = (0..3_600 * SECOND, event()).prop_map(|(at_us, event)| Stamped { at_us, event });
    prop::collection::vec(stamped, 0..20)
}

/// A run of events alone, in a folder; its last one says that it is over.
fn written(events: &[Stamped]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RecordWriter::create(dir.path(), &manifest(scenario())).unwrap();
    for stamped in events {
        writer.event(stamped).unwrap();
    }
    writer
        .event(&at(3_601.0, RunEvent::Phase(Phase::Finished)))
        .unwrap();
    writer.finish(&json!({})).unwrap();
    dir
}

/// Everything in them, to be compared.
fn told(events: &[Stamped]) -> String {
    format!("{events:?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Whatever was said is read as it was said, in its order, a line each.
    #[test]
    fn words_of_anybody_survive_the_round_trip(events in events()) {
        let dir = written(&events);
        let read = Record::read(dir.path()).unwrap();
        prop_assert!(read.complete && read.damage.is_empty(), "{:?}", read.damage);
        let (last, said) = read.events.split_last().unwrap();
        prop_assert!(matches!(last.event, RunEvent::Phase(Phase::Finished)));
        prop_assert_eq!(told(said), told(&events));
        let text = fs::read_to_string(dir.path().join(EVENTS_FILE)).unwrap();
        prop_assert_eq!(text.matches('\n').count(), events.len() + 1);
        prop_assert!(!text.contains(['\u{1b}', '\u{0}']), "acts on no terminal");
    }

    /// A run that was killed at any byte keeps every event that was written
    /// whole, invents none, and never looks as if it had come to its end.
    #[test]
    fn a_record_that_ends_anywhere_keeps_what_was_whole(
        events in events(), cut in any::<prop::sample::Index>(),
    ) {
        let dir = written(&events);
        let path = dir.path().join(EVENTS_FILE);
        let bytes = fs::read(&path).unwrap();
        let cut = cut.index(bytes.len());
        fs::write(&path, &bytes[..cut]).unwrap();
        let read = Record::read(dir.path()).unwrap();
        let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        // The last line may be whole without its newline.
        prop_assert!((whole..=whole + 1).contains(&read.events.len()));
        let known = read.events.len().min(events.len());
        prop_assert_eq!(told(&read.events[..known]), told(&events[..known]));
        let tail = cut - bytes[..cut].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lost = tail > 0 && read.events.len() == whole;
        prop_assert_eq!(read.damage.len(), usize::from(lost), "{:?}", read.damage);
        prop_assert_eq!(read.complete, read.events.len() == events.len() + 1);
    }

    /// Who reads along hears what is read in the end, however the file grows.
    #[test]
    fn a_reader_along_hears_everything_once(
        events in events(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let dir = written(&events);
        let path = dir.path().join(EVENTS_FILE);
        let bytes = fs::read(&path).unwrap();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.sort_unstable();
        fs::write(&path, "").unwrap();
        let (_, mut tail) = RecordTail::open(dir.path()).unwrap();
        let mut heard = Vec::new();
        for end in cuts.into_iter().chain([bytes.len()]) {
            fs::write(&path, &bytes[..end]).unwrap();
            heard.extend(tail.read().unwrap());
        }
        prop_assert_eq!(tail.damaged, 0);
        prop_assert_eq!(heard.len(), events.len() + 1);
        prop_assert_eq!(told(&heard[..events.len()]), told(&events));
    }
}
