//! `delay`: bytes arrive later.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::on_bytes::OnBytesKind;
use super::{
    About, BytesDone, Direction, Mistake, Parameter, ParameterKind, Problem, Spread, Surface,
};
use crate::units::format_duration;

/// Every chunk of bytes is passed on `by` plus or minus `jitter` later, in order:
/// one that drew a long delay holds up those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// The delay.
    pub by: Duration,
    /// Half-width of a uniform spread around `by`, standard deviation of any
    /// other; at most `by`.
    pub jitter: Duration,
    /// How delays spread.
    #[serde(default, skip_serializing_if = "Spread::is_default")]
    pub spread: Spread,
    /// Which bytes.
    pub direction: Direction,
}

const DIRECTION: Direction = Direction::From;

pub(super) static ABOUT: About = About {
    keyword: "delay",
    surface: Surface::Bytes,
    about: "Bytes arrive later.",
    also_called: &["latency", "slow"],
    noun: "a delay",
    meaning: "Every chunk of bytes is passed on later, in order.",
    reads: "delay: { by: 300ms, jitter: 100ms }",
    parameters: &[
        Parameter::needed(
            "by",
            ParameterKind::Duration,
            "The delay.",
            &["latency", "for"],
        ),
        Parameter::no_time("jitter", "How far delays spread around it; at most `by`."),
        Spread::PARAMETER,
        Direction::unless_said(DIRECTION),
    ],
    example: "- name: slow payments
  at: 15s
  inject: { delay: { by: 800ms, jitter: 200ms } }
  into: payments
  for: 20s",
    verified: "It is attached to every live connection before its window opens. Before it is taken away, chunks must have been delayed; a delay that no traffic met proves nothing.",
    undone: "Held bytes go on at once, in order; no connection is lost.",
    read: |given| {
        let delay = Delay {
            by: given.duration("by")?,
            jitter: given.duration("jitter")?,
            spread: Spread::of(given)?,
            direction: Direction::of(given)?,
        };
        Some(delay.into())
    },
};

impl Delay {
    /// A delay.
    #[must_use]
    pub const fn of(by: Duration, jitter: Duration, direction: Direction) -> Self {
        Self {
            by,
            jitter,
            spread: Spread::Uniform,
            direction,
        }
    }

    fn range(&self) -> String {
        let by = format_duration(self.by);
        if self.jitter.is_zero() {
            by
        } else {
            let (jitter, spread) = (format_duration(self.jitter), self.spread.said());
            format!("{by} ± {jitter}{spread}")
        }
    }
}

impl Kind for Delay {
    fn details(&self) -> String {
        let direction = self.direction.said_unless(DIRECTION);
        format!(" by {}{direction}", self.range())
    }

    fn brief(&self) -> String {
        format!(" {}", self.range())
    }

    fn mistake(&self) -> Option<Mistake> {
        (self.jitter > self.by).then(|| Mistake {
            parameter: "jitter",
            problem: Problem::JitterAboveDelay,
            title: "the jitter is larger than the delay",
            label: format!("at most {}", format_duration(self.by)),
            help: "bytes cannot arrive before they were sent; raise `by` or lower `jitter`",
        })
    }
}

impl OnBytesKind for Delay {
    fn direction(&self) -> Direction {
        self.direction
    }

    fn effect(&self, done: &BytesDone) -> String {
        let BytesDone {
            chunks,
            bytes,
            flows,
            ..
        } = done;
        let by = format_duration(self.by);
        format!("{chunks} chunks ({bytes} bytes) of {flows} flows delayed by {by}")
    }
}
