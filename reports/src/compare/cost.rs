//! What each run took and gave: time, CPU, bytes, instances.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall_judge::verdict::Verdict;
use squall_judge::{Slice, windows};
use squall_record::{ProcessChange, Record, RunEvent};

use super::breaches::failed_gates;
use super::recoveries::RecoveryComparison;

/// Name under which squall reports what it used itself.
const SQUALL: &str = "squall";

/// One line of the table of costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// What: `mean latency`, `CPU-seconds of the system`.
    pub name: String,
    /// In what.
    pub unit: CostUnit,
    /// In each run; `None` where it was not seen.
    pub values: [Option<f64>; 2],
}

impl Cost {
    /// `b` over `a`; `None` where either was not seen or `a` is 0.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        match self.values {
            [Some(a), Some(b)] if a > 0.0 => Some(b / a),
            _ => None,
        }
    }
}

/// What a cost is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostUnit {
    /// Microseconds of response time.
    Micros,
    /// Seconds until something happened; not seen means never.
    SecondsUntil,
    /// Seconds used.
    Seconds,
    /// Bytes.
    Bytes,
    /// A number of things.
    Count,
}

/// CPU time of one process in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CpuComparison {
    /// Name of the process.
    pub process: String,
    /// CPU-seconds between its first and last reading after time zero.
    pub seconds: [Option<f64>; 2],
}

/// The table of costs.
#[expect(clippy::cast_precision_loss, reason = "counts of a run")]
pub(super) fn costs(
    records: [&Record; 2],
    verdicts: &[Verdict; 2],
    recoveries: &[RecoveryComparison],
    cpu: &[CpuComparison],
) -> Vec<Cost> {
    let whole = records.map(whole_run);
    let cost = |name: &str, unit, values| Cost {
        name: name.to_owned(),
        unit,
        values,
    };
    let mean = [0, 1].map(|side| {
        let slice = whole[side].as_ref()?;
        (!slice.response.is_empty()).then(|| slice.means_us().0)
    });
    let mut costs = vec![cost("mean latency of good answers", CostUnit::Micros, mean)];
    for recovery in recoveries {
        let seconds = recovery.took_us.map(|us| us.map(|us| us as f64 / 1e6));
        let name = format!("time to recover after {}", recovery.fault);
        costs.push(cost(&name, CostUnit::SecondsUntil, seconds));
    }
    let breached = [0, 1].map(|side| Some(failed_gates(&verdicts[side]).count() as f64));
    costs.push(cost("gates breached", CostUnit::Count, breached));
    let sum = |own: bool| {
        [0, 1].map(|side| {
            let of = cpu.iter().filter(|cpu| (cpu.process == SQUALL) == own);
            let seconds: Vec<f64> = of.filter_map(|cpu| cpu.seconds[side]).collect();
            (!seconds.is_empty()).then(|| seconds.iter().sum())
        })
    };
    costs.push(cost(
        "CPU-seconds of the system",
        CostUnit::Seconds,
        sum(false),
    ));
    costs.push(cost("CPU-seconds of squall", CostUnit::Seconds, sum(true)));
    let bytes = [0, 1].map(|side| whole[side].as_ref().map(|slice| slice.counts.bytes as f64));
    costs.push(cost("bytes of answers", CostUnit::Bytes, bytes));
    let instances = [0, 1].map(|side| instance_seconds(records[side], verdicts[side].load_end_us));
    costs.push(cost("instance-seconds", CostUnit::Seconds, instances));
    costs
}

fn whole_run(record: &Record) -> Option<Slice> {
    let windows = windows(record);
    let window = windows.iter().find(|window| window.name == "whole run")?;
    Some(Slice::to_show().gather(&record.intervals, window, None))
}

/// Time that instances of the system's processes existed during the measured
/// load, added up; `None` for a run that started none.
#[expect(clippy::cast_precision_loss, reason = "microseconds of one run")]
fn instance_seconds(record: &Record, load_end_us: i64) -> Option<f64> {
    let mut since: BTreeMap<&str, i64> = BTreeMap::new();
    let mut lived_us = 0_i64;
    let mut started = false;
    let inside = |from: i64, to: i64| (to.min(load_end_us) - from.max(0)).max(0);
    for stamped in &record.events {
        let RunEvent::Process {
            instance, change, ..
        } = &stamped.event
        else {
            continue;
        };
        match change {
            ProcessChange::Started { .. } => {
                started = true;
                since.insert(instance, stamped.at_us);
            }
            ProcessChange::Exited { .. } => {
                if let Some(from_us) = since.remove(instance.as_str()) {
                    lived_us += inside(from_us, stamped.at_us);
                }
            }
            ProcessChange::Ready | ProcessChange::Restarting => {}
        }
    }
    lived_us += since
        .values()
        .map(|from_us| inside(*from_us, load_end_us))
        .fold(0, i64::saturating_add);
    started.then_some(lived_us as f64 / 1e6)
}

/// CPU time by process in both runs.
pub(super) fn cpu(records: [&Record; 2]) -> Vec<CpuComparison> {
    let used = records.map(cpu_seconds);
    let mut names: Vec<&String> = used.iter().flat_map(BTreeMap::keys).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|process| CpuComparison {
            process: process.clone(),
            seconds: [0, 1].map(|side| used[side].get(process).copied()),
        })
        .collect()
}

/// CPU time by process. A process that was started again counts from zero
/// again, so only increments are added up.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of one run")]
fn cpu_seconds(record: &Record) -> BTreeMap<String, f64> {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut used_ms: BTreeMap<String, u64> = BTreeMap::new();
    for stamped in record.events.iter().filter(|stamped| stamped.at_us >= 0) {
        let RunEvent::Resources { usage } = &stamped.event else {
            continue;
        };
        for (process, now) in usage {
            let before = last.insert(process, now.cpu_ms);
            let more_ms = before.map_or(0, |before| {
                now.cpu_ms.checked_sub(before).unwrap_or(now.cpu_ms)
            });
            *used_ms.entry(process.clone()).or_default() += more_ms;
        }
    }
    let seconds = used_ms
        .into_iter()
        .map(|(process, ms)| (process, ms as f64 / 1e3));
    seconds.collect()
}
