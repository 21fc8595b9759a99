//! Arrivals as they were somewhere, from a file of their times.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{Rate, format_duration};

/// How much of its beginning says at which rate a replay starts.
const BEGINNING: Duration = Duration::from_secs(10);

/// When arrivals come at the latest, however slow a replay is: no load lasts as long.
const FAR: Duration = Duration::from_secs(1_000_000_000_000);

/// In how many equal parts the record counts a replay, at most.
const PARTS_MAX: u32 = 600;

/// Arrivals at recorded times. Of the times, which may be millions, a record holds
/// the digest of their file and how many there are in each of some equal parts.
#[derive(Clone, Serialize, Deserialize)]
pub struct Replay {
    /// The file, as the scenario writes it, relative to its own.
    pub path: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// By how much it is faster than it was.
    pub speed: f64,
    /// Length.
    pub duration: Duration,
    /// How many arrivals there are.
    pub arrivals: u64,
    /// How many of them there are in each of so many equal parts of the length.
    pub parts: Vec<u32>,
    /// When they are, from the start of the stage, in order and all within the
    /// length. Empty in a scenario that comes from a record.
    #[serde(skip)]
    pub times: Arc<[Duration]>,
}

impl Replay {
    /// Arrivals at `times`, which count from the first of the file and are in order,
    /// at a speed above 0. Those that are due at the end of `length` or later are
    /// left out; without one it lasts to the next whole second behind the last.
    #[must_use]
    pub fn new(
        (path, sha256): (String, String),
        times: &[Duration],
        speed: f64,
        length: Option<Duration>,
    ) -> Self {
        // As a whole number of nanoseconds, rounded once: no arrival is off by more.
        #[expect(clippy::cast_precision_loss, reason = "a day in nanoseconds is exact")]
        let faster = |at: &Duration| match speed {
            1.0 => *at,
            speed => Duration::try_from_secs_f64(at.as_nanos() as f64 / speed / 1e9).unwrap_or(FAR),
        };
        let mut times: Vec<Duration> = times.iter().map(|at| faster(at).min(FAR)).collect();
        let whole = || Duration::from_secs(times.last().map_or(0, Duration::as_secs) + 1);
        let duration = length.map_or_else(whole, |length| length.min(2 * FAR));
        times.truncate(times.partition_point(|at| *at < duration));
        let mut replay = Self {
            path,
            sha256,
            speed,
            duration,
            arrivals: times.len() as u64,
            parts: Vec::new(),
            times: times.into(),
        };
        let parts = duration.as_secs().clamp(1, u64::from(PARTS_MAX)) as u32;
        let edge = |part: u32| duration * part / parts;
        let within = |part: u32| replay.within(edge(part), edge(part + 1)) as u32;
        replay.parts = (0..parts).map(within).collect();
        replay
    }

    /// How many arrivals there are from a moment until another, the second left out.
    fn within(&self, from: Duration, to: Duration) -> usize {
        let before = |moment| self.times.partition_point(|at| *at < moment);
        before(to).saturating_sub(before(from))
    }

    /// The number of arrivals between two moments within the length, counted from the
    /// start of the stage: exact, or, in a scenario that comes from a record, as if
    /// each part were even in itself.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
    pub fn expected_arrivals(&self, from: Duration, to: Duration) -> f64 {
        if !self.times.is_empty() {
            return self.within(from, to) as f64;
        }
        let part_s = self.duration.as_secs_f64() / self.parts.len().max(1) as f64;
        let before = |moment: Duration| {
            let mut left_s = moment.as_secs_f64();
            let mut sum = 0.0;
            for part in &self.parts {
                if left_s <= 0.0 {
                    break;
                }
                sum += f64::from(*part) * (left_s / part_s).min(1.0);
                left_s -= part_s;
            }
            sum
        };
        before(to) - before(from)
    }

    /// Arrivals a second in its first ten seconds.
    #[must_use]
    pub fn starting_rate(&self) -> Rate {
        let length = self.duration.min(BEGINNING);
        let arrivals = self.expected_arrivals(Duration::ZERO, length);
        Rate::per_second(arrivals / length.as_secs_f64()).unwrap_or_default()
    }

    /// The most arrivals in one of its seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
    pub fn peak(&self) -> f64 {
        if !self.times.is_empty() {
            let seconds = self
                .times
                .chunk_by(|one, next| one.as_secs() == next.as_secs());
            return seconds.map(<[_]>::len).max().unwrap_or(0) as f64;
        }
        let seconds = 0..=self.duration.as_secs();
        let of = |second| {
            let from = Duration::from_secs(second);
            self.expected_arrivals(from, from + Duration::from_secs(1))
        };
        seconds.map(of).fold(0.0, f64::max)
    }
}

impl PartialEq for Replay {
    fn eq(&self, other: &Self) -> bool {
        // The digest stands for the times: a record does not hold them.
        let what = |replay: &Self| (replay.duration, replay.arrivals, replay.speed.to_bits());
        what(self) == what(other) && (&self.path, &self.sha256) == (&other.path, &other.sha256)
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replay({}, {} arrivals)", self.path, self.arrivals)
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, arrivals) = (&self.path, self.arrivals);
        let length = format_duration(self.duration);
        write!(f, "replay {path}, {arrivals} arrivals in {length}")?;
        match self.speed {
            1.0 => Ok(()),
            speed => write!(f, ", at {speed} times its speed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn replay(times_ms: &[u64], speed: f64, length: Option<Duration>) -> Replay {
        let times: Vec<_> = times_ms
            .iter()
            .map(|ms| Duration::from_millis(*ms))
            .collect();
        Replay::new(("a.txt".into(), "00".into()), &times, speed, length)
    }

    #[test]
    fn it_lasts_to_the_second_behind_its_last_arrival() {
        for (last_ms, speed, length_s) in
            [(0, 1.0, 1), (999, 1.0, 1), (1_000, 1.0, 2), (3_999, 2.0, 2)]
        {
            let replay = replay(&[0, last_ms], speed, None);
            assert_eq!(replay.duration, Duration::from_secs(length_s), "{last_ms}");
            assert_eq!(replay.arrivals, 2);
        }
        // What is due at its end is behind it.
        let cut = replay(&[0, 1_999, 2_000, 9_000], 1.0, Some(Duration::from_secs(2)));
        assert_eq!((cut.arrivals, cut.times.len(), cut.peak()), (2, 2, 1.0));
        assert_eq!(cut.starting_rate().as_per_second(), 1.0);
        assert_eq!(cut.to_string(), "replay a.txt, 2 arrivals in 2s");
    }

    proptest! {
        #[test]
        fn no_times_and_no_speed_are_too_much(
            mut times in prop::collection::vec(prop_oneof![0..100_u64, any::<u64>()], 1..8),
            speed in prop_oneof![any::<f64>(), 0.0..1e-6_f64, Just(1.0)],
            length in prop::option::of(any::<u64>()),
        ) {
            times.sort_unstable();
            let times: Vec<_> = times.into_iter().map(Duration::from_nanos).collect();
            let length = length.map(Duration::from_secs);
            let replay = Replay::new(("a.txt".into(), "00".into()), &times, speed, length);
            let arrivals = replay.expected_arrivals(Duration::ZERO, replay.duration);
            prop_assert_eq!(arrivals, replay.arrivals as f64);
            if !replay.times.is_empty() {
                prop_assert!((1.0..=8.0).contains(&replay.peak()));
            }
            prop_assert!(replay.times.is_sorted());
            let _ = (replay.starting_rate(), replay.to_string());
        }

        #[test]
        fn a_record_of_it_counts_as_many_arrivals(
            gaps_ms in prop::collection::vec(0..5_000_u64, 1..60),
            speed in prop_oneof![Just(1.0), 0.3..40.0_f64],
            length_s in prop::option::of(1..1_000_u64),
            cut in 0.0..1.0_f64,
        ) {
            let mut at_ms = 0;
            let times_ms: Vec<_> = gaps_ms.iter().map(|gap| { at_ms += gap; at_ms }).collect();
            let replay = replay(&times_ms, speed, length_s.map(Duration::from_secs));
            prop_assert!(replay.times.iter().all(|at| *at < replay.duration));
            prop_assert!(replay.times.is_sorted());
            let text = serde_json::to_string(&replay).unwrap();
            let read: Replay = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read, &replay);
            prop_assert!(read.times.is_empty());
            let (half, end) = (replay.duration.mul_f64(cut), replay.duration);
            for replay in [&replay, &read] {
                let of = |from, to| replay.expected_arrivals(from, to);
                let all = of(Duration::ZERO, end);
                prop_assert!((all - replay.arrivals as f64).abs() < 1e-6);
                let parts = of(Duration::ZERO, half) + of(half, end);
                prop_assert!((parts - all).abs() < 1e-6);
            }
            // Within a part it is at most that part off.
            let off = read.expected_arrivals(Duration::ZERO, half)
                - replay.expected_arrivals(Duration::ZERO, half);
            let most = replay.parts.iter().max().copied().unwrap_or(0);
            prop_assert!(off.abs() <= f64::from(most) + 1e-6, "{off}");
        }
    }
}
