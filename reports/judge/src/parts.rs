//! What response times consist of: connecting, TLS, the first byte, and messages.

use hdrhistogram::Histogram;
use squall_record::histogram::{new_histogram, rank, value_at_rank};
use squall_record::{Interval, Record, RouteMessages, Times};

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
    let of_routes = |part: fn(&RouteMessages) -> Option<&Times>| {
        let mut total = new_histogram();
        let measured = record.intervals.iter().filter(|it| it.start_us >= 0);
        let routes = measured.flat_map(|interval| &interval.routes);
        for times in routes.filter_map(|route| part(&route.messages)) {
            times.add_to(&mut total);
        }
        stats(&total)
    };
    Parts {
        connect: of(|interval| interval.parts.connect.as_ref()),
        tls: of(|interval| interval.parts.tls.as_ref()),
        first_byte: of(|interval| interval.parts.first_byte.as_ref()),
        first_message: of_routes(|messages| messages.first.as_ref()),
        message_gap: of_routes(|messages| messages.between.as_ref()),
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
