//! Breakers behind a Hystrix event stream.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use squall_record::{FallbackReading, RunEvent};

use super::hystrix_stream::{HystrixCommand, HystrixStream, LineTooLong};
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
/// From one reading of the fallback counts to the next, about.
const FALLBACKS_EVERY: Duration = Duration::from_millis(900);
/// Other commands of the stream that are remembered.
const OTHERS_MAX: usize = 200;

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
        let mut stream = HystrixStream::default();
        let mut heard = Instant::now();
        loop {
            let chunk = match tokio::time::timeout(SILENCE_MAX, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return "the stream ended".to_owned(),
                Ok(Err(error)) => return root_cause(&error),
                Err(_elapsed) => return silent(),
            };
            let commands = match stream.feed(&chunk) {
                Ok(commands) => commands,
                Err(LineTooLong) => {
                    return "a line of it is too long for a Hystrix stream".to_owned();
                }
            };
            for command in commands {
                if command.name == self.command {
                    heard = Instant::now();
                    self.hear(&command).await;
                } else if self.others.len() < OTHERS_MAX {
                    self.others.insert(quotable(&command.name));
                }
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
