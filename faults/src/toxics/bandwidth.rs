//! `bandwidth`: at most so many bytes per second on each connection.

use std::time::{Duration, Instant};

use squall_scenario::ByteCount;
use squall_scenario::inject::{Bandwidth, Direction};

use super::{Decides, FOREVER};
use crate::{Chunk, Event, Fate, Fates, Toxic};

/// Slices per second a slow chunk is cut into, so that bytes trickle instead
/// of coming in lumps.
const SLICES_PER_SECOND: u64 = 20;
/// Slices one chunk is cut into at most; bounds the memory of a very low rate.
const SLICES_PER_CHUNK_MAX: u64 = 1024;

impl Decides for Bandwidth {
    const LOSSY: bool = false;

    fn example() -> Self {
        Self {
            rate: ByteCount(1 << 20),
            direction: Direction::Both,
        }
    }

    fn toxic(&self, _seed: u64) -> Box<dyn Toxic> {
        Box::new(BandwidthToxic::new(*self))
    }
}

/// A serial line: a byte leaves when all bytes before it have left and its own
/// transmission time has passed. An idle line saves nothing up. On one of no rate
/// at all, as Toxiproxy has it, nothing passes until it is taken away.
#[derive(Debug)]
struct BandwidthToxic {
    rate_bytes_per_second: u64,
    /// When the last byte accepted so far will have left.
    free_at: Option<Instant>,
}

impl BandwidthToxic {
    fn new(bandwidth: Bandwidth) -> Self {
        Self {
            rate_bytes_per_second: bandwidth.rate.0,
            free_at: None,
        }
    }

    /// How long `bytes` take on the line. Whole nanoseconds, rounded up.
    fn transmission(&self, bytes: u64) -> Duration {
        let rate = u128::from(self.rate_bytes_per_second);
        let ns = (u128::from(bytes) * 1_000_000_000).div_ceil(rate);
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    fn schedule(&mut self, chunk: &Chunk) -> Fates {
        if self.rate_bytes_per_second == 0 {
            return Fate::Hold(chunk.arrived + FOREVER).into();
        }
        let length = chunk.bytes.len() as u64;
        let slice = (self.rate_bytes_per_second / SLICES_PER_SECOND)
            .max(length.div_ceil(SLICES_PER_CHUNK_MAX))
            .max(1);
        let start = self
            .free_at
            .map_or(chunk.arrived, |free| free.max(chunk.arrived));
        let mut fates = Fates::pass();
        let mut sent = 0;
        while length - sent > slice {
            sent += slice;
            fates.push(Fate::Split {
                at: slice as usize,
                until: start + self.transmission(sent),
            });
        }
        let end = start + self.transmission(length);
        fates.push(Fate::Hold(end));
        self.free_at = Some(end);
        fates
    }
}

impl Toxic for BandwidthToxic {
    fn on(&mut self, event: Event<'_>, _now: Instant) -> Fates {
        match event {
            Event::Chunk(chunk) => self.schedule(chunk),
            Event::Opened { .. } | Event::Eof { .. } | Event::Timer => Fates::pass(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chain, Output};
    use bytes::Bytes;

    fn toxic(rate: u64) -> BandwidthToxic {
        BandwidthToxic::new(Bandwidth {
            rate: ByteCount(rate),
            direction: Direction::From,
        })
    }

    fn releases(toxic: &mut BandwidthToxic, length: usize, arrived: Instant) -> Vec<(usize, u128)> {
        let chunk = Chunk {
            bytes: Bytes::from(vec![0; length]),
            arrived,
        };
        let mut left = length;
        let fates = toxic.on(Event::Chunk(&chunk), arrived);
        fates
            .into_iter()
            .map(|fate| match fate {
                Fate::Split { at, until } => {
                    left -= at;
                    (at, (until - arrived).as_millis())
                }
                Fate::Hold(until) => (left, (until - arrived).as_millis()),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_chunk_is_cut_into_slices_of_fifty_milliseconds() {
        assert_eq!(
            releases(&mut toxic(1000), 120, Instant::now()),
            [(50, 50), (50, 100), (20, 120)]
        );
    }

    #[test]
    fn chunks_queue_behind_each_other_and_idle_time_is_not_saved() {
        let now = Instant::now();
        let mut toxic = toxic(1000);
        assert_eq!(releases(&mut toxic, 50, now), [(50, 50)]);
        assert_eq!(releases(&mut toxic, 50, now), [(50, 100)]);
        let later = now + Duration::from_secs(10);
        assert_eq!(releases(&mut toxic, 50, later), [(50, 50)]);
    }

    #[test]
    fn without_any_rate_nothing_passes_and_nothing_is_lost() {
        let (mut chain, mut out) = (Chain::default(), Output::default());
        let now = Instant::now();
        chain.attach("narrow", Box::new(toxic(0)), false, now, &mut out);
        chain.push(Bytes::from_static(b"held"), now, &mut out);
        chain.push_eof(now, &mut out);
        chain.advance(now + Duration::from_secs(86_400), &mut out);
        assert!(out.bytes.is_empty() && !out.eof);
        chain.detach("narrow", now, &mut out);
        assert_eq!((out.bytes.len(), out.eof), (1, true));
    }

    #[test]
    fn the_lowest_rate_keeps_the_number_of_slices_bounded() {
        let slices = releases(&mut toxic(1), 64 * 1024, Instant::now());
        assert_eq!(slices.len(), 1024);
        assert_eq!(slices.iter().map(|(n, _)| n).sum::<usize>(), 64 * 1024);
    }
}
