//! What was asked of each fault, what was seen of it, and what that leaves
//! unproven.

use std::collections::BTreeMap;

use squall_record::{FaultChange, Record, RunEvent, WindowEdge};
use squall_scenario::{EvidenceLevel, FaultSpec, format_duration};

use crate::verdict::{FaultEvidence, FaultPeriod, TimeRange};

/// One injection as the events tell it.
#[derive(Debug, Default)]
struct Injection {
    active: bool,
    /// Whether traffic felt it; `None` while nobody looked.
    effective: Option<bool>,
    /// Why it was not in force to its end; in words.
    lost: Option<String>,
    removed: bool,
    removal_requested: bool,
    /// Why a monkey spared everybody: then there was none.
    spared: Option<String>,
    /// What went wrong before and after its removal was asked for.
    failure: Option<String>,
    removal_failure: Option<String>,
}

/// Evidence for every fault of the run's scenario, in file order.
pub(super) fn evidence(record: &Record) -> Vec<FaultEvidence> {
    let faults = &record.manifest.scenario.faults;
    faults.iter().map(|fault| of_fault(record, fault)).collect()
}

fn of_fault(record: &Record, spec: &FaultSpec) -> FaultEvidence {
    let injections = spec.injections(record.manifest.seed).count();
    let planned = spec
        .cycles()
        .unwrap_or_else(|| u32::try_from(injections).unwrap_or(u32::MAX));
    let mut periods = Periods::of(record, spec);
    let mut found = FaultEvidence {
        fault: spec.name.value.clone(),
        requested: describe(spec),
        targets: Vec::new(),
        planned,
        active: 0,
        removed: 0,
        requested_us: None,
        active_us: None,
        removal_requested_us: None,
        removed_us: None,
        effective: None,
        felt: 0,
        withheld: false,
        periods: Vec::new(),
        seen: Vec::new(),
        problems: Vec::new(),
        removal_problems: Vec::new(),
    };
    let mut injections: BTreeMap<u32, Injection> = BTreeMap::new();
    for stamped in &record.events {
        if let RunEvent::Fault {
            fault,
            injection,
            targets,
            change,
        } = &stamped.event
            && *fault == spec.name.value
        {
            for target in targets
                .iter()
                .filter(|target| !found.targets.contains(target))
                .cloned()
                .collect::<Vec<_>>()
            {
                found.targets.push(target);
            }
            if periods.hear(*injection, stamped.at_us, change) {
                continue;
            }
            hear(
                &mut found,
                injections.entry(*injection).or_default(),
                stamped.at_us,
                change,
            );
        }
    }
    found.periods = periods.ended;
    weigh(&mut found, &injections, spec);
    found
}

/// The periods of a fault that comes in cycles; none of another.
struct Periods<'r> {
    spec: &'r FaultSpec,
    seed: u64,
    /// Those that began: their number and when.
    began: BTreeMap<u32, i64>,
    ended: Vec<FaultPeriod>,
}

impl<'r> Periods<'r> {
    const fn of(record: &Record, spec: &'r FaultSpec) -> Self {
        Self {
            spec,
            seed: record.manifest.seed,
            began: BTreeMap::new(),
            ended: Vec::new(),
        }
    }

    /// Takes an event into account; true where it tells of a control period,
    /// and of nothing that was done.
    fn hear(&mut self, number: u32, at_us: i64, change: &FaultChange) -> bool {
        if self.spec.cycles().is_none() {
            return false;
        }
        let control = self.spec.is_control(number, self.seed);
        match change.edge() {
            Some(WindowEdge::Opens) => {
                self.began.entry(number).or_insert(at_us);
            }
            Some(WindowEdge::Closes) => {
                if let Some(start_us) = self.began.remove(&number) {
                    self.ended.push(FaultPeriod {
                        number,
                        control,
                        range: TimeRange {
                            start_us,
                            end_us: at_us,
                        },
                    });
                }
            }
            None => {}
        }
        control
    }
}

fn hear(found: &mut FaultEvidence, injection: &mut Injection, at_us: i64, change: &FaultChange) {
    match change {
        FaultChange::Requested => {
            found.requested_us = Some(found.requested_us.map_or(at_us, |us| us.min(at_us)));
        }
        FaultChange::Active { evidence } => {
            injection.active = true;
            found.active_us = Some(found.active_us.map_or(at_us, |us| us.min(at_us)));
            found.seen.push(evidence.to_string());
        }
        FaultChange::Observed {
            evidence,
            effective,
            lost,
        } => {
            found.seen.push(evidence.to_string());
            if *lost {
                injection.lost = Some(evidence.to_string());
            } else {
                let level = evidence.level();
                let felt = level.map_or(*effective, |level| level == EvidenceLevel::Felt);
                injection.effective = Some(injection.effective.unwrap_or(false) || felt);
            }
        }
        FaultChange::RemovalRequested => {
            injection.removal_requested = true;
            found.removal_requested_us = found.removal_requested_us.max(Some(at_us));
        }
        FaultChange::Removed { evidence } => {
            injection.removed = true;
            found.removed_us = found.removed_us.max(Some(at_us));
            found.seen.push(evidence.to_string());
        }
        FaultChange::Withheld => {
            found.withheld = true;
            injection.active = true;
            found.requested_us = Some(found.requested_us.map_or(at_us, |us| us.min(at_us)));
            found.active_us = Some(found.active_us.map_or(at_us, |us| us.min(at_us)));
        }
        FaultChange::WithheldEnds => {
            injection.removal_requested = true;
            injection.removed = true;
            found.removal_requested_us = found.removal_requested_us.max(Some(at_us));
            found.removed_us = found.removed_us.max(Some(at_us));
        }
        FaultChange::Spared { why } => {
            injection.spared = Some(why.clone());
            found.seen.push(format!("no kill: {why}"));
        }
        FaultChange::Failed { detail } if injection.removal_requested => {
            injection.removal_failure = Some(detail.clone());
        }
        FaultChange::Failed { detail } => injection.failure = Some(detail.clone()),
    }
}

/// Says what the evidence leaves unproven.
fn weigh(found: &mut FaultEvidence, injections: &BTreeMap<u32, Injection>, spec: &FaultSpec) {
    let count = |test: fn(&Injection) -> bool| {
        u32::try_from(injections.values().filter(|i| test(i)).count()).unwrap_or(u32::MAX)
    };
    found.active = count(|injection| injection.active);
    found.removed = count(|injection| injection.removed);
    let looked = injections
        .values()
        .any(|injection| injection.effective.is_some() || injection.lost.is_some());
    if found.withheld {
        found
            .seen
            .push("withheld on purpose: nothing was injected".to_owned());
    } else if !spec.inject.surface().waits_for_traffic() && !looked {
        // A process that was seen to end or to stop is the effect itself.
        found.felt = found.active;
        found.effective = (found.active > 0).then_some(true);
    } else {
        found.felt = count(|injection| injection.active && injection.effective == Some(true));
        // Nobody looked for traffic at one that was lost.
        let asked = injections.values().any(|i| i.effective.is_some());
        found.effective = asked.then_some(found.felt > 0);
    }
    let spared = count(|injection| injection.spared.is_some());
    let heard = u32::try_from(injections.len()).unwrap_or(u32::MAX);
    let requested = heard - spared;
    if requested == 0 {
        let why = injections.values().find_map(|i| i.spared.as_ref());
        let problem = why.map_or_else(
            || "was never injected".to_owned(),
            |why| format!("killed nobody: {why}"),
        );
        found.problems.push(problem);
        return;
    }
    // What was spared was not to be.
    found.planned = found.planned.saturating_sub(spared);
    weigh_injection(found, injections, requested);
    match injections.values().find_map(|i| i.lost.as_ref()) {
        Some(why) => {
            let lost = count(|injection| injection.lost.is_some());
            found.problems.push(format!(
                "was not in force to its end{}: {why}",
                of(lost, requested)
            ));
        }
        None => weigh_effect(found, spec),
    }
    weigh_removal(found, injections);
}

/// How many of the injections, where there were several.
fn of(few: u32, many: u32) -> String {
    if many == 1 {
        String::new()
    } else {
        format!(" ({few} of {many} injections)")
    }
}

fn weigh_injection(
    found: &mut FaultEvidence,
    injections: &BTreeMap<u32, Injection>,
    requested: u32,
) {
    if let Some(detail) = injections.values().find_map(|i| i.failure.as_ref()) {
        found
            .problems
            .push(format!("could not be injected: {detail}"));
    } else if found.active < requested {
        found.problems.push(format!(
            "was not seen in force{}",
            of(found.active, requested)
        ));
    }
    if requested < found.planned {
        found.problems.push(format!(
            "was injected {requested} of {} times",
            found.planned
        ));
    }
}

fn weigh_effect(found: &mut FaultEvidence, spec: &FaultSpec) {
    if found.active == 0 || found.withheld {
        return;
    }
    match found.effective {
        Some(true) if found.felt < found.active => found.problems.push(format!(
            "was felt by traffic in {} of {} injections only",
            found.felt, found.active
        )),
        Some(true) => {}
        Some(false) => found
            .problems
            .push("was in force, but no traffic felt it".to_owned()),
        None if spec.inject.surface().waits_for_traffic() => {
            found
                .problems
                .push("was in force, but nothing shows that traffic felt it".to_owned());
        }
        // An ended or stopped process was seen as such when it was active.
        None => {}
    }
}

fn weigh_removal(found: &mut FaultEvidence, injections: &BTreeMap<u32, Injection>) {
    if let Some(detail) = injections.values().find_map(|i| i.removal_failure.as_ref()) {
        found
            .removal_problems
            .push(format!("could not be removed: {detail}"));
    } else if found.removed < found.active {
        found.removal_problems.push(format!(
            "was not seen to be gone{}",
            of(found.removed, found.active)
        ));
    }
}

/// The fault as a sentence: `delay 5s into recommendations at 20s for 20s`.
fn describe(spec: &FaultSpec) -> String {
    let mut text = format!(
        "{}{} into {} at {}",
        spec.inject.in_brief(),
        spec.scope(),
        spec.into.value,
        format_duration(spec.at)
    );
    if let Some(duration) = spec.duration {
        text.push_str(&format!(" for {}", format_duration(duration)));
    }
    text.push_str(&spec.rhythm());
    text
}
