//! Breaker states, read from the event streams of the system under test.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use squall_reports::{BreakerReport, RunEvent};
use squall_scenario::{BreakerSource, BreakerState};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Instance, RunningSystem, control_client};
use crate::hub::EventHub;

/// How often a Hystrix stream tells where its breakers stand: the resolution
/// of everything said about breakers.
pub const BREAKERS_EVERY: Duration = Duration::from_millis(500);
/// A stream that says nothing for so long cannot be read: Hystrix streams
/// speak twice a second.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Before a stream is opened again.
const PAUSE: Duration = Duration::from_millis(250);
/// A line longer than this is not of a breaker stream.
const LINE_MAX: usize = 1 << 20;

/// Watches every breaker of the system until `stop`, and emits each change.
pub fn watch_breakers(
    system: &Arc<RunningSystem>,
    hub: &EventHub,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let Ok(client) = control_client() else { return };
    for (breaker, source) in &system.description().breakers {
        let BreakerSource::HystrixStream { of, path, command } = source;
        for instance in system.instances_of(of) {
            let watcher = Watcher {
                breaker: breaker.clone(),
                command: command.clone(),
                path: path.clone(),
                instance: Arc::clone(instance),
                client: client.clone(),
                hub: hub.clone(),
                last: None,
            };
            let stop = stop.clone();
            tasks.spawn(async move {
                let _ = stop.run_until_cancelled(watcher.watch()).await;
            });
        }
    }
}

struct Watcher {
    breaker: String,
    command: String,
    path: String,
    instance: Arc<Instance>,
    client: reqwest::Client,
    hub: EventHub,
    last: Option<BreakerReport>,
}

/// The fields of a `HystrixCommand` message that say where a breaker stands.
#[derive(Debug, Deserialize)]
struct HystrixCommand {
    /// `HystrixCommand`; thread pools of the same name are in the stream too.
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(rename = "isCircuitBreakerOpen", default)]
    open: bool,
    /// Not of Hystrix: tells half-open from open where the system says it.
    #[serde(rename = "breakerState")]
    state: Option<String>,
    #[serde(rename = "requestCount", default)]
    calls: u64,
    #[serde(rename = "errorPercentage", default)]
    error_percent: u32,
    #[serde(rename = "propertyValue_circuitBreakerRequestVolumeThreshold", default)]
    volume_threshold: u64,
}

impl HystrixCommand {
    fn breaker_state(&self) -> BreakerState {
        match self.state.as_deref() {
            Some("HALF_OPEN") => BreakerState::HalfOpen,
            Some("OPEN") => BreakerState::Open,
            Some("CLOSED") => BreakerState::Closed,
            _ if self.open => BreakerState::Open,
            _ => BreakerState::Closed,
        }
    }
}

impl Watcher {
    async fn watch(mut self) {
        loop {
            // However it ends, the stream is opened again after a pause.
            let _ = self.read_stream().await;
            self.report(None).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Reads until the stream ends, breaks or falls silent.
    async fn read_stream(&mut self) -> Option<()> {
        let url = format!("http://{}{}", self.instance.address(), self.path);
        let opening = self
            .client
            .get(url)
            .header("accept", "text/event-stream")
            .send();
        let mut response = tokio::time::timeout(SILENCE_MAX, opening)
            .await
            .ok()?
            .ok()?;
        let mut line = Vec::new();
        loop {
            let chunk = tokio::time::timeout(SILENCE_MAX, response.chunk())
                .await
                .ok()?
                .ok()??;
            for byte in chunk {
                if byte != b'\n' {
                    line.push(byte);
                    if line.len() > LINE_MAX {
                        return None;
                    }
                    continue;
                }
                if let Some(command) = self.parse(&line) {
                    self.report(Some(command)).await;
                }
                line.clear();
            }
        }
    }

    fn parse(&self, line: &[u8]) -> Option<HystrixCommand> {
        let json = line.strip_prefix(b"data:")?;
        let command: HystrixCommand = serde_json::from_slice(json.trim_ascii()).ok()?;
        (command.kind == "HystrixCommand" && command.name == self.command).then_some(command)
    }

    /// Emits what the instance says, if that is news.
    async fn report(&mut self, command: Option<HystrixCommand>) {
        let report = BreakerReport {
            breaker: self.breaker.clone(),
            instance: self.instance.name.clone(),
            state: command.as_ref().map(HystrixCommand::breaker_state),
            has_volume: command
                .as_ref()
                .is_some_and(|c| c.calls >= c.volume_threshold.max(1)),
            error_percent: command.as_ref().map_or(0, |c| c.error_percent),
            calls: command.as_ref().map_or(0, |c| c.calls),
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
