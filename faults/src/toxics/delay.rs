//! `delay`: every chunk goes on later, in order, at full throughput.

use std::time::{Duration, Instant};

use squall_scenario::inject::{Delay, Direction};

use super::Decides;
use crate::chance;
use crate::{Event, Fate, Fates, Toxic};

impl Decides for Delay {
    const LOSSY: bool = false;

    fn example() -> Self {
        Self {
            by: Duration::from_millis(20),
            jitter: Duration::from_millis(10),
            direction: Direction::Both,
        }
    }

    fn toxic(&self, seed: u64) -> Box<dyn Toxic> {
        Box::new(DelayToxic::new(*self, seed))
    }
}

/// Holds each chunk `by` plus a uniform spread of `±jitter`, counted from its
/// arrival. The end of the stream is late as well, by `by`.
#[derive(Debug)]
struct DelayToxic {
    delay: Delay,
    seed: u64,
    /// Chunks seen; the index of the next decision.
    chunks: u64,
}

impl DelayToxic {
    const fn new(delay: Delay, seed: u64) -> Self {
        Self {
            delay,
            seed,
            chunks: 0,
        }
    }

    fn next_delay(&mut self) -> Duration {
        let n = self.chunks;
        self.chunks += 1;
        let jitter = self.delay.jitter.min(self.delay.by);
        if jitter.is_zero() {
            return self.delay.by;
        }
        let spread = jitter.mul_f64(2.0 * chance::unit(self.seed, n));
        self.delay.by - jitter + spread
    }
}

impl Toxic for DelayToxic {
    fn on(&mut self, event: Event<'_>, _now: Instant) -> Fates {
        match event {
            Event::Chunk(chunk) => Fate::Hold(chunk.arrived + self.next_delay()).into(),
            Event::Eof { arrived } => Fate::Hold(arrived + self.delay.by).into(),
            Event::Opened { .. } | Event::Timer => Fates::pass(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chunk;
    use bytes::Bytes;

    fn held_for(toxic: &mut DelayToxic, arrived: Instant) -> Duration {
        let chunk = Chunk {
            bytes: Bytes::from_static(b"x"),
            arrived,
        };
        let late = arrived + Duration::from_secs(9);
        match toxic.on(Event::Chunk(&chunk), late).into_iter().next() {
            Some(Fate::Hold(until)) => until - arrived,
            other => panic!("{other:?}"),
        }
    }

    fn toxic(jitter_ms: u64, seed: u64) -> DelayToxic {
        let delay = Delay {
            by: Duration::from_millis(100),
            jitter: Duration::from_millis(jitter_ms),
            direction: Direction::From,
        };
        DelayToxic::new(delay, seed)
    }

    #[test]
    fn counts_from_arrival_not_from_now() {
        assert_eq!(
            held_for(&mut toxic(0, 1), Instant::now()),
            Duration::from_millis(100)
        );
    }

    #[test]
    fn jitter_fills_its_range_and_follows_the_seed() {
        let now = Instant::now();
        let draw = |seed| {
            let mut toxic = toxic(40, seed);
            (0..1000)
                .map(|_| held_for(&mut toxic, now).as_micros())
                .collect::<Vec<_>>()
        };
        let delays = draw(7);
        assert!(delays.iter().all(|us| (60_000..140_000).contains(us)));
        assert!(delays.iter().any(|us| *us < 64_000) && delays.iter().any(|us| *us > 136_000));
        assert_eq!(delays, draw(7));
        assert_ne!(delays, draw(8));
    }
}
