//! `abort_when` on what is read beside the arrivals.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use squall_record::{ProcessChange, ResourceUse, RunEvent, Stamped};
use squall_scenario::{ProcessFigure, Reading, ReadingGate, format_duration};

use crate::live::AbortTrip;
use crate::reading::{limit, live_value, quantity};

/// One rule of `abort_when` on a process or a probe. It trips when the
/// condition holds at every reading of one instance for `for`; without `for`,
/// at the first such reading. A reading that failed, and an end of the process,
/// break the stretch.
#[derive(Debug)]
pub struct ReadingGuard {
    rule: ReadingGate,
    /// Instances by process, as far as they were told.
    instances: BTreeMap<String, String>,
    /// The last reading of each instance.
    last: BTreeMap<String, (i64, ResourceUse)>,
    /// Start of the stretch in which the condition holds, by instance.
    since_us: BTreeMap<String, i64>,
    /// Instances that ended and were not started again yet.
    ended: BTreeSet<String>,
    /// Starts of what ended, all instances together.
    restarts: u32,
    tripped: bool,
}

impl ReadingGuard {
    /// A guard that has read nothing. `instances` are those that run already,
    /// with the process of each.
    #[must_use]
    pub const fn new(rule: ReadingGate, instances: BTreeMap<String, String>) -> Self {
        Self {
            rule,
            instances,
            last: BTreeMap::new(),
            since_us: BTreeMap::new(),
            ended: BTreeSet::new(),
            restarts: 0,
            tripped: false,
        }
    }

    /// Takes one event into account; `Some` the one time it trips.
    pub fn hear(&mut self, stamped: &Stamped) -> Option<AbortTrip> {
        match (&stamped.event, &self.rule.reading) {
            (
                RunEvent::Process {
                    process,
                    instance,
                    change,
                },
                _,
            ) => {
                self.instances.insert(instance.clone(), process.clone());
                self.life(process, instance, change, stamped.at_us)
            }
            (RunEvent::Resources { usage }, Reading::Process { figure, of }) => {
                let figure = *figure;
                let is_meant = |who: &String| {
                    who == of || self.instances.get(who).is_some_and(|process| process == of)
                };
                let meant: Vec<String> =
                    usage.keys().filter(|who| is_meant(who)).cloned().collect();
                let mut trip = None;
                for who in meant {
                    let Some(used) = usage.get(&who) else {
                        continue;
                    };
                    let now = (stamped.at_us, *used);
                    let last = self.last.insert(who.clone(), now);
                    let value = live_value(figure, last, now);
                    trip = trip.or(self.weigh(&who, stamped.at_us, value));
                }
                trip
            }
            (RunEvent::Probe(reading), Reading::Probe(name)) if reading.probe == *name => {
                self.weigh(&reading.probe, stamped.at_us, reading.value)
            }
            _ => None,
        }
    }

    /// A start or an end: readings of another process are compared with
    /// nothing, and restarts are counted from time zero on.
    fn life(
        &mut self,
        process: &str,
        instance: &str,
        change: &ProcessChange,
        at_us: i64,
    ) -> Option<AbortTrip> {
        match change {
            ProcessChange::Exited { .. } => {
                self.last.remove(instance);
                self.since_us.remove(instance);
                self.ended.insert(instance.to_owned());
                None
            }
            ProcessChange::Started { .. } if at_us >= 0 && self.ended.remove(instance) => {
                let Reading::Process {
                    figure: ProcessFigure::Restarts,
                    of,
                } = &self.rule.reading
                else {
                    return None;
                };
                if of != process && of != instance {
                    return None;
                }
                self.restarts += 1;
                let of = of.clone();
                self.weigh(&of, at_us, Some(f64::from(self.restarts)))
            }
            _ => None,
        }
    }

    fn weigh(&mut self, who: &str, at_us: i64, value: Option<f64>) -> Option<AbortTrip> {
        let holds = |value: &f64| self.rule.comparison.holds(*value, limit(&self.rule).0);
        let Some(value) = value.filter(holds) else {
            self.since_us.remove(who);
            return None;
        };
        if at_us < 0 || self.tripped {
            return None;
        }
        let since_us = *self.since_us.entry(who.to_owned()).or_insert(at_us);
        let held_us = u64::try_from(at_us.saturating_sub(since_us)).unwrap_or(0);
        let held = Duration::from_micros(held_us);
        if held < self.rule.sustained.unwrap_or_default() {
            return None;
        }
        self.tripped = true;
        let observed = quantity(&self.rule.reading, value);
        let held = Duration::from_millis(held_us / 1000);
        let detail = if held.is_zero() {
            format!("{who} read {observed}")
        } else {
            let held = format_duration(held);
            format!("{who} read {observed} at last, and the condition held for {held}")
        };
        Some(AbortTrip {
            guard: self.rule.to_string(),
            detail,
        })
    }
}
