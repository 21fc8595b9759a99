//! What targets wait for right before an injection hits the first of them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::lowered::hittable;
use super::waiting::{Waiting, share_of};
use crate::ProcessIdentity;
use crate::process::off_runtime;

/// How long they are looked at.
const WINDOW: Duration = Duration::from_millis(400);

/// What was seen of the targets of one injection before any of them is hit: what hits
/// the first would show in what is seen of the others.
#[derive(Debug, Default)]
pub struct Before {
    /// Of each second, how many those of a target waited for a processor, together.
    waits: HashMap<ProcessIdentity, f64>,
}

impl Before {
    /// Looks at processes, and at what bears their marks, all at once and for less than
    /// half a second; for no time where there is none.
    pub(crate) async fn of(targets: Vec<(ProcessIdentity, Option<String>)>) -> Self {
        if targets.is_empty() {
            return Self::default();
        }
        let first = move || {
            let looked = targets.into_iter().filter_map(|(leader, mark)| {
                let members = hittable(leader, mark.as_deref()).ok()?;
                Some((leader, mark, Waiting::begin(&members), Instant::now()))
            });
            Ok(looked.collect::<Vec<_>>())
        };
        let Ok(looked) = off_runtime(first).await else {
            return Self::default();
        };
        tokio::time::sleep(WINDOW).await;
        let again = move || {
            let waits = looked.into_iter().filter_map(|one| {
                let (leader, mark, mut waiting, begun) = one;
                let members = hittable(leader, mark.as_deref()).ok()?;
                Some((leader, share_of(waiting.look(&members), begun.elapsed())))
            });
            Ok(waits.collect())
        };
        // Whoever is gone is told where he is hit.
        let waits = off_runtime(again).await.unwrap_or_default();
        Self { waits }
    }

    /// How much of its time a target waited; nothing where nobody looked.
    pub(super) fn share(&self, leader: ProcessIdentity) -> Option<f64> {
        self.waits.get(&leader).copied()
    }
}
