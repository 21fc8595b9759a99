//! What the parts of the judge look at: a record, the objectives it is judged
//! by, and the windows and faults found in it.

use squall_record::{Record, RunEvent};
use squall_scenario::Scenario;

use crate::verdict::FaultEvidence;
use crate::window::Window;
use crate::{fault, validity, window};

/// Everything the parts of the judge look at.
pub(crate) struct Case<'a> {
    pub(crate) record: &'a Record,
    /// Where the objectives come from.
    pub(crate) objectives: &'a Scenario,
    pub(crate) faults: Vec<FaultEvidence>,
    pub(crate) windows: Vec<Window>,
    pub(crate) load_end_us: i64,
    pub(crate) validity: validity::Validity,
}

impl<'a> Case<'a> {
    pub(crate) fn open(record: &'a Record, objectives: &'a Scenario) -> Self {
        let load_end_us = window::load_end_us(record);
        let faults = fault::evidence(record);
        let windows = window::cut(record, &faults, load_end_us);
        let validity = validity::Validity::of(record, objectives);
        Self {
            record,
            objectives,
            faults,
            windows,
            load_end_us,
            validity,
        }
    }

    pub(crate) fn window(&self, name: &str) -> Option<&Window> {
        self.windows.iter().find(|window| window.name == name)
    }

    pub(crate) fn fault(&self, name: &str) -> Option<&FaultEvidence> {
        self.faults.iter().find(|fault| fault.fault == name)
    }

    /// How exactly breaker events are timed, where the run says so.
    pub(crate) fn breaker_resolution_us(&self) -> Option<u64> {
        self.record
            .events
            .iter()
            .find_map(|stamped| match stamped.event {
                RunEvent::BreakersRead { every_us } => Some(every_us),
                _ => None,
            })
    }

    /// End of the observation after a fault: the next injection or the end of the
    /// load.
    pub(crate) fn observed_until_us(&self, fault: &str, cleared_us: i64) -> i64 {
        self.faults
            .iter()
            .filter(|other| other.fault != fault)
            .filter_map(|other| other.requested_us)
            .filter(|at_us| *at_us > cleared_us)
            .chain([self.load_end_us])
            .min()
            .unwrap_or(self.load_end_us)
    }
}
