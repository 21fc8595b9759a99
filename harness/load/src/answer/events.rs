//! Reads an answer that is a stream of server-sent events: counts them, notes when each
//! came, and says when its client leaves. A pure function of what comes, however it is
//! cut.

use squall_scenario::{Series, Stay};

pub(crate) use json::json_of_events;

use super::keeper::Keeper;
use super::taken::Taken;
use super::tally::{Moment, Tally};
use crate::heard::Heard;
use lines::EventLines;

mod json;
mod lines;

/// What a stream of events says that it is.
const MEDIA: &[u8] = b"text/event-stream";

/// What came of a stream of events so far.
#[derive(Debug)]
pub(crate) struct EventAnswer {
    stay: Stay,
    lines: EventLines,
    tally: Tally,
    /// When what is read now came.
    now: Moment,
    /// Whether the head says that it is one.
    is_stream: bool,
}

impl EventAnswer {
    /// Nothing has come yet of what was sent then.
    pub(crate) fn new(stay: Stay, sent: Moment) -> Self {
        Self {
            stay,
            lines: EventLines::default(),
            tally: Tally::new(sent),
            now: sent,
            is_stream: false,
        }
    }

    /// What is read next came then.
    pub(crate) const fn at(&mut self, now: Moment) {
        self.now = now;
    }

    /// The head came.
    ///
    /// # Errors
    /// What follows is no stream of events, though the status says so; in words.
    pub(crate) fn head(&mut self, status: u16, media: Option<&[u8]>) -> Result<(), String> {
        let said = media.unwrap_or_default();
        let kind = said.split(|byte| *byte == b';').next().unwrap_or_default();
        self.is_stream = status == 200;
        if !self.is_stream || kind.trim_ascii().eq_ignore_ascii_case(MEDIA) {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&said[..said.len().min(80)]);
        Err(format!(
            "the answer is no stream of events: its content-type is {shown:?}"
        ))
    }

    /// Takes a part of the body; how much of it, and whether the client leaves then.
    ///
    /// # Errors
    /// It is none; in words.
    pub(crate) fn data(
        &mut self,
        data: &[u8],
        keeper: Option<&mut Keeper>,
    ) -> Result<Taken, String> {
        let taken = self.read(data)?;
        if let Some(keeper) = keeper {
            keeper.take(&data[..taken.bytes]);
        }
        Ok(taken)
    }

    fn read(&mut self, data: &[u8]) -> Result<Taken, String> {
        let mut taken = 0;
        while self.is_stream && taken < data.len() {
            let (bytes, came) = self.lines.take(&data[taken..]).map_err(|_| {
                let most = lines::most();
                format!("an event has more than {most} MiB, the most that squall reads")
            })?;
            taken += bytes;
            if came {
                self.tally.came(self.now);
            }
            if came && self.stay.is_over(self.tally.series().count) {
                return Ok(Taken {
                    enough: true,
                    ..Taken::all(taken)
                });
            }
        }
        Ok(Taken::all(data.len()))
    }

    /// The client leaves, who waited for more until then.
    pub(crate) fn left(&mut self, now: Moment) {
        self.tally.left(now);
    }

    /// The events that came.
    pub(crate) const fn series(&self) -> Series {
        self.tally.series()
    }

    /// When they came, once no more will.
    pub(crate) fn heard(&mut self) -> Heard {
        self.tally.heard()
    }
}

#[cfg(test)]
mod tests;
