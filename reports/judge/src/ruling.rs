//! What was decided about one gate.

use crate::verdict::{Evidence, GateState};

/// A decision about one gate.
#[derive(Debug, Clone)]
pub(crate) struct Ruling {
    pub(crate) state: GateState,
    pub(crate) explanation: String,
    pub(crate) evidence: Evidence,
}
