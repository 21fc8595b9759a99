//! `http`: requests and their answers on a link suffer, message by message.

mod action;
mod done;
mod grpc;
mod when;

use serde::{Deserialize, Serialize};

use super::kind::{Group, Kind};
use super::{About, Absent, Given, Mistake, Parameter, ParameterKind, Surface, Value};
use crate::units::{ByteCount, Share};

pub use action::{Answer, HttpAction, Part};
pub use done::HttpDone;
pub use grpc::{GrpcAnswer, GrpcStatus};
pub use when::Matching;

/// One thing is done to a share of the requests that match, or to their answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// Which requests.
    pub when: Matching,
    /// Which share of those; the seed decides for each.
    pub share: Share,
    /// How many may suffer at the same time, on all links of the fault
    /// together; those beyond pass unharmed and are counted.
    pub at_most: Option<u32>,
    /// Whether only requests suffer that carry a scope signed with the key of the
    /// run, which can lower what is said here and never raise it.
    #[serde(default)]
    pub scoped: bool,
    /// Which message of an exchange.
    pub message: Message,
    /// What is done.
    pub action: HttpAction,
}

/// The header in which requests carry their scope.
pub const SCOPE_HEADER: &str = "x-fault-scope";

/// A message of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// The request, from the caller to the target.
    Request,
    /// Its answer.
    Answer,
}

const SCOPE: &str = "scope";
const ANY: &str = "any";
const SIGNED: &str = "signed";
const SCOPES: &[(&str, &str)] = &[
    (ANY, "All that match."),
    (
        SIGNED,
        "Those with `x-fault-scope: $run.scope`, or with one that is signed with `$run.scope_key` and lowers what is said here.",
    ),
];

const MESSAGE: &str = "message";
const WORDS: &[(&str, &str)] = &[
    ("answer", "What the target answers."),
    ("request", "What the caller sends."),
];

pub(super) static WHEN: Group = Group {
    name: "when",
    noun: "`when`",
    about: "Which requests suffer; all when absent. Everything that is said has to fit.",
    reads: "when: { path: /titles/**, method: GET }",
    short: None,
    parameters: &[
        Parameter::optional(
            "path",
            ParameterKind::Text,
            "Path without the query; `*` stands for a part of one step, `**` for any number of steps.",
            &["url", "route", "uri"],
        ),
        Parameter::optional(
            "method",
            ParameterKind::Words(when::METHODS),
            "Method; any when absent.",
            &["verb"],
        ),
        Parameter::optional(
            "header",
            ParameterKind::Texts,
            "Headers with their values, in which `*` stands for anything.",
            &["headers"],
        ),
    ],
};

pub(super) static ABOUT: About = About {
    keyword: "http",
    surface: Surface::Http,
    about: "Requests or answers are late, wrong, short or lost.",
    also_called: &["http_abort", "http_delay", "error", "status"],
    noun: "a fault on HTTP",
    meaning: "One thing is done to a share of the requests that match, or to their answers. HTTP/1.1 is understood, and of HTTP/2 the calls of gRPC, for `grpc`; whatever else passes on the link passes untouched.",
    reads: "http: { when: { path: /titles/** }, share: 5%, answer: { status: 503 } }",
    parameters: PARAMETERS,
    example: "- name: maintenance
  at: 15s
  inject:
    http:
      when: { path: /titles/**, method: GET }
      share: 5%
      answer: { status: 503, headers: { retry-after: 2 } }
  into: payments
  for: 20s",
    verified: "It is attached to every live connection before its window opens; on one that carries requests already it begins behind the next exchange. Before it is taken away, something must have been done to a message; a fault that no request met proves nothing.",
    undone: "Messages that are held go on at once, in order. Connections whose messages were cut short are closed; others stay.",
    read: |given| {
        let http = Http {
            when: given.group("when").map(Matching::of).unwrap_or_default(),
            share: given.share("share")?,
            at_most: given.count("at_most"),
            scoped: given.word(SCOPE)? == SIGNED,
            message: message(given)?,
            action: HttpAction::of(given)?,
        };
        Some(http.into())
    },
};

static PARAMETERS: &[Parameter] = &[
    Parameter::optional(
        "when",
        ParameterKind::Group(&WHEN),
        WHEN.about,
        &["match", "where", "if"],
    ),
    Parameter {
        name: "share",
        kind: ParameterKind::Share,
        absent: Absent::Means(Value::Share(Share::WHOLE)),
        about: "Which share of the requests that match; the seed decides for each.",
        otherwise: &["percentage", "percent", "probability", "toxicity"],
    },
    Parameter::optional(
        "at_most",
        ParameterKind::Count(1, 100_000),
        "How many may suffer at the same time; those beyond pass and are counted.",
        &["max", "limit", "concurrency"],
    ),
    Parameter::word(
        SCOPE,
        ANY,
        SCOPES,
        "Which of the requests that match: any, or only those that carry a signed scope.",
    ),
    Parameter::word(
        MESSAGE,
        Message::Answer.word(),
        WORDS,
        "Which message of an exchange.",
    ),
    Parameter::alternative(
        "delay",
        ParameterKind::Group(&action::DELAY),
        action::DELAY.about,
        &["latency"],
    ),
    Parameter::alternative(
        "answer",
        ParameterKind::Group(&action::ANSWER),
        action::ANSWER.about,
        &["respond", "replace"],
    ),
    Parameter::alternative(
        "grpc",
        ParameterKind::Group(&grpc::GRPC),
        grpc::GRPC.about,
        &["grpc_status"],
    ),
    Parameter::alternative(
        "abort",
        ParameterKind::Group(&action::ABORT),
        action::ABORT.about,
        &["reset"],
    ),
    Parameter::alternative(
        "truncate",
        ParameterKind::Part,
        "Bodies end after this part of them, and the connection closes.",
        &["shorten"],
    ),
    Parameter::alternative(
        "corrupt",
        ParameterKind::Share,
        "This share of the bytes of bodies is changed, and at least one.",
        &[],
    ),
    Parameter::alternative(
        "set_headers",
        ParameterKind::Texts,
        "Headers are added or replaced.",
        &["headers", "patch"],
    ),
    Parameter::alternative(
        "remove_headers",
        ParameterKind::Names,
        "Headers are taken out.",
        &[],
    ),
    Parameter::alternative(
        "throttle",
        ParameterKind::BytesPerSecond,
        "Bodies arrive slower: so many bytes per second of each message.",
        &["bandwidth", "rate"],
    ),
];

fn message(given: &Given) -> Option<Message> {
    let word = given.word(MESSAGE)?;
    let mut all = [Message::Answer, Message::Request].into_iter();
    all.find(|one| one.word() == word)
}

impl Message {
    const fn word(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Request => "request",
        }
    }

    /// `3 answers`, or `1 request`.
    pub(crate) fn counted(self, count: u64) -> String {
        let many = if count == 1 { "" } else { "s" };
        format!("{count} {}{many}", self.word())
    }
}

impl Kind for Http {
    fn details(&self) -> String {
        let mut said = format!(" {}", self.action);
        if self.message == Message::Request {
            said.push_str(" of requests");
        }
        let whole = self.share == Share::WHOLE;
        let of = if whole {
            String::new()
        } else {
            format!("{} of ", self.share)
        };
        said.push_str(&format!(" for {of}{}", self.when));
        if self.scoped {
            said.push_str(" in scope");
        }
        if let Some(most) = self.at_most {
            said.push_str(&format!(", at most {most} at a time"));
        }
        said
    }

    fn brief(&self) -> String {
        format!(" {}", self.action.in_brief())
    }

    fn mistake(&self) -> Option<Mistake> {
        if self.share.get() <= 0.0 {
            return Some(Mistake::out_of_range(
                "share",
                "no request at all would suffer",
                "above 0%",
                "write for instance `share: 5%`",
            ));
        }
        self.when
            .mistake()
            .or_else(|| self.action.mistake(self.message))
    }
}

impl Http {
    /// What it did, in words.
    #[must_use]
    pub fn effect(&self, done: &HttpDone) -> String {
        let effect = self.action.effect(self.message, done);
        let over = match self.at_most {
            Some(most) if done.over_the_cap > 0 => {
                format!(", {} over the cap of {most}", done.over_the_cap)
            }
            _ => String::new(),
        };
        let forged = match done.forged {
            0 => String::new(),
            1 => ", 1 scope was not signed with the key of the run".to_owned(),
            many => format!(", {many} scopes were not signed with the key of the run"),
        };
        format!(
            "{effect} ({} of {} requests matched{over}{forged})",
            done.matched, done.requests
        )
    }
}

/// What of a body remains of so many bytes.
impl Part {
    /// How many of `length` bytes.
    #[must_use]
    pub fn of(self, length: u64) -> u64 {
        match self {
            Self::Bytes(ByteCount(bytes)) => bytes.min(length),
            Self::Share(share) => ((length as f64) * share.get()) as u64,
        }
    }
}
