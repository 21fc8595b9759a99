//! How long a client stays where an answer does not end by itself.

use squall_scenario::{Stay, quoted};

use super::{Fields, Reader};
use crate::diagnostic::{Diagnostic, Place};
use crate::keys::COUNT_MAX;
use crate::shape::Shape;
use crate::yaml::Node;
use crate::{codes, keys};

/// What comes one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Server-sent events.
    Events,
    /// What is said on a socket.
    Messages,
}

impl Of {
    const fn shape(self) -> &'static Shape {
        match self {
            Self::Events => &keys::EVENTS,
            Self::Messages => &keys::RECEIVE,
        }
    }

    /// How it is said when a client leaves.
    fn help(self) -> String {
        let (key, ends) = match self {
            Self::Events => ("events", "end"),
            Self::Messages => ("receive", "close"),
        };
        format!(
            "write for instance `{key}: 20` or `{key}: {{ for: 8s }}`; `{key}: all` waits for the \
             server to {ends} it"
        )
    }
}

impl Reader {
    /// `events: 20`, `events: all`, or when the client leaves; and so of `receive`.
    pub(super) fn stay(&mut self, node: &Node, of: Of) -> Option<Stay> {
        if let Some(scalar) = node.scalar().filter(|scalar| !scalar.is_nothing()) {
            if scalar
                .text
                .starts_with(|first: char| first.is_ascii_digit())
            {
                let count = self.whole_u32(node, 1, COUNT_MAX)?;
                let count = Some(count.into());
                return Some(Stay { count, time: None });
            }
            if keys::ALL.iter().any(|(word, _)| *word == scalar.text) {
                return Some(Stay::default());
            }
            let title = format!(
                "{} does not say when the client leaves",
                quoted(&scalar.text)
            );
            let diagnostic = Diagnostic::error(codes::UNKNOWN_WORD, title)
                .at(node.place, "a number, `all`, or a map")
                .help(of.help());
            self.report_value(node, diagnostic);
            return None;
        }
        let fields = self.fields(node, of.shape())?;
        let count = match fields.get("count") {
            Some(node) => Some(self.whole_u32(node, 1, COUNT_MAX)?.into()),
            None => None,
        };
        let time = match fields.get("for") {
            Some(node) => Some(self.some_time(node, "nothing comes in no time")?),
            None => None,
        };
        if count.is_none() && time.is_none() {
            self.report(
                Diagnostic::error(codes::NOTHING_IN_IT, "nothing says when the client leaves")
                    .at(node.place, "nothing in it")
                    .help(of.help()),
            );
            return None;
        }
        Some(Stay { count, time })
    }

    /// What is expected of a stream that the answer is not.
    pub(super) fn refuse_streams(
        &mut self,
        fields: Fields<'_>,
        (messages, events): (Option<Place>, Option<Place>),
    ) {
        let reads_events = fields.get("events").is_some();
        if let Some(place) = messages {
            let title = "an answer of HTTP is no stream of messages";
            let diagnostic = Diagnostic::error(codes::KEYS_CONFLICT, title);
            self.report(match reads_events {
                true => diagnostic
                    .at(place, "what comes are events")
                    .help("write `events` instead"),
                false => diagnostic
                    .at(place, "only calls and sockets are answered so")
                    .help("look at `json` and `body`, or leave it out"),
            });
        }
        if let Some(place) = events.filter(|_| !reads_events) {
            let title = "the answer is not read as events";
            self.report(
                Diagnostic::error(codes::KEYS_CONFLICT, title)
                    .at(place, "nothing says so")
                    .help("add `events: 20` to the request, which is how many it waits for"),
            );
        }
    }
}
