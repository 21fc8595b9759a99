//! Many windows out of a few runs: seconds without a fault, drawn in blocks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall_record::{Interval, Record};
use squall_scenario::{Comparison, Gate, MetricGate, SloBlock, When};

use crate::ratio::{Inference, claim_of};
use crate::slice::Slice;
use crate::statistics::BlockBootstrap;
use crate::summed::rule_slice;
use crate::verdict::{GateState, WindowKind};
use crate::window::{Window, windows};

/// Windows that are drawn for a gate.
const WINDOWS: [usize; 2] = [200, 1_000];

/// Seconds that all of them together hold, before there are fewer.
const SECONDS_MAX: usize = 10_000;

/// Seconds that stay together in a draw: stalls and bursts last that long.
const BLOCK: usize = 5;

/// With fewer seconds to draw from, the windows would all be alike.
const POOL_MIN: usize = 4 * BLOCK;

const SECOND_US: i64 = 1_000_000;

/// What windows drawn from the seconds of runs without faults came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Resampled {
    /// Windows drawn.
    pub windows: u64,
    /// Seconds they were drawn from.
    pub pool_s: u64,
    /// Share of the windows that fail.
    pub failed: f64,
    /// Share of the windows that are inconclusive.
    pub inconclusive: f64,
}

/// Judges drawn windows by a metric gate, as the judge would. `None` for gates
/// that are not judged on arrivals alone, and where there are too few seconds.
#[expect(clippy::cast_precision_loss, reason = "at most a thousand windows")]
pub(super) fn resample(records: &[Record], block: &SloBlock, gate: &Gate) -> Option<Resampled> {
    let (Gate::Metric(gate), When::During(name)) = (gate, &block.when.value) else {
        return None;
    };
    let mut pool: Vec<Vec<Interval>> = Vec::new();
    let mut length = 0;
    for record in records {
        let windows = windows(record);
        let own = windows.iter().find(|window| window.name == *name)?;
        let own = own.settled(block.settle);
        length = length.max(seconds(record, &own).len());
        pool.extend(seconds(record, alike(&own, &windows)));
    }
    if pool.len() < POOL_MIN || length == 0 {
        return None;
    }
    let inference = block.confidence.map(|confidence| Inference {
        confidence: confidence.get(),
        burst: block.burst,
    });
    let seed = records.first()?.manifest.seed;
    let bootstrap = BlockBootstrap::with_block(seed, "calibrate", pool.len(), BLOCK);
    let count = (SECONDS_MAX / length).clamp(WINDOWS[0], WINDOWS[1]);
    let (mut failed, mut inconclusive) = (0_u32, 0_u32);
    for index in 0..count as u64 {
        let slice = drawn(&pool, bootstrap.draw(index, length), gate);
        match rule_slice(&slice, gate, inference).state {
            GateState::Fail => failed += 1,
            GateState::Inconclusive | GateState::NotReached => inconclusive += 1,
            GateState::Pass => {}
        }
    }
    Some(Resampled {
        windows: count as u64,
        pool_s: pool.len() as u64,
        failed: f64::from(failed) / count as f64,
        inconclusive: f64::from(inconclusive) / count as f64,
    })
}

/// Where the seconds for a window may come from: with a steady load from all
/// of it, as nothing was broken at any time.
fn alike<'w>(own: &'w Window, windows: &'w [Window]) -> &'w Window {
    let hold = windows
        .iter()
        .find(|window| window.kind == WindowKind::Hold);
    let inside = |hold: &&Window| {
        own.ranges.iter().all(|range| {
            let mut holds = hold.ranges.iter();
            holds.any(|hold| hold.start_us <= range.start_us && range.end_us <= hold.end_us)
        })
    };
    hold.filter(inside).unwrap_or(own)
}

/// The intervals of each second of a window, in order. A second that a fault's
/// edge cuts has two.
fn seconds(record: &Record, window: &Window) -> Vec<Vec<Interval>> {
    let mut seconds: BTreeMap<i64, Vec<Interval>> = BTreeMap::new();
    for interval in record.intervals.iter().filter(|i| window.contains(i)) {
        let second = interval.start_us.div_euclid(SECOND_US);
        seconds.entry(second).or_default().push(interval.clone());
    }
    seconds.into_values().collect()
}

/// A window of the drawn seconds, one after the other.
fn drawn(pool: &[Vec<Interval>], members: impl Iterator<Item = usize>, gate: &MetricGate) -> Slice {
    let limit_us = claim_of(gate).and_then(|(_, limit_us)| limit_us);
    let strict = gate.comparison == Comparison::Below;
    let mut slice = Slice::to_judge().against(limit_us, strict);
    let mut start_us = 0;
    for interval in members.filter_map(|member| pool.get(member)).flatten() {
        // Dispersion is looked at second by second, in the order of the draw.
        let moved = Interval {
            start_us,
            end_us: start_us + interval.end_us - interval.start_us,
            ..interval.clone()
        };
        slice.add(&moved, gate.of.as_deref());
        start_us = moved.end_us;
    }
    slice
}
