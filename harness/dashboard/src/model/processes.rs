//! Processes of the system: up or down, and what they use.

use std::collections::{BTreeMap, VecDeque};

use squall_record::{ProcessChange, ResourceUse, terminal_text};

/// Instances that are told apart.
const INSTANCES_MAX: usize = 512;
/// Outages of one instance that are kept; the oldest go first.
const OUTAGES_MAX: usize = 256;
/// Readings of CPU use that are kept.
pub const READINGS_MAX: usize = 60;
/// The name under which squall's own use is told.
pub const SQUALL: &str = "squall";

/// How an instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Started, not ready.
    Starting,
    /// It serves.
    Ready,
    /// It ended; how, in words.
    Ended(String),
    /// Its restart policy will start it again.
    Restarting,
}

/// One instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Its process id, where it is known.
    pub pid: Option<u32>,
    /// How it is.
    pub condition: Condition,
    /// How often it was started again.
    pub restarts: u32,
    /// Stretches without service, in microseconds; an open one has no end.
    pub outages: VecDeque<(i64, Option<i64>)>,
    /// Share of one core, per reading.
    pub cpu: VecDeque<f32>,
    /// Resident set size in bytes.
    pub rss_bytes: u64,
    last: Option<(i64, u64)>,
}

impl Instance {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            pid: None,
            condition: Condition::Starting,
            restarts: 0,
            outages: VecDeque::new(),
            cpu: VecDeque::new(),
            rss_bytes: 0,
            last: None,
        }
    }

    /// Whether it was without service in `[from_us, to_us)`.
    #[must_use]
    pub fn down(&self, from_us: i64, to_us: i64) -> bool {
        let overlaps = |(start, end): &(i64, Option<i64>)| {
            *start < to_us && end.is_none_or(|end| end > from_us)
        };
        self.outages.iter().any(overlaps)
    }

    fn change(&mut self, at_us: i64, change: &ProcessChange) {
        match change {
            ProcessChange::Started { pid } => {
                if self.pid.replace(*pid).is_some() {
                    self.restarts += 1;
                }
                self.condition = Condition::Starting;
                self.last = None;
            }
            ProcessChange::Ready => {
                self.condition = Condition::Ready;
                if let Some((_, end @ None)) = self.outages.back_mut() {
                    *end = Some(at_us);
                }
            }
            ProcessChange::Exited { status, .. } => {
                self.condition = Condition::Ended(terminal_text(status));
                if self.outages.back().is_none_or(|(_, end)| end.is_some()) {
                    if self.outages.len() == OUTAGES_MAX {
                        self.outages.pop_front();
                    }
                    self.outages.push_back((at_us, None));
                }
            }
            ProcessChange::Restarting => self.condition = Condition::Restarting,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a share of one core, shown in percent"
    )]
    fn used(&mut self, at_us: i64, used: ResourceUse) {
        self.rss_bytes = used.rss_bytes;
        if let Some((before_us, cpu_ms)) = self.last
            && at_us > before_us
        {
            let spent_ms = used.cpu_ms.saturating_sub(cpu_ms) as f64;
            if self.cpu.len() == READINGS_MAX {
                self.cpu.pop_front();
            }
            let share = spent_ms * 1e3 / (at_us - before_us) as f64;
            self.cpu.push_back(share as f32);
        }
        self.last = Some((at_us, used.cpu_ms));
    }
}

/// Every instance, in the order they were heard of, and squall itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Processes {
    /// The instances.
    pub each: Vec<Instance>,
}

impl Processes {
    fn instance(&mut self, name: &str) -> Option<&mut Instance> {
        let known = self.each.iter().position(|known| known.name == name);
        let place = match known {
            Some(place) => place,
            None if self.each.len() < INSTANCES_MAX => {
                self.each.push(Instance::new(name));
                self.each.len() - 1
            }
            None => return None,
        };
        self.each.get_mut(place)
    }

    /// Takes a change into account.
    pub fn change(&mut self, at_us: i64, name: &str, change: &ProcessChange) {
        if let Some(instance) = self.instance(name) {
            instance.change(at_us, change);
        }
    }

    /// Takes readings into account.
    pub fn used(&mut self, at_us: i64, usage: &BTreeMap<String, ResourceUse>) {
        for (name, used) in usage {
            if let Some(instance) = self.instance(name) {
                if name == SQUALL {
                    instance.condition = Condition::Ready;
                }
                instance.used(at_us, *used);
            }
        }
    }

    /// Instances of the system: all but squall itself.
    pub fn system(&self) -> impl Iterator<Item = &Instance> {
        self.each.iter().filter(|instance| instance.name != SQUALL)
    }

    /// Bytes that the processes take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let one = |instance: &Instance| {
            size_of::<Instance>()
                + instance.outages.capacity() * size_of::<(i64, Option<i64>)>()
                + instance.cpu.capacity() * size_of::<f32>()
        };
        self.each.iter().map(one).sum()
    }
}
