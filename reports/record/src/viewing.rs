//! What viewers saw, second by second.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of the pieces in which a run tells what viewers saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Piece {
    /// Its number, from 1 on.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

/// What the viewers of one player saw in the measured load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Viewings {
    /// The step that plays, as `JOURNEY/STEP`.
    pub player: String,
    /// The seconds in which something was noted, in order.
    pub seconds: Vec<ViewingSecond>,
}

/// One second of the run, from `second` seconds after time zero on. Times are those
/// of all viewers together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ViewingSecond {
    /// Its number.
    pub second: u64,
    /// Microseconds with a picture.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub played_us: u64,
    /// Microseconds without one, after the first frame; of who left without
    /// having seen one, all of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stalled_us: u64,
    /// Pictures that came to a stand in this second.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stalls: u64,
    /// Viewers who asked for a manifest in this second, by the milliseconds,
    /// rounded up, to their first frame, in order: (milliseconds, viewers).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_frames: Vec<(u64, u64)>,
    /// Of who asked in this second: left without having seen a frame.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub never: u64,
    /// Of who asked in this second: saw none before the load ended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unfinished: u64,
    /// Segments that came in this second.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub segments: u64,
    /// The sum of their bit rates in kilobits per second.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub kbps_sum: u64,
    /// Of these segments: had another bit rate than the one before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub switches: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Viewings {
    /// Of a player of whom nothing was noted.
    #[must_use]
    pub fn new(player: &str) -> Self {
        Self {
            player: player.to_owned(),
            seconds: Vec::new(),
        }
    }

    /// The second of this number, to note something in.
    pub fn second(&mut self, second: u64) -> &mut ViewingSecond {
        let found = self.seconds.binary_search_by_key(&second, |own| own.second);
        let place = found.unwrap_or_else(|place| {
            let empty = ViewingSecond {
                second,
                ..ViewingSecond::default()
            };
            self.seconds.insert(place, empty);
            place
        });
        &mut self.seconds[place]
    }

    /// Adds what another part of the load noted of the same player.
    pub fn add(&mut self, other: &Self) {
        for second in &other.seconds {
            self.second(second.second).add(second);
        }
    }

    /// What all parts of a load noted: of each player what is said of it in any of them.
    #[must_use]
    pub fn sum(parts: impl Iterator<Item = Self>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for own in parts {
            let known = all.iter().position(|player| player.player == own.player);
            let place = known.unwrap_or_else(|| {
                all.push(Self::new(&own.player));
                all.len() - 1
            });
            all[place].add(&own);
        }
        all
    }

    /// All of them in one line, for people.
    #[must_use]
    pub fn words(players: &[Self]) -> String {
        let each: Vec<String> = players.iter().map(Self::line).collect();
        each.join("; ")
    }

    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    fn line(&self) -> String {
        let mut all = ViewingSecond::default();
        self.seconds.iter().for_each(|second| all.add(second));
        let seconds = |us: u64| format!("{:.1}s", us as f64 / 1e6);
        let kbps = match all.kbps_sum.checked_div(all.segments) {
            Some(kbps) => format!("{kbps}kbit/s in the mean"),
            None => "no segment".to_owned(),
        };
        let span = match (self.seconds.first(), self.seconds.last()) {
            (Some(first), Some(last)) => {
                format!(" in {}s..{}s", first.second, last.second.saturating_add(1))
            }
            _ => String::new(),
        };
        format!(
            "{}{span}: {} viewers, {} saw no frame, {} played, {} stalled ({} stalls), {kbps}, \
             {} switches",
            self.player,
            all.viewers(),
            all.never,
            seconds(all.played_us),
            seconds(all.stalled_us),
            all.stalls,
            all.switches,
        )
    }
}

impl ViewingSecond {
    /// Notes a first frame, so many microseconds after the manifest was asked for.
    pub fn first_frame(&mut self, us: u64) {
        self.first_frames_at(us.div_ceil(1_000), 1);
    }

    fn first_frames_at(&mut self, ms: u64, viewers: u64) {
        let frames = &mut self.first_frames;
        match frames.binary_search_by_key(&ms, |(own, _)| *own) {
            Ok(place) => frames[place].1 = frames[place].1.saturating_add(viewers),
            Err(place) => frames.insert(place, (ms, viewers)),
        }
    }

    /// Who asked for a manifest in this second.
    #[must_use]
    pub fn viewers(&self) -> u64 {
        let seen = self.first_frames.iter().map(|(_, viewers)| *viewers);
        let seen = seen.fold(0_u64, u64::saturating_add);
        seen.saturating_add(self.never)
            .saturating_add(self.unfinished)
    }

    /// Adds another; the number of the second stays.
    pub fn add(&mut self, other: &Self) {
        for (ms, viewers) in &other.first_frames {
            self.first_frames_at(*ms, *viewers);
        }
        for (own, more) in [
            (&mut self.played_us, other.played_us),
            (&mut self.stalled_us, other.stalled_us),
            (&mut self.stalls, other.stalls),
            (&mut self.never, other.never),
            (&mut self.unfinished, other.unfinished),
            (&mut self.segments, other.segments),
            (&mut self.kbps_sum, other.kbps_sum),
            (&mut self.switches, other.switches),
        ] {
            *own = own.saturating_add(more);
        }
    }

    /// All its numbers but that of the second, which tell a damaged record.
    pub fn counts(&self) -> impl Iterator<Item = u64> {
        let own = [
            self.played_us,
            self.stalled_us,
            self.stalls,
            self.never,
            self.unfinished,
            self.segments,
            self.kbps_sum,
            self.switches,
        ];
        let frames = self.first_frames.iter().map(|(_, viewers)| *viewers);
        own.into_iter().chain(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole_in_any_order() {
        let part = |notes: &[(u64, u64)]| {
            let mut viewings = Viewings::new("watch/title");
            for (second, us) in notes {
                let own = viewings.second(*second);
                own.first_frame(*us);
                own.played_us += us;
            }
            viewings
        };
        let (a, b) = (part(&[(3, 500), (1, 2_001)]), part(&[(1, 2_500), (7, 0)]));
        let whole = part(&[(1, 2_001), (1, 2_500), (3, 500), (7, 0)]);
        let sum = |first: &Viewings, second: &Viewings| {
            let mut sum = first.clone();
            sum.add(second);
            sum
        };
        assert_eq!((sum(&a, &b), sum(&b, &a)), (whole.clone(), whole.clone()));
        assert_eq!(whole.seconds[0].first_frames, [(3, 2)], "rounded up");
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Viewings>(&text).unwrap(), whole);
        assert_eq!(
            Viewings::words(&[whole]),
            "watch/title in 1s..8s: 4 viewers, 0 saw no frame, 0.0s played, 0.0s stalled (0 stalls), \
             no segment, 0 switches"
        );
    }
}
