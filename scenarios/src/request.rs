//! A kind of request: what an arrival sends, and which answer is good.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer_check::AnswerCheck;
use crate::body_file::BodyFile;
use crate::call::Call;
use crate::socket::Socket;
use crate::stay::Stay;
use crate::template::Template;

/// Status codes that are good unless a request says otherwise.
const GOOD: (u16, u16) = (200, 399);

/// A kind of request, also called a route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Name used by gates and reports; unique in a scenario.
    pub name: String,
    /// HTTP method, upper case.
    pub method: String,
    /// Path and query, starting with `/`.
    pub path: Template,
    /// Header names (lower case) and values.
    pub headers: Vec<(String, Template)>,
    /// Who asks, sent as the header `authorization`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Body, sent as it is; of a call, its message as JSON.
    pub body: Option<Template>,
    /// The method of gRPC that is called, where the request is a call: a POST of
    /// HTTP/2 to a path made of the method's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
    /// Whether the answer is read as server-sent events, and how long its client stays
    /// then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Stay>,
    /// What is said on a WebSocket, where the request opens one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<Socket>,
    /// Body that stands in a file, instead of `body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_file: Option<BodyFile>,
    /// Body of parts (`multipart/form-data`), instead of `body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multipart: Option<Multipart>,
    /// Most redirects to the same target that are followed within an arrival; 0
    /// takes a redirect for the answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub follow: u8,
    /// Status codes that count as good; inclusive ranges. Default 200..=399. Those of
    /// a call are gRPC's, 0 by default; of a socket, codes by which it is closed, beside
    /// those of HTTP where it is not opened.
    pub expect_status: Vec<(u16, u16)>,
    /// What else holds of a good answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<AnswerCheck>,
    /// Response time above which an answer is not good.
    pub within: Option<Duration>,
    /// Share of the arrivals relative to the other requests; at least 1.
    pub weight: u32,
}

const fn is_zero(follow: &u8) -> bool {
    *follow == 0
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Auth {
    /// A name and a password (RFC 7617).
    Basic {
        /// The name; it has no colon.
        user: Template,
        /// The password.
        password: Template,
    },
    /// A token (RFC 6750).
    Bearer(Template),
}

/// A body of parts (RFC 7578).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Multipart {
    /// What stands between the parts, and in none of them.
    pub boundary: String,
    /// The parts in order. Never empty.
    pub parts: Vec<Part>,
}

/// A part of a body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Name of the field.
    pub name: String,
    /// Name of the file that the field holds, if it holds one.
    pub filename: Option<String>,
    /// Its media type, where it has one.
    pub media: Option<String>,
    /// What it holds.
    pub content: PartContent,
}

/// What a part of a body holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PartContent {
    /// A text.
    Text(Template),
    /// What stands in a file.
    File(BodyFile),
}

impl Request {
    /// A request with nothing but a method and a path: any status from 200 to
    /// 399 is good, however late.
    #[must_use]
    pub fn plain(name: &str, method: &str, path: Template) -> Self {
        Self {
            name: name.to_owned(),
            method: method.to_owned(),
            path,
            headers: Vec::new(),
            auth: None,
            body: None,
            call: None,
            events: None,
            socket: None,
            body_file: None,
            multipart: None,
            follow: 0,
            expect_status: vec![GOOD],
            checks: Vec::new(),
            within: None,
            weight: 1,
        }
    }

    /// The same with the value of one placeholder in its place, wherever it stands.
    #[must_use]
    pub fn filled(self, name: &str, value: &str) -> Self {
        let fill = |template: &Template| template.filled(name, value);
        let headers = self.headers.iter();
        let auth = self.auth.as_ref().map(|auth| match auth {
            Auth::Basic { user, password } => Auth::Basic {
                user: fill(user),
                password: fill(password),
            },
            Auth::Bearer(token) => Auth::Bearer(fill(token)),
        });
        let mut multipart = self.multipart.clone();
        for part in multipart.iter_mut().flat_map(|body| &mut body.parts) {
            if let PartContent::Text(text) = &mut part.content {
                *text = fill(text);
            }
        }
        let checks = self.checks.into_iter();
        let socket = self.socket.map(|socket| Socket {
            messages: socket.messages.iter().map(fill).collect(),
            ..socket
        });
        Self {
            path: fill(&self.path),
            headers: headers
                .map(|(key, text)| (key.clone(), fill(text)))
                .collect(),
            auth,
            body: self.body.as_ref().map(fill),
            multipart,
            socket,
            checks: checks.map(|check| check.filled(name, value)).collect(),
            ..self
        }
    }

    /// How its client stays, where its answer does not end by itself.
    #[must_use]
    pub fn stay(&self) -> Option<Stay> {
        let socket = self.socket.as_ref().map(|socket| socket.stay);
        self.events.or(socket)
    }

    /// Whether `status` counts as good.
    #[must_use]
    pub fn accepts(&self, status: u16) -> bool {
        self.expect_status
            .iter()
            .any(|(low, high)| (*low..=*high).contains(&status))
    }
}
