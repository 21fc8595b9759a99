//! What shards told in several pieces.

use crate::synthetic::*;
use squall_record::*;

/// A shard of two whose viewers are told in two pieces: of each second one, and each of
/// them saw its first frame after so many microseconds.
fn shard(number: u32, us: u64) -> (String, Record) {
    let mut record = passing();
    record.manifest.shards = Some(ShardSet {
        of: 2,
        present: vec![number],
        start_at: None,
        doubts: Vec::new(),
    });
    for seconds in [0..30, 30..60] {
        let mut player = Viewings::new("watch/title");
        seconds.for_each(|second| player.second(second).first_frame(us));
        let players = vec![player];
        record.events.push(at(59.9, RunEvent::Viewings { players }));
    }
    (format!("shard {number}"), record)
}

fn told(record: &Record) -> Vec<Vec<Viewings>> {
    let events = record.events.iter();
    let viewings = events.filter_map(|stamped| match &stamped.event {
        RunEvent::Viewings { players } => Some(players.clone()),
        _ => None,
    });
    viewings.collect()
}

#[test]
fn what_viewers_of_shards_saw_in_pieces_is_told_once_and_whole() {
    let merged = merge(vec![shard(1, 1_000), shard(2, 2_000)]).unwrap();
    let mut player = Viewings::new("watch/title");
    for second in 0..60 {
        player.second(second).first_frames = vec![(1, 1), (2, 1)];
    }
    assert_eq!(told(&merged), [[player]]);
    // Of a shard that has not told its part, nothing is known.
    let (name, mut silent) = shard(2, 2_000);
    let tells = |stamped: &Stamped| matches!(stamped.event, RunEvent::Viewings { .. });
    silent.events.retain(|stamped| !tells(stamped));
    let merged = merge(vec![shard(1, 1_000), (name, silent)]).unwrap();
    assert!(told(&merged).is_empty());
}
