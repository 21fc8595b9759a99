//! Keeps numbers that no run can produce from reaching the arithmetic.

use crate::{Interval, JourneyEnds, RunEvent, Sample, Stamped, ViewingSecond};

/// Times beyond this are damage, in microseconds: 285 years. So are bytes.
const TIME_US_MAX: u64 = 1 << 53;
/// Counts beyond this are damage: a million million. As many events as a record
/// can have add up to less than 64 bits hold.
const COUNT_MAX: u64 = 1 << 40;

/// Why an event cannot be one of a run, in words.
pub(super) fn event(stamped: &Stamped) -> Result<(), String> {
    let at_us = stamped.at_us;
    if !is_time(at_us) {
        return Err(format!("an event at {at_us} us is beyond any run"));
    }
    let counts = match &stamped.event {
        RunEvent::Interval(found) => return interval(found),
        RunEvent::LoadFinished {
            scheduled,
            lag_max_us,
        } => vec![*scheduled, *lag_max_us],
        RunEvent::Viewings { players, .. } => {
            let seconds = players.iter().flat_map(|player| &player.seconds);
            seconds.flat_map(ViewingSecond::counts).collect()
        }
        RunEvent::JourneysEnded { journeys } => {
            journeys.iter().flat_map(JourneyEnds::counts).collect()
        }
        RunEvent::BreakersRead { every_us } => vec![*every_us],
        RunEvent::Breaker(report) => vec![report.calls, u64::from(report.error_percent)],
        RunEvent::Fallbacks(reading) => vec![reading.window_us, reading.calls, reading.fallbacks],
        RunEvent::Probe(reading) => vec![reading.took_us],
        RunEvent::Resources { usage } => {
            let each = usage.values();
            each.flat_map(|used| [used.cpu_ms, used.fds.unwrap_or(0), used.rss_bytes >> 13])
                .collect()
        }
        // No run injects as often as it sends.
        RunEvent::Fault { injection, .. } => vec![u64::from(*injection) << 20],
        _ => Vec::new(),
    };
    match counts.iter().any(|count| *count > COUNT_MAX) {
        true => Err(format!("the event at {at_us} us has impossible figures")),
        false => Ok(()),
    }
}

const fn is_time(us: i64) -> bool {
    us.unsigned_abs() < TIME_US_MAX
}

fn interval(interval: &Interval) -> Result<(), String> {
    let (start_us, end_us) = (interval.start_us, interval.end_us);
    if !is_time(start_us) || !is_time(end_us) || end_us <= start_us {
        return Err(format!(
            "an interval from {start_us} to {end_us} us cannot be"
        ));
    }
    let absurd = interval.routes.iter().find(|route| {
        let c = &route.counts;
        let others = c
            .failed()
            .max(c.late_by_lag)
            .max(c.fallback)
            .max(c.displaced);
        let cache = &c.cache;
        let messages = &route.messages;
        c.scheduled > COUNT_MAX
            || cache.asked().max(cache.evicted) > COUNT_MAX
            || cache.revalidated.saturating_add(cache.misses) > c.scheduled
            || others > COUNT_MAX
            || c.unfinished > c.scheduled
            || messages.begun.saturating_add(messages.empty) > c.settled()
            || messages.gaps > COUNT_MAX
            || c.bytes > TIME_US_MAX
            || c.good > c.settled()
    });
    match absurd {
        Some(route) => Err(format!(
            "the interval at {start_us} us has impossible counts for {}",
            route.route
        )),
        None => Ok(()),
    }
}

/// Whether a sample can be one of a run.
pub(super) fn sample(sample: &Sample) -> bool {
    let times = [
        sample.lag_us,
        sample.wait_us,
        sample.service_us,
        sample.response_us,
    ];
    let parts = &sample.parts;
    let parts = [
        parts.connect_us,
        parts.tls_us,
        parts.first_byte_us,
        parts.first_message_us,
        parts.longest_gap_us,
    ];
    let mut times = times.iter().chain(parts.iter().flatten());
    is_time(sample.scheduled_us)
        && times.all(|us| *us < TIME_US_MAX)
        && sample.arrival < TIME_US_MAX
}
