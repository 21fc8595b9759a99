//! `delay`: every chunk goes on later, in order, at full throughput.

use std::time::{Duration, Instant};

use squall_scenario::inject::{Delay, Direction, Spread};

use super::{Decides, FOREVER};
use crate::chance;
use crate::{Event, Fate, Fates, Toxic};

impl Decides for Delay {
    const LOSSY: bool = false;

    fn example() -> Self {
        Self {
            by: Duration::from_millis(20),
            jitter: Duration::from_millis(10),
            spread: Spread::Uniform,
            direction: Direction::Both,
        }
    }

    fn toxic(&self, seed: u64) -> Box<dyn Toxic> {
        Box::new(DelayToxic::new(*self, seed))
    }
}

/// Holds each chunk for a delay of its own, counted from its arrival, and never
/// past those before it. The end of the stream is late as well, by `by`.
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
        let Delay {
            by, jitter, spread, ..
        } = self.delay;
        if jitter.is_zero() {
            return by;
        }
        let deviation = deviation(spread, chance::unit(self.seed, n));
        let apart = Duration::try_from_secs_f64(jitter.as_secs_f64() * deviation.abs());
        let apart = apart.unwrap_or(FOREVER).min(FOREVER);
        match deviation < 0.0 {
            true => by.saturating_sub(apart),
            false => by + apart,
        }
    }
}

/// How many jitters a delay is off its mean, at a quantile in `[0, 1)`.
fn deviation(spread: Spread, quantile: f64) -> f64 {
    // Neither 0 nor 1, where the others have no value.
    let inside = quantile.clamp(1e-12, 1.0 - 1e-12);
    match spread {
        Spread::Uniform => 2.0 * quantile - 1.0,
        Spread::Normal => normal_quantile(inside),
        // Of α = 3 and scale 1: mean 3/2, variance 3/4.
        Spread::Pareto => ((1.0 - inside).powf(-1.0 / 3.0) - 1.5) / 0.75_f64.sqrt(),
    }
}

/// The quantile of the standard normal distribution, by the rational
/// approximation of Acklam (2003); off by less than 1.2e-9 of its value.
fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    const TAIL: f64 = 0.024_25;
    let polynomial = |of: &[f64], x: f64| of.iter().fold(0.0, |sum, factor| sum * x + factor);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        polynomial(&C, q) / polynomial(&D, q)
    };
    if p < TAIL {
        tail(p)
    } else if p > 1.0 - TAIL {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        q * polynomial(&A, q * q) / polynomial(&B, q * q)
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
        let [by, jitter] = [100, jitter_ms].map(Duration::from_millis);
        DelayToxic::new(Delay::of(by, jitter, Direction::From), seed)
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

    /// Mean and standard deviation of many delays, and what share is longer
    /// than twice the mean, in jitters.
    fn of(spread: Spread) -> (f64, f64, f64) {
        const COUNT: usize = 100_000;
        let mut toxic = toxic(10, 7);
        toxic.delay.spread = spread;
        let delays: Vec<f64> = (0..COUNT)
            .map(|_| (toxic.next_delay().as_secs_f64() - 0.1) / 0.01)
            .collect();
        let mean = delays.iter().sum::<f64>() / COUNT as f64;
        let variance = delays.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / COUNT as f64;
        let far = delays.iter().filter(|x| **x > 3.0).count();
        (mean, variance.sqrt(), far as f64 / COUNT as f64)
    }

    #[test]
    fn delays_have_the_mean_and_the_spread_that_were_asked_for() {
        // Five standard errors: 0.016 of a mean, and of a deviation 0.011 for
        // the normal one. The fourth moment of the Pareto has no bound.
        let (mean, deviation, far) = of(Spread::Uniform);
        assert!(mean.abs() < 0.01 && (deviation - 1.0 / 3_f64.sqrt()).abs() < 0.01);
        assert!(far == 0.0);
        let (mean, deviation, far) = of(Spread::Normal);
        assert!(
            mean.abs() < 0.016 && (deviation - 1.0).abs() < 0.011,
            "{mean} {deviation}"
        );
        assert!((far - 0.001_35).abs() < 0.000_6, "{far}");
        let (mean, deviation, far) = of(Spread::Pareto);
        assert!(
            mean.abs() < 0.02 && (0.8..1.3).contains(&deviation),
            "{mean} {deviation}"
        );
        // (1.5 + 3 sqrt(3/4))^-3
        assert!((far - 0.014_5).abs() < 0.002, "{far}");
    }

    #[test]
    fn quantiles_of_the_normal_distribution_are_those_of_tables() {
        for (p, z) in [(0.5, 0.0), (0.975, 1.959_963_985), (0.001, -3.090_232_306)] {
            assert!((normal_quantile(p) - z).abs() < 1e-7, "{p}");
        }
    }

    #[test]
    fn what_would_be_negative_is_no_delay_and_nothing_overflows() {
        let [none, much] = [Duration::ZERO, Duration::from_secs(10)];
        for spread in [Spread::Uniform, Spread::Normal, Spread::Pareto] {
            let mut toxic = DelayToxic::new(Delay::of(none, much, Direction::From), 3);
            toxic.delay.spread = spread;
            let delays: Vec<Duration> = (0..100).map(|_| toxic.next_delay()).collect();
            assert!(delays.contains(&Duration::ZERO) && delays.iter().any(|d| *d > none));
            toxic.delay.jitter = Duration::MAX;
            assert!((0..100).all(|_| toxic.next_delay() <= FOREVER));
        }
    }
}
