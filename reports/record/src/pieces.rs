//! What viewers saw in pieces, none of which is too long for a line of the journal, and
//! what the pieces tell together.

use std::collections::BTreeMap;

use crate::event::RunEvent;
use crate::store::EVENT_BYTES_MAX;
use crate::viewing::{Piece, ViewingSecond, Viewings};

/// What the JSON of a piece has at most, in bytes: half the longest line that is read.
const PIECE_BYTES_MAX: usize = EVENT_BYTES_MAX / 2;
/// First frames that one part of a second has at most: more than most seconds have, and
/// less than half a piece.
const FRAMES_MAX: usize = 20_000;
/// More than the JSON of a second has without its first frames.
const SECOND_BYTES: usize = 320;
/// More than that of a player has without its name and its seconds.
const PLAYER_BYTES: usize = 32;
/// The most that a byte of a name becomes in JSON.
const ESCAPED_BYTES: usize = 6;

/// What the pieces that a record has tell together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllViewings<'a> {
    /// What each piece tells of each player; of one that is told twice, once.
    pub players: Vec<&'a Viewings>,
    /// Why that is not all of it, in words.
    pub lost: Option<String>,
}

impl Viewings {
    /// The events that tell this, each short enough for a line of the journal.
    #[must_use]
    pub fn events(players: Vec<Self>) -> Vec<RunEvent> {
        let pieces = Self::pieces(players);
        let of = pieces.len() as u32;
        let numbered = (1..).zip(pieces);
        let events = numbered.map(|(number, players)| RunEvent::Viewings {
            players,
            piece: Some(Piece { number, of }),
        });
        events.collect()
    }

    /// What events tell of viewers; `None` where they tell nothing.
    pub fn told<'a>(events: impl Iterator<Item = &'a RunEvent>) -> Option<AllViewings<'a>> {
        let mut numbered: BTreeMap<u32, &[Self]> = BTreeMap::new();
        let mut unnumbered: Vec<&[Self]> = Vec::new();
        let mut count = None;
        let mut at_odds = false;
        for event in events {
            let RunEvent::Viewings { players, piece } = event else {
                continue;
            };
            let Some(Piece { number, of }) = *piece else {
                unnumbered.push(players);
                continue;
            };
            let same = *numbered.entry(number).or_insert(players) == players;
            let possible = *count.get_or_insert(of) == of && (1..=of).contains(&number);
            at_odds |= !same || !possible;
        }
        let lost = match count {
            None if unnumbered.is_empty() => return None,
            // Nobody numbered them once.
            None => None,
            Some(_) if at_odds || !unnumbered.is_empty() => {
                Some("what is recorded of what viewers saw is at odds with itself".to_owned())
            }
            Some(of) => {
                let missing = (of as usize).saturating_sub(numbered.len());
                (missing > 0)
                    .then(|| format!("{missing} of the {of} records of what viewers saw are lost"))
            }
        };
        let pieces = numbered.into_values().chain(unnumbered);
        let players = pieces.flatten().collect();
        Some(AllViewings { players, lost })
    }

    /// The same in pieces that are short enough for a line each. [`Viewings::sum`] of all
    /// of them is the whole.
    fn pieces(players: Vec<Self>) -> Vec<Vec<Self>> {
        let mut pieces: Vec<Vec<Self>> = Vec::new();
        let mut piece: Vec<Self> = Vec::new();
        let mut bytes = 0;
        for player in players {
            let name = player.player;
            let named = PLAYER_BYTES + ESCAPED_BYTES * name.len();
            let mut own = Self::new(&name);
            bytes += named;
            for part in player.seconds.into_iter().flat_map(ViewingSecond::parts) {
                let more = part.bytes();
                if bytes + more > PIECE_BYTES_MAX {
                    piece.push(std::mem::replace(&mut own, Self::new(&name)));
                    pieces.push(std::mem::take(&mut piece));
                    bytes = named;
                }
                own.seconds.push(part);
                bytes += more;
            }
            piece.push(own);
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
        pieces
    }
}

impl ViewingSecond {
    /// Itself, or where very many saw their first frame at times of their own, parts that
    /// add up to it.
    fn parts(mut self) -> Vec<Self> {
        let second = self.second;
        let frames = std::mem::take(&mut self.first_frames);
        let mut parts: Vec<Self> = vec![self];
        for (nth, frames) in frames.chunks(FRAMES_MAX).enumerate() {
            if nth > 0 {
                parts.push(Self {
                    second,
                    ..Self::default()
                });
            }
            parts[nth].first_frames = frames.to_vec();
        }
        parts
    }

    /// As much as its JSON has, or more.
    fn bytes(&self) -> usize {
        let frames = self.first_frames.iter();
        let frames = frames.map(|(ms, viewers)| digits(*ms) + digits(*viewers) + "[,],".len());
        frames.sum::<usize>() + SECOND_BYTES
    }
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or_default() as usize + 1
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A second with so many first frames at times of their own, and figures as long as
    /// they can be or as short.
    fn second(second: u64, frames: u64, figure: u64, each_ms: u64) -> ViewingSecond {
        ViewingSecond {
            second,
            played_us: figure,
            stalled_us: figure,
            stalls: figure,
            first_frames: (0..frames).map(|n| (n * each_ms, figure.max(1))).collect(),
            never: figure,
            unfinished: figure,
            segments: figure,
            kbps_sum: figure,
            switches: figure,
        }
    }

    /// Players with distinct names, of seconds in order.
    fn players() -> impl Strategy<Value = Vec<Viewings>> {
        let frames = prop_oneof![8 => 0..200_u64, 1 => 19_999..70_000_u64];
        let figure = prop_oneof![Just(0), Just(1), Just(u64::MAX)];
        let each_ms = prop_oneof![Just(1), Just(u64::MAX / 70_000)];
        let seconds = vec((frames, figure, each_ms), 0..30);
        vec(("[a-z\u{1}\"]{1,20}", seconds, 1..u64::MAX / 100), 0..4).prop_map(|players| {
            let each = players.into_iter().enumerate();
            each.map(|(n, (name, seconds, apart))| Viewings {
                player: format!("{n}/{name}"),
                seconds: (0_u64..)
                    .zip(seconds)
                    .map(|(n, (frames, figure, ms))| second(n * apart, frames, figure, ms))
                    .collect(),
            })
            .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn pieces_are_short_and_add_up_to_the_whole(whole in players()) {
            let pieces = Viewings::pieces(whole.clone());
            for players in &pieces {
                let line = serde_json::to_string(players).unwrap();
                prop_assert!(line.len() <= PIECE_BYTES_MAX, "{}", line.len());
            }
            prop_assert_eq!(Viewings::sum(pieces.into_iter().flatten()), whole);
        }
    }

    /// Eighty minutes of a hundred viewers a second, each of whom waits for a time of its
    /// own, are more than a line may have.
    #[test]
    fn a_long_run_is_told_in_lines_that_are_read() {
        let seconds = (0..4_800).map(|n| second(n, 100, 12_345_678, 37)).collect();
        let player = "watch/title".to_owned();
        let whole = vec![Viewings { player, seconds }];
        let line = |players: &[Viewings]| {
            let players = players.to_vec();
            let piece = Some(Piece {
                number: u32::MAX,
                of: u32::MAX,
            });
            let event = RunEvent::Viewings { players, piece };
            serde_json::to_string(&event).unwrap().len()
        };
        assert!(line(&whole) > EVENT_BYTES_MAX);
        let pieces = Viewings::pieces(whole.clone());
        assert!(pieces.iter().all(|piece| line(piece) < EVENT_BYTES_MAX));
        assert_eq!(Viewings::sum(pieces.into_iter().flatten()), whole);
        let events = Viewings::events(whole.clone());
        assert!(events.len() > 1);
        let told = Viewings::told(events.iter()).unwrap();
        assert_eq!(told.lost, None);
        assert_eq!(Viewings::sum(told.players.into_iter().cloned()), whole);
        let less = Viewings::told(events[1..].iter()).unwrap();
        assert!(less.lost.is_some());
    }

    /// Three pieces, each of a second of its own.
    fn three() -> Vec<RunEvent> {
        let event = |number: u32| RunEvent::Viewings {
            players: vec![Viewings {
                player: "watch/title".to_owned(),
                seconds: vec![second(number.into(), 2, 1, 1)],
            }],
            piece: Some(Piece { number, of: 3 }),
        };
        (1..=3).map(event).collect()
    }

    fn lost(events: &[RunEvent]) -> Option<String> {
        Viewings::told(events.iter()).unwrap().lost
    }

    #[test]
    fn a_piece_that_is_lost_is_missed_and_one_that_is_told_twice_counts_once() {
        let events = three();
        let whole = Viewings::told(events.iter()).unwrap();
        assert_eq!((whole.players.len(), &whole.lost), (3, &None));
        let twice = [&events[..], &events[1..2]].concat();
        assert_eq!(Viewings::told(twice.iter()).unwrap(), whole);
        let turned: Vec<RunEvent> = events.iter().rev().cloned().collect();
        assert_eq!(Viewings::told(turned.iter()).unwrap(), whole);
        for n in 0..3 {
            let mut less = events.clone();
            less.remove(n);
            let expected = "1 of the 3 records of what viewers saw are lost";
            assert_eq!(lost(&less).unwrap(), expected);
        }
        assert!(lost(&events[..1]).unwrap().starts_with("2 of the 3"));
        assert_eq!(Viewings::told([].into_iter()), None);
    }

    #[test]
    fn pieces_that_cannot_be_of_one_whole_are_not_believed() {
        let with = |change: fn(&mut Option<Piece>)| {
            let mut events = three();
            if let Some(RunEvent::Viewings { piece, .. }) = events.last_mut() {
                change(piece);
            }
            lost(&events).unwrap()
        };
        let expected = "what is recorded of what viewers saw is at odds with itself";
        for change in [
            (|piece| *piece = None) as fn(&mut Option<Piece>),
            |piece| *piece = Some(Piece { number: 2, of: 3 }),
            |piece| *piece = Some(Piece { number: 4, of: 3 }),
            |piece| *piece = Some(Piece { number: 0, of: 3 }),
            |piece| *piece = Some(Piece { number: 3, of: 4 }),
        ] {
            assert_eq!(with(change), expected);
        }
    }

    /// As in records of before pieces had numbers.
    #[test]
    fn pieces_without_numbers_are_all_that_is_known() {
        let without = three().into_iter().map(|mut event| {
            if let RunEvent::Viewings { piece, .. } = &mut event {
                *piece = None;
            }
            event
        });
        let without: Vec<RunEvent> = without.collect();
        let text = serde_json::to_string(&without[0]).unwrap();
        assert!(!text.contains("piece"), "{text}");
        let told = Viewings::told(without.iter()).unwrap();
        assert_eq!((told.players.len(), told.lost), (3, None));
    }

    #[test]
    fn a_short_run_is_one_piece_and_so_is_one_in_which_nobody_watched() {
        for seconds in [vec![], vec![second(3, 2, 1, 1)]] {
            let player = "watch/title".to_owned();
            let whole = vec![Viewings { player, seconds }];
            assert_eq!(Viewings::pieces(whole.clone()), [whole]);
        }
        assert!(Viewings::pieces(vec![]).is_empty());
    }
}
