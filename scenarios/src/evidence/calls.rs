//! What was seen of a fault inside processes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::inject::{CallsDone, InProcess};

/// Processes as a fault inside them left them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallsSeen {
    /// What is done to calls.
    pub fault: InProcess,
    /// The processes, by name.
    pub processes: Vec<String>,
    /// What it has done in all of them together, as they say.
    pub done: CallsDone,
}

impl CallsSeen {
    pub(super) fn on(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (processes, point) = (self.processes.join(", "), &self.fault.point);
        match self.done.calls {
            0 => write!(f, "set at {point} in {processes}, no call yet"),
            _ => write!(f, "in {processes}: {}", self.fault.effect(&self.done)),
        }
    }

    pub(super) fn off(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (processes, effect) = (self.processes.join(", "), self.fault.effect(&self.done));
        write!(f, "taken out of {processes}; {effect}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::InsideDoes;
    use crate::{Share, Sighting};

    #[test]
    fn what_happened_inside_is_said() {
        let seen = |calls| CallsSeen {
            fault: InProcess {
                point: "store.write".to_owned(),
                does: InsideDoes::Hang,
                share: Share::WHOLE,
            },
            processes: vec!["shop-0".to_owned(), "shop-1".to_owned()],
            done: CallsDone {
                calls,
                struck: calls / 2,
            },
        };
        let said = [
            Sighting::OnCalls(seen(0)),
            Sighting::OnCalls(seen(4)),
            Sighting::OffCalls(seen(8)),
        ];
        assert_eq!(
            said.map(|sighting| sighting.to_string()),
            [
                "set at store.write in shop-0, shop-1, no call yet",
                "in shop-0, shop-1: 2 of 4 calls at store.write hung",
                "taken out of shop-0, shop-1; 4 of 8 calls at store.write hung",
            ]
        );
    }
}
