//! When arrivals happen: a pure function of the load's shape and the seed.

use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use squall_record::Shard;
use squall_scenario::{Arrivals, Stage, Wave};

use squall_scenario::seed::sub_seed;

/// One scheduled start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Its number, from 0.
    pub number: u64,
    /// Its time from the start of the schedule.
    pub at: Duration,
}

/// The arrivals of a load shape, in order. The same shape and seed give the
/// same arrivals on every machine.
///
/// Evenly spaced arrivals lie where the integral of the rate passes the
/// midpoints 0.5, 1.5, …, so stages join without a gap or a burst and a stage
/// of rate r and length t has r·t arrivals. Times are integer nanoseconds from
/// one origin; nothing is accumulated.
#[derive(Debug, Clone)]
pub struct Schedule {
    stages: Vec<PlannedStage>,
    stage: usize,
    next_number: u64,
    shard: u64,
    shards: u64,
}

#[derive(Debug, Clone)]
struct PlannedStage {
    start_s: f64,
    /// Its exact end: rounding must not push an arrival out of its stage.
    end: Duration,
    /// Arrivals before this stage, as the integral of the rate.
    before: f64,
    kind: StageKind,
}

#[derive(Debug, Clone)]
enum StageKind {
    /// Where the integral of the rate passes the midpoints, for `length_s`.
    Even {
        rate: Curve,
        length_s: f64,
        next_index: f64,
    },
    Poisson {
        rate: f64,
        length_s: f64,
        at_s: f64,
        rng: Box<ChaCha12Rng>,
    },
    /// At the times of a file.
    Replay { times: Arc<[Duration]>, next: usize },
}

/// A rate as a function of the seconds since the stage began.
#[derive(Debug, Clone, Copy)]
enum Curve {
    /// `from + slope * t`.
    Linear {
        from: f64,
        slope: f64,
    },
    Wave(Wave),
}

impl Schedule {
    /// The schedule of `stages`; `seed` matters only for Poisson stages.
    #[must_use]
    pub fn new(stages: &[Stage], seed: u64) -> Self {
        let mut start_s = 0.0;
        let mut end = Duration::ZERO;
        let mut before = 0.0;
        let mut planned = Vec::with_capacity(stages.len());
        for (index, stage) in stages.iter().enumerate() {
            let length_s = stage.duration().as_secs_f64();
            end += stage.duration();
            planned.push(PlannedStage {
                start_s,
                end,
                before,
                kind: plan_stage(stage, index, seed),
            });
            start_s += length_s;
            if is_even(stage) {
                before += stage.expected_arrivals(Duration::ZERO, stage.duration());
            }
        }
        Self {
            stages: planned,
            stage: 0,
            next_number: 0,
            shard: 0,
            shards: 1,
        }
    }

    /// Only the arrivals whose number is `shard` modulo `shards`; the union
    /// over all shards is the whole schedule.
    #[must_use]
    pub fn shard(mut self, shard: u64, shards: u64) -> Self {
        self.shard = shard;
        self.shards = shards.max(1);
        self
    }

    /// The arrivals of one shard.
    #[must_use]
    pub fn of_shard(self, shard: Shard) -> Self {
        self.shard(u64::from(shard.number()) - 1, u64::from(shard.of()))
    }

    fn next_unsharded(&mut self) -> Option<Arrival> {
        loop {
            let stage = self.stages.get_mut(self.stage)?;
            match stage.next_offset_s() {
                Some(offset_s) => {
                    let number = self.next_number;
                    self.next_number += 1;
                    let exact_ns = ((stage.start_s + offset_s) * 1e9).round() as u64;
                    let last = stage.end.saturating_sub(Duration::from_nanos(1));
                    let at = Duration::from_nanos(exact_ns).min(last);
                    return Some(Arrival { number, at });
                }
                None => self.stage += 1,
            }
        }
    }
}

impl Iterator for Schedule {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let arrival = self.next_unsharded()?;
            if arrival.number % self.shards == self.shard {
                return Some(arrival);
            }
        }
    }
}

/// Whether arrivals lie where the integral of the rate passes the midpoints.
const fn is_even(stage: &Stage) -> bool {
    match stage {
        Stage::Hold { arrivals, .. } => matches!(arrivals, Arrivals::Even),
        Stage::Ramp { .. } | Stage::Wave { .. } => true,
        Stage::Replay(_) | Stage::Closed { .. } => false,
    }
}

fn plan_stage(stage: &Stage, index: usize, seed: u64) -> StageKind {
    let length_s = stage.duration().as_secs_f64();
    let even = |rate| StageKind::Even {
        rate,
        length_s,
        next_index: f64::NAN,
    };
    match stage {
        Stage::Hold {
            rate,
            arrivals: Arrivals::Poisson,
            ..
        } => StageKind::Poisson {
            rate: rate.as_per_second(),
            length_s,
            at_s: 0.0,
            rng: Box::new(ChaCha12Rng::seed_from_u64(sub_seed(
                seed,
                &format!("arrivals/{index}"),
            ))),
        },
        Stage::Hold { rate, .. } => even(Curve::Linear {
            from: rate.as_per_second(),
            slope: 0.0,
        }),
        Stage::Ramp { from, to, .. } => even(Curve::Linear {
            from: from.as_per_second(),
            slope: (to.as_per_second() - from.as_per_second()) / length_s,
        }),
        Stage::Wave {
            from, to, every, ..
        } => even(Curve::Wave(Wave::new(*from, *to, *every))),
        Stage::Replay(replay) => StageKind::Replay {
            times: Arc::clone(&replay.times),
            next: 0,
        },
        // Its users come when they are done with what they did before.
        Stage::Closed { .. } => StageKind::Replay {
            times: Arc::default(),
            next: 0,
        },
    }
}

impl PlannedStage {
    /// Offset of the stage's next arrival from the stage's start.
    fn next_offset_s(&mut self) -> Option<f64> {
        match &mut self.kind {
            StageKind::Poisson {
                rate,
                length_s,
                at_s,
                rng,
            } => {
                if *rate <= 0.0 {
                    return None;
                }
                // Inverse of the exponential distribution; 1 - u avoids ln 0.
                let uniform: f64 = rng.random();
                *at_s += -(1.0 - uniform).ln() / *rate;
                (*at_s < *length_s).then_some(*at_s)
            }
            StageKind::Even {
                rate,
                length_s,
                next_index,
            } => {
                if next_index.is_nan() {
                    *next_index = (self.before - 0.5).ceil().max(0.0);
                }
                let target = *next_index + 0.5 - self.before;
                let offset_s = match rate {
                    Curve::Linear { from, slope } => time_of_integral(*from, *slope, target)?,
                    Curve::Wave(wave) => wave.time_of(target)?,
                };
                if offset_s >= *length_s {
                    return None;
                }
                *next_index += 1.0;
                Some(offset_s.max(0.0))
            }
            StageKind::Replay { times, next } => {
                let at = times.get(*next)?;
                *next += 1;
                Some(at.as_secs_f64())
            }
        }
    }
}

/// The time t at which the integral of `from + slope·t` reaches `target`.
fn time_of_integral(from: f64, slope: f64, target: f64) -> Option<f64> {
    if target <= 0.0 {
        return Some(0.0);
    }
    if slope == 0.0 {
        return (from > 0.0).then(|| target / from);
    }
    let discriminant = from.mul_add(from, 2.0 * slope * target);
    // The stable form of the quadratic's root: no cancellation for small slopes.
    (discriminant >= 0.0).then(|| 2.0 * target / (from + discriminant.sqrt()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use squall_scenario::{Rate, Replay};

    use super::*;

    fn hold(rate: f64, seconds: f64, arrivals: Arrivals) -> Stage {
        Stage::Hold {
            rate: Rate::per_second(rate).unwrap(),
            duration: Duration::from_secs_f64(seconds),
            arrivals,
        }
    }

    fn ramp(from: f64, to: f64, seconds: f64) -> Stage {
        Stage::Ramp {
            from: Rate::per_second(from).unwrap(),
            to: Rate::per_second(to).unwrap(),
            over: Duration::from_secs_f64(seconds),
        }
    }

    fn wave(from: f64, to: f64, every: f64, seconds: f64) -> Stage {
        Stage::Wave {
            from: Rate::per_second(from).unwrap(),
            to: Rate::per_second(to).unwrap(),
            every: Duration::from_secs_f64(every),
            duration: Duration::from_secs_f64(seconds),
        }
    }

    fn replay(times_ms: &[u64], speed: f64, length: Option<Duration>) -> Stage {
        let times: Vec<_> = times_ms
            .iter()
            .map(|ms| Duration::from_millis(*ms))
            .collect();
        let file = ("arrivals.txt".into(), "00".into());
        Stage::Replay(Replay::new(file, &times, speed, length))
    }

    #[test]
    fn replayed_arrivals_are_at_the_times_of_the_file() {
        let shape = [
            hold(1.0, 2.0, Arrivals::Even),
            replay(&[0, 10, 10, 1_500], 2.0, None),
            replay(&[0, 900, 1_000], 1.0, Some(Duration::from_secs(1))),
        ];
        let times: Vec<_> = Schedule::new(&shape, 1)
            .map(|arrival| arrival.at.as_millis())
            .collect();
        assert_eq!(
            times,
            [500, 1_500, 2_000, 2_005, 2_005, 2_750, 3_000, 3_900]
        );
    }

    #[test]
    fn a_wave_has_its_crest_half_a_period_after_its_trough() {
        let times: Vec<_> = Schedule::new(&[wave(0.0, 200.0, 10.0, 20.0)], 1)
            .map(|arrival| arrival.at.as_secs())
            .collect();
        // A mean of 100/s; seconds of the trough, of the crest, of the next trough.
        assert_eq!(times.len(), 2_000);
        let within = |second| times.iter().filter(|at| **at == second).count();
        let swings = [0, 4, 5, 9, 10, 14].map(within);
        // Up to second t: 100·t - 1000/τ · sin(τ·t/10); 6.45 in the first.
        assert_eq!(swings, [6, 194, 194, 6, 6, 194]);
    }

    #[test]
    fn a_constant_rate_has_equal_gaps_from_one_origin() {
        let times: Vec<_> = Schedule::new(&[hold(333.0, 10.0, Arrivals::Even)], 1).collect();
        assert_eq!(times.len(), 3330);
        for (index, arrival) in times.iter().enumerate() {
            let exact_ns = (index as f64 + 0.5) / 333.0 * 1e9;
            assert!(
                (arrival.at.as_nanos() as f64 - exact_ns).abs() <= 1.0,
                "{arrival:?}"
            );
        }
    }

    #[test]
    fn a_ramp_has_the_area_under_its_line() {
        let count = Schedule::new(&[ramp(10.0, 200.0, 5.0)], 1).count();
        assert_eq!(count, 525);
    }

    #[test]
    fn stages_join_without_a_gap() {
        let shape = [ramp(0.0, 100.0, 3.0), hold(100.0, 2.0, Arrivals::Even)];
        let times: Vec<_> = Schedule::new(&shape, 1)
            .map(|a| a.at.as_secs_f64())
            .collect();
        assert_eq!(times.len(), 350);
        let around: Vec<_> = times
            .windows(2)
            .filter(|w| w[0] < 3.0 && w[1] >= 3.0)
            .collect();
        assert!(
            (around[0][1] - around[0][0] - 0.01).abs() < 0.001,
            "{around:?}"
        );
    }

    #[test]
    fn rounding_keeps_the_last_arrival_inside() {
        // Its last arrival is at 2.9999999999999982 s.
        let last = Schedule::new(&[ramp(60.0, 5.0, 3.0)], 1).last().unwrap();
        assert!(last.at < Duration::from_secs(3), "{last:?}");
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_spread_of_an_exponential() {
        let times: Vec<_> = Schedule::new(&[hold(100.0, 1000.0, Arrivals::Poisson)], 7)
            .map(|a| a.at)
            .collect();
        let gaps: Vec<f64> = times
            .windows(2)
            .map(|w| (w[1] - w[0]).as_secs_f64())
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // 100 000 gaps: five standard errors of the mean are 1.6 %.
        assert!((mean * 100.0 - 1.0).abs() < 0.016, "{mean}");
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.03, "{variance}");
    }

    #[test]
    fn the_seed_decides_poisson_arrivals() {
        let shape = [hold(50.0, 5.0, Arrivals::Poisson)];
        let first: Vec<_> = Schedule::new(&shape, 1).collect();
        assert_eq!(first, Schedule::new(&shape, 1).collect::<Vec<_>>());
        assert_ne!(first, Schedule::new(&shape, 2).collect::<Vec<_>>());
    }

    fn any_stage() -> impl Strategy<Value = Stage> {
        prop_oneof![
            (0.0..300.0, 0.1..4.0).prop_map(|(rate, s)| hold(rate, s, Arrivals::Even)),
            (0.0..300.0, 0.1..4.0).prop_map(|(rate, s)| hold(rate, s, Arrivals::Poisson)),
            (0.0..300.0, 0.0..300.0, 0.1..4.0).prop_map(|(from, to, s)| ramp(from, to, s)),
            (0.0..300.0, 0.0..300.0, 0.05..9.0, 0.1..4.0)
                .prop_map(|(from, to, every, s)| wave(from, to, every, s)),
            (prop::collection::vec(0..400_u64, 1..40), 0.2..5.0).prop_map(|(gaps_ms, speed)| {
                let mut at_ms = 0;
                let times_ms = gaps_ms.iter().map(|gap_ms| {
                    at_ms += gap_ms;
                    at_ms
                });
                replay(&times_ms.collect::<Vec<_>>(), speed, None)
            }),
        ]
    }

    proptest! {
        #[test]
        fn arrivals_are_ordered_numbered_and_inside(
            shape in prop::collection::vec(any_stage(), 1..4), seed: u64,
        ) {
            let total: Duration = shape.iter().map(Stage::duration).sum();
            let all: Vec<_> = Schedule::new(&shape, seed).collect();
            for (index, arrival) in all.iter().enumerate() {
                prop_assert_eq!(arrival.number, index as u64);
                prop_assert!(arrival.at < total);
            }
            prop_assert!(all.windows(2).all(|w| w[0].at <= w[1].at));
        }

        #[test]
        fn even_shapes_conserve_the_integral_of_the_rate(
            parts in prop::collection::vec(
                (0.0..300.0, 0.0..300.0, 0.1..4.0, prop::option::of(0.05..9.0)), 1..4),
        ) {
            let part = |(from, to, s, every): &(f64, f64, f64, Option<f64>)| match every {
                Some(every) => wave(*from, *to, *every, *s),
                None => ramp(*from, *to, *s),
            };
            let shape: Vec<_> = parts.iter().map(part).collect();
            let integral: f64 =
                shape.iter().map(|s| s.expected_arrivals(Duration::ZERO, s.duration())).sum();
            let count = Schedule::new(&shape, 1).count() as f64;
            prop_assert!((count - integral).abs() <= 1.0, "{count} of {integral}");
        }

        #[test]
        fn shards_are_a_partition(
            shape in prop::collection::vec(any_stage(), 1..3), seed: u64, shards in 1_u64..5,
        ) {
            let whole: Vec<_> = Schedule::new(&shape, seed).collect();
            let mut union: Vec<_> = (0..shards)
                .flat_map(|s| Schedule::new(&shape, seed).shard(s, shards))
                .collect();
            union.sort_by_key(|arrival| arrival.number);
            prop_assert_eq!(whole, union);
        }
    }
}
