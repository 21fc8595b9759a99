//! Journeys: what one user does, step by step.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::persona::Persona;
use crate::quantity::{QuantityError, QuantityProblem, parse_duration};
use crate::request::Request;
use crate::units::{Share, format_duration};
use crate::viewing::Watching;
use crate::visible::quoted;

/// What one user does: an arrival starts it, and its steps follow one another.
///
/// The first step is due when the arrival is. A later one is due when the one
/// before it was settled and its user has thought. A step that fails ends the
/// journey; one whose answer came too late does not, as the answer is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journey {
    /// Name; unique among journeys.
    pub name: String,
    /// Share of the arrivals relative to other journeys and to requests; at
    /// least 1.
    pub weight: u32,
    /// How its user's client behaves; one attempt of the load's timeout for `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persona: Option<Persona>,
    /// What is done, in order. Never empty.
    pub steps: Vec<Step>,
}

/// One request of a journey, and what its user does around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What is sent. Its name is `JOURNEY/STEP`, which is its route; its weight
    /// means nothing.
    pub request: Request,
    /// What its answer gives to later steps of the journey, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub take: Vec<(String, Take)>,
    /// How long its user thinks before it; nothing before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub think: Option<Think>,
    /// Watches the title whose manifest the step before it brought: its requests are
    /// for segments, as many as are needed, and its own request stands for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<Watching>,
    /// How many users leave behind it, though it went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave: Option<Share>,
}

/// Where in an answer a value stands that later steps use. Where nothing stands, the
/// answer is not as expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Take {
    /// In a body of JSON, at a pointer (RFC 6901). A text is taken without its
    /// quotes, anything else as it is written.
    Json(String),
    /// In a header, whose name is in lower case; of several, in the first.
    Header(String),
    /// In the body, where this expression fits first: what its first group holds, or
    /// all of it where it has none.
    Regex(String),
}

/// How long a user thinks: any time from one to another, equally likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Think {
    /// The shortest.
    pub from: Duration,
    /// The longest; not shorter.
    pub to: Duration,
}

impl Journey {
    /// For each step how many of those who start come to it, and how long after
    /// their arrival it is due at the earliest, on average.
    pub fn reach(&self) -> impl Iterator<Item = (&Step, f64, Duration)> {
        let mut stay = 1.0;
        let mut after = Duration::ZERO;
        self.steps.iter().map(move |step| {
            after += step.think.map_or(Duration::ZERO, Think::mean);
            let reached = (step, stay, after);
            after += step.player.map_or(Duration::ZERO, |player| player.stay);
            stay *= 1.0 - step.leave.map_or(0.0, Share::get);
            reached
        })
    }
}

impl fmt::Display for Journey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        for (nth, step) in self.steps.iter().enumerate() {
            f.write_str(if nth == 0 { " " } else { ", " })?;
            if let Some(think) = step.think {
                write!(f, "{think}, ")?;
            }
            f.write_str(step.name())?;
            if let Some(player) = step.player {
                write!(f, " (plays for {})", format_duration(player.stay))?;
            }
            if let Some(leave) = step.leave {
                write!(f, " ({leave} leave)")?;
            }
        }
        match &self.persona {
            Some(persona) => write!(f, "; as {persona}"),
            None => Ok(()),
        }
    }
}

impl Step {
    /// The step's own name, without that of its journey.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = self.request.name.as_str();
        name.split_once(STEP_OF).map_or(name, |(_, step)| step)
    }
}

impl Take {
    /// Whether the body has to be kept for it.
    #[must_use]
    pub const fn reads_body(&self) -> bool {
        match self {
            Self::Json(_) | Self::Regex(_) => true,
            Self::Header(_) => false,
        }
    }
}

impl fmt::Display for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(pointer) => write!(f, "json {pointer}"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Regex(expression) => write!(f, "regex {expression}"),
        }
    }
}

impl Think {
    /// Always the same time.
    #[must_use]
    pub const fn always(time: Duration) -> Self {
        Self {
            from: time,
            to: time,
        }
    }

    /// The mean.
    #[must_use]
    pub fn mean(self) -> Duration {
        self.at(0.5)
    }

    /// The time at a place from 0, the shortest, to 1, the longest.
    #[must_use]
    pub fn at(self, place: f64) -> Duration {
        let span = self.to.saturating_sub(self.from);
        self.from + span.mul_f64(place.clamp(0.0, 1.0))
    }
}

/// Between the name of a journey and that of its step, in the name of a route.
pub const STEP_OF: char = '/';

impl FromStr for Think {
    type Err = QuantityError;

    /// Reads `1s`, or `1s..3s`.
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let Some((from, to)) = text.split_once("..") else {
            return parse_duration(text.trim()).map(Self::always);
        };
        let parts = [from.trim(), to.trim()];
        if parts.contains(&"") {
            return Err(QuantityError {
                problem: QuantityProblem::OutOfRange,
                title: format!("{} has only one end", quoted(text)),
                label: "from where to where?",
                help: "write both, as in `1s..3s`, or one time alone".to_owned(),
            });
        }
        let [from, to] = parts.map(parse_duration);
        let (from, to) = (from?, to?);
        if from > to {
            return Err(QuantityError {
                problem: QuantityProblem::OutOfRange,
                title: format!("there is no time {}", quoted(text)),
                label: "the longer one comes first",
                help: format!("write `{}..{}`", format_duration(to), format_duration(from)),
            });
        }
        Ok(Self { from, to })
    }
}

impl fmt::Display for Think {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.from))?;
        match self.from == self.to {
            true => Ok(()),
            false => write!(f, "..{}", format_duration(self.to)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;

    #[test]
    fn a_journey_is_told_and_its_steps_are_reached_by_those_who_stay() {
        let step = |name: &str, think_s: Option<u64>, leave: Option<f64>| Step {
            player: None,
            request: Request::plain(name, "GET", Template::parse("/")),
            take: vec![],
            think: think_s.map(|s| Think::always(Duration::from_secs(s))),
            leave: leave.and_then(Share::new),
        };
        let journey = Journey {
            name: "buy".to_owned(),
            weight: 1,
            persona: Some(Persona::tv()),
            steps: vec![
                step("buy/log in", None, Some(0.5)),
                step("buy/home", Some(2), Some(0.2)),
                step("buy/pay", Some(3), None),
                Step {
                    player: Some(Watching {
                        buffer: Duration::from_secs(8),
                        stay: Duration::from_secs(5),
                    }),
                    ..step("buy/film", None, None)
                },
                step("buy/rate", None, None),
            ],
        };
        assert_eq!(
            journey.to_string(),
            "buy: log in (50% leave), 2s, home (20% leave), 3s, pay, film (plays for 5s), rate; \
             as tv: timeout 8s, 3 retries, backoff 1s"
        );
        let reach = journey
            .reach()
            .map(|(_, stay, after)| (stay, after.as_secs()));
        assert_eq!(
            reach.collect::<Vec<_>>(),
            [(1.0, 0), (0.5, 2), (0.4, 5), (0.4, 5), (0.4, 10)]
        );
    }

    #[test]
    fn times_to_think_are_read_as_they_are_written() {
        for (text, from_ms, to_ms) in [("1s", 1_000, 1_000), ("500ms..3s", 500, 3_000)] {
            let think: Think = text.parse().unwrap();
            assert_eq!(think.to_string(), text);
            assert_eq!(think.at(0.0), Duration::from_millis(from_ms));
            assert_eq!(think.at(1.0), Duration::from_millis(to_ms));
        }
        for wrong in ["3s..1s", "1", "1s..", "..2s", "1s...3s"] {
            assert!(wrong.parse::<Think>().is_err(), "{wrong}");
        }
    }
}
