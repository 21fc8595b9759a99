//! `dns`: a name of the system is answered wrongly, late or not at all.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::Kind;
use super::{About, Given, Inject, Mistake, Parameter, ParameterKind, Problem, Surface};
use crate::units::format_duration;

/// What the run's resolver says of a name instead of the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dns {
    /// What is answered.
    pub answer: DnsAnswer,
    /// How much later a slow answer comes.
    pub by: Option<Duration>,
    /// The address that a wrong answer gives.
    pub to: Option<IpAddr>,
}

/// Kinds of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DnsAnswer {
    /// There is no such name (response code 3).
    Nxdomain,
    /// The resolver is broken (response code 2).
    Servfail,
    /// Nothing is said.
    Timeout,
    /// Another address.
    Wrong,
    /// The truth, later.
    Slow,
}

/// Where a wrong answer leads unless the file says otherwise: on this machine,
/// and hardly anybody listens there.
const WRONG: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 255, 255, 254));

pub(super) static ABOUT: About = About {
    keyword: "dns",
    surface: Surface::Network,
    about: "A name is answered wrongly, late or not at all.",
    also_called: &["nxdomain", "servfail", "resolver"],
    noun: "a fault on a name",
    meaning: "The resolver of the run answers a name of the system with an error, wrongly, late or not at all.",
    reads: "dns: nxdomain; or dns: { answer: slow, by: 2s }",
    parameters: &[
        Parameter::needed(
            "answer",
            ParameterKind::Words(&[
                ("nxdomain", "There is no such name."),
                ("servfail", "The resolver is broken."),
                ("timeout", "No answer at all."),
                ("wrong", "Another address."),
                ("slow", "The right address, later."),
            ]),
            "What is answered.",
            &["reply", "rcode", "kind"],
        ),
        Parameter::optional(
            "by",
            ParameterKind::Duration,
            "How much later; with `slow` only.",
            &["delay"],
        ),
        Parameter::optional(
            "to",
            ParameterKind::Text,
            "The wrong address, on this machine; with `wrong` only. 127.255.255.254 when absent.",
            &["address"],
        ),
    ],
    example: "- name: payments have no address
  at: 15s
  inject: { dns: nxdomain }
  into: payments.test
  for: 20s",
    verified: "The resolver holds the answer before the window opens and counts who asked. Before it is taken away, somebody must have asked; processes that keep their connections or the address ask nobody.",
    undone: "Squall asks for the name itself until the right address comes back. Answers may be kept for 0 s, so whoever asks again gets it too.",
    read,
};

fn read(given: &Given) -> Option<Inject> {
    let word = given.word("answer")?;
    let mut answers = DnsAnswer::ALL.into_iter();
    let answer = answers.find(|answer| answer.word() == word)?;
    let to = given.text("to");
    let dns = Dns {
        answer,
        by: given.duration("by"),
        // What is no address is told as a mistake.
        to: to.map(|to| to.parse().unwrap_or(NO_ADDRESS)),
    };
    Some(dns.into())
}

/// Stands for what was no address until [`Kind::mistake`] has told of it.
const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl DnsAnswer {
    const ALL: [Self; 5] = [
        Self::Nxdomain,
        Self::Servfail,
        Self::Timeout,
        Self::Wrong,
        Self::Slow,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Nxdomain => "nxdomain",
            Self::Servfail => "servfail",
            Self::Timeout => "timeout",
            Self::Wrong => "wrong",
            Self::Slow => "slow",
        }
    }
}

impl Dns {
    /// How much later an answer comes.
    #[must_use]
    pub fn later(&self) -> Duration {
        self.by.unwrap_or_default()
    }

    /// The address that a wrong answer gives.
    #[must_use]
    pub fn wrong_address(&self) -> IpAddr {
        self.to.unwrap_or(WRONG)
    }

    /// What it did to so many questions, in words.
    #[must_use]
    pub fn effect(&self, hit: u64) -> String {
        let questions = match hit {
            1 => "1 question".to_owned(),
            many => format!("{many} questions"),
        };
        match self.answer {
            DnsAnswer::Nxdomain => format!("{questions} answered with NXDOMAIN"),
            DnsAnswer::Servfail => format!("{questions} answered with SERVFAIL"),
            DnsAnswer::Timeout => format!("{questions} not answered"),
            DnsAnswer::Wrong => format!("{questions} answered with {}", self.wrong_address()),
            DnsAnswer::Slow => {
                format!(
                    "{questions} answered {} later",
                    format_duration(self.later())
                )
            }
        }
    }

    fn misplaced(&self) -> Option<Mistake> {
        let (parameter, title, help) = match self.answer {
            answer if self.by.is_some() && answer != DnsAnswer::Slow => (
                "by",
                "only a slow answer comes later",
                "leave it out, or write `dns: { answer: slow, by: 2s }`",
            ),
            answer if self.to.is_some() && answer != DnsAnswer::Wrong => (
                "to",
                "only a wrong answer gives another address",
                "leave it out, or write `dns: { answer: wrong, to: 127.0.0.2 }`",
            ),
            _ => return None,
        };
        Some(Mistake {
            parameter,
            problem: Problem::OutOfRange,
            title,
            label: format!("not with `{}`", self.answer.word()),
            help,
        })
    }
}

impl Kind for Dns {
    fn details(&self) -> String {
        let by = self.by.map(|by| format!(" by {}", format_duration(by)));
        let to = self.to.map(|to| format!(" to {to}"));
        let more = [by, to].into_iter().flatten().collect::<String>();
        format!(" {}{more}", self.answer.word())
    }

    fn brief(&self) -> String {
        format!(" {}", self.answer.word())
    }

    fn mistake(&self) -> Option<Mistake> {
        if let Some(misplaced) = self.misplaced() {
            return Some(misplaced);
        }
        if self.answer == DnsAnswer::Slow && self.later().is_zero() {
            return Some(Mistake {
                parameter: "by",
                problem: Problem::OutOfRange,
                title: "a slow answer takes some time",
                label: "how much later?".to_owned(),
                help: "write for instance `dns: { answer: slow, by: 2s }`",
            });
        }
        (!self.wrong_address().is_loopback()).then(|| Mistake {
            parameter: "to",
            problem: Problem::OutOfRange,
            title: "a wrong answer leads to an address on this machine",
            label: "not one of 127.0.0.0/8, nor ::1".to_owned(),
            help: "traffic of the system must not reach others; write for instance `to: 127.0.0.2`, or leave it out",
        })
    }
}
