//! Requests that are calls of gRPC: which method, by which file, with which message.

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use squall_scenario::{Call, GRPC_OK, Request, Template, listed, nearest, quoted};

use super::expect::{Expect, Speaks};
use super::request::RequestPlaces;
use super::{Fields, Reader};
use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::proto_file::ProtoFile;
use crate::yaml::{Node, NodeKind};

/// Keys that say what a request of HTTP is, and not a call.
const OF_HTTP: [&str; 8] = [
    "send",
    "body",
    "json",
    "form",
    "multipart",
    "follow",
    "events",
    "receive",
];
/// Keys of calls alone.
const OF_CALLS: [&str; 2] = ["proto", "message"];
/// Most methods that are listed for who has named none of them.
const LISTED_MAX: usize = 8;

impl Reader {
    /// A request of HTTP has no keys of calls; it has to be one or the other.
    pub(super) fn refuse_keys_of_calls(&mut self, fields: Fields<'_>) {
        for key in OF_CALLS.into_iter().filter(|key| fields.get(key).is_some()) {
            let title = format!("`{key}` is of a call, and this request is none");
            self.report(
                Diagnostic::error(codes::KEYS_CONFLICT, title)
                    .at(fields.key_place(key), "nothing is called")
                    .help(
                        "write `call: package.Service/Method` instead of `send`, or leave it out",
                    ),
            );
        }
    }

    /// A request that is a call.
    pub(super) fn called(&mut self, fields: Fields<'_>) -> Option<(Request, RequestPlaces)> {
        for key in OF_HTTP.into_iter().filter(|key| fields.get(key).is_some()) {
            let title = format!("a call has no `{key}`");
            self.report(
                Diagnostic::error(codes::KEYS_CONFLICT, title)
                    .at(fields.key_place(key), "of a request of HTTP")
                    .also(fields.key_place("call"), "the call")
                    .help("a call sends its `message`; keep one of them"),
            );
        }
        let found = fields
            .get("call")
            .and_then(|node| self.callee(node, fields));
        let name = fields.get("name").map(|node| self.title(node));
        let (headers, auth) = self.headed(fields);
        self.refuse_headers_of_calls(&headers);
        let (headers, header_places) = self.with_common(headers);
        let (headers, header_places): (Vec<_>, Vec<_>) = headers
            .into_iter()
            .zip(header_places)
            .filter(|((name, _), _)| !is_written(name))
            .unzip();
        let method = found.as_ref().map(|(_, method)| method);
        let message = self.message(fields, method);
        let expect = match fields.get("expect") {
            Some(node) => self.expect(node, Speaks::Grpc),
            None => Some(Expect::of(Speaks::Grpc)),
        };
        let within = fields
            .get("within")
            .and_then(|node| self.some_time(node, "no answer comes in no time"));
        let (call, expect) = (found?.0, expect?);
        self.refuse_streams_of_a_call(&call, expect.series);
        if let Some(place) = expect.body.or(expect.series.0) {
            self.refuse_message_of_failure((&call, &expect.status), place);
        }
        let places = RequestPlaces {
            name: match fields.get("name") {
                Some(node) => node.place,
                None => fields.place("call"),
            },
            within: fields.place("within"),
            headers: header_places,
            message: fields.place("message"),
            stay: fields.place("call"),
        };
        let path = format!("/{}", call.method);
        let request = Request {
            headers,
            auth: auth?,
            body: Some(message?),
            expect_status: expect.status,
            checks: expect.checks,
            within,
            ..Request::plain(
                &name.unwrap_or_else(|| Some(call.method.clone()))?,
                "POST",
                Template::parse(&path),
            )
        };
        let call = Some(call);
        Some((Request { call, ..request }, places))
    }

    /// What is expected of a stream that the answer to a call is not.
    fn refuse_streams_of_a_call(
        &mut self,
        call: &Call,
        (messages, events): (Option<Place>, Option<Place>),
    ) {
        if let Some(place) = events {
            self.report(
                Diagnostic::error(codes::KEYS_CONFLICT, "a call is not answered with events")
                    .at(place, "of a request of HTTP")
                    .help("write `messages` instead"),
            );
        }
        if let Some(place) = messages.filter(|_| !call.streams) {
            let title = format!("{} answers with one message", quoted(&call.method));
            self.report(
                Diagnostic::error(codes::KEYS_CONFLICT, title)
                    .at(place, "nothing comes one after the other")
                    .help("look at `json` and `body`, or leave it out"),
            );
        }
    }

    /// The method that is called, and the file that describes it.
    fn callee(&mut self, node: &Node, fields: Fields<'_>) -> Option<(Call, MethodDescriptor)> {
        let text = self.text(node)?;
        let file = self.description(fields)?;
        let name = text.trim().trim_start_matches('/');
        let Some(method) = file.described.method(name) else {
            let diagnostic = no_such_method(name, file.described.pool(), node.place);
            self.report_value(node, diagnostic);
            return None;
        };
        if method.is_client_streaming() {
            let name = quoted(name);
            let title = format!("{name} is sent a stream of messages, and squall sends one");
            let diagnostic = Diagnostic::error(codes::NO_SUCH_METHOD, title)
                .at(node.place, "cannot be called")
                .help("call a method that is sent one message");
            self.report_value(node, diagnostic);
            return None;
        }
        let options = &method.method_descriptor_proto().options;
        let level = options.as_ref().and_then(|it| it.idempotency_level);
        let call = Call {
            proto: file.described,
            sha256: file.sha256,
            method: name.to_owned(),
            // NO_SIDE_EFFECTS and IDEMPOTENT of google.protobuf.MethodOptions.
            idempotent: matches!(level, Some(1 | 2)),
            streams: method.is_server_streaming(),
        };
        Some((call, method))
    }

    /// The file that describes what is called, which was read before.
    fn description(&mut self, fields: Fields<'_>) -> Option<ProtoFile> {
        let path = match fields.get("proto") {
            Some(node) => self.text(node)?,
            None => match self.common.proto.clone() {
                Some(path) => path?,
                None => {
                    let title = "nothing says what this method is sent";
                    self.report(
                        Diagnostic::error(codes::MISSING_KEY, title)
                            .at(fields.key_place("call"), "has no `proto`")
                            .help("add `proto: FILE.proto` here, or in the load for all calls"),
                    );
                    return None;
                }
            },
        };
        let mut known = self.beside.protos.iter();
        known.find(|known| known.described.path() == path).cloned()
    }

    /// Headers that squall writes of every call.
    fn refuse_headers_of_calls(&mut self, headers: &[((String, Template), Place)]) {
        for ((name, _), place) in headers.iter().filter(|((name, _), _)| is_written(name)) {
            let title = format!("{} is written of every call", quoted(name));
            let diagnostic = Diagnostic::error(codes::NOT_SENDABLE, title);
            self.report(
                diagnostic
                    .at(*place, "squall writes this header")
                    .help("leave it out"),
            );
        }
    }

    /// A call that is answered with one message has it with OK alone; what came of a
    /// stream is there whatever its status.
    pub(super) fn refuse_message_of_failure(
        &mut self,
        (call, good): (&Call, &[(u16, u16)]),
        place: Place,
    ) {
        let ok = |(low, high): &(u16, u16)| (*low..=*high).contains(&GRPC_OK);
        if !call.streams && !good.iter().any(ok) {
            let title = "a call that does not end with OK has no message";
            self.report(
                Diagnostic::error(codes::KEYS_CONFLICT, title)
                    .at(place, "nothing to look at")
                    .help("take `OK` into `status`, or look at `header` only"),
            );
        }
    }

    /// The message as a template of JSON.
    fn message(&mut self, fields: Fields<'_>, to: Option<&MethodDescriptor>) -> Option<Template> {
        let Some(node) = fields.get("message") else {
            return Some(Template::parse("{}"));
        };
        if !matches!(node.kind, NodeKind::Map(_)) {
            self.report(
                Diagnostic::error(codes::WRONG_SHAPE, "a message is a map of its fields")
                    .at(node.place, format!("{} here", node.what()))
                    .help("write for instance `message: { id: 7 }`"),
            );
            return None;
        }
        let misfit = to.and_then(|method| misfit(node, &method.input()));
        if let Some(misfit) = misfit {
            self.report(misfit);
            return None;
        }
        let mut text = String::new();
        self.json_text(node, &mut text)?;
        Some(Template::parse(&text))
    }
}

/// Whether squall writes this header of every call.
fn is_written(name: &str) -> bool {
    ["te", "content-type"].contains(&name) || name.starts_with("grpc-")
}

/// What is said of a method that there is not.
fn no_such_method(name: &str, pool: &DescriptorPool, place: Place) -> Diagnostic {
    let services = pool.services();
    let all: Vec<String> = services
        .flat_map(|service| {
            let methods: Vec<_> = service.methods().collect();
            methods.into_iter()
        })
        .map(|method| format!("{}/{}", method.parent_service().full_name(), method.name()))
        .collect();
    let title = format!("no method is called {}", quoted(name));
    let diagnostic = Diagnostic::error(codes::NO_SUCH_METHOD, title).at(place, "not in the file");
    let dotted = name.replace('/', ".");
    let same = |known: &&String| {
        let known = known.replace('/', ".");
        known == dotted || known.ends_with(&format!(".{dotted}"))
    };
    let meant = all.iter().find(same).map(String::as_str);
    let meant = meant.or_else(|| nearest(name, all.iter().map(String::as_str)));
    let diagnostic = diagnostic.help(match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "write `package.Service/Method`, as the file has it".to_owned(),
    });
    let shown: Vec<String> = all.iter().take(LISTED_MAX).cloned().collect();
    match all.len().saturating_sub(LISTED_MAX) {
        0 => diagnostic.note(format!("methods there: {}", listed(&shown))),
        more => diagnostic.note(format!(
            "methods there: {}, and {more} more",
            shown.join(", ")
        )),
    }
}

/// What of a message does not fit its type, as far as that can be told of its names
/// and its shape.
fn misfit(node: &Node, to: &MessageDescriptor) -> Option<Diagnostic> {
    // Types that are written in ways of their own.
    if to.full_name().starts_with("google.protobuf.") {
        return None;
    }
    let NodeKind::Map(entries) = &node.kind else {
        let title = format!("a {} is a map of its fields", to.full_name());
        return Some(
            Diagnostic::error(codes::MESSAGE_MISFIT, title)
                .at(node.place, format!("{} here", node.what()))
                .help(format!("its fields are {}", names_of(to))),
        );
    };
    entries.iter().find_map(|entry| {
        let key = entry.key.as_str();
        let field = to.get_field_by_name(key);
        let Some(field) = field.or_else(|| to.get_field_by_json_name(key)) else {
            // Extensions are named in brackets.
            return (!key.starts_with('[')).then(|| no_such_field(key, to, entry.key_place));
        };
        misfit_of_field(&entry.value, &field)
    })
}

fn misfit_of_field(node: &Node, field: &FieldDescriptor) -> Option<Diagnostic> {
    if node.scalar().is_some_and(|scalar| scalar.is_nothing()) {
        return None;
    }
    let kind = field.kind();
    match (&node.kind, kind.as_message()) {
        (NodeKind::Map(entries), Some(entry)) if field.is_map() => {
            let value = entry.map_entry_value_field();
            entries
                .iter()
                .find_map(|it| misfit_of_field(&it.value, &value))
        }
        (NodeKind::List(items), message) if field.is_list() => {
            let message = message?;
            items.iter().find_map(|item| misfit(item, message))
        }
        (_, Some(message)) if !field.is_list() && !field.is_map() => misfit(node, message),
        (NodeKind::Map(_) | NodeKind::List(_), _) => {
            let wanted = match &kind {
                _ if field.is_map() => "a map",
                _ if field.is_list() => "a list",
                Kind::Enum(_) => "one of its names",
                _ => "a single value",
            };
            let title = format!("{} is {wanted}", quoted(field.name()));
            Some(
                Diagnostic::error(codes::MESSAGE_MISFIT, title)
                    .at(node.place, format!("{} here", node.what()))
                    .help("write it as the file describes it"),
            )
        }
        (NodeKind::Scalar(_), _) if field.is_list() || field.is_map() => {
            let (wanted, example) = match field.is_map() {
                true => ("a map", "{ key: value }"),
                false => ("a list", "[ … ]"),
            };
            let name = field.name();
            Some(
                Diagnostic::error(
                    codes::MESSAGE_MISFIT,
                    format!("{} is {wanted}", quoted(name)),
                )
                .at(node.place, format!("{} here", node.what()))
                .help(format!("write `{name}: {example}`")),
            )
        }
        (NodeKind::Scalar(_), _) => None,
    }
}

fn no_such_field(key: &str, of: &MessageDescriptor, place: Place) -> Diagnostic {
    let title = format!("a {} has no field called {}", of.full_name(), quoted(key));
    let names: Vec<String> = of.fields().map(|field| field.name().to_owned()).collect();
    let near = nearest(key, names.iter().map(String::as_str));
    let diagnostic = Diagnostic::error(codes::MESSAGE_MISFIT, title).at(place, "not in the file");
    match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!("its fields are {}", names_of(of))),
    }
}

/// The names of its fields, for people.
fn names_of(message: &MessageDescriptor) -> String {
    let names: Vec<String> = message
        .fields()
        .map(|field| format!("`{}`", field.name()))
        .collect();
    listed(&names)
}
