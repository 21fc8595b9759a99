//! Breakers that say in the output of a process when they change.

use std::time::Instant;

use regex_lite::Regex;
use squall_scenario::BreakerState;
use tokio::time::{MissedTickBehavior, interval};

use super::{BREAKERS_EVERY, Reporter, Seen, Unseen};
use crate::system::log_lines::LogLines;

/// What lines say, as regular expressions.
pub(super) struct Patterns {
    pub(super) open: String,
    pub(super) closed: String,
    pub(super) half_open: Option<String>,
}

impl Patterns {
    /// The state after a line, if it says one; `None` where one is no regular
    /// expression. Half-open is asked first: its line often holds the word open
    /// as well.
    fn compile(&self) -> Option<impl Fn(&str) -> Option<BreakerState> + Send + Sync + 'static> {
        let half_open = self.half_open.as_ref();
        let patterns = [
            half_open.map(|pattern| (pattern, BreakerState::HalfOpen)),
            Some((&self.open, BreakerState::Open)),
            Some((&self.closed, BreakerState::Closed)),
        ];
        let compiled = patterns
            .into_iter()
            .flatten()
            .map(|(pattern, state)| Some((Regex::new(pattern).ok()?, state)));
        let patterns = compiled.collect::<Option<Vec<_>>>()?;
        Some(move |line: &str| {
            let mut matching = patterns.iter();
            let found = matching.find(|(pattern, _)| pattern.is_match(line));
            found.map(|(_, state)| *state)
        })
    }

    fn words(&self) -> String {
        let half_open = self.half_open.iter().map(String::as_str);
        let all: Vec<_> = [self.open.as_str(), self.closed.as_str()]
            .into_iter()
            .chain(half_open)
            .map(|pattern| format!("`{pattern}`"))
            .collect();
        all.join(" or ")
    }
}

/// Follows the output of one instance. Nothing is known of a breaker until a
/// line says it, unless the scenario does, as long as one process lives.
pub(super) struct LogWatcher {
    reporter: Reporter,
    lines: LogLines<BreakerState>,
    patterns: Patterns,
    starts_closed: bool,
    /// What the last line of this process said.
    said: Option<BreakerState>,
    /// What of its output was missed since then.
    lost: Option<String>,
    /// The process the state is of.
    pid: Option<u32>,
}

impl LogWatcher {
    /// `None` where a pattern is no regular expression.
    pub(super) fn new(reporter: Reporter, patterns: Patterns, starts_closed: bool) -> Option<Self> {
        let lines = LogLines::new(&reporter.instance.log_path, patterns.compile()?);
        Some(Self {
            reporter,
            lines,
            patterns,
            starts_closed,
            said: None,
            lost: None,
            pid: None,
        })
    }

    pub(super) async fn watch(mut self) {
        let mut ticks = interval(BREAKERS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut states = self.reporter.instance.state.subscribe();
        loop {
            // A process that ends has said its last before another one speaks.
            tokio::select! {
                _ = ticks.tick() => {}
                _ = states.changed() => {}
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let identity = self.reporter.instance.identity();
        let pid = identity.map(|identity| identity.pid);
        let before = std::mem::replace(&mut self.pid, pid);
        if pid != before {
            self.said = None;
            self.lost = None;
        }
        if pid.is_none() || (pid != before && before.is_some()) {
            // What an ended process said is not the state of the next one.
            self.lines.skip_to_end().await;
            self.lines.take_lost();
        }
        if pid.is_none() {
            return self.report().await;
        }
        let deadline = Instant::now() + BREAKERS_EVERY;
        let read = match self.lines.end().await {
            Ok(end) => self.lines.read_to(end, deadline).await,
            Err(why) => Err(why),
        };
        if let Some(lost) = self.lines.take_lost() {
            self.said = None;
            self.lost = Some(lost);
        }
        match read {
            Ok(states) => {
                for state in states {
                    self.said = Some(state);
                    self.lost = None;
                    self.report().await;
                }
                self.report().await;
            }
            // Where it stands at the end of its output is not known.
            Err(why) => self.reporter.report(Err(Unseen::Unreadable(why))).await,
        }
    }

    /// Reports what is known at the end of the output.
    async fn report(&mut self) {
        let seen = match (self.said, &self.lost) {
            (Some(state), _) => Ok(Seen::only(state)),
            (None, Some(lost)) => Err(Unseen::Unreadable(lost.clone())),
            (None, None) if self.starts_closed && self.pid.is_some() => Ok(Seen {
                assumed: true,
                ..Seen::only(BreakerState::Closed)
            }),
            (None, None) => Err(Unseen::Absent(self.nothing_said())),
        };
        self.reporter.report(seen).await;
    }

    /// That no line said anything, and what lines there were.
    fn nothing_said(&self) -> String {
        let patterns = self.patterns.words();
        match self.lines.quoted() {
            (0, _) => format!("its output has no lines, so none matches {patterns}"),
            (lines, last) => format!(
                "none of the {lines} lines of its output matches {patterns}; the last: {last}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(open: &str) -> Patterns {
        Patterns {
            open: open.to_owned(),
            closed: "breaker .*closed".to_owned(),
            half_open: Some("half-open".to_owned()),
        }
    }

    #[test]
    fn a_line_says_at_most_one_state() {
        let says = patterns("breaker .*open").compile().unwrap();
        assert_eq!(says("breaker x is open"), Some(BreakerState::Open));
        assert_eq!(says("breaker x closed"), Some(BreakerState::Closed));
        assert_eq!(says("breaker x half-open"), Some(BreakerState::HalfOpen));
        assert_eq!(says("GET / 200"), None);
        assert!(patterns("(").compile().is_none());
    }
}
