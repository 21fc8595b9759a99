//! What the run tells a fault.

use std::sync::Arc;
use std::time::Duration;

use crate::Journal;
use crate::guardian::GuardianClient;
use crate::process::Pauses;
use crate::resource::Limits;

/// What every injection needs to know about the run.
#[derive(Debug, Clone)]
pub struct FaultContext {
    /// Name of the fault in the scenario.
    pub fault: String,
    /// Which repetition, from 0.
    pub injection: u32,
    /// Where undos are written first. Faults that die with squall (toxics)
    /// do not use it.
    pub journal: Arc<Journal>,
    /// The guardian, which no fault may hit, and which does and undoes faults on
    /// the processes that it started.
    pub guardian: Option<GuardianClient>,
    /// The pauses of the run, all of them: two may meet on one process.
    pub pauses: Pauses,
    /// The limits that the run has lowered, likewise.
    pub limits: Limits,
    /// How long effects and their undo may take to show.
    pub deadline: Duration,
}
