//! What ends a run before its time, from outside.

use squall_record::{RunEvent, StopReason};
use tokio::sync::mpsc;

use super::{Control, stop_reason};
use crate::hub::EventHub;
use crate::world::seam::Guardian;

/// Why a run ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CalledOff {
    /// It was asked to.
    Asked(StopReason),
    /// Nobody owns the processes any more.
    GuardianLost,
    /// Nothing more can be proven.
    RecordLost,
}

impl CalledOff {
    /// What the record says of it, or those who watch where there is none.
    pub(super) fn event(self) -> RunEvent {
        let (guard, detail) = match self {
            Self::Asked(reason) => return RunEvent::Interrupted { reason },
            Self::GuardianLost => (
                "the guardian is alive",
                "the guardian ended, so nobody owns the processes any more",
            ),
            Self::RecordLost => (
                "the record can be written",
                "the record cannot be written any more, so nothing more can be proven",
            ),
        };
        RunEvent::Abort {
            guard: guard.to_owned(),
            detail: detail.to_owned(),
        }
    }
}

/// Returns when something is lost without which no run makes sense. May be
/// dropped and called again.
pub(super) async fn lost(hub: &EventHub, guardian: &impl Guardian) -> CalledOff {
    tokio::select! {
        biased;
        () = guardian.gone() => CalledOff::GuardianLost,
        () = hub.record_lost() => CalledOff::RecordLost,
    }
}

/// Returns when the run is to end, at a time when no fault can be stopped by
/// hand. May be dropped and called again.
pub(super) async fn called_off(
    hub: &EventHub,
    guardian: &impl Guardian,
    control: &mut mpsc::Receiver<Control>,
) -> CalledOff {
    tokio::select! {
        biased;
        reason = stop_reason(hub, control) => CalledOff::Asked(reason),
        why = lost(hub, guardian) => why,
    }
}
