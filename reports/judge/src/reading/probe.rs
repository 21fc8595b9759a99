//! What a probe read.

use squall_record::{Record, RunEvent};
use squall_scenario::Probe;

use super::series::{Point, Series};

/// The readings of a probe.
pub(super) fn series(record: &Record, probe: &Probe) -> Series {
    let micros =
        |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let (every_us, within_us) = (micros(probe.every), micros(probe.within));
    let mut series = Series {
        who: probe.name.clone(),
        points: Vec::new(),
        failed: Vec::new(),
        absent: Vec::new(),
        every_us: u64::try_from(every_us).unwrap_or(0),
        gap_max_us: every_us.saturating_mul(2).saturating_add(within_us),
    };
    for stamped in &record.events {
        let RunEvent::Probe(reading) = &stamped.event else {
            continue;
        };
        if reading.probe != probe.name {
            continue;
        }
        let took_us = i64::try_from(reading.took_us).unwrap_or(i64::MAX);
        let asked_us = stamped.at_us.saturating_sub(took_us);
        match (reading.value, &reading.error) {
            (Some(value), _) => series.points.push(Point {
                from_us: asked_us,
                at_us: stamped.at_us,
                value,
                looked_us: reading
                    .looked_us
                    .map(|us| i64::try_from(us).unwrap_or(i64::MAX)),
            }),
            (None, error) => {
                let why = error
                    .clone()
                    .unwrap_or_else(|| "no reason given".to_owned());
                series.failed.push((stamped.at_us, why));
            }
        }
    }
    series
}
