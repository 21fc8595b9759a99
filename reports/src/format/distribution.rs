//! How response times are spread over a window: one histogram, and a few steps of it
//! that a person can read.

use hdrhistogram::Histogram;
use squall_judge::verdict::TimeRange;
use squall_record::Interval;
use squall_record::histogram::new_histogram;

/// Most steps between the least and the greatest time.
const STEPS: u64 = 8;
/// From this ratio of the greatest to the least time on, steps grow with the times.
const WIDE: u64 = 10;

/// Response times of good answers in these stretches.
pub(super) fn gather(intervals: &[Interval], ranges: &[TimeRange]) -> Histogram<u64> {
    let mut total = new_histogram();
    // As the judge does: an interval belongs to where its middle lies.
    let inside = |interval: &&Interval| {
        let middle_us = i64::midpoint(interval.start_us, interval.end_us);
        ranges
            .iter()
            .any(|range| (range.start_us..range.end_us).contains(&middle_us))
    };
    let routes = intervals.iter().filter(inside).flat_map(|i| &i.routes);
    for times in routes.filter_map(|route| route.response.as_ref()) {
        times.add_to(&mut total);
    }
    total
}

/// How many times lie above the step before and not above this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Where it ends, in microseconds.
    pub(super) up_to_us: u64,
    /// How many there are.
    pub(super) count: u64,
}

/// The times in steps with round ends: equal ones where all times are alike, else
/// by 1, 2, 5, 10. Every time is in one step; the first and the last have some.
pub(super) fn steps(times: &Histogram<u64>) -> Vec<Step> {
    if times.is_empty() {
        return Vec::new();
    }
    let low = times
        .iter_recorded()
        .next()
        .map_or(1, |first| first.value_iterated_to());
    let (low, high) = (low.max(1), times.max().max(1));
    let mut ends = match high / low < WIDE {
        true => equal_ends(low, high),
        false => growing_ends(low, high),
    };
    // The greatest value of a bucket may lie above its own times.
    ends.push(u64::MAX);
    let mut steps: Vec<Step> = ends
        .iter()
        .map(|end| Step {
            up_to_us: (*end).min(high),
            count: 0,
        })
        .collect();
    for value in times.iter_recorded() {
        let at = ends.partition_point(|end| *end < value.value_iterated_to());
        steps[at].count += value.count_since_last_iteration();
    }
    let empty = |step: &&Step| step.count == 0;
    let before = steps.iter().take_while(empty).count();
    let behind = steps.iter().rev().take_while(empty).count();
    steps.truncate(steps.len() - behind);
    steps.drain(..before);
    steps
}

/// Ends at multiples of a round step.
fn equal_ends(low: u64, high: u64) -> Vec<u64> {
    let width = round_up(((high - low) / STEPS).max(1));
    (low / width..=high / width)
        .map(|n| (n + 1) * width)
        .collect()
}

/// 1, 2, 5, 10 and so on.
fn growing_ends(low: u64, high: u64) -> Vec<u64> {
    let mut ends = Vec::new();
    let mut end = round_up(low);
    while end < high {
        ends.push(end);
        end = round_up(end + 1);
    }
    ends.push(end);
    ends
}

/// The least of 1, 2, 5, 10, 20 … that is not below.
fn round_up(value: u64) -> u64 {
    let mut decade = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let round = decade.saturating_mul(factor);
            if round >= value || round == u64::MAX {
                return round;
            }
        }
        decade = decade.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Vec<(u64, u64)> {
        let mut times = new_histogram();
        for value in values {
            times.record(*value).unwrap();
        }
        let steps = steps(&times).into_iter();
        steps.map(|step| (step.up_to_us, step.count)).collect()
    }

    #[test]
    fn times_that_are_alike_get_equal_steps() {
        let even: Vec<u64> = (1..=8).map(|n| 1_000 + n * 100).collect();
        let steps = of(&even);
        assert!((4..=9).contains(&steps.len()), "{steps:?}");
        assert!(
            steps.windows(2).all(|pair| pair[1].0 - pair[0].0 == 100),
            "{steps:?}"
        );
        assert_eq!(of(&[7]), [(7, 1)]);
        assert_eq!(of(&[]), []);
    }

    #[test]
    fn times_that_differ_get_steps_that_grow() {
        let ends: Vec<u64> = of(&[3, 30, 30, 300]).iter().map(|step| step.0).collect();
        assert_eq!(ends, [5, 10, 20, 50, 100, 200, 300]);
        let counts: Vec<u64> = of(&[3, 30, 30, 300]).iter().map(|step| step.1).collect();
        assert_eq!(counts, [1, 0, 0, 2, 0, 0, 1]);
    }

    proptest! {
        #[test]
        fn every_time_is_in_one_step(values in prop::collection::vec(1..60_000_000_u64, 1..200)) {
            let steps = of(&values);
            let counted: u64 = steps.iter().map(|step| step.1).sum();
            prop_assert_eq!(counted, values.len() as u64);
            prop_assert!(steps.windows(2).all(|pair| pair[0].0 < pair[1].0), "{:?}", steps);
            prop_assert!(steps.len() <= 26, "{:?}", steps);
            // Within the resolution of the histogram.
            let below = |end: u64| values.iter().filter(|value| **value <= end + end / 500).count() as u64;
            let mut seen = 0;
            for (end, count) in &steps {
                seen += count;
                prop_assert!(below(*end) >= seen, "{:?}", steps);
            }
        }
    }
}
