//! What a cgroup of squall's leaves its processes, whichever controller it is of.

use squall_scenario::inject::{Cpu, Freeze, Memory};
use squall_scenario::{Measured, OnResource};

use super::cgroup::Controller;
use super::memory::{self, Room};
use super::pens::Made;
use super::processor::{self, Processor};
use super::standstill::{self, Standstill};
use crate::{FaultError, Member, ProcessIdentity};

/// What one fault leaves its target.
#[derive(Debug, Clone)]
pub(crate) struct Ration {
    /// As it was asked for.
    pub(super) fault: OnResource,
    /// Of what.
    pub(super) controller: Controller,
    /// How much: microseconds of each period, or bytes.
    pub(super) most: u64,
}

/// What processes have used so far.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    Processor(processor::Use),
    Memory(memory::Use),
    Nothing(standstill::Use),
}

impl From<Freeze> for Ration {
    fn from(freeze: Freeze) -> Self {
        Self {
            fault: OnResource::Freeze(freeze),
            controller: Controller::Freezer,
            most: 0,
        }
    }
}

impl From<Cpu> for Ration {
    fn from(cpu: Cpu) -> Self {
        Self {
            fault: OnResource::Cpu(cpu),
            controller: Controller::Cpu,
            most: Processor::quota_us(cpu.share),
        }
    }
}

impl From<Memory> for Ration {
    fn from(memory: Memory) -> Self {
        Self {
            fault: OnResource::Memory(memory),
            controller: Controller::Memory,
            most: memory.limit.0,
        }
    }
}

/// What processes have that a new cgroup does not count.
pub(super) fn held_before<'w>(
    controller: Controller,
    all: impl Iterator<Item = &'w ProcessIdentity>,
) -> Result<u64, FaultError> {
    match controller {
        Controller::Cpu | Controller::Freezer => Ok(0),
        Controller::Memory => Room::held_by(all),
    }
}

impl Made {
    /// Refuses to leave less than is in use.
    pub(super) fn refuse_less(&self, most: u64) -> Result<(), FaultError> {
        let has = match self.pen.controller {
            Controller::Cpu | Controller::Freezer => return Ok(()),
            Controller::Memory => self.held.saturating_add(Room::needed(&self.pen)?),
        };
        if Room::left(most, has) > 0 {
            return Ok(());
        }
        let pid = self.pen.leader.pid;
        Err(FaultError::MoreInUse { pid, has, most })
    }

    /// Leaves so much.
    pub(super) fn leave(&self, most: u64) -> Result<(), FaultError> {
        match self.pen.controller {
            Controller::Cpu => Processor::set(&self.pen, most),
            Controller::Memory => Room::set(&self.pen, Room::left(most, self.held)),
            Controller::Freezer => Standstill::begin(&self.pen),
        }
    }

    /// Leaves so much to those whom other faults keep inside: nothing to do where somebody
    /// took the cgroup away, as a keeper does whose guardian is gone.
    pub(super) fn leave_to_others(&self, most: u64) -> Result<(), FaultError> {
        match self.leave(most) {
            Err(_) if self.pen.is_gone() => Ok(()),
            left => left,
        }
    }

    /// Looks whether no more than that is left.
    pub(super) fn look_for(&self, most: u64) -> Result<(), FaultError> {
        let (what, stands, wanted) = match self.pen.controller {
            Controller::Cpu => {
                let stands = Processor::stands(&self.pen)?;
                ("quota of the processor in microseconds", stands, most)
            }
            Controller::Memory => {
                let stands = Room::stands(&self.pen)?;
                let left = Room::left(most, self.held);
                ("limit of memory in bytes", stands, left)
            }
            Controller::Freezer => {
                let pid = self.pen.leader.pid;
                return match Standstill::stands(&self.pen)? {
                    true => Ok(()),
                    false => Err(FaultError::NotStill { pid }),
                };
            }
        };
        if stands == Some(wanted) {
            return Ok(());
        }
        Err(FaultError::LimitChanged {
            pid: self.pen.leader.pid,
            what: what.to_owned(),
            is: stands.map_or_else(|| "none".to_owned(), |stands| stands.to_string()),
            wanted,
        })
    }

    /// Puts everybody in; who is in, and what was used when that began.
    pub(super) fn begin(&self) -> Result<(Vec<Member>, Use), FaultError> {
        match self.pen.controller {
            // What they have used is counted of each of them.
            Controller::Cpu | Controller::Freezer => {
                let inside = self.pen.fill(&[])?;
                let begun = self.used(&inside)?;
                Ok((inside, begun))
            }
            // Whoever is ended at once counts.
            Controller::Memory => {
                let begun = self.used(&[])?;
                Ok((self.pen.fill(&[])?, begun))
            }
        }
    }

    /// What the kernel has counted.
    pub(super) fn used(&self, inside: &[Member]) -> Result<Use, FaultError> {
        Ok(match self.pen.controller {
            Controller::Cpu => Use::Processor(Processor::used(&self.pen, inside)?),
            Controller::Memory => Use::Memory(Room::used(&self.pen, self.held)?),
            Controller::Freezer => Use::Nothing(Standstill::used(inside)),
        })
    }
}

impl Use {
    /// What became of it since an earlier look at the same.
    pub(super) fn since(self, begun: Self) -> Option<Measured> {
        match (self, begun) {
            (Self::Processor(now), Self::Processor(begun)) => Some(now.since(begun)),
            (Self::Memory(now), Self::Memory(begun)) => Some(now.since(begun)),
            (Self::Nothing(now), Self::Nothing(begun)) => Some(now.since(begun)),
            (Self::Processor(_), Self::Memory(_) | Self::Nothing(_))
            | (Self::Memory(_), Self::Processor(_) | Self::Nothing(_))
            | (Self::Nothing(_), Self::Processor(_) | Self::Memory(_)) => None,
        }
    }
}

/// Whether it shows that somebody was ended by the kernel, as the fault would have
/// it.
pub(super) const fn has_ended_somebody(measured: &Measured) -> bool {
    match measured {
        Measured::Memory { killed, .. } => *killed > 0,
        Measured::Descriptors { .. }
        | Measured::Processor { .. }
        | Measured::Disk { .. }
        | Measured::Burn { .. }
        | Measured::Frozen { .. }
        | Measured::Pressure { .. } => false,
    }
}
