//! `expect` of a request: which answers are good.

use squall_scenario::{
    AnswerCheck, CLOSED_WELL, Digest, Expected, GRPC_OK, NoDigest, SeriesCheck, grpc_status,
    grpc_status_name, is_header_name, nearest, quoted,
};

use super::{Context, Fields, Reader};
use crate::diagnostic::{Diagnostic, Place};
use crate::keys::COUNT_MAX;
use crate::shape::Shape;
use crate::yaml::{Node, NodeKind};
use crate::{codes, keys};

/// Whose statuses are expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Http,
    Events,
    Socket,
    Grpc,
}

impl Speaks {
    /// Statuses that are good unless a request says otherwise.
    fn good(self) -> Vec<(u16, u16)> {
        match self {
            Self::Http => vec![(200, 399)],
            // As with a browser's EventSource.
            Self::Events => vec![(200, 200)],
            Self::Socket => CLOSED_WELL.iter().map(|code| (*code, *code)).collect(),
            Self::Grpc => vec![(GRPC_OK, GRPC_OK)],
        }
    }
}

/// What makes an answer good.
#[derive(Debug, Clone)]
pub(super) struct Expect {
    pub(super) status: Vec<(u16, u16)>,
    pub(super) checks: Vec<AnswerCheck>,
    /// Where something is said of the body, if it is.
    pub(super) body: Option<Place>,
    /// Where something is said of the messages of a stream, and of its events, if it is.
    pub(super) series: (Option<Place>, Option<Place>),
}

impl Expect {
    /// What is expected of an answer where nothing is said of it.
    pub(super) fn of(speaks: Speaks) -> Self {
        Self {
            status: speaks.good(),
            checks: Vec::new(),
            body: None,
            series: (None, None),
        }
    }
}

impl Reader {
    pub(super) fn expect(&mut self, node: &Node, speaks: Speaks) -> Option<Expect> {
        let before = self.findings.len();
        let fields = self.fields(node, &keys::EXPECT)?;
        let status = match fields.get("status") {
            Some(node) => self.statuses(node, speaks)?,
            None => speaks.good(),
        };
        let mut checks = Vec::new();
        if let Some(node) = fields.get("header") {
            self.expected_headers(node, &mut checks);
        }
        if let Some(node) = fields.get("json") {
            self.expected_json(node, &mut checks);
        }
        if let Some(node) = fields.get("body") {
            self.expected_body(node, &mut checks)?;
        }
        if let Some(node) = fields.get("messages") {
            self.expected_series(
                node,
                (&keys::EXPECT_MESSAGES, AnswerCheck::Series),
                &mut checks,
            )?;
        }
        if let Some(node) = fields.get("events") {
            self.expected_series(
                node,
                (&keys::EXPECT_EVENTS, AnswerCheck::Events),
                &mut checks,
            )?;
        }
        if fields.get("status").is_none() && checks.is_empty() && self.findings.len() == before {
            self.nothing_expected(node);
            return None;
        }
        let body = ["json", "body"].into_iter();
        let body = body.filter(|key| fields.get(key).is_some());
        let body = body.map(|key| fields.place(key)).next();
        Some(Expect {
            status,
            checks,
            body,
            series: (
                fields.get("messages").map(|_| fields.key_place("messages")),
                fields.get("events").map(|_| fields.key_place("events")),
            ),
        })
    }

    fn nothing_expected(&mut self, node: &Node) {
        self.report(
            Diagnostic::error(codes::NOTHING_IN_IT, "nothing is expected")
                .at(node.place, "nothing in it")
                .help("write for instance `expect: { status: 200 }`, or leave it out"),
        );
    }

    fn statuses(&mut self, node: &Node, speaks: Speaks) -> Option<Vec<(u16, u16)>> {
        let mut status = |node: &Node| match speaks {
            Speaks::Http | Speaks::Events => self.status(node),
            Speaks::Socket => self.status_of_socket(node),
            Speaks::Grpc => self.status_of_call(node),
        };
        match &node.kind {
            NodeKind::List(items) if !items.is_empty() => items.iter().map(status).collect(),
            _ => Some(vec![status(node)?]),
        }
    }

    /// `1000` by which it is closed, or `403` by which it is refused.
    fn status_of_socket(&mut self, node: &Node) -> Option<(u16, u16)> {
        let text = self.text(node)?;
        let code: Option<u16> = text.parse().ok();
        match code {
            Some(code @ 1000..=4999) => Some((code, code)),
            Some(100..=599) => self.status(node),
            None if text.ends_with("xx") => self.status(node),
            Some(_) | None => {
                let title = format!("{} is no code by which a socket is closed", quoted(&text));
                let diagnostic = Diagnostic::error(codes::OUT_OF_RANGE, title)
                    .at(node.place, "1000 to 4999, or a status of HTTP")
                    .help("write for instance `1000` or `[1000, 4001]`; `403` is to be refused");
                self.report_value(node, diagnostic);
                None
            }
        }
    }

    /// `NOT_FOUND`.
    fn status_of_call(&mut self, node: &Node) -> Option<(u16, u16)> {
        let text = self.text(node)?;
        if let Some(code) = grpc_status(&text) {
            return Some((code, code));
        }
        let names: Vec<String> = (0..=16).map(grpc_status_name).collect();
        let numbered = text.parse().ok().and_then(|code: usize| names.get(code));
        let near = numbered.map(String::as_str);
        let near = near.or_else(|| nearest(&text, names.iter().map(String::as_str)));
        let title = format!("{} is not a status of gRPC", quoted(&text));
        let diagnostic = Diagnostic::error(codes::OUT_OF_RANGE, title)
            .at(node.place, "not the name of one")
            .help(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write for instance `OK` or `[OK, NOT_FOUND]`".to_owned(),
            })
            .note(format!("known: {}", names.join(", ")));
        self.report_value(node, diagnostic);
        None
    }

    fn expected_headers(&mut self, node: &Node, checks: &mut Vec<AnswerCheck>) {
        for entry in self.names(node, "headers") {
            let name = entry.key.to_ascii_lowercase();
            if !is_header_name(&name) {
                let title = format!("{} cannot be a header", quoted(&entry.key));
                self.report(
                    Diagnostic::error(codes::BAD_NAME, title)
                        .at(entry.key_place, "here")
                        .help("header names have letters, digits and dashes: `content-type`"),
                );
                continue;
            }
            if let Some(expected) = self.expected(&entry.value) {
                checks.push(AnswerCheck::Header { name, expected });
            }
        }
    }

    fn expected_json(&mut self, node: &Node, checks: &mut Vec<AnswerCheck>) {
        for entry in self.names(node, "values of JSON") {
            let pointer = entry.key.clone();
            let problem = not_a_pointer(&pointer, entry.key_place);
            if let Some(problem) = problem.filter(|_| !pointer.is_empty()) {
                self.report(problem);
                continue;
            }
            if let Some(expected) = self.expected(&entry.value) {
                checks.push(AnswerCheck::Json { pointer, expected });
            }
        }
    }

    /// `present`, `absent`, or what it is like.
    fn expected(&mut self, node: &Node) -> Option<Expected> {
        let template = self.template(node, Context::Request)?;
        Some(match template.source() {
            "present" => Expected::Present,
            "absent" => Expected::Absent,
            _ => Expected::Like(template),
        })
    }

    fn expected_body(&mut self, node: &Node, checks: &mut Vec<AnswerCheck>) -> Option<()> {
        let fields = self.fields(node, &keys::EXPECT_BODY)?;
        for (key, of) in [
            ("contains", AnswerCheck::Contains as fn(_) -> _),
            ("lacks", AnswerCheck::Lacks),
        ] {
            let Some(node) = fields.get(key) else {
                continue;
            };
            let texts = match &node.kind {
                NodeKind::List(items) => items.as_slice(),
                _ => std::slice::from_ref(node),
            };
            for text in texts {
                let template = self.template(text, Context::Request)?;
                if template.source().is_empty() {
                    self.report(
                        Diagnostic::error(codes::NOTHING_IN_IT, "every body contains nothing")
                            .at(text.place, "an empty text")
                            .help(format!("write for instance `{key}: \"rows\"`")),
                    );
                    continue;
                }
                checks.push(of(template));
            }
        }
        self.expected_size(fields, checks);
        if let Some(node) = fields.get("sha256") {
            checks.push(AnswerCheck::Sha256(self.digest(node)?));
        }
        Some(())
    }

    /// `messages: 5`, or what is said of how they come; and so of events.
    fn expected_series(
        &mut self,
        node: &Node,
        (shape, of): (&'static Shape, fn(SeriesCheck) -> AnswerCheck),
        checks: &mut Vec<AnswerCheck>,
    ) -> Option<()> {
        let mut add = |check| checks.push(of(check));
        if node.scalar().is_some() {
            let count = self.whole_u32(node, 0, COUNT_MAX)?.into();
            add(SeriesCheck::AtLeast(count));
            add(SeriesCheck::AtMost(count));
            return Some(());
        }
        let fields = self.fields(node, shape)?;
        let mut count = |key| match fields.get(key) {
            Some(node) => self.whole_u32(node, 0, COUNT_MAX).map(Some),
            None => Some(None),
        };
        let (least, most) = (count("at_least")?, count("at_most")?);
        if let (Some(least), Some(most)) = (least, most)
            && least > most
        {
            let title = format!("no stream has at least {least} and at most {most} of them");
            self.report(
                Diagnostic::error(codes::OUT_OF_RANGE, title)
                    .at(fields.place("at_most"), format!("less than {least}"))
                    .help("write the lower number at `at_least`"),
            );
            return None;
        }
        least
            .into_iter()
            .for_each(|it| add(SeriesCheck::AtLeast(it.into())));
        most.into_iter()
            .for_each(|it| add(SeriesCheck::AtMost(it.into())));
        for (key, of) in [
            ("first", SeriesCheck::First as fn(_) -> _),
            ("gap", SeriesCheck::Gap),
        ] {
            if let Some(node) = fields.get(key) {
                add(of(self.some_time(node, "nothing comes in no time")?));
            }
        }
        Some(())
    }

    fn expected_size(&mut self, fields: Fields<'_>, checks: &mut Vec<AnswerCheck>) {
        let least = fields.get("at_least").and_then(|node| self.size(node));
        let most = fields.get("at_most").and_then(|node| self.size(node));
        if let (Some(least), Some(most)) = (least, most)
            && least > most
        {
            let title = format!("no body has at least {least} and at most {most}");
            self.report(
                Diagnostic::error(codes::OUT_OF_RANGE, title)
                    .at(fields.place("at_most"), format!("less than {least}"))
                    .help("write the lower size at `at_least`"),
            );
        }
        checks.extend(least.map(AnswerCheck::AtLeast));
        checks.extend(most.map(AnswerCheck::AtMost));
    }

    fn digest(&mut self, node: &Node) -> Option<Digest> {
        let text = self.text(node)?;
        match text.parse() {
            Ok(digest) => Some(digest),
            Err(NoDigest) => {
                let title = format!("{} is no SHA-256 digest", quoted(&text));
                let diagnostic = Diagnostic::error(codes::OUT_OF_RANGE, title)
                    .at(node.place, "64 hexadecimal digits")
                    .help("`sha256sum FILE` prints the digest of a file");
                self.report_value(node, diagnostic);
                None
            }
        }
    }

    /// The answer to HEAD is a head.
    pub(super) fn refuse_body_of_head(&mut self, method: &str, place: Place) {
        if method == "HEAD" {
            self.report(
                Diagnostic::error(codes::KEYS_CONFLICT, "the answer to HEAD has no body")
                    .at(place, "nothing to look at")
                    .help("send GET, or look at `status` and `header` only"),
            );
        }
    }
}

/// What is wrong with a JSON pointer: parts that each start with a slash.
pub(super) fn not_a_pointer(text: &str, place: Place) -> Option<Diagnostic> {
    let escapes = text.split('~').skip(1);
    if text.starts_with('/') {
        let sound = escapes.clone().all(|rest| rest.starts_with(['0', '1']));
        return (!sound).then(|| {
            Diagnostic::error(
                codes::BAD_POINTER,
                format!("{} is not a JSON pointer", quoted(text)),
            )
            .at(place, "a `~` that stands for nothing")
            .help("write `~0` for `~` and `~1` for `/`")
        });
    }
    let instead = text.trim_start_matches(['$', '.']).replace('.', "/");
    let title = format!("{} is not a JSON pointer", quoted(text));
    Some(
        Diagnostic::error(codes::BAD_POINTER, title)
            .at(place, "starts with a slash")
            .help(format!("write `/{instead}`")),
    )
}
