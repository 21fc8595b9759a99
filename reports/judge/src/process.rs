//! When each process of the system was down.

use std::collections::BTreeMap;

use squall_record::{Phase, ProcessChange, Record, RunEvent};

use crate::verdict::{ProcessTimeline, TimeRange};

/// Every process the run started, by instance. Ends that belong to stopping
/// the system are no down time.
pub(super) fn timelines(record: &Record, load_end_us: i64) -> Vec<ProcessTimeline> {
    let mut found: BTreeMap<String, (Option<i64>, ProcessTimeline)> = BTreeMap::new();
    for stamped in &record.events {
        if matches!(stamped.event, RunEvent::Phase(Phase::Stopping)) {
            break;
        }
        let RunEvent::Process {
            instance, change, ..
        } = &stamped.event
        else {
            continue;
        };
        let (down_since, timeline) = found.entry(instance.clone()).or_insert_with(|| {
            let timeline = ProcessTimeline {
                instance: instance.clone(),
                down: Vec::new(),
                unexpected_exits: 0,
            };
            (None, timeline)
        });
        match change {
            ProcessChange::Exited { expected, .. } => {
                timeline.unexpected_exits += u32::from(!expected);
                *down_since = down_since.or(Some(stamped.at_us));
            }
            ProcessChange::Ready => {
                if let Some(start_us) = down_since.take() {
                    timeline.down.push(TimeRange {
                        start_us,
                        end_us: stamped.at_us,
                    });
                }
            }
            ProcessChange::Started { .. } | ProcessChange::Restarting => {}
        }
    }
    let end = |(down_since, mut timeline): (Option<i64>, ProcessTimeline)| {
        if let Some(start_us) = down_since {
            timeline.down.push(TimeRange {
                start_us,
                end_us: load_end_us.max(start_us),
            });
        }
        timeline
    };
    found.into_values().map(end).collect()
}
