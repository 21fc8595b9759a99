//! What is sent, how often, and with which data.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::column::Column;
use crate::connecting::Connecting;
use crate::journey::{Journey, Think};
use crate::replay::Replay;
use crate::request::Request;
use crate::units::{Rate, format_duration};
use crate::wave::Wave;

/// The open-loop load of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Stages in order; together they are the measured load. Never empty.
    pub shape: Vec<Stage>,
    /// What an arrival sends, chosen by weight. Empty only where there are journeys.
    pub requests: Vec<Request>,
    /// What an arrival starts, chosen by weight together with `requests`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub journeys: Vec<Journey>,
    /// Values for `$name` in requests.
    pub data: Vec<(String, DataSource)>,
    /// Name of the data that says which virtual user an arrival comes from.
    #[serde(default)]
    pub users: Option<String>,
    /// The most connections that are open at once; `None` opens as many as
    /// there are requests in flight.
    pub connections: Option<u32>,
    /// How connections are made.
    #[serde(default, skip_serializing_if = "Connecting::is_default")]
    pub connecting: Connecting,
    /// The most requests in flight, waiting for a connection included. An
    /// arrival above it is dropped and counted as a failure.
    pub in_flight_max: u32,
    /// How many threads send; `None` for as many as the rate needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// How long a client waits for an answer before it gives up.
    pub timeout: Duration,
    /// Load at the first stage's starting rate before anything is measured.
    pub warm_up: Duration,
    /// Loads that are sent at the same time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<LoadBeside>,
}

/// A load beside the main one, of its own shape, requests, threads and connections.
/// It begins at time zero, as the main one does, and sends nothing more when its
/// shape is over: the main load says how long the run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadBeside {
    /// Name; unique among the loads of a run.
    pub name: String,
    /// What is sent, never longer than the main load; without loads beside it. Its
    /// data are those of the main load, drawn for its own arrivals.
    pub load: Load,
}

impl Load {
    /// Requests that may be under way at a time where a file does not say.
    pub const IN_FLIGHT_MAX: u32 = 10_000;
    /// How long a client waits where a file does not say.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// A load with nothing but a shape and requests, and no warm-up.
    #[must_use]
    pub fn plain(shape: Vec<Stage>, requests: Vec<Request>) -> Self {
        Self {
            shape,
            requests,
            journeys: Vec::new(),
            data: Vec::new(),
            users: None,
            connections: None,
            connecting: Connecting::default(),
            in_flight_max: Self::IN_FLIGHT_MAX,
            workers: None,
            timeout: Self::TIMEOUT,
            warm_up: Duration::ZERO,
            beside: Vec::new(),
        }
    }

    /// Length of the measured load.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.shape.iter().map(Stage::duration).sum()
    }

    /// How long anything may take: as long as the most patient client waits.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let personas = self.journeys.iter().filter_map(|it| it.persona.as_ref());
        let longest = personas.map(|persona| persona.timeout).max();
        longest.unwrap_or_default().max(self.timeout)
    }

    /// Expected number of arrivals of all loads between `from` and `to`, both
    /// measured from time zero.
    #[must_use]
    pub fn expected_arrivals(&self, from: Duration, to: Duration) -> f64 {
        self.each().map(|load| load.of_shape(from, to)).sum()
    }

    /// The same of this load alone.
    fn of_shape(&self, from: Duration, to: Duration) -> f64 {
        let mut start = Duration::ZERO;
        let mut arrivals = 0.0;
        for stage in &self.shape {
            let (from, to) = (from.saturating_sub(start), to.saturating_sub(start));
            arrivals += stage.expected_arrivals(from, to);
            start += stage.duration();
        }
        arrivals
    }

    /// The most users of this load, where it is a closed loop.
    #[must_use]
    pub fn closed_users(&self) -> Option<u32> {
        let users = self.shape.iter().filter_map(|stage| match stage {
            Stage::Closed { users, .. } => Some(*users),
            Stage::Ramp { .. } | Stage::Wave { .. } | Stage::Hold { .. } | Stage::Replay(_) => None,
        });
        users.max()
    }

    /// Whether requests on a route, on any for `None`, come in a closed loop: how many
    /// is not known before the run, and its quantiles hide waiting.
    #[must_use]
    pub fn is_closed_on(&self, route: Option<&str>) -> bool {
        self.each().any(|load| {
            let is = |request: &Request| route.is_none_or(|name| request.name == name);
            load.closed_users().is_some() && load.own_routes().any(is)
        })
    }

    /// The most requests of all loads in flight.
    #[must_use]
    pub fn in_flight_of_all(&self) -> u32 {
        let most = self.each().map(|load| load.in_flight_max);
        most.fold(0, u32::saturating_add)
    }

    /// This load, and those beside it.
    pub fn each(&self) -> impl Iterator<Item = &Self> {
        let beside = self.beside.iter().map(|beside| &beside.load);
        std::iter::once(self).chain(beside)
    }

    /// All that is sent: the routes of this load, then those of the loads beside it.
    /// The place in this order is the number of a route.
    pub fn routes(&self) -> impl Iterator<Item = &Request> {
        self.each().flat_map(Self::own_routes)
    }

    /// The same, to be changed.
    pub fn routes_mut(&mut self) -> impl Iterator<Item = &mut Request> {
        let beside = self.beside.iter_mut();
        let beside = beside.flat_map(|it| routes_of(&mut it.load.requests, &mut it.load.journeys));
        routes_of(&mut self.requests, &mut self.journeys).chain(beside)
    }

    /// What this load sends: the requests, then the steps of the journeys.
    pub fn own_routes(&self) -> impl Iterator<Item = &Request> {
        let steps = self.journeys.iter().flat_map(|journey| &journey.steps);
        self.requests.iter().chain(steps.map(|step| &step.request))
    }

    /// Expected number of requests on a route, on all for `None`, that are due
    /// between `from` and `to`, both measured from time zero. A step of a journey
    /// is reached by those who stayed, later than their arrival by what they
    /// thought; how long answers take is not known.
    #[must_use]
    pub fn expected_on(&self, route: Option<&str>, from: Duration, to: Duration) -> f64 {
        let loads = self.each();
        loads
            .map(|load| load.own_expected_on(route, from, to))
            .sum()
    }

    fn own_expected_on(&self, route: Option<&str>, from: Duration, to: Duration) -> f64 {
        let requests = self.requests.iter().map(|it| f64::from(it.weight));
        let journeys = self.journeys.iter().map(|it| f64::from(it.weight));
        let all: f64 = requests.chain(journeys).sum();
        if all <= 0.0 {
            return 0.0;
        }
        let is = |request: &Request| route.is_none_or(|name| request.name == name);
        let requests = self.requests.iter().filter(|it| is(it));
        let own: f64 = requests.map(|it| f64::from(it.weight)).sum();
        let mut expected = self.of_shape(from, to) * (own / all);
        for journey in &self.journeys {
            for (_, stay, after) in journey.reach().filter(|(step, ..)| is(&step.request)) {
                let due = (from.saturating_sub(after), to.saturating_sub(after));
                let share = stay * f64::from(journey.weight) / all;
                expected += self.of_shape(due.0, due.1) * share;
            }
        }
        expected
    }
}

fn routes_of<'l>(
    requests: &'l mut [Request],
    journeys: &'l mut [Journey],
) -> impl Iterator<Item = &'l mut Request> {
    let steps = journeys.iter_mut().flat_map(|it| &mut it.steps);
    requests
        .iter_mut()
        .chain(steps.map(|step| &mut step.request))
}

/// One part of the load's shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Stage {
    /// The rate changes linearly.
    Ramp {
        /// Rate at the start.
        from: Rate,
        /// Rate at the end.
        to: Rate,
        /// Length.
        over: Duration,
    },
    /// The rate swings as a cosine does, between `from`, where it begins, and
    /// `to`: a day of traffic.
    Wave {
        /// Rate at the start.
        from: Rate,
        /// Rate half a period later.
        to: Rate,
        /// Length of a period; more than nothing.
        every: Duration,
        /// Length.
        duration: Duration,
    },
    /// The rate stays.
    Hold {
        /// Arrivals per second.
        rate: Rate,
        /// Length.
        duration: Duration,
        /// Spacing of the arrivals.
        arrivals: Arrivals,
    },
    /// The arrivals are at the times that a file holds.
    Replay(Replay),
    /// A closed loop: so many users, of whom each sends its next request when its
    /// last was settled and it has thought. How many arrivals that makes is the
    /// target's doing, and what it holds up is not sent.
    Closed {
        /// How many users.
        users: u32,
        /// How long each thinks before its next request; not at all for `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        think: Option<Think>,
        /// Length.
        duration: Duration,
    },
}

impl Stage {
    /// Length of the stage.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        match self {
            Self::Ramp { over, .. } => *over,
            Self::Wave { duration, .. }
            | Self::Hold { duration, .. }
            | Self::Closed { duration, .. }
            | Self::Replay(Replay { duration, .. }) => *duration,
        }
    }

    /// Rate at the start of the stage; none of a closed loop.
    #[must_use]
    pub fn starting_rate(&self) -> Rate {
        match self {
            Self::Ramp { from, .. } | Self::Wave { from, .. } => *from,
            Self::Hold { rate, .. } => *rate,
            Self::Replay(replay) => replay.starting_rate(),
            Self::Closed { .. } => Rate::default(),
        }
    }

    /// The highest rate of the stage, a second.
    #[must_use]
    pub fn peak(&self) -> f64 {
        match self {
            Self::Ramp { from, to, .. } | Self::Wave { from, to, .. } => {
                from.as_per_second().max(to.as_per_second())
            }
            Self::Hold { rate, .. } => rate.as_per_second(),
            Self::Replay(replay) => replay.peak(),
            Self::Closed { .. } => 0.0,
        }
    }

    /// Expected number of arrivals between `from` and `to`, both measured
    /// from the start of the stage; none of a closed loop, which nobody can tell.
    #[must_use]
    pub fn expected_arrivals(&self, from: Duration, to: Duration) -> f64 {
        let length_s = self.duration().as_secs_f64();
        let start_s = from.as_secs_f64().min(length_s);
        let end_s = to.as_secs_f64().min(length_s);
        if end_s <= start_s || length_s <= 0.0 {
            return 0.0;
        }
        let linear = |from: f64, to: f64| {
            let rate_at = |at_s: f64| {
                let share = at_s / length_s;
                from * (1.0 - share) + to * share
            };
            // The trapezoid is exact.
            (rate_at(start_s) + rate_at(end_s)) / 2.0 * (end_s - start_s)
        };
        match self {
            Self::Hold { rate, .. } => linear(rate.as_per_second(), rate.as_per_second()),
            Self::Ramp { from, to, .. } => linear(from.as_per_second(), to.as_per_second()),
            Self::Wave {
                from, to, every, ..
            } => {
                let wave = Wave::new(*from, *to, *every);
                wave.integral(end_s) - wave.integral(start_s)
            }
            Self::Replay(replay) => replay.expected_arrivals(from, to),
            Self::Closed { .. } => 0.0,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wave {
                from,
                to,
                every,
                duration,
            } => {
                let (every, length) = (format_duration(*every), format_duration(*duration));
                write!(f, "wave from {from} to {to} every {every} for {length}")
            }
            Self::Ramp { from, to, over } => {
                write!(
                    f,
                    "ramp from {from} to {to} over {}",
                    format_duration(*over)
                )
            }
            Self::Hold {
                rate,
                duration,
                arrivals,
            } => {
                write!(f, "hold {rate} for {}", format_duration(*duration))?;
                match arrivals {
                    Arrivals::Even => Ok(()),
                    Arrivals::Poisson => f.write_str(", poisson"),
                }
            }
            Self::Replay(replay) => replay.fmt(f),
            Self::Closed {
                users,
                think,
                duration,
            } => {
                let users = match users {
                    1 => "1 user".to_owned(),
                    users => format!("{users} users"),
                };
                write!(
                    f,
                    "closed loop of {users} for {}",
                    format_duration(*duration)
                )?;
                match think {
                    Some(think) => write!(f, ", thinking {think}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Spacing of arrivals within a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Arrivals {
    /// Equal gaps.
    #[default]
    Even,
    /// Exponential gaps: independent users.
    Poisson,
}

/// Where the values of one `$name` come from; every draw is a function of the
/// seed and the arrival's number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum DataSource {
    /// Whole numbers from `from` to `to`, both included, equally likely.
    Uniform {
        /// Lowest value.
        from: u64,
        /// Highest value.
        to: u64,
    },
    /// Whole numbers from 1 to `over`; number k has weight k^-skew.
    Zipf {
        /// Highest value.
        over: u64,
        /// Exponent, above 0.
        skew: f64,
    },
    /// One of a list, equally likely.
    Pick(Vec<String>),
    /// `from`, `from + 1`, … in the order of the arrivals.
    Count {
        /// First value.
        from: u64,
    },
    /// A column of a table in a file.
    Column(Column),
    /// Random UUIDs (RFC 9562, version 4), one for each arrival.
    Uuid,
}

impl DataSource {
    /// The values that are drawn from, where they are a list.
    #[must_use]
    pub fn choices(&self) -> Option<&[String]> {
        match self {
            Self::Pick(values) => Some(values),
            Self::Column(column) => Some(&column.values),
            Self::Uniform { .. } | Self::Zipf { .. } | Self::Count { .. } | Self::Uuid => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::{Step, Think};
    use crate::template::Template;
    use crate::units::Share;

    #[test]
    fn steps_are_expected_of_those_who_stay_when_they_have_thought() {
        let s = Duration::from_secs;
        let request = |name: &str| Request::plain(name, "GET", Template::parse("/"));
        let step = |name: &str, think_s: Option<u64>, leave: Option<f64>| Step {
            player: None,
            request: request(name),
            take: vec![],
            think: think_s.map(|thinks| Think::always(s(thinks))),
            leave: leave.and_then(Share::new),
        };
        let load = Load {
            journeys: vec![Journey {
                name: "buy".to_owned(),
                weight: 1,
                persona: None,
                steps: vec![step("buy/a", None, Some(0.5)), step("buy/b", Some(4), None)],
            }],
            in_flight_max: 1,
            timeout: s(1),
            ..Load::plain(
                vec![Stage::Hold {
                    rate: Rate::per_second(20.0).unwrap(),
                    duration: s(10),
                    arrivals: Arrivals::Even,
                }],
                vec![Request {
                    weight: 3,
                    ..request("plain")
                }],
            )
        };
        let expected = |name, from, to| load.expected_on(name, s(from), s(to));
        let close = |is: f64, expected: f64| assert!((is - expected).abs() < 1e-9, "{is}");
        close(expected(Some("plain"), 0, 10), 150.0);
        close(expected(Some("buy/a"), 0, 10), 50.0);
        // Of 5 a second a half stays; nobody comes in the first four seconds.
        close(expected(Some("buy/b"), 0, 10), 15.0);
        close(expected(Some("buy/b"), 0, 5), 2.5);
        close(expected(None, 0, 10), 215.0);
        close(expected(Some("nobody"), 0, 10), 0.0);
    }
}
