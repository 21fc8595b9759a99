//! Breakers behind a Hystrix event stream.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::Deserialize;
use squall_reports::{FallbackReading, RunEvent};
use squall_scenario::BreakerState;

use super::{Reporter, Seen, Unseen};
use crate::system::answer::root_cause;
use crate::system::log_lines::quotable;
use crate::system::names::there_is;

/// A stream that says nothing for so long cannot be read, and one that speaks
/// of other commands only does not know this one: Hystrix streams speak of each
/// twice a second.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Before a stream is opened again.
const PAUSE: Duration = Duration::from_millis(250);
/// A line longer than this is not of a breaker stream.
const LINE_MAX: usize = 1 << 20;
/// From one reading of the fallback counts to the next, about.
const FALLBACKS_EVERY: Duration = Duration::from_millis(900);
/// Other commands of the stream that are remembered.
const OTHERS_MAX: usize = 200;

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
    #[serde(rename = "rollingCountSuccess", default)]
    successes: u64,
    #[serde(rename = "rollingCountFallbackSuccess", default)]
    fallbacks: u64,
    /// Calls that ended in an error: without a fallback, or one that failed.
    #[serde(rename = "rollingCountExceptionsThrown", default)]
    errors: u64,
    #[serde(
        rename = "propertyValue_metricsRollingStatisticalWindowInMilliseconds",
        default = "rolling_window_ms"
    )]
    window_ms: u64,
}

/// The window of Hystrix unless it is told otherwise.
const fn rolling_window_ms() -> u64 {
    10_000
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

/// Follows the stream of one instance.
pub(super) struct HystrixWatcher {
    pub(super) reporter: Reporter,
    pub(super) client: reqwest::Client,
    pub(super) path: String,
    pub(super) command: String,
    /// When the fallback counts were told last.
    pub(super) fallbacks_at: Option<Instant>,
    /// The other commands that the stream spoke of.
    pub(super) others: BTreeSet<String>,
}

impl HystrixWatcher {
    pub(super) async fn watch(mut self) {
        loop {
            // However it ends, the stream is opened again after a pause.
            let why = self.read_stream().await;
            let why = format!("GET {}: {why}", self.path);
            self.reporter.report(Err(Unseen::Unreadable(why))).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Reads until the stream ends, breaks or falls silent; why it did.
    async fn read_stream(&mut self) -> String {
        let url = format!("http://{}{}", self.reporter.instance.address(), self.path);
        let opening = self
            .client
            .get(url)
            .header("accept", "text/event-stream")
            .send();
        let mut response = match tokio::time::timeout(SILENCE_MAX, opening).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return root_cause(&error),
            Err(_elapsed) => return silent(),
        };
        if response.status() != 200 {
            return format!("it answered {}", response.status().as_u16());
        }
        let mut line = Vec::new();
        let mut heard = Instant::now();
        loop {
            let chunk = match tokio::time::timeout(SILENCE_MAX, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return "the stream ended".to_owned(),
                Ok(Err(error)) => return root_cause(&error),
                Err(_elapsed) => return silent(),
            };
            for byte in chunk {
                if byte != b'\n' {
                    line.push(byte);
                    if line.len() > LINE_MAX {
                        return "a line of it is too long for a Hystrix stream".to_owned();
                    }
                    continue;
                }
                if let Some(command) = self.parse(&line) {
                    heard = Instant::now();
                    self.hear(&command).await;
                }
                line.clear();
            }
            if heard.elapsed() >= SILENCE_MAX {
                let others = self.others.iter().map(String::as_str).collect();
                let why = format!(
                    "GET {} says nothing of a command `{}`; {}",
                    self.path,
                    self.command,
                    there_is(&self.command, &others)
                );
                self.reporter.report(Err(Unseen::Absent(why))).await;
            }
        }
    }

    /// A message about the command; others are remembered by name.
    fn parse(&mut self, line: &[u8]) -> Option<HystrixCommand> {
        let json = line.strip_prefix(b"data:")?;
        let command: HystrixCommand = serde_json::from_slice(json.trim_ascii()).ok()?;
        if command.kind != "HystrixCommand" {
            return None;
        }
        if command.name == self.command {
            return Some(command);
        }
        if self.others.len() < OTHERS_MAX {
            self.others.insert(quotable(&command.name));
        }
        None
    }

    async fn hear(&mut self, command: &HystrixCommand) {
        let seen = Seen {
            state: command.breaker_state(),
            has_volume: command.calls >= command.volume_threshold.max(1),
            error_percent: command.error_percent,
            calls: command.calls,
            assumed: false,
        };
        self.reporter.report(Ok(seen)).await;
        let now = Instant::now();
        let recent = |at: Instant| now.duration_since(at) < FALLBACKS_EVERY;
        if self.fallbacks_at.is_some_and(recent) {
            return;
        }
        self.fallbacks_at = Some(now);
        // `requestCount` leaves out what an open breaker refused, which is most
        // of what a fallback answers; every call ends in one of these three.
        let ended = [command.successes, command.fallbacks, command.errors];
        let reading = FallbackReading {
            breaker: self.reporter.breaker.clone(),
            instance: self.reporter.instance.name.clone(),
            window_us: command.window_ms.saturating_mul(1000),
            calls: ended
                .iter()
                .fold(0, |sum: u64, part| sum.saturating_add(*part)),
            fallbacks: command.fallbacks,
        };
        self.reporter.hub.emit(RunEvent::Fallbacks(reading)).await;
    }
}

fn silent() -> String {
    let silence = squall_scenario::format_duration(SILENCE_MAX);
    format!("it said nothing for {silence}")
}
