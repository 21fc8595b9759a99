//! What a journal keeps, and who may read it.

use proptest::prelude::*;
use squall_scenario::OnProcess;

use super::*;
use crate::{Controller, LimitKind, Version};
use crate::{
    Fault, FaultContext, FaultError, Limits, Pauses, ProcessFault, ProcessIdentity, ProcessTarget,
};

/// A disk that is full takes no mark; what was undone is undone all the
/// same, and the file goes with the run.
#[test]
fn an_undo_that_cannot_be_noted_is_not_pending() {
    let dir = tempfile::TempDir::new().unwrap();
    let journal = Journal::create(dir.path(), "run").unwrap();
    let inverse = Inverse::EndMarked {
        mark: journal.mark().to_owned(),
    };
    let entry = journal.record("start", inverse).unwrap();
    // Whatever is written to it fails.
    journal.lock().file = File::open(journal.path()).unwrap();
    journal.done(entry);
    assert_eq!(journal.close().unwrap(), 0);
    assert!(!journal.path().exists());
}

/// Ends a process with the test, also with one that fails.
struct Victim(std::process::Child);

impl Drop for Victim {
    fn drop(&mut self) {
        // Refused only when it was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn nobody_is_stopped_whose_undo_is_not_on_disk() {
    let dir = tempfile::TempDir::new().unwrap();
    let journal = Journal::create(dir.path(), "run").unwrap();
    // Whatever is written to it fails.
    journal.lock().file = File::open(journal.path()).unwrap();
    let sleep = std::process::Command::new("sleep").arg("1000").spawn();
    let victim = Victim(sleep.unwrap());
    let identity = ProcessIdentity::of(victim.0.id()).unwrap();
    let pause = Fault::Process(ProcessFault {
        target: ProcessTarget {
            name: "victim".to_owned(),
            identity,
            mark: None,
        },
        inject: OnProcess::Pause,
    });
    let context = FaultContext {
        fault: "frozen".to_owned(),
        injection: 0,
        journal: Arc::new(journal),
        guardian: None,
        pauses: Pauses::default(),
        limits: Limits::default(),
        deadline: std::time::Duration::from_secs(30),
    };
    let refused = pause.inject(&context).await.unwrap_err();
    assert!(matches!(refused, FaultError::Journal(_)), "{refused}");
    assert_ne!(identity.state(), Some('T'));
}

fn identity() -> impl Strategy<Value = ProcessIdentity> {
    (1..9_u32, 0..9_u64).prop_map(|(pid, start_time)| ProcessIdentity { pid, start_time })
}

fn lowered() -> impl Strategy<Value = LoweredLimit> {
    let before = prop::collection::vec((identity(), any::<Option<u64>>()), 0..3);
    let (mark, others) = (any::<Option<bool>>(), any::<Option<u64>>());
    (identity(), mark, any::<u64>(), before, others).prop_map(
        |(leader, mark, to, before, others)| LoweredLimit {
            kind: LimitKind::Files,
            leader,
            mark: mark.map(|mark| mark.to_string()),
            to,
            before,
            others,
        },
    )
}

fn pen() -> impl Strategy<Value = Pen> {
    let before = prop::collection::vec((identity(), "[a-z/]{0,9}"), 0..3);
    let mark = any::<Option<bool>>();
    (identity(), mark, "[a-z/]{0,9}", before).prop_map(|(leader, mark, place, before)| {
        let before = before.into_iter().map(|(who, place)| (who, place.into()));
        Pen {
            controller: Controller::Cpu,
            version: Version::V2,
            place: place.clone().into(),
            leader,
            mark: mark.map(|mark| mark.to_string()),
            before: before.collect(),
            others: place.into(),
        }
    })
}

fn line() -> impl Strategy<Value = Line> {
    let text = || "[a-z\\n\"\\\\{}é]{0,12}";
    let id = || (1..6_u64).prop_map(EntryId);
    let inverse = prop_oneof![
        identity().prop_map(Inverse::Continue),
        (identity(), text()).prop_map(|(leader, mark)| Inverse::ContinueGroup { leader, mark }),
        identity().prop_map(Inverse::EndProcess),
        text().prop_map(|mark| Inverse::EndMarked { mark }),
        text().prop_map(|path| Inverse::RemoveSocket(path.into())),
        lowered().prop_map(Inverse::LiftLimit),
        pen().prop_map(Inverse::OpenPen),
    ];
    prop_oneof![
        1 => identity().prop_map(Line::Guardian),
        4 => (id(), text(), inverse).prop_map(|(id, intent, inverse)| {
            Line::Undo(Undo { id, intent, inverse })
        }),
        2 => id().prop_map(Line::Done),
    ]
}

/// What is in force after these lines.
fn told(lines: &[Line]) -> (bool, Option<ProcessIdentity>, BTreeMap<EntryId, Undo>) {
    let (mut header, mut guardian, mut pending) = (false, None, BTreeMap::new());
    for line in lines.iter().cloned() {
        match line {
            Line::Header(_) => header = true,
            Line::Guardian(who) => guardian = Some(who),
            Line::Undo(undo) => drop(pending.insert(undo.id, undo)),
            Line::Done(id) => drop(pending.remove(&id)),
        }
    }
    (header, guardian, pending)
}

fn in_force(contents: Contents) -> (bool, Option<ProcessIdentity>, BTreeMap<EntryId, Undo>) {
    let header = contents.header.is_some();
    (header, contents.guardian, contents.pending)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The disk was full or the power gone in the middle of a write.
    #[test]
    fn a_journal_that_was_cut_says_what_its_whole_lines_say(
        owner in identity(),
        lines in prop::collection::vec(line(), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
        after in line(),
    ) {
        let header = Header {
            version: 1,
            run_id: "run".to_owned(),
            boot_id: "boot".to_owned(),
            owner,
        };
        let mut all = vec![Line::Header(header)];
        all.extend(lines);
        let (mut bytes, mut whole_at) = (Vec::new(), Vec::new());
        for line in &all {
            append(&mut bytes, line).unwrap();
            // The line feed at its end may be missing.
            whole_at.push(bytes.len() - 1);
        }
        for cut in cuts {
            let cut = cut.index(bytes.len() + 1);
            let whole = whole_at.iter().filter(|at| **at <= cut).count();
            let contents = parse(&bytes[..cut]);
            let ends_at = whole.checked_sub(1).map_or(0, |last| whole_at[last]);
            // Behind a whole line come two line feeds, at the start one.
            let feeds = if whole == 0 { 1 } else { 2 };
            let begun = cut > ends_at + feeds;
            prop_assert_eq!(contents.cut_lines, usize::from(begun));
            prop_assert_eq!(contents.unreadable_lines, 0);
            prop_assert_eq!(in_force(contents), told(&all[..whole]));

            // Whoever goes on writing is understood all the same.
            let mut longer = bytes[..cut].to_vec();
            append(&mut longer, &after).unwrap();
            let mut lines = all[..whole].to_vec();
            lines.push(after.clone());
            let contents = parse(&longer);
            prop_assert_eq!(contents.cut_lines, usize::from(begun));
            prop_assert_eq!(contents.unreadable_lines, 0);
            prop_assert_eq!(in_force(contents), told(&lines));
        }
    }
}
