//! `requests`: what an arrival sends.

use squall_scenario::{
    Auth, DataSource, FRAMING_HEADERS, Request, Template, header_misfit, is_header_name, nearest,
    path_misfit, quoted,
};

use super::body::{Body, is_number};
use super::expect::{Expect, Speaks};
use super::stay::Of;
use super::{Context, Fields, Reader, missing_key};
use crate::diagnostic::{Diagnostic, Place};
use crate::shape::Shape;
use crate::yaml::{Node, NodeKind};
use crate::{codes, keys};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Where the parts of a request stand.
#[derive(Debug, Clone)]
pub(crate) struct RequestPlaces {
    pub(crate) name: Place,
    pub(crate) within: Place,
    /// One for the value of every header.
    pub(crate) headers: Vec<Place>,
    /// The message of a call.
    pub(crate) message: Place,
    /// How long its client stays.
    pub(crate) stay: Place,
}

/// Names and values of headers, and where the values stand.
pub(super) type Headers = Vec<((String, Template), Place)>;

/// What the requests of a load have in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct Common {
    headers: Headers,
    auth: Option<Auth>,
    follow: u8,
    /// What describes the methods that are called, where the load says so; `None`
    /// within where that could not be read.
    pub(super) proto: Option<Option<String>>,
    /// Names of data that are numbers.
    numbers: Vec<String>,
}

impl Common {
    /// Whether data of this name are numbers, whatever is drawn.
    pub(super) fn is_number(&self, name: &str) -> bool {
        self.numbers.iter().any(|number| number == name)
    }
}

/// Whether what is drawn are numbers as JSON writes them.
fn draws_numbers(source: &DataSource) -> bool {
    match source {
        DataSource::Uniform { .. } | DataSource::Zipf { .. } | DataSource::Count { .. } => true,
        DataSource::Pick(_) | DataSource::Column(_) => source
            .choices()
            .is_some_and(|values| values.iter().all(|value| is_number(value))),
        DataSource::Uuid => false,
    }
}

impl Reader {
    /// What the requests of a load have in common; it is read before them.
    pub(super) fn common(&mut self, fields: Fields<'_>, data: &[(String, DataSource)]) {
        let headers = fields.get("headers").map(|node| self.headers(node));
        let headers = headers.unwrap_or_default();
        let auth = fields
            .get("auth")
            .and_then(|node| self.auth(node))
            .flatten();
        self.refuse_two_askers(fields, &headers);
        let numbers = data.iter().filter(|(_, source)| draws_numbers(source));
        let follow = self.follow(fields).unwrap_or(0);
        self.common = Common {
            headers,
            auth,
            follow,
            proto: fields.get("proto").map(|node| self.text(node)),
            numbers: numbers.map(|(name, _)| name.clone()).collect(),
        };
    }

    /// How many redirects are followed, where that is said.
    fn follow(&mut self, fields: Fields<'_>) -> Option<u8> {
        let number = self.whole_u32(fields.get("follow")?, 0, 20)?;
        u8::try_from(number).ok()
    }

    /// `auth` is the header `authorization`.
    fn refuse_two_askers(&mut self, fields: Fields<'_>, headers: &[((String, Template), Place)]) {
        let mut headers = headers.iter();
        let header = headers.find(|((name, _), _)| name == "authorization");
        if let (Some((_, place)), Some(_)) = (header, fields.get("auth")) {
            let title = "`auth` is the header `authorization`";
            self.report(
                Diagnostic::error(codes::KEYS_CONFLICT, title)
                    .at(*place, "written here too")
                    .also(fields.key_place("auth"), "who asks")
                    .help("keep one of them"),
            );
        }
    }

    pub(super) fn requests(
        &mut self,
        fields: Fields<'_>,
    ) -> (Vec<Request>, Vec<RequestPlaces>, bool) {
        let Some(node) = fields.get("requests") else {
            return (Vec::new(), Vec::new(), true);
        };
        let items = self.list(node, "requests");
        if items.is_empty() && matches!(node.kind, NodeKind::List(_)) {
            self.report_empty(node, "the load has no request", "GET /");
        }
        let (requests, places): (Vec<_>, Vec<_>) =
            items.iter().filter_map(|item| self.request(item)).unzip();
        let complete = requests.len() == items.len();
        (requests, places, complete)
    }

    fn request(&mut self, node: &Node) -> Option<(Request, RequestPlaces)> {
        let weight = match node.get("weight") {
            Some(node) => self.whole_u32(node, 1, 1_000_000),
            None => Some(1),
        };
        let (request, places) = self.sent(node, &keys::REQUEST)?;
        let weight = weight?;
        Some((Request { weight, ..request }, places))
    }

    /// A request without its weight, in a map of this shape or in short.
    pub(super) fn sent(
        &mut self,
        node: &Node,
        shape: &'static Shape,
    ) -> Option<(Request, RequestPlaces)> {
        if node.scalar().is_some() {
            return self.sent_in_short(node);
        }
        let fields = self.fields(node, shape)?;
        if fields.get("socket").is_some() {
            return self.opened(fields);
        }
        if fields.get("call").is_some() {
            return self.called(fields);
        }
        self.refuse_keys_of_calls(fields);
        self.refuse_keys_of_sockets(fields);
        if fields.get("send").is_none() {
            let send = shape.keys.iter().find(|key| key.name == "send");
            self.findings
                .extend(send.map(|key| missing_key(node, shape, key)));
        }
        self.asked(node, fields)
    }

    /// A request of HTTP that is more than a method and a path.
    fn asked(&mut self, node: &Node, fields: Fields<'_>) -> Option<(Request, RequestPlaces)> {
        let send = fields.get("send").and_then(|node| self.send(node));
        let name = fields.get("name").map(|node| self.title(node));
        let (mut headers, auth) = self.headed(fields);
        let follow = self.follow(fields);
        let body = self.body(fields)?;
        self.add_media(&body, &mut headers);
        self.accept_events(fields, &mut headers);
        let (headers, header_places) = self.with_common(headers);
        let events = fields.get("events").map(|node| self.stay(node, Of::Events));
        let speaks = events.map_or(Speaks::Http, |_| Speaks::Events);
        let expect = match fields.get("expect") {
            Some(node) => self.expect(node, speaks),
            None => Some(Expect::of(speaks)),
        };
        let within = fields
            .get("within")
            .and_then(|node| self.some_time(node, "no answer comes in no time"));
        let (method, path, sent) = send?;
        let expect = expect?;
        self.refuse_streams(fields, expect.series);
        let streams = events.map(|_| fields.key_place("events"));
        if let Some(place) = expect.body.or(streams) {
            self.refuse_body_of_head(&method, place);
        }
        let places = RequestPlaces {
            name: match fields.get("name") {
                Some(node) => node.place,
                None => fields.place("send"),
            },
            within: fields.place("within"),
            headers: header_places,
            message: node.place,
            stay: fields.place("events"),
        };
        let request = Request {
            headers,
            auth: auth?,
            follow: follow.unwrap_or(self.common.follow),
            events: events.map_or(Some(None), |events| events.map(Some))?,
            body: body.text,
            body_file: body.file,
            multipart: body.multipart,
            expect_status: expect.status,
            checks: expect.checks,
            within,
            ..Request::plain(&name.unwrap_or(Some(sent))?, &method, path)
        };
        Some((request, places))
    }

    /// What stands for the requests for segments: it has what all requests have.
    pub(super) fn segment(&self, name: &str) -> (Request, Vec<Place>) {
        let (headers, places) = self.with_common(Vec::new());
        let request = Request {
            headers,
            auth: self.common.auth.clone(),
            follow: self.common.follow,
            // An answer that leads elsewhere is no picture.
            expect_status: vec![(200, 299)],
            ..Request::plain(name, "GET", Template::parse("/segment"))
        };
        (request, places)
    }

    /// A request that is a method and a path.
    fn sent_in_short(&mut self, node: &Node) -> Option<(Request, RequestPlaces)> {
        let (method, path, name) = self.send(node)?;
        let (headers, places) = self.with_common(Vec::new());
        let request = Request {
            headers,
            auth: self.common.auth.clone(),
            follow: self.common.follow,
            ..Request::plain(&name, &method, path)
        };
        let places = RequestPlaces {
            name: node.place,
            within: node.place,
            headers: places,
            message: node.place,
            stay: node.place,
        };
        Some((request, places))
    }

    /// The headers of a request, and who asks.
    pub(super) fn headed(&mut self, fields: Fields<'_>) -> (Headers, Option<Option<Auth>>) {
        let headers = fields.get("headers").map(|node| self.headers(node));
        let headers = headers.unwrap_or_default();
        self.refuse_two_askers(fields, &headers);
        let auth = match fields.get("auth") {
            Some(node) => self.auth(node),
            None if headers.iter().any(|((name, _), _)| name == "authorization") => Some(None),
            None => Some(self.common.auth.clone()),
        };
        (headers, auth)
    }

    /// The content-type that follows from how a body is written.
    fn add_media(&mut self, body: &Body, headers: &mut Headers) {
        let Some((media, place)) = &body.media else {
            return;
        };
        let mut known = headers.iter();
        let known = known.find(|((name, _), _)| name == "content-type");
        let Some(((_, own), written)) = known else {
            let name = "content-type".to_owned();
            return headers.push(((name, Template::parse(media)), *place));
        };
        let own = own.source().to_ascii_lowercase();
        let own = own.split(';').next().unwrap_or_default().trim();
        let json = own.ends_with("/json") || own.ends_with("+json");
        if own == media || json && media == "application/json" {
            return;
        }
        let title = "the content-type follows from the body";
        self.report(
            Diagnostic::error(codes::KEYS_CONFLICT, title)
                .at(*written, "says something else")
                .also(*place, "this is what it follows from")
                .help("leave the header out, or write the whole body as `body`"),
        );
    }

    /// Who waits for events says so, as browsers do.
    fn accept_events(&self, fields: Fields<'_>, headers: &mut Headers) {
        let is_said = headers.iter().any(|((name, _), _)| name == "accept");
        if fields.get("events").is_some() && !is_said {
            let accept = ("accept".to_owned(), Template::parse("text/event-stream"));
            headers.push((accept, fields.place("events")));
        }
    }

    /// With the headers that the load gives to all that do not write them.
    pub(super) fn with_common(
        &self,
        mut headers: Headers,
    ) -> (Vec<(String, Template)>, Vec<Place>) {
        for common in &self.common.headers {
            let ((name, _), _) = common;
            if !headers.iter().any(|((known, _), _)| known == name) {
                headers.push(common.clone());
            }
        }
        headers.into_iter().unzip()
    }

    /// `GET /path`: method, path and the two together.
    fn send(&mut self, node: &Node) -> Option<(String, Template, String)> {
        let text = self.text(node)?;
        let (method, path) = text.split_once(' ').unwrap_or((&text, ""));
        let trimmed = path.trim();
        let problem = if !METHODS.contains(&method) {
            let upper = method.to_uppercase();
            let help = if METHODS.contains(&upper.as_str()) {
                format!("methods are in capitals: `{upper}`")
            } else if let Some(near) = nearest(&upper, METHODS) {
                format!("did you mean `{near}`?")
            } else {
                format!("write a method and a path: `GET {}`", text.trim())
            };
            Some((0..method.len(), "not a method", help))
        } else {
            let offset = text.len() - path.trim_start().len();
            path_misfit(trimmed).map(|misfit| {
                let range = offset + misfit.range.start..offset + misfit.range.end;
                let nowhere = trimmed.is_empty();
                let range = if nowhere { 0..text.len() } else { range };
                (range, misfit.label, misfit.help)
            })
        };
        if let Some((range, label, help)) = problem {
            let title = format!("{} is not a method and a path", quoted(&text));
            let diagnostic = Diagnostic::error(codes::BAD_REQUEST_LINE, title)
                .at(node.part(range), label)
                .help(help);
            self.report_value(node, diagnostic);
            return None;
        }
        let offset = text.len() - path.trim_start().len();
        let resolved = node.scalar().and_then(|scalar| scalar.resolved.as_ref());
        let path_of = |send: &str| {
            let (_, path) = send.split_once(' ').unwrap_or_default();
            path.trim().to_owned()
        };
        let (source, name) = match resolved {
            Some(resolved) if self.redact => (path_of(&resolved.shown), &resolved.shown),
            Some(resolved) => (path_of(&resolved.template), &resolved.shown),
            None => (trimmed.to_owned(), &text),
        };
        let path = self.template_of(node, &source, offset, Context::Request);
        Some((method.to_owned(), path, name.trim().to_owned()))
    }

    /// Headers with their values, and where those stand.
    fn headers(&mut self, node: &Node) -> Headers {
        let mut headers: Headers = Vec::new();
        for entry in self.names(node, "headers") {
            let name = entry.key.to_ascii_lowercase();
            if let Some(problem) = self.header_name(&name, entry.key_place, &headers) {
                self.report(problem);
                continue;
            }
            let Some(value) = self.template(&entry.value, Context::Request) else {
                continue;
            };
            let written = entry.value.scalar().map(|scalar| scalar.text.as_str());
            if let Some(misfit) = written.and_then(|text| header_misfit(&name, text)) {
                let title = format!("the header {} cannot have this value", quoted(&entry.key));
                let diagnostic = Diagnostic::error(codes::NOT_SENDABLE, title)
                    .at(entry.value.part(misfit.range), misfit.label)
                    .help(misfit.help);
                self.report_value(&entry.value, diagnostic);
                continue;
            }
            headers.push(((name, value), entry.value.place));
        }
        headers
    }

    /// What is wrong with a header's name, if anything.
    fn header_name(
        &self,
        name: &str,
        place: Place,
        before: &[((String, Template), Place)],
    ) -> Option<Diagnostic> {
        let shown = quoted(name);
        if !is_header_name(name) {
            let diagnostic =
                Diagnostic::error(codes::BAD_NAME, format!("{shown} cannot be a header"));
            let help = "header names have letters, digits and dashes: `content-type`";
            return Some(diagnostic.at(place, "here").help(help));
        }
        if FRAMING_HEADERS.contains(&name) {
            let title = format!("{shown} follows from the body");
            let diagnostic = Diagnostic::error(codes::NOT_SENDABLE, title);
            return Some(
                diagnostic
                    .at(place, "squall writes this header")
                    .help("leave it out"),
            );
        }
        let (_, earlier) = before.iter().find(|((known, _), _)| known == name)?;
        let title = format!("the header {shown} is there already");
        Some(
            Diagnostic::error(codes::DUPLICATE_NAME, title)
                .at(place, "again here")
                .also(*earlier, "first here")
                .help("a request carries each header once; join the values by `, `"),
        )
    }

    /// `200` or `2xx`.
    pub(super) fn status(&mut self, node: &Node) -> Option<(u16, u16)> {
        let text = self.text(node)?;
        let class = text
            .strip_suffix("xx")
            .and_then(|digit| digit.parse::<u16>().ok())
            .filter(|digit| (1..=5).contains(digit));
        if let Some(class) = class {
            return Some((class * 100, class * 100 + 99));
        }
        if let Some(code) = text.parse().ok().filter(|code| (100..=599).contains(code)) {
            return Some((code, code));
        }
        let title = format!("{} is not a status", quoted(&text));
        let diagnostic = Diagnostic::error(codes::OUT_OF_RANGE, title)
            .at(node.place, "100 to 599, or 2xx")
            .help("write for instance `200`, `2xx` or `[200, 404]`");
        self.report_value(node, diagnostic);
        None
    }
}
