//! What viewers saw in pieces, none of which is too long for a line of the journal.

use super::{ViewingSecond, Viewings};
use crate::store::EVENT_BYTES_MAX;

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

impl Viewings {
    /// The same in pieces that are short enough for a line each. [`Viewings::sum`] of all
    /// of them is the whole.
    #[must_use]
    pub fn pieces(players: Vec<Self>) -> Vec<Vec<Self>> {
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
    use crate::RunEvent;

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
            let event = RunEvent::Viewings { players };
            serde_json::to_string(&event).unwrap().len()
        };
        assert!(line(&whole) > EVENT_BYTES_MAX);
        let pieces = Viewings::pieces(whole.clone());
        assert!(pieces.iter().all(|piece| line(piece) < EVENT_BYTES_MAX));
        assert_eq!(Viewings::sum(pieces.into_iter().flatten()), whole);
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
