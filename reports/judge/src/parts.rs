//! What response times consist of: connecting, TLS, and the first byte.

use hdrhistogram::Histogram;
use squall_record::histogram::{new_histogram, rank, value_at_rank};
use squall_record::{Interval, Record, Times};

use crate::quantity::Quantity;
use crate::verdict::{PartStats, Parts};

/// Sums up the parts of all response times after time zero.
pub(super) fn sum_up(record: &Record) -> Parts {
    let of = |part: fn(&Interval) -> Option<&Times>| {
        let mut total = new_histogram();
        let measured = record.intervals.iter().filter(|it| it.start_us >= 0);
        for times in measured.filter_map(part) {
            times.add_to(&mut total);
        }
        stats(&total)
    };
    Parts {
        connect: of(|interval| interval.parts.connect.as_ref()),
        tls: of(|interval| interval.parts.tls.as_ref()),
        first_byte: of(|interval| interval.parts.first_byte.as_ref()),
    }
}

fn stats(times: &Histogram<u64>) -> Option<PartStats> {
    let at = |q| value_at_rank(times, rank(q, times.len())).map(Quantity::Micros);
    Some(PartStats {
        count: times.len(),
        p50: at(0.5)?,
        p99: at(0.99)?,
        max: at(1.0)?,
    })
}
