//! What stands in a Hystrix event stream, apart from how it is reached.

use serde::Deserialize;
use squall_scenario::BreakerState;

/// A line longer than this is not of a breaker stream.
const LINE_MAX: usize = 1 << 20;

/// A `HystrixCommand` message: the fields that say where a breaker stands.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct HystrixCommand {
    /// `HystrixCommand`; thread pools of the same name are in the stream too.
    #[serde(rename = "type")]
    kind: String,
    /// The name of the command.
    pub name: String,
    #[serde(rename = "isCircuitBreakerOpen", default)]
    open: bool,
    /// Not of Hystrix: tells half-open from open where the system says it.
    #[serde(rename = "breakerState")]
    state: Option<String>,
    /// Calls of the window, without those that the breaker refused.
    #[serde(rename = "requestCount", default)]
    pub calls: u64,
    /// Share of these that failed, in percent.
    #[serde(rename = "errorPercentage", default)]
    pub error_percent: u32,
    /// Calls below which the breaker does not decide.
    #[serde(rename = "propertyValue_circuitBreakerRequestVolumeThreshold", default)]
    pub volume_threshold: u64,
    /// Calls of the window that succeeded.
    #[serde(rename = "rollingCountSuccess", default)]
    pub successes: u64,
    /// Calls of the window that a fallback answered.
    #[serde(rename = "rollingCountFallbackSuccess", default)]
    pub fallbacks: u64,
    /// Calls that ended in an error: without a fallback, or one that failed.
    #[serde(rename = "rollingCountExceptionsThrown", default)]
    pub errors: u64,
    /// Length of the window in milliseconds.
    #[serde(
        rename = "propertyValue_metricsRollingStatisticalWindowInMilliseconds",
        default = "rolling_window_ms"
    )]
    pub window_ms: u64,
}

/// The window of Hystrix unless it is told otherwise.
const fn rolling_window_ms() -> u64 {
    10_000
}

impl HystrixCommand {
    /// Where its breaker stands.
    #[must_use]
    pub fn breaker_state(&self) -> BreakerState {
        match self.state.as_deref() {
            Some("HALF_OPEN") => BreakerState::HalfOpen,
            Some("OPEN") => BreakerState::Open,
            Some("CLOSED") => BreakerState::Closed,
            _ if self.open => BreakerState::Open,
            _ => BreakerState::Closed,
        }
    }

    fn of(line: &[u8]) -> Option<Self> {
        let json = line.strip_prefix(b"data:")?;
        let command: Self = serde_json::from_slice(json.trim_ascii()).ok()?;
        (command.kind == "HystrixCommand").then_some(command)
    }
}

/// Puts the messages of a stream together from the pieces that arrive.
#[derive(Debug, Default)]
pub struct HystrixStream {
    line: Vec<u8>,
}

/// A line is too long for a Hystrix stream: it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineTooLong;

impl HystrixStream {
    /// The commands that `bytes` complete, in their order. Anything else in the
    /// stream is passed over.
    ///
    /// # Errors
    /// A line of more than 1 MiB.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<HystrixCommand>, LineTooLong> {
        let mut commands = Vec::new();
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        let first = pieces.next().unwrap_or_default();
        self.take(first)?;
        for piece in pieces {
            commands.extend(HystrixCommand::of(&self.line));
            self.line.clear();
            self.take(piece)?;
        }
        Ok(commands)
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), LineTooLong> {
        if self.line.len() + piece.len() > LINE_MAX {
            return Err(LineTooLong);
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"ping: \n\ndata: {\"type\":\"HystrixThreadPool\",\"name\":\"a\"}\n\
        data: {\"type\":\"HystrixCommand\",\"name\":\"a\",\"isCircuitBreakerOpen\":true}\r\n\n\
        data: {\"type\":\"HystrixCommand\",\"name\":\"b\",\"breakerState\":\"HALF_OPEN\"}\n";

    #[test]
    fn messages_are_the_same_however_they_arrive() {
        let whole = HystrixStream::default().feed(STREAM).unwrap();
        let told: Vec<_> = whole
            .iter()
            .map(|command| (command.name.as_str(), command.breaker_state()))
            .collect();
        assert_eq!(
            told,
            [("a", BreakerState::Open), ("b", BreakerState::HalfOpen)]
        );
        for size in 1..STREAM.len() {
            let mut stream = HystrixStream::default();
            let pieces = STREAM.chunks(size);
            let commands: Vec<_> = pieces
                .flat_map(|piece| stream.feed(piece).unwrap())
                .collect();
            assert_eq!(commands, whole, "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_no_stream() {
        let mut stream = HystrixStream::default();
        let piece = vec![b'x'; LINE_MAX / 2];
        assert_eq!(stream.feed(&piece), Ok(Vec::new()));
        assert_eq!(stream.feed(&piece), Ok(Vec::new()));
        assert_eq!(stream.feed(b"x"), Err(LineTooLong));
    }
}
