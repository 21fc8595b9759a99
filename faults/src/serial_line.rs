//! A serial line: what goes over it when, at so many bytes per second.

use std::time::{Duration, Instant};

/// Slices per second that what arrives is cut into, so that bytes trickle instead
/// of coming in lumps.
const SLICES_PER_SECOND: u64 = 20;
/// Slices that what arrives at once is cut into at most; bounds the memory of a
/// very low rate.
const SLICES_MAX: u64 = 1024;

/// A byte leaves when all bytes before it have left and its own transmission time
/// has passed. An idle line saves nothing up.
#[derive(Debug)]
pub(crate) struct SerialLine {
    bytes_per_second: u64,
    /// When the last byte accepted so far will have left.
    free_at: Option<Instant>,
    /// When what arrived last began to leave, and how many bytes of it were
    /// accepted.
    start: Option<Instant>,
    accepted: u64,
    /// How many were not yet, and the size of its slices.
    rest: u64,
    slice: u64,
}

impl SerialLine {
    /// A line of at least one byte per second.
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            free_at: None,
            start: None,
            accepted: 0,
            rest: 0,
            slice: 0,
        }
    }

    /// Accepts the first slice of `length` bytes, at least one, that `arrived`:
    /// how many those are, and when they will have left. The line is to be asked
    /// about the rest next.
    pub(crate) fn accept(&mut self, length: u64, arrived: Instant) -> (u64, Instant) {
        let start = match self.start {
            Some(start) if length == self.rest => start,
            _ => {
                let trickle = self.bytes_per_second / SLICES_PER_SECOND;
                self.slice = trickle.max(length.div_ceil(SLICES_MAX)).max(1);
                self.accepted = 0;
                self.free_at.map_or(arrived, |free| free.max(arrived))
            }
        };
        let slice = self.slice.min(length);
        self.start = Some(start);
        self.accepted += slice;
        self.rest = length - slice;
        let until = start + self.transmission(self.accepted);
        self.free_at = Some(until);
        (slice, until)
    }

    /// How long `bytes` take on the line. Whole nanoseconds, rounded up.
    fn transmission(&self, bytes: u64) -> Duration {
        let rate = u128::from(self.bytes_per_second);
        let ns = (u128::from(bytes) * 1_000_000_000).div_ceil(rate);
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}
