//! Breaker states, read from the system under test: from its event streams,
//! its metrics or its output. Silence is no state: of a breaker that nobody
//! speaks of is told what was looked for and what was there.

mod heard;
mod hystrix;
mod hystrix_stream;
mod log;
mod metrics;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use squall_record::{BreakerReport, RunEvent};
use squall_scenario::{BreakerSource, BreakerState};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::heard::Heard;
use self::hystrix::HystrixWatcher;
pub use self::hystrix_stream::{HystrixCommand, HystrixStream, LineTooLong};
use self::log::{LogWatcher, Patterns};
use self::metrics::MetricsWatcher;
use super::{Instance, RunningSystem, control_client};
use crate::hub::EventHub;

/// How often a Hystrix stream tells where its breakers stand, and how often
/// metrics and output are read: the resolution of everything said about
/// breakers.
pub const BREAKERS_EVERY: Duration = Duration::from_millis(500);

/// Watches every breaker of the system until `stop`, and emits each change.
/// Those that nobody speaks of are told in a note.
pub fn watch_breakers(
    system: &Arc<RunningSystem>,
    hub: &EventHub,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let Ok(client) = control_client() else { return };
    let heard = Arc::new(Heard::default());
    for (breaker, source) in &system.description().breakers {
        for instance in system.instances_of(source.of()) {
            let reporter = Reporter {
                breaker: breaker.clone(),
                instance: Arc::clone(instance),
                hub: hub.clone(),
                heard: Arc::clone(&heard),
                last: None,
            };
            let (source, client, stop) = (source.clone(), client.clone(), stop.clone());
            tasks.spawn(async move {
                let watch = watch(source, client, reporter);
                let _ = stop.run_until_cancelled(watch).await;
            });
        }
    }
    let (hub, stop) = (hub.clone(), stop.clone());
    tasks.spawn(async move { heard.tell(&hub, &stop).await });
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
                others: BTreeSet::new(),
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
            starts_closed,
            ..
        } => {
            let patterns = Patterns {
                open,
                closed,
                half_open,
            };
            // The parser has compiled them before.
            let watcher = LogWatcher::new(reporter, patterns, starts_closed);
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
    /// The scenario says so, and nobody else.
    assumed: bool,
}

impl Seen {
    /// A state, of which nothing else is known.
    const fn only(state: BreakerState) -> Self {
        Self {
            state,
            has_volume: true,
            error_percent: 0,
            calls: 0,
            assumed: false,
        }
    }
}

/// Why nothing is known of a breaker, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unseen {
    /// Its source cannot be read.
    Unreadable(String),
    /// Its source says nothing of it, but other things.
    Absent(String),
}

impl Unseen {
    fn words(&self) -> &str {
        match self {
            Self::Unreadable(words) | Self::Absent(words) => words,
        }
    }
}

/// Emits what an instance says about a breaker, if that is news.
#[derive(Debug)]
struct Reporter {
    breaker: String,
    instance: Arc<Instance>,
    hub: EventHub,
    heard: Arc<Heard>,
    last: Option<BreakerReport>,
}

impl Reporter {
    async fn report(&mut self, seen: Result<Seen, Unseen>) {
        // One that does not run explains its silence.
        let is_down = self.instance.identity().is_none();
        let why = seen.as_ref().err().filter(|_| !is_down);
        let seen = seen.as_ref().ok();
        let report = BreakerReport {
            breaker: self.breaker.clone(),
            instance: self.instance.name.clone(),
            state: seen.map(|seen| seen.state),
            has_volume: seen.is_some_and(|seen| seen.has_volume),
            error_percent: seen.map_or(0, |seen| seen.error_percent),
            calls: seen.map_or(0, |seen| seen.calls),
            why: why.map(|why| why.words().to_owned()),
            assumed: seen.is_some_and(|seen| seen.assumed),
        };
        self.heard.hear(&report);
        // The words change with every line of output, the case does not.
        let same = self.last.as_ref().is_some_and(|last| {
            last.state == report.state
                && last.has_volume == report.has_volume
                && last.assumed == report.assumed
                && last.why.is_some() == report.why.is_some()
        });
        if !same {
            self.last = Some(report.clone());
            self.hub.emit(RunEvent::Breaker(report)).await;
        }
    }
}
