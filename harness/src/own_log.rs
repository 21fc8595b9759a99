//! What squall's own log says of a run: every event of the record but the
//! figures, in the words of the record.

use squall_record::{FaultChange, ProbeReading, RunEvent, Stamped, json_line};
use tracing::Level;

/// Writes an event to the log, where somebody keeps one.
pub(crate) fn tell(stamped: &Stamped) {
    let Some(level) = level(&stamped.event) else {
        return;
    };
    let words = || json_line(&stamped.event).unwrap_or_default();
    let at_us = stamped.at_us;
    if level == Level::INFO {
        tracing::info!(target: "squall::run", at_us, "{}", words());
    } else if level == Level::WARN {
        tracing::warn!(target: "squall::run", at_us, "{}", words());
    } else {
        tracing::error!(target: "squall::run", at_us, "{}", words());
    }
}

/// How loud an event is; `None` for what comes every second.
fn level(event: &RunEvent) -> Option<Level> {
    match event {
        RunEvent::Interval(_)
        | RunEvent::Resources { .. }
        | RunEvent::Fallbacks(_)
        | RunEvent::BreakersRead { .. }
        | RunEvent::Probe(ProbeReading { error: None, .. }) => None,
        RunEvent::Internal { .. } | RunEvent::UndoFailed { .. } => Some(Level::ERROR),
        RunEvent::Abort { .. }
        | RunEvent::NotReady { .. }
        | RunEvent::LinkShort(_)
        | RunEvent::Interrupted { .. }
        | RunEvent::Probe(_)
        | RunEvent::SteadyState { reached: false, .. }
        | RunEvent::Fault {
            change: FaultChange::Failed { .. },
            ..
        } => Some(Level::WARN),
        RunEvent::Phase(_)
        | RunEvent::Process { .. }
        | RunEvent::LinkUp { .. }
        | RunEvent::Fault { .. }
        | RunEvent::Breaker(_)
        | RunEvent::Window { .. }
        | RunEvent::SteadyState { .. }
        | RunEvent::Note { .. }
        | RunEvent::UndoVerified { .. }
        | RunEvent::LoadFinished { .. }
        | RunEvent::JourneysEnded { .. }
        | RunEvent::Viewings { .. }
        | RunEvent::ByHand { .. } => Some(Level::INFO),
    }
}
