//! Breaker states, read from the system under test: from its event streams,
//! its metrics or its output.

mod hystrix;
mod log;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use squall_reports::{BreakerReport, RunEvent};
use squall_scenario::{BreakerSource, BreakerState};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::hystrix::HystrixWatcher;
use self::log::LogWatcher;
use self::metrics::MetricsWatcher;
use super::{Instance, RunningSystem, control_client};
use crate::hub::EventHub;

/// How often a Hystrix stream tells where its breakers stand, and how often
/// metrics and output are read: the resolution of everything said about
/// breakers.
pub const BREAKERS_EVERY: Duration = Duration::from_millis(500);

/// Watches every breaker of the system until `stop`, and emits each change.
pub fn watch_breakers(
    system: &Arc<RunningSystem>,
    hub: &EventHub,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let Ok(client) = control_client() else { return };
    for (breaker, source) in &system.description().breakers {
        for instance in system.instances_of(source.of()) {
            let reporter = Reporter {
                breaker: breaker.clone(),
                instance: Arc::clone(instance),
                hub: hub.clone(),
                last: None,
            };
            let (source, client, stop) = (source.clone(), client.clone(), stop.clone());
            tasks.spawn(async move {
                let watch = watch(source, client, reporter);
                let _ = stop.run_until_cancelled(watch).await;
            });
        }
    }
}

/// Watches one breaker of one instance for ever.
async fn watch(source: BreakerSource, client: reqwest::Client, reporter: Reporter) {
    match source {
        BreakerSource::HystrixStream { path, command, .. } => {
            let watcher = HystrixWatcher {
                reporter,
                client,
                path,
                command,
                fallbacks_at: None,
            };
            watcher.watch().await;
        }
        BreakerSource::Metrics {
            path, name, labels, ..
        } => {
            let watcher = MetricsWatcher {
                reporter,
                client,
                path,
                name,
                labels,
            };
            watcher.watch().await;
        }
        BreakerSource::Log {
            open,
            closed,
            half_open,
            ..
        } => {
            // The parser has compiled them before.
            let watcher = LogWatcher::new(reporter, &open, &closed, half_open.as_deref());
            if let Some(watcher) = watcher {
                watcher.watch().await;
            }
        }
    }
}

/// What a source says of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    state: BreakerState,
    /// Whether it counts enough calls to be asked; true where nobody says.
    has_volume: bool,
    error_percent: u32,
    calls: u64,
}

impl Seen {
    /// A state, of which nothing else is known.
    const fn only(state: BreakerState) -> Self {
        Self {
            state,
            has_volume: true,
            error_percent: 0,
            calls: 0,
        }
    }
}

/// Emits what an instance says about a breaker, if that is news.
#[derive(Debug)]
struct Reporter {
    breaker: String,
    instance: Arc<Instance>,
    hub: EventHub,
    last: Option<BreakerReport>,
}

impl Reporter {
    /// `None` says that the instance cannot be read.
    async fn report(&mut self, seen: Option<Seen>) {
        let report = BreakerReport {
            breaker: self.breaker.clone(),
            instance: self.instance.name.clone(),
            state: seen.map(|seen| seen.state),
            has_volume: seen.is_some_and(|seen| seen.has_volume),
            error_percent: seen.map_or(0, |seen| seen.error_percent),
            calls: seen.map_or(0, |seen| seen.calls),
        };
        let same = self
            .last
            .as_ref()
            .is_some_and(|last| last.state == report.state && last.has_volume == report.has_volume);
        if !same {
            self.last = Some(report.clone());
            self.hub.emit(RunEvent::Breaker(report)).await;
        }
    }
}
