//! Requests that open a WebSocket: where, what is said on it, and how long its client
//! stays.

use squall_scenario::{Request, Socket, Stay, Template};

use super::expect::{Expect, Speaks};
use super::request::RequestPlaces;
use super::stay::Of;
use super::{Context, Fields, Reader};
use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::yaml::{Node, NodeKind};

/// Keys of other requests.
const OF_OTHERS: [&str; 9] = [
    "send",
    "call",
    "proto",
    "body",
    "json",
    "form",
    "multipart",
    "follow",
    "events",
];
/// Headers by which a socket is opened.
const UPGRADE: [&str; 6] = [
    "connection",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-accept",
    "sec-websocket-extensions",
];

impl Reader {
    /// A request that opens a socket.
    pub(super) fn opened(&mut self, fields: Fields<'_>) -> Option<(Request, RequestPlaces)> {
        self.refuse_keys_beside_a_socket(fields);
        let path = fields.get("socket").and_then(|node| {
            self.path(node)?;
            self.template(node, Context::Request)
        });
        let name = fields.get("name").map(|node| self.title(node));
        let (headers, auth) = self.headed(fields);
        self.refuse_headers_of_upgrades(&headers);
        let (headers, header_places) = self.with_common(headers);
        let messages = match fields.get("message") {
            Some(node) => self.messages(node),
            None => Some(Vec::new()),
        };
        let expect = match fields.get("expect") {
            Some(node) => self.expect(node, Speaks::Socket),
            None => Some(Expect::of(Speaks::Socket)),
        };
        let within = fields
            .get("within")
            .and_then(|node| self.some_time(node, "no answer comes in no time"));
        let (path, messages, expect) = (path?, messages?, expect?);
        if let (_, Some(place)) = expect.series {
            self.report(
                Diagnostic::error(codes::KEYS_CONFLICT, "what comes on a socket are messages")
                    .at(place, "of a request that reads events")
                    .help("write `messages` instead"),
            );
        }
        let stay = self.receives(fields, messages.len())?;
        let places = RequestPlaces {
            name: match fields.get("name") {
                Some(node) => node.place,
                None => fields.place("socket"),
            },
            within: fields.place("within"),
            headers: header_places,
            message: fields.place("message"),
            stay: match fields.get("receive") {
                Some(node) => node.place,
                None => fields.place("socket"),
            },
        };
        let own = format!("socket {}", path.source());
        let request = Request {
            headers,
            auth: auth?,
            socket: Some(Socket { messages, stay }),
            expect_status: expect.status,
            checks: expect.checks,
            within,
            ..Request::plain(&name.unwrap_or(Some(own))?, "GET", path)
        };
        Some((request, places))
    }

    /// How long the client stays that says so many messages: for an answer to each, where
    /// it is not said.
    fn receives(&mut self, fields: Fields<'_>, messages: usize) -> Option<Stay> {
        if let Some(node) = fields.get("receive") {
            return self.stay(node, Of::Messages);
        }
        if messages == 0 {
            self.report(
                Diagnostic::error(codes::MISSING_KEY, "nothing says when the client leaves")
                    .at(fields.key_place("socket"), "nothing is sent on it")
                    .help("add a `message`, or `receive: { for: 8s }`"),
            );
            return None;
        }
        let count = Some(messages as u64);
        Some(Stay { count, time: None })
    }

    /// A socket has no keys of other requests.
    fn refuse_keys_beside_a_socket(&mut self, fields: Fields<'_>) {
        for key in OF_OTHERS
            .into_iter()
            .filter(|key| fields.get(key).is_some())
        {
            let title = format!("a socket has no `{key}`");
            self.report(
                Diagnostic::error(codes::KEYS_CONFLICT, title)
                    .at(fields.key_place(key), "of another request")
                    .also(fields.key_place("socket"), "the socket")
                    .help("a socket is sent `message`; keep one of them"),
            );
        }
    }

    /// `message`: a text, a map that is JSON, or a list of them.
    fn messages(&mut self, node: &Node) -> Option<Vec<Template>> {
        let NodeKind::List(items) = &node.kind else {
            return Some(vec![self.said(node)?]);
        };
        items.iter().map(|item| self.said(item)).collect()
    }

    fn said(&mut self, node: &Node) -> Option<Template> {
        if matches!(node.kind, NodeKind::Map(_)) {
            let mut text = String::new();
            self.json_text(node, &mut text)?;
            return Some(Template::parse(&text));
        }
        self.template(node, Context::Request)
    }

    /// Headers that squall writes of every socket.
    fn refuse_headers_of_upgrades(&mut self, headers: &[((String, Template), Place)]) {
        for ((name, _), place) in headers
            .iter()
            .filter(|it| UPGRADE.contains(&it.0.0.as_str()))
        {
            let title = format!("`{name}` is written of every socket");
            self.report(
                Diagnostic::error(codes::NOT_SENDABLE, title)
                    .at(*place, "squall writes this header")
                    .help("leave it out"),
            );
        }
    }

    /// Keys of sockets alone, on a request that is none.
    pub(super) fn refuse_keys_of_sockets(&mut self, fields: Fields<'_>) {
        if fields.get("receive").is_some() {
            self.report(
                Diagnostic::error(
                    codes::KEYS_CONFLICT,
                    "`receive` is of a socket, and this request is none",
                )
                .at(fields.key_place("receive"), "no socket is opened")
                .help("write `socket: /path` instead of `send`, or leave it out"),
            );
        }
    }
}
