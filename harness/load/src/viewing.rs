//! A viewer in a journey: the player, the requests it makes, and what is noted of
//! what was seen.

use std::time::{Duration, Instant};

use squall_record::Viewings;
use squall_scenario::Watching;

use crate::player::{Manifest, Next, Player, Viewing};

/// One viewer, from the request for the manifest on.
#[derive(Debug)]
pub(crate) struct Viewer {
    player: Player,
    manifest: Manifest,
    /// When the manifest was asked for.
    pressed: Instant,
    /// What of it was noted.
    noted: Viewing,
    /// The path of the segment that is asked for.
    path: Option<String>,
    /// Bytes of the last answer, where it came over the network.
    received: Option<u64>,
}

/// A segment that is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    pub(crate) path: &'a str,
    /// What is shown for it, if anything.
    pub(crate) licence: Option<&'a str>,
}

impl Segment<'_> {
    /// What was asked for, for people; without the query, which may be a signature.
    pub(crate) fn told(&self) -> String {
        match self.path.split_once('?') {
            Some((path, _)) => format!("GET {path}?…"),
            None => format!("GET {}", self.path),
        }
    }
}

/// What a viewer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Asks for a segment, now.
    Fetch,
    /// Nothing until then.
    Wait(Instant),
    /// Has left, or seen it all; and whether there ever was a picture.
    Over { seen: bool },
}

/// Where is noted what the viewers of one player saw.
#[derive(Debug)]
pub(crate) struct Notes<'a> {
    /// The player's.
    pub(crate) of: &'a mut Viewings,
    /// Time zero of the run.
    pub(crate) origin: Instant,
}

impl Viewer {
    /// One who asked for the manifest at `pressed` and has it at `now`.
    pub(crate) fn new(
        watching: Watching,
        manifest: Manifest,
        pressed: Instant,
        now: Instant,
    ) -> Self {
        let since = now.saturating_duration_since(pressed);
        let player = Player::new(watching, manifest.clone(), since);
        Self {
            noted: player.viewing(),
            player,
            manifest,
            pressed,
            path: None,
            received: None,
        }
    }

    /// The segment that is asked for; none between two of them.
    pub(crate) fn segment(&self) -> Option<Segment<'_>> {
        Some(Segment {
            path: self.path.as_deref()?,
            licence: self.manifest.licence(),
        })
    }

    /// An answer came, with so many bytes; for `None`, out of a cache.
    pub(crate) const fn received(&mut self, bytes: Option<u64>) {
        self.received = bytes;
    }

    /// What is done at `now`.
    pub(crate) fn then(&mut self, now: Instant, notes: Option<Notes<'_>>) -> Then {
        let next = self.player.next(self.since(now));
        self.note(notes);
        match next {
            Next::Fetch(fetch) => {
                self.path = Some(self.manifest.path_of(fetch.number, fetch.kbps));
                Then::Fetch
            }
            Next::Wait(until) => Then::Wait(self.pressed + until),
            Next::Over(viewing) => Then::Over {
                seen: viewing.started,
            },
        }
    }

    /// One that is over without a picture is noted.
    pub(crate) fn saw_nothing(&self, notes: Option<Notes<'_>>) {
        saw_nothing(self.pressed, self.pressed + self.noted.wall(), notes);
    }

    /// The segment came, or will not come.
    pub(crate) fn settled(&mut self, now: Instant, came: bool, notes: Option<Notes<'_>>) {
        let since = self.since(now);
        match came {
            true => self.player.came(since, self.received),
            false => self.player.failed(since),
        }
        self.path = None;
        self.note(notes);
    }

    /// The load ends at `end`, and nobody looks any longer.
    pub(crate) fn cut_short(mut self, end: Instant, notes: Option<Notes<'_>>) {
        let Some(Notes { of, origin }) = notes else {
            return;
        };
        let since = self.since(end);
        let over = matches!(self.player.next(since), Next::Over(_));
        self.note(Some(Notes { of, origin }));
        // Who has seen nothing may see something soon, unless it has left.
        if over && !self.noted.started {
            self.saw_nothing(Some(Notes { of, origin }));
        }
    }

    fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.pressed)
    }

    /// Notes what was seen since it last was noted.
    fn note(&mut self, notes: Option<Notes<'_>>) {
        let before = std::mem::replace(&mut self.noted, self.player.viewing());
        let Some(Notes { of, origin }) = notes else {
            return;
        };
        let now = self.noted;
        let mut from = self.pressed + before.wall();
        let played = now.played - before.played;
        spread(of, origin, from, played, |second| &mut second.played_us);
        from += played;
        let stalled = now.stalled - before.stalled;
        spread(of, origin, from, stalled, |second| &mut second.stalled_us);
        let at = second_of(self.pressed + now.wall(), origin);
        if now.segments > before.segments {
            let second = of.second(at);
            second.segments += u64::from(now.segments - before.segments);
            second.kbps_sum += now.kbps_sum - before.kbps_sum;
            second.switches += u64::from(now.switches - before.switches);
        }
        if now.stalls > before.stalls {
            let began = second_of(from, origin);
            of.second(began).stalls += u64::from(now.stalls - before.stalls);
        }
        if let (false, Some(first)) = (before.started, now.time_to_first_frame()) {
            let us = u64::try_from(first.as_micros()).unwrap_or(u64::MAX);
            let second = of.second(second_of(self.pressed, origin));
            second.first_frame(us);
            second.unfinished = second.unfinished.saturating_sub(1);
        }
    }
}

/// Notes one who asks for a manifest at `pressed`, and waits for a picture until it is
/// noted what became of that.
pub(crate) fn asked(pressed: Instant, notes: Option<Notes<'_>>) {
    if let Some(Notes { of, origin }) = notes {
        of.second(second_of(pressed, origin)).unfinished += 1;
    }
}

/// Notes that one who asked for a manifest at `pressed` left with it, and waits for no
/// picture.
pub(crate) fn left(pressed: Instant, notes: Option<Notes<'_>>) {
    if let Some(Notes { of, origin }) = notes {
        let second = of.second(second_of(pressed, origin));
        second.unfinished = second.unfinished.saturating_sub(1);
    }
}

/// Notes one who left without a picture: the manifest was asked for at `pressed`, and
/// nothing came of it until `left`.
pub(crate) fn saw_nothing(pressed: Instant, left: Instant, notes: Option<Notes<'_>>) {
    let Some(Notes { of, origin }) = notes else {
        return;
    };
    let waited = Player::without_manifest(left.saturating_duration_since(pressed));
    let stalled = waited.rebuffered();
    spread(of, origin, pressed, stalled, |second| {
        &mut second.stalled_us
    });
    let second = of.second(second_of(pressed, origin));
    second.never += 1;
    second.unfinished = second.unfinished.saturating_sub(1);
}

/// The number of a second; the first for what is before it.
fn second_of(at: Instant, origin: Instant) -> u64 {
    at.saturating_duration_since(origin).as_secs()
}

/// Notes a time in the seconds in which it passed.
fn spread(
    of: &mut Viewings,
    origin: Instant,
    from: Instant,
    time: Duration,
    what: fn(&mut squall_record::ViewingSecond) -> &mut u64,
) {
    let mut from = from.saturating_duration_since(origin);
    let mut left = time;
    while !left.is_zero() {
        let second = from.as_secs();
        let part = left.min(Duration::from_secs(second + 1) - from);
        let us = u64::try_from(part.as_micros()).unwrap_or(u64::MAX);
        *what(of.second(second)) += us;
        from += part;
        left -= part;
    }
}

#[cfg(test)]
mod tests;
