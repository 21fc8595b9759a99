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
    for (number, seconds) in [(1, 0..30), (2, 30..60)] {
        let mut player = Viewings::new("watch/title");
        seconds.for_each(|second| player.second(second).first_frame(us));
        let players = vec![player];
        let piece = Some(Piece { number, of: 2 });
        let event = RunEvent::Viewings { players, piece };
        record.events.push(at(59.9, event));
    }
    (format!("shard {number}"), record)
}

fn told(record: &Record) -> Vec<Vec<Viewings>> {
    let events = record.events.iter();
    let viewings = events.filter_map(|stamped| match &stamped.event {
        RunEvent::Viewings { players, .. } => Some(players.clone()),
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

#[test]
fn of_a_shard_that_lost_a_piece_nothing_is_known_of_viewers() {
    let is_piece = |stamped: &Stamped, wanted: u32| match stamped.event {
        RunEvent::Viewings { piece, .. } => piece.is_some_and(|piece| piece.number == wanted),
        _ => false,
    };
    for (lossy, piece) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        let mut shards = vec![shard(1, 1_000), shard(2, 2_000)];
        let events = &mut shards[lossy - 1].1.events;
        events.retain(|stamped| !is_piece(stamped, piece));
        let merged = merge(shards).unwrap();
        assert!(told(&merged).is_empty(), "{lossy} lost {piece}");
        let doubts = merged.manifest.shards.unwrap().doubts;
        let why =
            format!("of the shard shard {lossy}, 1 of the 2 records of what viewers saw are lost");
        assert!(doubts.contains(&why), "{doubts:?}");
    }
    // A piece that is told twice counts once.
    let mut shards = vec![shard(1, 1_000), shard(2, 2_000)];
    let whole = told(&merge(shards.clone()).unwrap());
    let events = &mut shards[1].1.events;
    let again = events.iter().find(|it| is_piece(it, 2)).cloned().unwrap();
    events.push(again);
    assert_eq!(told(&merge(shards).unwrap()), whole);
}
