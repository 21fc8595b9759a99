//! `in_process`: a call inside a service is late, fails, hangs or loses its answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kind::{Given, Kind};
use super::{
    About, Absent, Inject, Mistake, OnInProcess, Parameter, ParameterKind, Problem, Surface, Value,
};
use crate::units::{Share, format_duration};

/// Longest delay: what the layer takes.
const DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest name of a point, and longest message, in bytes.
const TEXT_BYTES_MAX: usize = 1000;

/// A fault at a point in the code of a service that has squall's fault layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InProcess {
    /// The point, as the service calls it.
    pub point: String,
    /// What becomes of calls.
    pub does: InsideDoes,
    /// Of which share of them.
    pub share: Share,
}

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InsideDoes {
    /// It goes on later.
    Delay {
        /// By how much.
        by: Duration,
        /// It may be so much more or less.
        jitter: Duration,
    },
    /// It fails at once with this message.
    Error(String),
    /// It waits until it is given up or the fault is over.
    Hang,
    /// It is made, and its answer lost.
    Drop,
}

/// What a fault has done at its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallsDone {
    /// Calls that came by.
    pub calls: u64,
    /// Calls that it struck.
    pub struck: u64,
}

impl CallsDone {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            struck: self.struck + other.struck,
        }
    }
}

pub(super) static ABOUT: About = About {
    keyword: "in_process",
    surface: Surface::InProcess,
    about: "A call inside a service is late, fails, hangs or loses its answer.",
    also_called: &["fail_point", "failpoint", "inside", "layer", "in-process"],
    noun: "a fault inside a process",
    meaning: "At a point in the code of a service that has squall's fault layer (squall-fault-layer, feature `switch`), calls are late, fail, hang or lose their answers.",
    reads: "in_process: { point: ledger.write, do: hang, share: 20% }",
    parameters: &[
        Parameter::needed(
            "point",
            ParameterKind::Text,
            "The point, as the service calls it.",
            &["name", "at"],
        ),
        Parameter::alternative(
            "delay",
            ParameterKind::Duration,
            "Calls go on so much later.",
            &["by", "latency", "sleep"],
        ),
        Parameter::alternative(
            "error",
            ParameterKind::Text,
            "Calls fail at once with this message.",
            &["return", "fail", "message"],
        ),
        Parameter::alternative(
            "do",
            ParameterKind::Words(&[
                ("hang", "Calls wait until they are given up."),
                ("drop", "Calls are made, and their answers lost."),
            ]),
            "Calls hang, or lose their answers.",
            &["does", "action"],
        ),
        Parameter::no_time(
            "jitter",
            "How far delays spread around `delay`; at most that, and with nothing else.",
        ),
        Parameter {
            name: "share",
            kind: ParameterKind::Share,
            absent: Absent::Means(Value::Share(Share::WHOLE)),
            about: "Which share of the calls; the seed decides for each.",
            otherwise: &["percentage", "percent", "probability"],
        },
    ],
    example: "- name: ledger hangs
  at: 15s
  inject: { in_process: { point: ledger.write, do: hang, share: 20% } }
  into: payments
  for: 20s",
    verified: "The service itself says that it is set, and counts who came by and who was struck. Before it is taken away, a call must have been struck; a fault at a point that nobody came by proves nothing.",
    undone: "The service takes it away and says so; what hangs or is late goes on at once. It is set on a connection and ends with that, so it cannot outlive squall.",
    read,
};

fn read(given: &Given) -> Option<Inject> {
    // Where nothing is late there is nothing for it to spread around; `mistake` says so.
    let jitter = given.duration("jitter").unwrap_or_default();
    let does = match (given.duration("delay"), given.text("error")) {
        (Some(by), _) => InsideDoes::Delay { by, jitter },
        (None, _) if !jitter.is_zero() => InsideDoes::Delay {
            by: Duration::ZERO,
            jitter,
        },
        (None, Some(message)) => InsideDoes::Error(message.to_owned()),
        (None, None) => match given.word("do")? {
            "hang" => InsideDoes::Hang,
            _drop => InsideDoes::Drop,
        },
    };
    Some(
        InProcess {
            point: given.text("point")?.to_owned(),
            does,
            share: given.share("share")?,
        }
        .into(),
    )
}

impl InProcess {
    /// The fault as the layer reads it: `POINT=PLAN`.
    #[must_use]
    pub fn plan(&self) -> String {
        let action = match &self.does {
            InsideDoes::Delay { by, jitter } => {
                format!("delay({}us, {}us)", by.as_micros(), jitter.as_micros())
            }
            InsideDoes::Error(message) => format!("error({message})"),
            InsideDoes::Hang => "hang".to_owned(),
            InsideDoes::Drop => "drop".to_owned(),
        };
        format!("{}={} {action}", self.point, self.share)
    }

    /// What it did, in words.
    #[must_use]
    pub fn effect(&self, done: &CallsDone) -> String {
        let CallsDone { calls, struck } = done;
        let what = match &self.does {
            InsideDoes::Delay { by, .. } => format!("were {} late", format_duration(*by)),
            InsideDoes::Error(_) => "failed".to_owned(),
            InsideDoes::Hang => "hung".to_owned(),
            InsideDoes::Drop => "lost their answer".to_owned(),
        };
        format!("{struck} of {calls} calls at {} {what}", self.point)
    }
}

impl From<InProcess> for Inject {
    fn from(fault: InProcess) -> Self {
        Self::InProcess(OnInProcess::InProcess(fault))
    }
}

impl Kind for InProcess {
    fn details(&self) -> String {
        let what = match &self.does {
            InsideDoes::Delay { by, jitter } if jitter.is_zero() => {
                format!("delays calls by {}", format_duration(*by))
            }
            InsideDoes::Delay { by, jitter } => {
                let (by, jitter) = (format_duration(*by), format_duration(*jitter));
                format!("delays calls by {by} \u{b1} {jitter}")
            }
            InsideDoes::Error(message) => format!("lets calls fail with \"{message}\""),
            InsideDoes::Hang => "lets calls hang".to_owned(),
            InsideDoes::Drop => "loses the answers of calls".to_owned(),
        };
        let of = match self.share == Share::WHOLE {
            true => String::new(),
            false => format!(", {} of them", self.share),
        };
        format!(" {} that {what}{of}", self.point)
    }

    fn brief(&self) -> String {
        format!(" {}", self.point)
    }

    fn mistake(&self) -> Option<Mistake> {
        let mistake = |parameter, title, label: &str, help| {
            Some(Mistake {
                parameter,
                problem: Problem::OutOfRange,
                title,
                label: label.to_owned(),
                help,
            })
        };
        let fits = |text: &str| text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control);
        let name = &self.point;
        if name.trim().is_empty() || name.trim() != name || name.contains(['=', ';']) || !fits(name)
        {
            let help = "write the name that the service gives the point, for instance `point: store.write`";
            return mistake("point", "this names no point", "no name of a point", help);
        }
        if self.share.get() == 0.0 {
            let help = "write for instance `share: 20%`; without it all calls are struck";
            return mistake(
                "share",
                "the fault would strike nobody",
                "no call at all",
                help,
            );
        }
        match &self.does {
            InsideDoes::Delay { by, jitter } if by.is_zero() && !jitter.is_zero() => {
                Some(Mistake {
                    parameter: "jitter",
                    problem: Problem::JitterAboveDelay,
                    title: "jitter without a delay",
                    label: "no delay to spread around".to_owned(),
                    help: "add `delay: 300ms` in place of what else is done, or take `jitter` out",
                })
            }
            InsideDoes::Delay { by, .. } if by.is_zero() || *by > DELAY_MAX => {
                let help = "write for instance `delay: 300ms`, at most a day; to wait for ever, `do: hang`";
                mistake(
                    "delay",
                    "calls are delayed by some time",
                    "from 1us to 24h",
                    help,
                )
            }
            InsideDoes::Delay { by, jitter } if jitter > by => Some(Mistake {
                parameter: "jitter",
                problem: Problem::JitterAboveDelay,
                title: "the jitter is above the delay",
                label: format!("above {}", format_duration(*by)),
                help: "shorten `jitter` or lengthen `delay`",
            }),
            InsideDoes::Error(message) if !fits(message) => {
                let help = "write a short message, for instance `error: disk full`";
                mistake(
                    "error",
                    "this is no message of one line",
                    "at most 1000 bytes",
                    help,
                )
            }
            InsideDoes::Delay { .. }
            | InsideDoes::Error(_)
            | InsideDoes::Hang
            | InsideDoes::Drop => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(does: InsideDoes) -> InProcess {
        InProcess {
            point: "store.write".to_owned(),
            does,
            share: Share::WHOLE,
        }
    }

    #[test]
    fn a_fault_says_what_it_does_to_calls() {
        let late = |jitter| InsideDoes::Delay {
            by: Duration::from_millis(300),
            jitter: Duration::from_millis(jitter),
        };
        for (does, says, did) in [
            (late(0), "delays calls by 300ms", "were 300ms late"),
            (
                late(20),
                "delays calls by 300ms \u{b1} 20ms",
                "were 300ms late",
            ),
            (
                InsideDoes::Error("full".to_owned()),
                "lets calls fail with \"full\"",
                "failed",
            ),
            (InsideDoes::Hang, "lets calls hang", "hung"),
            (
                InsideDoes::Drop,
                "loses the answers of calls",
                "lost their answer",
            ),
        ] {
            let fault = of(does);
            assert_eq!(fault.mistake(), None);
            let done = CallsDone {
                calls: 7,
                struck: 3,
            };
            let effect = format!("3 of 7 calls at store.write {did}");
            assert_eq!(fault.effect(&done), effect);
            let said = Inject::from(fault).to_string();
            assert_eq!(said, format!("in_process store.write that {says}"));
        }
    }

    #[test]
    fn what_could_not_be_set_is_a_mistake() {
        let named = |point: &str| InProcess {
            point: point.to_owned(),
            ..of(InsideDoes::Hang)
        };
        let delay = |by, jitter| {
            of(InsideDoes::Delay {
                by: Duration::from_secs(by),
                jitter: Duration::from_secs(jitter),
            })
        };
        let nobody = InProcess {
            share: Share::new(0.0).unwrap_or(Share::WHOLE),
            ..of(InsideDoes::Hang)
        };
        for (fault, parameter) in [
            (named(""), "point"),
            (named(" a"), "point"),
            (named("a=b"), "point"),
            (named("a;b"), "point"),
            (named("a\nb"), "point"),
            (named(&"a".repeat(2000)), "point"),
            (delay(0, 0), "delay"),
            (delay(86_401, 0), "delay"),
            (delay(1, 2), "jitter"),
            (delay(0, 2), "jitter"),
            (of(InsideDoes::Error("a\nb".to_owned())), "error"),
            (nobody, "share"),
        ] {
            let mistake = fault.mistake().map(|mistake| mistake.parameter);
            assert_eq!(mistake, Some(parameter), "{fault:?}");
        }
    }
}
