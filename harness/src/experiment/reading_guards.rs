//! `abort_when` on processes and probes, fed from the hub.

use std::collections::BTreeMap;
use std::sync::Arc;

use squall_judge::live::{AbortTrip, ReadingGuard};
use squall_record::Stamped;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::RunContext;

/// The rules of a scenario, and the events they hear. Lives as long as the
/// measured load.
pub(super) struct ReadingGuards {
    guards: Vec<ReadingGuard>,
    /// Only with rules: a reader that never reads keeps thousands of events in
    /// memory, with all their histograms.
    events: Option<broadcast::Receiver<Arc<Stamped>>>,
}

impl ReadingGuards {
    /// `instances` are those of the system, with the process of each.
    pub(super) fn new(context: &RunContext, instances: BTreeMap<String, String>) -> Self {
        let rules = &context.scenario.abort_on_readings;
        Self {
            guards: rules
                .iter()
                .map(|rule| ReadingGuard::new(rule.value.clone(), instances.clone()))
                .collect(),
            events: (!rules.is_empty()).then(|| context.hub.subscribe()),
        }
    }

    /// Returns when a rule trips; never without rules. Safe to drop and call
    /// again.
    pub(super) async fn tripped(&mut self) -> AbortTrip {
        let Some(events) = &mut self.events else {
            return std::future::pending().await;
        };
        loop {
            let stamped = match events.recv().await {
                Ok(stamped) => stamped,
                // What was missed is in the record; the next reading comes
                // within a second.
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return std::future::pending().await,
            };
            for guard in &mut self.guards {
                if let Some(trip) = guard.hear(&stamped) {
                    return trip;
                }
            }
        }
    }
}
