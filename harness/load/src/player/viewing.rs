//! What a viewer got out of a play.

use std::time::Duration;

/// A play from the press of the button to its end. The times add up:
/// until the first frame, played and stalled together are as long as it took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Viewing {
    /// From the press of the button to the first frame, or to the end where
    /// there never was one.
    pub waited: Duration,
    /// Whether there was a first frame.
    pub started: bool,
    /// How long there was a picture.
    pub played: Duration,
    /// How long the picture stood still, after the first frame.
    pub stalled: Duration,
    /// How often it did.
    pub stalls: u32,
    /// Segments that came.
    pub segments: u32,
    /// The sum of their bit rates in kilobits per second.
    pub kbps_sum: u64,
    /// How often a segment had another bit rate than the one before.
    pub switches: u32,
    /// Segments that were asked for and did not come.
    pub failures: u32,
}

impl Viewing {
    /// The time to the first frame; none where there never was one, which is
    /// no short time.
    #[must_use]
    pub fn time_to_first_frame(&self) -> Option<Duration> {
        self.started.then_some(self.waited)
    }

    /// Time without a picture that counts for the rebuffer ratio: stalls, and
    /// all of a play that never began, as its viewer saw nothing else.
    #[must_use]
    pub fn rebuffered(&self) -> Duration {
        if self.started {
            self.stalled
        } else {
            self.waited
        }
    }

    /// Stalled time by stalled and played time, from 0 to 1; none of a play
    /// that took no time.
    #[must_use]
    pub fn rebuffer_ratio(&self) -> Option<f64> {
        let all = (self.rebuffered() + self.played).as_secs_f64();
        (all > 0.0).then(|| self.rebuffered().as_secs_f64() / all)
    }

    /// Mean bit rate of the segments that came, in kilobits per second; none
    /// of none.
    #[must_use]
    pub fn mean_kbps(&self) -> Option<f64> {
        (self.segments > 0).then(|| self.kbps_sum as f64 / f64::from(self.segments))
    }

    /// All of it.
    #[must_use]
    pub fn wall(&self) -> Duration {
        self.waited + self.played + self.stalled
    }
}
