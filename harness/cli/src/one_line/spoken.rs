//! Calls of gRPC, server-sent events and WebSockets, as the text of a scenario.

use squall_scenario::quoted;

use super::arguments::{Argument, Mistake};
use super::compose::{Line, literal, of_url};
use super::message::as_yaml;
use super::url::{Parts, Spoken};
use super::writer::Piece;

/// Codes of the same mistakes in a file.
const MISSING_KEY: &str = "S0102";
const WRONG_SHAPE: &str = "S0106";
const UNKNOWN_WORD: &str = "S0108";
const KEYS_CONFLICT: &str = "S0113";
const BAD_REQUEST_LINE: &str = "S0114";

/// Says what to write of a message.
const MESSAGE_HELP: &str = "write for instance `-b '{\"name\": \"x\"}'`";

impl Line<'_> {
    /// What the other arguments are of, for a URL that does not say it.
    pub(super) fn meant(&self) -> Spoken {
        let streams = &self.args.streams;
        if streams.call.is_some() || streams.proto.is_some() {
            return Spoken::Grpc;
        }
        let waits = streams.receive.is_some() || streams.receive_for.is_some();
        match waits || !streams.message.is_empty() {
            true => Spoken::Socket,
            false => Spoken::Http,
        }
    }

    /// Options that say something about another protocol than that of the URL.
    pub(super) fn refuse_what_is_not_spoken(&mut self, spoken: Spoken, place: &str) {
        let (args, streams) = (self.args, &self.args.streams);
        let (http, grpc, socket) = (Spoken::Http, Spoken::Grpc, Spoken::Socket);
        let given = [
            ("--call ", grpc, streams.call.as_ref()),
            ("--proto ", grpc, streams.proto.as_ref()),
            ("--message ", socket, streams.message.first()),
            ("--receive ", socket, streams.receive.as_ref()),
            ("--receive-for ", socket, streams.receive_for.as_ref()),
            ("--events ", http, streams.events.as_ref()),
            ("--events-for ", http, streams.events_for.as_ref()),
            ("--method ", http, args.method.as_ref()),
            ("--redirect ", http, args.redirect.as_ref()),
            ("--json ", http, args.content.json.as_ref()),
            ("--form ", http, args.content.form.first()),
            (
                "--data-urlencode ",
                http,
                args.content.data_urlencode.first(),
            ),
        ];
        let body = args.content.body.as_ref().filter(|_| spoken != grpc);
        let body = ("--body ", http, body);
        for (option, of, value) in given.into_iter().chain([body]) {
            let Some(value) = value.filter(|_| of != spoken) else {
                continue;
            };
            let name = option.trim_end();
            let (what, help) = match (of, spoken) {
                (Spoken::Grpc, _) => (
                    "calls of gRPC",
                    format!("write `grpc://{place}` as the URL"),
                ),
                (Spoken::Socket, _) => (
                    "WebSockets",
                    format!("write `ws://{place}/PATH` as the URL"),
                ),
                (Spoken::Http, Spoken::Socket) => (
                    "requests of HTTP",
                    "what is said on a WebSocket is `--message TEXT`".to_owned(),
                ),
                (Spoken::Http, _) => (
                    "requests of HTTP",
                    "what a call sends is its message, `-b '{\"name\": \"x\"}'`".to_owned(),
                ),
            };
            let mistake = Mistake {
                code: KEYS_CONFLICT,
                title: format!("`{name}` is for {what}, and the URL is for something else"),
                remark: "says nothing here",
                help: format!("{help}, or leave `{name}` out"),
            };
            let argument = self.arguments.add(option, value);
            let finding = self.arguments.refuse_all(argument, mistake);
            self.findings.push(finding);
        }
    }

    /// A request that is a call, without what all requests have. Whether there is one:
    /// nothing more can be said of a call that is not named or not described.
    pub(super) fn call(&mut self, url: Argument, parts: &Parts) -> bool {
        let streams = &self.args.streams;
        let has_path = self.refuse_a_path(url, parts);
        let (Some(method), Some(proto)) = (&streams.call, &streams.proto) else {
            // A path is most often the name of what is called.
            if !has_path || streams.call.is_some() {
                self.refuse_what_is_not_described(url);
            }
            self.out.line("    - send: GET /");
            return false;
        };
        self.typed("    - call:", "--call ", method);
        self.typed("      proto:", "--proto ", proto);
        if let Some(body) = &self.args.content.body {
            self.message_of_a_call(body);
        }
        true
    }

    /// Whether there was one to refuse.
    fn refuse_a_path(&mut self, url: Argument, parts: &Parts) -> bool {
        let part = parts.path.start..parts.query.end;
        let path = &self.args.url[part.clone()];
        if ["", "/"].contains(&path) {
            return false;
        }
        let mistake = Mistake {
            code: BAD_REQUEST_LINE,
            title: "a call of gRPC has no path".to_owned(),
            remark: "leave this out",
            help: match self.args.streams.call {
                Some(_) => format!("write `{}`", &self.args.url[..parts.authority.end]),
                None => "name what is called by `--call package.Service/Method`, and the file \
                         that describes it by `--proto FILE.proto`"
                    .to_owned(),
            },
        };
        let finding = self.arguments.refuse(url, part, mistake);
        self.findings.push(finding);
        true
    }

    fn refuse_what_is_not_described(&mut self, url: Argument) {
        let (argument, title, remark, help) = match &self.args.streams.call {
            Some(method) => (
                self.arguments.add("--call ", method),
                "nothing says what this method is sent",
                "has no `--proto`",
                "add `--proto FILE.proto`, which describes it",
            ),
            None => (
                url,
                "nothing says what is called",
                "has no `--call`",
                "add `--call package.Service/Method`, and `--proto FILE.proto` which describes it",
            ),
        };
        let mistake = Mistake {
            code: MISSING_KEY,
            title: title.to_owned(),
            remark,
            help: help.to_owned(),
        };
        let finding = self.arguments.refuse_all(argument, mistake);
        self.findings.push(finding);
    }

    fn message_of_a_call(&mut self, given: &str) {
        let argument = self.arguments.add("--body ", given);
        let mistake = match given.strip_prefix('@') {
            Some(file) => Mistake {
                code: WRONG_SHAPE,
                title: "the message of a call stands in the line".to_owned(),
                remark: "a file",
                help: format!("write `-b \"$(cat {file})\"`, and the shell puts it there"),
            },
            None => match as_yaml(given) {
                None => return self.refuse_what_is_no_json(argument, given, MESSAGE_HELP),
                Some(yaml) if yaml.trim_start().starts_with('{') => {
                    let message = Piece::of(argument, &yaml);
                    return self.out.as_it_is("      message:", message);
                }
                Some(_) => Mistake {
                    code: WRONG_SHAPE,
                    title: "a message is a map of its fields".to_owned(),
                    remark: "something else",
                    help: MESSAGE_HELP.to_owned(),
                },
            },
        };
        let finding = self.arguments.refuse_all(argument, mistake);
        self.findings.push(finding);
    }

    /// When the client leaves a stream of events, where the answer is one.
    pub(super) fn events(&mut self) {
        let streams = &self.args.streams;
        self.stay(
            "events",
            streams.events.as_ref(),
            streams.events_for.as_ref(),
        );
    }

    /// A request that opens a WebSocket, without what all requests have. Its name
    /// leaves out the query, as that of others does.
    pub(super) fn socket(&mut self, url: Argument, parts: &Parts, path: &str, query: &str) {
        let streams = &self.args.streams;
        self.named(&format!("socket {path}"));
        let (path, query) = (literal(path), literal(query));
        self.out
            .value("      socket:", &of_url(url, parts, &path, &query));
        if !streams.message.is_empty() {
            self.out.line("      message:");
        }
        for text in &streams.message {
            let argument = self.arguments.add("--message ", text);
            let text = literal(text);
            self.out.value("        -", &[Piece::of(argument, &text)]);
        }
        let (count, time) = (streams.receive.as_ref(), streams.receive_for.as_ref());
        self.stay("receive", count, time);
        if streams.message.is_empty() && count.is_none() && time.is_none() {
            self.out.line("      receive: all");
            let mistake = Mistake {
                code: MISSING_KEY,
                title: "nothing says when the client leaves".to_owned(),
                remark: "nothing is sent on it",
                help: "add `--message TEXT`, or `--receive-for 8s`".to_owned(),
            };
            let finding = self.arguments.refuse_all(url, mistake);
            self.findings.push(finding);
        }
    }

    /// Behind how many the client leaves, and when.
    fn stay(&mut self, key: &str, count: Option<&String>, time: Option<&String>) {
        let option = format!("--{key} ");
        let count = count.filter(|count| self.counts(&option, count, time.is_some()));
        match (count, time) {
            (None, None) => {}
            (Some(count), None) => self.typed(&format!("      {key}:"), &option, count),
            (count, Some(time)) => {
                self.out.line(&format!("      {key}:"));
                self.optional("        count:", &option, count);
                self.typed("        for:", &format!("--{key}-for "), time);
            }
        }
    }

    /// Whether this says how many; `all` does where the client does not leave before.
    fn counts(&mut self, option: &str, count: &str, leaves: bool) -> bool {
        let option = option.trim_end();
        let (title, help) = match count {
            "all" if leaves => (
                "who waits for the end leaves at no time before".to_owned(),
                format!("leave out `{option} all`: the end is waited for so long"),
            ),
            "all" => return true,
            _ if count.starts_with(|first: char| first.is_ascii_digit()) => return true,
            _ => (
                format!("{} does not say when the client leaves", quoted(count)),
                format!("write `{option} 20`, `{option} all` or `{option}-for 8s`"),
            ),
        };
        let mistake = Mistake {
            code: UNKNOWN_WORD,
            title,
            remark: "a number, or `all` alone",
            help,
        };
        let argument = self.arguments.add(&format!("{option} "), count);
        let finding = self.arguments.refuse_all(argument, mistake);
        self.findings.push(finding);
        false
    }
}
