//! What may be done to a message.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{GrpcAnswer, HttpDone, Message};
use crate::inject::kind::Group;
use crate::inject::{Given, Mistake, Parameter, ParameterKind, Problem};
use crate::units::{ByteCount, Share, format_duration};

/// What is done to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpAction {
    /// It goes on later.
    Delay {
        /// How much.
        by: Duration,
        /// Half-width of a uniform spread around `by`; at most `by`.
        jitter: Duration,
    },
    /// The request is answered in the target's place, which never sees it.
    Answer(Answer),
    /// A call of gRPC over HTTP/2 ends with a status, and the target never sees
    /// it.
    Grpc(GrpcAnswer),
    /// The connection is reset when so many bytes of the body have passed; with
    /// none, before anything of the message has.
    Abort {
        /// Bytes of the body that pass.
        after: ByteCount,
    },
    /// The body ends after this part of it, and the connection is closed.
    Truncate(Part),
    /// This share of the body's bytes is changed, and at least one.
    Corrupt(Share),
    /// Headers are added or replaced.
    SetHeaders(Vec<(String, String)>),
    /// Headers are taken out.
    RemoveHeaders(Vec<String>),
    /// At most so many bytes of the body pass per second.
    Throttle(ByteCount),
}

/// An answer of squall's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The status, 200 to 599.
    pub status: u16,
    /// Headers besides those that follow from the body.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// A part of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// A share of its bytes. Of a body whose length is not told beforehand, a
    /// share of the first bytes that arrive.
    Share(Share),
    /// So many bytes.
    Bytes(ByteCount),
}

pub(super) static DELAY: Group = Group {
    name: "delay",
    noun: "`delay`",
    about: "Messages go on later.",
    reads: "delay: { by: 300ms, jitter: 100ms }",
    short: Some("by"),
    parameters: &[
        Parameter::needed(
            "by",
            ParameterKind::Duration,
            "How much later.",
            &["latency", "time"],
        ),
        Parameter::no_time("jitter", "Half-width of a uniform spread around `by`."),
    ],
};

pub(super) static ANSWER: Group = Group {
    name: "answer",
    noun: "`answer`",
    about: "Requests are answered in the target's place, which never sees them.",
    reads: "answer: { status: 503, headers: { retry-after: 2 }, body: closed }",
    short: Some("status"),
    parameters: &[
        Parameter::needed(
            "status",
            ParameterKind::Count(200, 599),
            "The status.",
            &["code"],
        ),
        Parameter::optional(
            "headers",
            ParameterKind::Texts,
            "Headers; `content-length` follows from the body.",
            &["header"],
        ),
        Parameter::optional(
            "body",
            ParameterKind::Content,
            "The body; empty when absent.",
            &["text", "data"],
        ),
    ],
};

pub(super) static ABORT: Group = Group {
    name: "abort",
    noun: "`abort`",
    about: "The connection is reset in the middle of a message.",
    reads: "abort: { after: 10KiB }",
    short: Some("after"),
    parameters: &[Parameter::optional(
        "after",
        ParameterKind::Size,
        "How many bytes of the body pass; when absent nothing of the message does.",
        &["bytes"],
    )],
};

impl HttpAction {
    /// The one action that was given.
    pub(super) fn of(given: &Given) -> Option<Self> {
        let delay = |delay: &Given| {
            Some(Self::Delay {
                by: delay.duration("by")?,
                jitter: delay.duration("jitter")?,
            })
        };
        let answer = |answer: &Given| {
            Some(Self::Answer(Answer {
                status: u16::try_from(answer.count("status")?).ok()?,
                headers: answer.texts("headers").unwrap_or_default().to_vec(),
                body: answer.text("body").unwrap_or_default().to_owned(),
            }))
        };
        let abort = |abort: &Given| Self::Abort {
            after: abort.bytes("after").unwrap_or(ByteCount(0)),
        };
        let part = || {
            let share = given.share("truncate").map(Part::Share);
            share.or_else(|| given.bytes("truncate").map(Part::Bytes))
        };
        given
            .group("delay")
            .and_then(delay)
            .or_else(|| given.group("answer").and_then(answer))
            .or_else(|| Some(Self::Grpc(GrpcAnswer::of(given.group("grpc")?)?)))
            .or_else(|| given.group("abort").map(abort))
            .or_else(|| part().map(Self::Truncate))
            .or_else(|| given.share("corrupt").map(Self::Corrupt))
            .or_else(|| Some(Self::SetHeaders(given.texts("set_headers")?.to_vec())))
            .or_else(|| Some(Self::RemoveHeaders(given.names("remove_headers")?.to_vec())))
            .or_else(|| given.bytes("throttle").map(Self::Throttle))
    }

    /// How calls over HTTP/2 end, where it is about those; everything else is about
    /// exchanges over HTTP/1.1.
    #[must_use]
    pub const fn on_calls(&self) -> Option<&GrpcAnswer> {
        match self {
            Self::Grpc(answer) => Some(answer),
            Self::Delay { .. }
            | Self::Answer(_)
            | Self::Abort { .. }
            | Self::Truncate(_)
            | Self::Corrupt(_)
            | Self::SetHeaders(_)
            | Self::RemoveHeaders(_)
            | Self::Throttle(_) => None,
        }
    }

    /// The same with at most this part of its magnitude: of a delay, of the bytes
    /// that are corrupted, of the time that a throttled body takes. Others have
    /// none.
    #[must_use]
    pub fn lowered(&self, to: Share) -> Self {
        match self {
            Self::Delay { by, jitter } => Self::Delay {
                by: by.mul_f64(to.get()),
                jitter: jitter.mul_f64(to.get()),
            },
            Self::Corrupt(share) => {
                Self::Corrupt(Share::new(share.get() * to.get()).unwrap_or(*share))
            }
            Self::Throttle(rate) => {
                // No time at all is a rate without end.
                Self::Throttle(ByteCount((rate.0 as f64 / to.get()) as u64))
            }
            Self::Answer(_)
            | Self::Grpc(_)
            | Self::Abort { .. }
            | Self::Truncate(_)
            | Self::SetHeaders(_)
            | Self::RemoveHeaders(_) => self.clone(),
        }
    }

    /// Its key in a file, with what matters most.
    pub(super) fn in_brief(&self) -> String {
        match self {
            Self::Delay { by, .. } => format!("delay {}", format_duration(*by)),
            Self::Answer(answer) => format!("answer {}", answer.status),
            Self::Grpc(answer) => format!("grpc {}", answer.status.word()),
            Self::Abort { .. } => "abort".to_owned(),
            Self::Truncate(_) => "truncate".to_owned(),
            Self::Corrupt(_) => "corrupt".to_owned(),
            Self::SetHeaders(_) => "set_headers".to_owned(),
            Self::RemoveHeaders(_) => "remove_headers".to_owned(),
            Self::Throttle(rate) => format!("throttle {rate}/s"),
        }
    }

    pub(super) fn mistake(&self, message: Message) -> Option<Mistake> {
        match self {
            Self::Answer(_) | Self::Grpc(_) if message == Message::Request => {
                Some(Mistake::out_of_range(
                    "message",
                    "an answer of squall's own is no change of a request",
                    "with an answer",
                    "leave `message` out: the request does not reach the target",
                ))
            }
            Self::Delay { by, jitter } if jitter > by => Some(Mistake {
                parameter: "delay.jitter",
                problem: Problem::JitterAboveDelay,
                title: "more jitter than delay",
                label: format!("more than {}", format_duration(*by)),
                help: "a message cannot arrive before it was sent; write at most what `by` says",
            }),
            Self::Delay { by, .. } if by.is_zero() => Some(Mistake::out_of_range(
                "delay.by",
                "no message would be late",
                "no time at all",
                "write for instance `delay: 300ms`",
            )),
            Self::Truncate(part) if *part == Part::Share(Share::WHOLE) => {
                Some(Mistake::out_of_range(
                    "truncate",
                    "nothing would be missing",
                    "the whole body",
                    "write what remains: `truncate: 50%`",
                ))
            }
            Self::Corrupt(share) if share.get() <= 0.0 => Some(Mistake::out_of_range(
                "corrupt",
                "nothing would be changed",
                "above 0%",
                "write for instance `corrupt: 1%`",
            )),
            Self::SetHeaders(headers) if headers.is_empty() => Some(Mistake::out_of_range(
                "set_headers",
                "no header is named",
                "nothing in it",
                "write for instance `set_headers: { cache-control: no-store }`",
            )),
            Self::RemoveHeaders(names) if names.is_empty() => Some(Mistake::out_of_range(
                "remove_headers",
                "no header is named",
                "nothing in it",
                "write for instance `remove_headers: [ etag ]`",
            )),
            Self::Throttle(rate) if rate.0 == 0 => Some(Mistake::out_of_range(
                "throttle",
                "no bytes at all would pass",
                "at least 1B/s",
                "to hold a message for ever, inject `cut`",
            )),
            Self::Grpc(answer) => answer.mistake(),
            Self::Delay { .. }
            | Self::Answer(_)
            | Self::Abort { .. }
            | Self::Truncate(_)
            | Self::Corrupt(_)
            | Self::SetHeaders(_)
            | Self::RemoveHeaders(_)
            | Self::Throttle(_) => None,
        }
    }

    /// What was done to messages, in words.
    pub(super) fn effect(&self, message: Message, done: &HttpDone) -> String {
        let messages = message.counted(done.acted);
        let bytes = done.bytes;
        match self {
            Self::Delay { by, .. } => {
                let asked = format_duration(*by);
                let observed = done.delay_p50_us.map(|us| {
                    let observed = format_duration(Duration::from_micros(us));
                    format!(", observed p50 {observed}")
                });
                format!(
                    "{messages} delayed by {asked}{}",
                    observed.unwrap_or_default()
                )
            }
            Self::Answer(answer) => format!(
                "{} answered with {}",
                Message::Request.counted(done.acted),
                answer.status
            ),
            Self::Grpc(answer) => answer.effect(done.acted),
            Self::Abort { .. } => format!("{messages} ended by a reset"),
            Self::Truncate(_) => format!("{messages} cut short"),
            Self::Corrupt(_) => format!("{bytes} bytes of {messages} changed"),
            Self::SetHeaders(_) => format!("headers of {messages} set"),
            Self::RemoveHeaders(_) => format!("headers of {messages} removed"),
            Self::Throttle(rate) => format!("{bytes} bytes of {messages} limited to {rate}/s each"),
        }
    }
}

impl fmt::Display for HttpAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay { by, jitter } => {
                write!(f, "delay {}", format_duration(*by))?;
                if jitter.is_zero() {
                    return Ok(());
                }
                write!(f, " ± {}", format_duration(*jitter))
            }
            Self::Abort { after } if after.0 > 0 => write!(f, "abort after {after}"),
            Self::Truncate(Part::Share(share)) => write!(f, "truncate to {share}"),
            Self::Truncate(Part::Bytes(bytes)) => write!(f, "truncate to {bytes}"),
            Self::Corrupt(share) => write!(f, "corrupt {share}"),
            Self::SetHeaders(headers) => {
                let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
                write!(f, "set_headers {}", names.join(", "))
            }
            Self::RemoveHeaders(names) => write!(f, "remove_headers {}", names.join(", ")),
            Self::Answer(_) | Self::Grpc(_) | Self::Abort { .. } | Self::Throttle(_) => {
                f.write_str(&self.in_brief())
            }
        }
    }
}
