//! What was asked of each fault, and what was seen of it.

use std::collections::VecDeque;

use squall_record::{FaultChange, terminal_text};
use squall_scenario::{FaultSpec, Scenario};

use crate::screen::Screen;

/// Injections of one fault that are kept; the oldest go first.
const INJECTIONS_MAX: usize = 512;
/// Faults that are told apart.
const FAULTS_MAX: usize = 512;

/// One injection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// Its number, from 0.
    pub number: u32,
    /// What it is aimed at, resolved.
    pub targets: String,
    /// When it was asked for, in microseconds since time zero.
    pub requested_us: i64,
    /// When it was seen to be in force.
    pub active_us: Option<i64>,
    /// When its removal was asked for.
    pub removal_us: Option<i64>,
    /// When it was seen to be gone.
    pub removed_us: Option<i64>,
    /// When it was withheld on purpose, and until when; nothing was injected.
    pub withheld_us: Option<(i64, Option<i64>)>,
    /// What was seen of it, the newest last.
    pub seen: Option<String>,
    /// Whether traffic felt it, where that is known.
    pub effective: Option<bool>,
    /// Why it could not be injected, verified or removed.
    pub failed: Option<String>,
    /// Why a monkey killed nobody; then nothing was injected.
    pub spared: Option<String>,
}

impl Injection {
    /// Whether it may still act on the system.
    #[must_use]
    pub const fn in_force(&self) -> bool {
        self.active_us.is_some() && self.removed_us.is_none() && self.failed.is_none()
    }
}

/// One fault of the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its name, which is also its window.
    pub name: String,
    /// What is done, as the scenario says it.
    pub what: String,
    /// To whom, as the scenario says it.
    pub into: String,
    /// Start and end of each planned injection, in microseconds.
    pub planned: Vec<(i64, i64)>,
    /// Injections so far.
    pub injections: VecDeque<Injection>,
}

impl Fault {
    fn planned(spec: &FaultSpec, seed: u64) -> Self {
        let lasts = spec.each_lasts().unwrap_or_default();
        let planned = spec.injections(seed).take(INJECTIONS_MAX);
        Self {
            name: spec.name.value.clone(),
            what: spec.inject.to_string(),
            into: spec.into.value.to_string(),
            planned: planned.map(|at| (us(at), us(at + lasts))).collect(),
            injections: VecDeque::new(),
        }
    }

    /// Whether an injection of it may act on the system.
    #[must_use]
    pub fn in_force(&self) -> bool {
        self.injections.iter().any(Injection::in_force)
    }

    fn change(&mut self, at_us: i64, number: u32, targets: &[String], change: &FaultChange) {
        let known = self.injections.iter().rposition(|i| i.number == number);
        let index = known.unwrap_or_else(|| {
            if self.injections.len() == INJECTIONS_MAX {
                self.injections.pop_front();
            }
            self.injections.push_back(Injection {
                number,
                targets: String::new(),
                requested_us: at_us,
                active_us: None,
                removal_us: None,
                removed_us: None,
                withheld_us: None,
                seen: None,
                effective: None,
                failed: None,
                spared: None,
            });
            self.injections.len() - 1
        });
        let injection = &mut self.injections[index];
        if injection.targets.is_empty() && !targets.is_empty() {
            injection.targets = terminal_text(&targets.join(", "));
        }
        match change {
            FaultChange::Requested => {}
            FaultChange::Active { evidence } => {
                injection.active_us.get_or_insert(at_us);
                injection.seen = Some(terminal_text(&evidence.to_string()));
            }
            FaultChange::Observed {
                evidence,
                effective,
                ..
            } => {
                injection.seen = Some(terminal_text(&evidence.to_string()));
                injection.effective = Some(*effective);
            }
            FaultChange::RemovalRequested => injection.removal_us = Some(at_us),
            FaultChange::Removed { .. } => injection.removed_us = Some(at_us),
            FaultChange::Withheld => injection.withheld_us = Some((at_us, None)),
            FaultChange::WithheldEnds => {
                if let Some((_, end)) = &mut injection.withheld_us {
                    *end = Some(at_us);
                }
            }
            FaultChange::Spared { why } => {
                injection.spared = Some(terminal_text(why));
            }
            FaultChange::Failed { detail } => injection.failed = Some(terminal_text(detail)),
        }
    }
}

fn us(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Every fault, in file order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    /// The faults.
    pub each: Vec<Fault>,
}

impl Faults {
    /// Those of a scenario, planned; the kills of a monkey as the seed draws them.
    #[must_use]
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let specs = scenario.faults.iter().take(FAULTS_MAX);
        Self {
            each: specs.map(|spec| Fault::planned(spec, seed)).collect(),
        }
    }

    /// Takes a change into account.
    pub fn change(
        &mut self,
        at_us: i64,
        (name, number): (&str, u32),
        targets: &[String],
        change: &FaultChange,
    ) {
        let place = self.each.iter().position(|fault| fault.name == name);
        let place = match place {
            Some(place) => place,
            None if self.each.len() < FAULTS_MAX => {
                self.each.push(Fault {
                    name: name.to_owned(),
                    what: String::new(),
                    into: String::new(),
                    planned: Vec::new(),
                    injections: VecDeque::new(),
                });
                self.each.len() - 1
            }
            None => return,
        };
        self.each[place].change(at_us, number, targets, change);
    }

    /// Those that the filter of the screen lets pass.
    pub fn passing<'f>(&'f self, screen: &'f Screen) -> impl Iterator<Item = &'f Fault> {
        let words = |fault: &Fault| format!("{} {} {}", fault.name, fault.what, fault.into);
        let each = self.each.iter();
        each.filter(move |fault| screen.lets_pass(&words(fault)))
    }

    /// Names of those in force.
    #[must_use]
    pub fn in_force(&self) -> Vec<&str> {
        let active = self.each.iter().filter(|fault| fault.in_force());
        active.map(|fault| fault.name.as_str()).collect()
    }

    /// Whether all that was planned is over, or all that was asked for has
    /// been removed and nothing more was planned for later than `now_us`.
    #[must_use]
    pub fn over(&self, now_us: i64) -> bool {
        let injected = self.each.iter().any(|fault| !fault.injections.is_empty());
        let later = self.each.iter().flat_map(|f| &f.planned);
        injected
            && self.in_force().is_empty()
            && later.map(|(start, _)| *start).all(|start| start <= now_us)
    }

    /// Stretches during which some fault was in force, as `(start, end)`; one
    /// that lasts ends at `now_us`.
    pub fn stretches(&self, now_us: i64) -> impl Iterator<Item = (i64, i64)> {
        let all = self.each.iter().flat_map(|fault| &fault.injections);
        all.filter_map(move |injection| {
            let start = injection.active_us?;
            let end = injection.removal_us.or(injection.removed_us);
            Some((start, end.unwrap_or(now_us.max(start))))
        })
    }

    /// Bytes that the faults take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let one = |fault: &Fault| {
            let texts: usize = fault
                .injections
                .iter()
                .map(|i| {
                    i.targets.len()
                        + i.seen.as_ref().map_or(0, String::len)
                        + i.failed.as_ref().map_or(0, String::len)
                })
                .sum();
            size_of::<Fault>()
                + fault.planned.capacity() * size_of::<(i64, i64)>()
                + fault.injections.capacity() * size_of::<Injection>()
                + texts
        };
        self.each.iter().map(one).sum()
    }
}
