//! Requests compiled to bytes with slots, so that sending one copies and neither
//! formats nor allocates.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use squall_scenario::{AnswerCheck, Messages, Request, RequestText, Stay};

use super::call::{self, DrawnCall};
use super::slotted::{ASKER, Drawn, Slotted, Sources, write_number};
use super::talk::{self, Upgrade};
use crate::answer::{Looks, Talk};

/// How the answer to a request is read, and what may be done without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKind {
    /// Its answer has no body, whatever its head says (`HEAD`).
    pub bodiless: bool,
    /// It may be sent again where no answer came (RFC 9110 §9.2.2).
    pub repeatable: bool,
    /// What checks look at in its answer, where there are any.
    pub looks: Option<Looks>,
    /// What answers it, where it is a call of gRPC.
    pub call: Option<Answers>,
    /// How long its client stays, where it is answered with a stream of events.
    pub events: Option<Stay>,
    /// The same, where it opens a socket.
    pub socket: Option<Stay>,
}

/// What answers a call of gRPC that went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// One message.
    One,
    /// A stream of any number of messages.
    Many,
}

impl RequestKind {
    /// That of a method.
    #[must_use]
    pub fn of(method: &Method) -> Self {
        Self {
            bodiless: method == Method::HEAD,
            repeatable: method.is_idempotent(),
            looks: None,
            call: None,
            events: None,
            socket: None,
        }
    }

    /// How long its client stays, where its answer does not end by itself.
    pub(crate) fn stay(&self) -> Option<Stay> {
        self.events.or(self.socket)
    }
}

/// The bytes of one route's requests.
#[derive(Debug)]
pub(super) struct CompiledRequest {
    pub(super) kind: RequestKind,
    bytes: CompiledBytes,
    /// The same in parts, where answers say what else is asked for.
    parts: Option<Box<Parts>>,
}

/// A request to a path that only an answer knows.
#[derive(Debug)]
struct Parts {
    method: Method,
    /// All fields but these.
    fields: Slotted,
    /// Who asks.
    asker: Slotted,
    /// What describes the body.
    of_body: Slotted,
    body: Slotted,
}

#[derive(Debug)]
enum CompiledBytes {
    /// The same every time.
    Fixed(Bytes),
    /// A head with slots, and the body that is always the same with it.
    Head(Slotted),
    /// A head up to its last field, the length of the body.
    HeadAndBody(Slotted, Slotted),
    Call(Box<DrawnCall>),
    Socket(Box<Upgrade>),
}

/// What is asked for instead of what stands in the scenario.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elsewhere<'a> {
    /// Path and query.
    pub(super) target: &'a str,
    /// Whether by a GET without a body.
    pub(super) as_get: bool,
    /// What is shown instead of who asks.
    pub(super) bearer: Option<&'a str>,
}

impl CompiledRequest {
    /// Compiles a request whose method, headers and values have been found
    /// sound.
    pub(super) fn new(
        request: &Request,
        (method, call): (&Method, Option<(Messages, Duration)>),
        authority: (&HeaderValue, bool),
        sources: Sources<'_>,
    ) -> Self {
        let mut head = Slotted::default();
        head.bytes(method.as_str().as_bytes());
        head.bytes(b" ");
        head.text(&request.target_text(), sources);
        head.bytes(b" HTTP/1.1\r\n");
        // What a socket says of its connection is something else.
        let closes = authority.1 && request.socket.is_none();
        head.host(request, (authority.0, closes));
        if request.socket.is_some() {
            head.bytes(talk::FIELDS.as_bytes());
        }
        if let Some((_, timeout)) = &call {
            head.bytes(call::fields(*timeout).as_bytes());
        }
        head.fields(request, |_| true, sources);
        head.asker(request, sources);
        head.cookies(request, sources);
        head.conditions(sources);
        let body = Slotted::body(request, sources);
        let idempotent = request.call.as_ref().is_some_and(|call| call.idempotent);
        Self {
            kind: RequestKind {
                looks: looks(request, sources),
                events: request.events,
                socket: request.socket.as_ref().map(|socket| socket.stay),
                repeatable: method.is_idempotent() || idempotent,
                call: request.call.as_ref().map(|call| match call.streams {
                    true => Answers::Many,
                    false => Answers::One,
                }),
                ..RequestKind::of(method)
            },
            bytes: match (call, &request.socket) {
                (Some((messages, _)), _) => CompiledBytes::call(head, body, messages),
                (None, Some(socket)) => {
                    CompiledBytes::Socket(Box::new(Upgrade::new(request, socket, head, sources)))
                }
                (None, None) => CompiledBytes::new(head, body, method),
            },
            parts: (request.follow > 0 || sources.plays)
                .then(|| Box::new(Parts::new(request, method, authority, sources))),
        }
    }

    /// The bytes, where they are the same every time.
    pub(super) const fn fixed(&self) -> Option<&Bytes> {
        match &self.bytes {
            CompiledBytes::Fixed(bytes) => Some(bytes),
            CompiledBytes::Head(_)
            | CompiledBytes::HeadAndBody(..)
            | CompiledBytes::Call(_)
            | CompiledBytes::Socket(_) => None,
        }
    }

    /// What is said on the socket that it opens, if it opens one.
    pub(super) fn talk(&self, drawn: Drawn<'_>) -> Option<Talk> {
        match &self.bytes {
            CompiledBytes::Socket(upgrade) => Some(upgrade.talk(drawn)),
            CompiledBytes::Fixed(_)
            | CompiledBytes::Head(_)
            | CompiledBytes::HeadAndBody(..)
            | CompiledBytes::Call(_) => None,
        }
    }

    /// Appends the request of arrival `number` to another path, where answers say
    /// which; as a GET without a body, or as it was.
    pub(super) fn write_to(&self, drawn: Drawn<'_>, to: Elsewhere<'_>, into: &mut Vec<u8>) {
        let Some(parts) = &self.parts else {
            return self.write(drawn, into);
        };
        let start = into.len();
        let method = if to.as_get {
            &Method::GET
        } else {
            &parts.method
        };
        into.extend_from_slice(method.as_str().as_bytes());
        into.push(b' ');
        into.extend_from_slice(to.target.as_bytes());
        into.extend_from_slice(b" HTTP/1.1\r\n");
        parts.fields.write_behind(drawn, start, into);
        match to.bearer {
            Some(token) => {
                into.extend_from_slice(b"authorization: Bearer ");
                into.extend_from_slice(token.as_bytes());
                into.extend_from_slice(b"\r\n");
            }
            None => parts.asker.write(drawn, into),
        }
        if to.as_get {
            return into.extend_from_slice(b"\r\n");
        }
        parts.of_body.write(drawn, into);
        let length = parts.body.length(drawn);
        if length > 0 || expects_body(method) {
            into.extend_from_slice(b"content-length: ");
            write_number(length, into);
            into.extend_from_slice(b"\r\n");
        }
        into.extend_from_slice(b"\r\n");
        parts.body.write(drawn, into);
    }

    /// How the answer to a GET on this route is read.
    pub(super) fn kind_of_get(&self) -> RequestKind {
        RequestKind {
            looks: self.kind.looks,
            events: self.kind.events,
            ..RequestKind::of(&Method::GET)
        }
    }

    /// Appends the bytes of arrival `number`.
    pub(super) fn write(&self, drawn: Drawn<'_>, into: &mut Vec<u8>) {
        match &self.bytes {
            CompiledBytes::Fixed(bytes) => into.extend_from_slice(bytes),
            CompiledBytes::Head(head) => head.write(drawn, into),
            CompiledBytes::HeadAndBody(head, body) => {
                head.write(drawn, into);
                write_number(body.length(drawn), into);
                into.extend_from_slice(b"\r\n\r\n");
                body.write(drawn, into);
            }
            CompiledBytes::Call(call) => call.write(drawn, into),
            CompiledBytes::Socket(upgrade) => upgrade.write(drawn, into),
        }
    }
}

impl CompiledBytes {
    /// Those of a call whose message is this JSON: a message that is always the same
    /// is written once.
    fn call(mut head: Slotted, json: Slotted, messages: Messages) -> Self {
        let Some(fixed) = json.fixed() else {
            head.bytes(b"content-length: ");
            return Self::Call(Box::new(DrawnCall {
                head,
                json,
                messages,
            }));
        };
        let mut frame = Vec::new();
        // One that cannot be made was refused before.
        let _ = messages.write(&String::from_utf8_lossy(fixed), &mut frame);
        let mut body = Slotted::default();
        body.bytes(&frame);
        Self::new(head, body, &Method::POST)
    }

    fn new(mut head: Slotted, mut body: Slotted, method: &Method) -> Self {
        let body_is_fixed = body.fixed().is_some();
        if body_is_fixed {
            let body = body.take_fixed();
            if expects_body(method) || !body.is_empty() {
                head.bytes(format!("content-length: {}\r\n", body.len()).as_bytes());
            }
            head.bytes(b"\r\n");
            head.bytes(&body);
            return match head.fixed() {
                Some(_) => Self::Fixed(head.take_fixed().into()),
                None => Self::Head(head),
            };
        }
        head.bytes(b"content-length: ");
        Self::HeadAndBody(head, body)
    }
}

impl Parts {
    fn new(
        request: &Request,
        method: &Method,
        authority: (&HeaderValue, bool),
        sources: Sources<'_>,
    ) -> Self {
        let mut fields = Slotted::default();
        fields.host(request, authority);
        let of_others = |name: &str| !name.starts_with("content-") && name != ASKER;
        fields.fields(request, of_others, sources);
        fields.cookies(request, sources);
        fields.conditions(sources);
        let mut asker = Slotted::default();
        asker.fields(request, |name| name == ASKER, sources);
        asker.asker(request, sources);
        let mut of_body = Slotted::default();
        for (name, value) in &request.headers {
            let name = name.to_ascii_lowercase();
            if name.starts_with("content-") {
                of_body.field(&name, &RequestText::header(value), sources);
            }
        }
        Self {
            method: method.clone(),
            fields,
            asker,
            of_body,
            body: Slotted::body(request, sources),
        }
    }
}

/// Whether a request with this method has a body as a rule.
fn expects_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// What is looked at in an answer, if anything is.
fn looks(request: &Request, sources: Sources<'_>) -> Option<Looks> {
    let checks = &request.checks;
    let looks = Looks {
        body: sources.takes_body || checks.iter().any(AnswerCheck::reads_body),
        digest: checks.iter().any(|it| matches!(it, AnswerCheck::Sha256(_))),
    };
    // A step looks for cookies at least, and a redirect says where it leads.
    let streams = request.stay().is_some();
    let looked_at = streams || sources.taken.is_some() || !checks.is_empty() || request.follow > 0;
    looked_at.then_some(looks)
}
