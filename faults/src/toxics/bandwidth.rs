//! `bandwidth`: at most so many bytes per second on each connection.

use std::time::Instant;

use squall_scenario::ByteCount;
use squall_scenario::inject::{Bandwidth, Direction};

use super::{Decides, FOREVER};
use crate::serial_line::SerialLine;
use crate::{Chunk, Event, Fate, Fates, Toxic};

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

/// A serial line. On one of no rate at all, as Toxiproxy has it, nothing passes
/// until it is taken away.
#[derive(Debug)]
struct BandwidthToxic {
    line: Option<SerialLine>,
}

impl BandwidthToxic {
    fn new(bandwidth: Bandwidth) -> Self {
        let rate = bandwidth.rate.0;
        Self {
            line: (rate > 0).then(|| SerialLine::new(rate)),
        }
    }

    fn schedule(&mut self, chunk: &Chunk) -> Fates {
        let Some(line) = &mut self.line else {
            return Fate::Hold(chunk.arrived + FOREVER).into();
        };
        let mut left = chunk.bytes.len() as u64;
        let mut fates = Fates::pass();
        loop {
            let (slice, until) = line.accept(left, chunk.arrived);
            left -= slice;
            if left == 0 {
                fates.push(Fate::Hold(until));
                return fates;
            }
            fates.push(Fate::Split {
                at: slice as usize,
                until,
            });
        }
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
    use std::time::Duration;

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
