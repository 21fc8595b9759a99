//! A video player that shows nothing: which segment it asks for when, and what a
//! viewer would have seen.
//!
//! It is a state machine on the caller's time: it is told when the button was
//! pressed, when a segment came or failed, and says what to do next. It waits
//! for nothing and draws nothing by lot.

mod ladder;
mod manifest;
mod throughput;
mod viewing;

use std::time::Duration;

use squall_scenario::Watching;

use self::ladder::Level;
pub use self::manifest::{Manifest, ManifestError};
use self::throughput::Throughput;
pub use self::viewing::Viewing;

/// How long after a failure a segment is asked for again. As in dash.js and
/// hls.js, which give up after a few attempts; here the viewer does, by leaving.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a player does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask for a segment, and say what became of it.
    Fetch(Fetch),
    /// Nothing until then.
    Wait(Duration),
    /// The viewer has left, or has seen it all.
    Over(Viewing),
}

/// A segment to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// Its number, from 0.
    pub number: u32,
    /// Its bit rate in kilobits per second.
    pub kbps: u32,
}

/// What the screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Picture {
    /// Nothing yet.
    Waiting,
    /// The title.
    Playing,
    /// A frame of it.
    Stalled,
}

/// A play. All times are counted from the press of the button; one that is
/// earlier than one before counts as that.
#[derive(Debug, Clone)]
pub struct Player {
    watching: Watching,
    manifest: Manifest,
    now: Duration,
    picture: Picture,
    /// Playing time that came and was not played.
    buffered: Duration,
    /// The segment that is asked for next.
    number: u32,
    /// The rung of the last one that came.
    rung: Option<usize>,
    throughput: Throughput,
    /// What is under way, and since when.
    under_way: Option<(Fetch, usize, Duration)>,
    /// Since the last failure: when the segment is asked for again.
    retry_at: Option<Duration>,
    viewing: Viewing,
}

impl Player {
    /// A player that has its manifest since `now`.
    #[must_use]
    pub fn new(watching: Watching, manifest: Manifest, now: Duration) -> Self {
        let mut player = Self {
            watching,
            manifest,
            now: Duration::ZERO,
            picture: Picture::Waiting,
            buffered: Duration::ZERO,
            number: 0,
            rung: None,
            throughput: Throughput::new(),
            under_way: None,
            retry_at: None,
            viewing: Viewing::default(),
        };
        player.pass(now);
        player
    }

    /// What a viewer got who never saw a manifest and left at `now`.
    #[must_use]
    pub fn without_manifest(now: Duration) -> Viewing {
        Viewing {
            waited: now,
            ..Viewing::default()
        }
    }

    /// What to do at `now`. While a segment is under way there is nothing to do
    /// but to wait for it, until the viewer leaves.
    pub fn next(&mut self, now: Duration) -> Next {
        self.pass(now);
        if self.is_over() {
            return Next::Over(self.viewing);
        }
        if self.under_way.is_some() {
            return Next::Wait(self.watching.stay);
        }
        if self.number >= self.manifest.segments {
            return Next::Wait(self.watching.stay.min(self.now + self.buffered));
        }
        if let Some(at) = self.retry_at
            && at > self.now
        {
            return Next::Wait(at.min(self.watching.stay));
        }
        let full = self.full();
        if self.buffered > full {
            let drained = self.now + (self.buffered - full);
            return Next::Wait(drained.min(self.watching.stay));
        }
        Next::Fetch(self.fetch(full))
    }

    /// The segment that was asked for has come, with so many bytes, and took so
    /// long from being asked for; of no use to one who did not ask. One that a cache had
    /// (`None`) says nothing of the network.
    pub fn came(&mut self, now: Duration, bytes: impl Into<Option<u64>>) {
        self.pass(now);
        let Some((fetch, rung, since)) = self.under_way.take() else {
            return;
        };
        // What comes after the viewer has left is nobody's.
        if self.is_over() {
            return;
        }
        if let Some(bytes) = bytes.into() {
            self.throughput
                .sample(bytes, self.now.saturating_sub(since));
        }
        self.buffered += self.manifest.segment;
        self.number += 1;
        let viewing = &mut self.viewing;
        viewing.segments += 1;
        viewing.kbps_sum += u64::from(fetch.kbps);
        viewing.switches += u32::from(self.rung.is_some_and(|before| before != rung));
        viewing.started = true;
        self.rung = Some(rung);
        self.retry_at = None;
        self.picture = Picture::Playing;
    }

    /// The segment that was asked for will not come. It is asked for again later,
    /// at the lowest bit rate.
    pub fn failed(&mut self, now: Duration) {
        self.pass(now);
        if self.under_way.take().is_some() && !self.is_over() {
            self.viewing.failures += 1;
            self.retry_at = Some(self.now + RETRY_AFTER);
        }
    }

    /// What has been seen so far.
    #[must_use]
    pub const fn viewing(&self) -> Viewing {
        self.viewing
    }

    fn fetch(&mut self, full: Duration) -> Fetch {
        let buffered = self.buffered;
        let level = Level { buffered, full };
        let ladder = &self.manifest.ladder;
        let rung = match self.retry_at {
            Some(_) => 0,
            None => ladder.choose(self.throughput.kbps(), level),
        };
        let fetch = Fetch {
            number: self.number,
            kbps: ladder.kbps(rung),
        };
        self.under_way = Some((fetch, rung, self.now));
        fetch
    }

    /// How full the buffer is when the next segment still fits.
    fn full(&self) -> Duration {
        let segment = self.manifest.segment;
        self.watching.buffer.max(segment * 2) - segment
    }

    fn is_over(&self) -> bool {
        let all_came = self.number >= self.manifest.segments;
        self.now >= self.watching.stay || (all_came && self.buffered.is_zero())
    }

    /// Time passes: the picture plays what is there, and stands still when there
    /// is nothing. It ends when the viewer leaves or all has been seen.
    fn pass(&mut self, now: Duration) {
        let until = now.min(self.watching.stay);
        let passed = until.saturating_sub(self.now);
        let viewing = &mut self.viewing;
        match self.picture {
            Picture::Waiting => viewing.waited += passed,
            Picture::Stalled => viewing.stalled += passed,
            Picture::Playing => {
                let played = passed.min(self.buffered);
                self.buffered -= played;
                viewing.played += played;
                let rest = passed - played;
                if self.buffered.is_zero() && self.number >= self.manifest.segments {
                    // The end of the title; what is left of the time is not the play's.
                    self.now += played;
                    return;
                }
                if !rest.is_zero() {
                    viewing.stalled += rest;
                    viewing.stalls += 1;
                    self.picture = Picture::Stalled;
                }
            }
        }
        self.now += passed;
    }
}

#[cfg(test)]
mod tests;
