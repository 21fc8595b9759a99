//! Where every breaker of every instance stood, for the reports.

use std::collections::BTreeMap;

use squall_record::{ProcessChange, Record, RunEvent};
use squall_scenario::BreakerState;

use crate::verdict::{BreakerSegment, BreakerTimeline, TimeRange};

/// States and when they began.
type States = Vec<(i64, Option<BreakerState>)>;

/// States of every breaker of every instance, for the reports.
pub(crate) fn timelines(record: &Record, load_end_us: i64) -> Vec<BreakerTimeline> {
    // By breaker and instance.
    let mut found: BTreeMap<(String, String), States> = BTreeMap::new();
    for stamped in &record.events {
        match &stamped.event {
            RunEvent::Breaker(report) => {
                let key = (report.breaker.clone(), report.instance.clone());
                found
                    .entry(key)
                    .or_default()
                    .push((stamped.at_us, report.state));
            }
            RunEvent::Process {
                instance,
                change: ProcessChange::Exited { .. },
                ..
            } => {
                for ((_, holder), states) in &mut found {
                    if holder == instance {
                        states.push((stamped.at_us, None));
                    }
                }
            }
            _ => {}
        }
    }
    found
        .into_iter()
        .map(|((breaker, instance), states)| BreakerTimeline {
            breaker,
            instance,
            segments: segments(&states, load_end_us),
        })
        .collect()
}

/// Joins equal neighbours; the last state lasts to the end of the load.
fn segments(states: &[(i64, Option<BreakerState>)], load_end_us: i64) -> Vec<BreakerSegment> {
    let mut segments: Vec<BreakerSegment> = Vec::new();
    for (at_us, state) in states {
        match segments.last_mut() {
            Some(last) if last.state == *state => continue,
            Some(last) => last.range.end_us = *at_us,
            None => {}
        }
        segments.push(BreakerSegment {
            range: TimeRange {
                start_us: *at_us,
                end_us: load_end_us.max(*at_us),
            },
            state: *state,
        });
    }
    segments
}
