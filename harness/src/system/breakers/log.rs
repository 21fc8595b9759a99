//! Breakers that say in the output of a process when they change.

use regex_lite::Regex;
use squall_scenario::BreakerState;
use tokio::time::{MissedTickBehavior, interval};

use super::{BREAKERS_EVERY, Reporter, Seen};
use crate::system::log_lines::LogLines;

/// Follows the output of one instance. A breaker is closed until a line says
/// something else, as a process that starts has it.
pub(super) struct LogWatcher {
    reporter: Reporter,
    lines: LogLines,
    changes: Changes,
    state: BreakerState,
    /// The process the state is of.
    pid: Option<u32>,
}

/// What lines say.
struct Changes {
    patterns: Vec<(Regex, BreakerState)>,
}

impl Changes {
    /// `None` where one is no regular expression.
    fn new(open: &str, closed: &str, half_open: Option<&str>) -> Option<Self> {
        let patterns = [
            half_open.map(|pattern| (pattern, BreakerState::HalfOpen)),
            Some((open, BreakerState::Open)),
            Some((closed, BreakerState::Closed)),
        ];
        let compiled = patterns
            .into_iter()
            .flatten()
            .map(|(pattern, state)| Some((Regex::new(pattern).ok()?, state)));
        let patterns = compiled.collect::<Option<Vec<_>>>()?;
        Some(Self { patterns })
    }

    /// The state after this line, if it says one. Half-open is asked first:
    /// its line often holds the word open as well.
    fn of(&self, line: &str) -> Option<BreakerState> {
        let mut matching = self.patterns.iter();
        matching
            .find(|(pattern, _)| pattern.is_match(line))
            .map(|(_, state)| *state)
    }
}

impl LogWatcher {
    pub(super) fn new(
        reporter: Reporter,
        open: &str,
        closed: &str,
        half_open: Option<&str>,
    ) -> Option<Self> {
        let lines = LogLines::new(&reporter.instance.log_path);
        Some(Self {
            reporter,
            lines,
            changes: Changes::new(open, closed, half_open)?,
            state: BreakerState::Closed,
            pid: None,
        })
    }

    pub(super) async fn watch(mut self) {
        let mut ticks = interval(BREAKERS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let pid = self
            .reporter
            .instance
            .identity()
            .map(|identity| identity.pid);
        // What an ended process said last is not the state of the next one.
        if pid != self.pid && self.pid.is_some() {
            self.lines.skip_to_end().await;
            self.state = BreakerState::Closed;
        }
        self.pid = pid;
        if pid.is_none() {
            return self.reporter.report(None).await;
        }
        for line in self.lines.read().await {
            if let Some(state) = self.changes.of(&line) {
                self.state = state;
                self.reporter.report(Some(Seen::only(state))).await;
            }
        }
        self.reporter.report(Some(Seen::only(self.state))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_at_most_one_state() {
        let changes =
            Changes::new("breaker .*open", "breaker .*closed", Some("half-open")).unwrap();
        assert_eq!(changes.of("breaker x is open"), Some(BreakerState::Open));
        assert_eq!(changes.of("breaker x closed"), Some(BreakerState::Closed));
        assert_eq!(
            changes.of("breaker x half-open"),
            Some(BreakerState::HalfOpen)
        );
        assert_eq!(changes.of("GET / 200"), None);
        assert!(Changes::new("(", "x", None).is_none());
    }
}
