//! The arguments as the text of a scenario.

use std::borrow::Cow;
use std::ops::Range;

use squall_scenario_file::{Diagnostic, is_plain};

use super::Composed;
use super::arguments::{Argument, Arguments, Mistake};
use super::url::{self, Spoken};
use super::writer::{Piece, Writer};
use crate::args::{ArrivalsArg, LoadArgs};

/// Codes of the same mistakes in a file.
pub(super) const BAD_NAME: &str = "S0107";
const DUPLICATE_NAME: &str = "S0112";
const BAD_ENV: &str = "S0402";

/// Users of a closed loop, unless the line says how many.
const USERS: u32 = 50;

/// Longest name of a scenario or of a request.
const NAME_CHARACTERS_MAX: usize = 80;

/// What a line with everything in it consists of.
pub(super) struct Line<'a> {
    pub(super) args: &'a LoadArgs,
    pub(super) arguments: Arguments,
    pub(super) findings: Vec<Diagnostic>,
    pub(super) out: Writer,
}

/// A header, taken apart.
struct Header<'a> {
    argument: Argument,
    name: &'a str,
    value: &'a str,
    /// First byte of the value in the argument.
    value_at: usize,
}

/// Writes the scenario that the arguments stand for. What no scenario could
/// hold is found here and left out of it.
pub(super) fn compose(args: &LoadArgs) -> Composed {
    let mut line = Line {
        args,
        arguments: Arguments::new(),
        findings: Vec::new(),
        out: Writer::default(),
    };
    line.write();
    Composed {
        arguments: line.arguments,
        written: line.out,
        findings: line.findings,
    }
}

impl<'a> Line<'a> {
    fn write(&mut self) {
        let args = self.args;
        let url = self.arguments.add("", &args.url);
        let meant = self.meant();
        let parts = url::split(&args.url, meant).unwrap_or_else(|(part, mistake)| {
            let finding = self.arguments.refuse(url, part, mistake);
            self.findings.push(finding);
            let spoken = meant;
            url::Parts {
                spoken,
                ..url::Parts::default()
            }
        });
        let part = |range: &Range<usize>| args.url.get(range.clone()).unwrap_or_default();
        let path = Some(part(&parts.path)).filter(|path| !path.is_empty());
        let path = path.unwrap_or("/");
        let called = match parts.spoken {
            Spoken::Grpc => args.streams.call.as_deref().map(|call| format!("/{call}")),
            Spoken::Http | Spoken::Socket => None,
        };
        // The rest of a line with a wrong URL is looked at all the same.
        let place = Some(part(&parts.authority)).filter(|place| !place.is_empty());
        let place = place.unwrap_or("127.0.0.1");
        self.out.line("# written by `squall load`");
        self.out.line("version: 1");
        let asked = called.as_deref().unwrap_or(path);
        let name = name(&format!("load {place}{asked}"));
        self.out.value("name:", &[Piece::own(&name)]);
        if let Some(seed) = args.options.seed {
            self.out.line(&format!("seed: {seed}"));
        }
        self.target(url, &parts, place);
        self.out.line("load:");
        self.shape();
        self.out.line("  requests:");
        self.refuse_what_is_not_spoken(parts.spoken, place);
        let whole = match parts.spoken {
            Spoken::Http => {
                self.send(url, &parts, path, part(&parts.query));
                self.events();
                true
            }
            Spoken::Grpc => self.call(url, &parts),
            Spoken::Socket => {
                self.socket(url, &parts, path, part(&parts.query));
                true
            }
        };
        if whole {
            self.request(parts.spoken);
        }
        self.reach(args);
        self.optional("  workers:", "--workers ", args.workers.as_ref());
        self.optional("  timeout:", "--timeout ", args.timeout.as_ref());
        match (&args.warm_up, &args.ramp) {
            // The rise is the warm-up.
            (None, Some(_)) => self.out.line("  warm_up: 0s"),
            (warm_up, _) => self.optional("  warm_up:", "--warm-up ", warm_up.as_ref()),
        }
        self.gates();
    }

    /// Where everything goes, as scenarios say it.
    fn target(&mut self, url: Argument, parts: &url::Parts, place: &str) {
        let scheme = match parts.secure {
            true => "https://",
            false => "http://",
        };
        let at = parts.authority.start;
        if parts.spoken == Spoken::Http {
            let target = format!("{scheme}{place}");
            return self.out.value("target:", &[Piece::of(url, &target)]);
        }
        let from = Some((url, at));
        let place = Piece { text: place, from };
        self.out.value("target:", &[Piece::own(scheme), place]);
    }

    /// An argument as a value of its own.
    pub(super) fn typed(&mut self, key: &str, before: &str, value: &str) {
        let argument = self.arguments.add(before, value);
        let value = unresolved(value);
        self.out.value(key, &[Piece::of(argument, &value)]);
    }

    pub(super) fn optional(&mut self, key: &str, before: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.typed(key, before, value);
        }
    }

    fn shape(&mut self) {
        let args = self.args;
        self.out.line("  shape:");
        if args.closed {
            return self.closed();
        }
        let argument = self.arguments.add("--rate ", &args.rate);
        let rate = unresolved(&args.rate);
        let rate = [Piece::of(argument, &rate)];
        if let Some(ramp) = &args.ramp {
            self.out.line("    - ramp:");
            self.out.line("        from: 0/s");
            self.out.value("        to:", &rate);
            self.typed("        over:", "--ramp ", ramp);
        }
        self.out.line("    - hold:");
        self.out.value("        rate:", &rate);
        self.typed("        for:", "--duration ", &args.duration);
        if args.arrivals == ArrivalsArg::Poisson {
            self.out.line("        arrivals: poisson");
        }
    }

    /// As many users as connections.
    fn closed(&mut self) {
        let args = self.args;
        self.out.line("    - closed:");
        match &args.connections {
            Some(users) => self.typed("        users:", "--connections ", users),
            None => self.out.line(&format!("        users: {USERS}")),
        }
        self.optional("        think:", "--think ", args.think.as_ref());
        self.typed("        for:", "--duration ", &args.duration);
    }

    /// The first line of a request. Its name leaves out the query, which is
    /// long as a rule and may hold a secret.
    fn send(&mut self, url: Argument, parts: &url::Parts, path: &str, query: &str) {
        let args = self.args;
        let typed = args.method.as_ref().map(|method| {
            let argument = self.arguments.add("--method ", method);
            (argument, method.to_ascii_uppercase())
        });
        let method = match &typed {
            Some((argument, method)) => Piece::of(*argument, method),
            None if args.content.is_sent() => Piece::own("POST"),
            None => Piece::own("GET"),
        };
        self.named(&format!("{} {path}", method.text));
        let (path, query) = (literal(path), literal(query));
        let [path, query] = of_url(url, parts, &path, &query);
        self.out
            .value("      send:", &[method, Piece::own(" "), path, query]);
    }

    /// The name of a request, its first key.
    pub(super) fn named(&mut self, text: &str) {
        let name = name(text);
        self.out.value("    - name:", &[Piece::own(&name)]);
    }

    /// The rest of a request.
    fn request(&mut self, spoken: Spoken) {
        let args = self.args;
        if spoken == Spoken::Http {
            self.optional("      follow:", "--redirect ", args.redirect.as_ref());
        }
        self.optional("      within:", "--within ", args.within.as_ref());
        if !args.status.is_empty() {
            self.out.line("      expect:");
            self.out.line("        status:");
            for status in &args.status {
                self.typed("          -", "--status ", status);
            }
        }
        let headers = self.headers();
        let of_json = match &args.content.json {
            Some(_) if spoken == Spoken::Http => ["content-type", "accept"].as_slice(),
            _ => &[],
        };
        let is = |name: &str| {
            let mut headers = headers.iter();
            headers.any(|header| header.name.eq_ignore_ascii_case(name))
        };
        let of_json: Vec<&str> = of_json.iter().copied().filter(|name| !is(name)).collect();
        if !headers.is_empty() || !of_json.is_empty() {
            self.out.line("      headers:");
        }
        for header in headers {
            self.header(&header);
        }
        for name in of_json {
            self.out.line(&format!("        {name}: application/json"));
        }
        if spoken == Spoken::Http {
            self.content(&args.content);
        }
        self.who_asks(&args.content);
    }

    /// Headers that have a name and a value, each name once.
    fn headers(&mut self) -> Vec<Header<'a>> {
        let mut headers: Vec<Header<'a>> = Vec::new();
        for text in &self.args.headers {
            let argument = self.arguments.add("--header ", text);
            let Some((name, value)) = text.split_once(':') else {
                let mistake = Mistake {
                    code: BAD_NAME,
                    title: "a header has a name and a value".to_owned(),
                    remark: "no colon",
                    help: format!("write `-H '{}: VALUE'`", text.trim()),
                };
                self.findings
                    .push(self.arguments.refuse_all(argument, mistake));
                continue;
            };
            let trimmed = value.trim();
            let header = Header {
                argument,
                name: name.trim(),
                value: trimmed,
                value_at: text.len() - value.trim_start().len(),
            };
            let again = |known: &Header<'_>| known.name.eq_ignore_ascii_case(header.name);
            if headers.iter().any(again) {
                let mistake = Mistake {
                    code: DUPLICATE_NAME,
                    title: format!("the header {:?} is there already", header.name),
                    remark: "again here",
                    help: "a request carries each header once; join the values by `, `".to_owned(),
                };
                self.findings
                    .push(self.arguments.refuse(argument, 0..name.len(), mistake));
                continue;
            }
            headers.push(header);
        }
        headers
    }

    fn header(&mut self, header: &Header<'_>) {
        let name_at = Piece::of(header.argument, header.name);
        self.out.key("        ", name_at);
        let place = (header.argument, header.value_at);
        let instead = format!("-H '{}: ${{NAME}}'", header.name);
        self.open_value("", place, header.value, &instead);
    }

    /// A value of which `${NAME}` is taken from the environment; it stands at a
    /// place in an argument, and `instead` is what may be written where it cannot.
    pub(super) fn open_value(
        &mut self,
        key: &str,
        (argument, at): (Argument, usize),
        text: &str,
        instead: &str,
    ) {
        let value = with_environment(text);
        if text.contains("${") && !is_plain(&value) {
            let mistake = Mistake {
                code: BAD_ENV,
                title: "nothing can be taken from the environment beside these characters"
                    .to_owned(),
                remark: "quotes would be needed in a scenario",
                help: format!("put the whole value into a variable: {instead}"),
            };
            let finding = self
                .arguments
                .refuse(argument, at..at + text.len(), mistake);
            self.findings.push(finding);
        }
        let piece = Piece {
            text: &value,
            from: Some((argument, at)),
        };
        self.out.value(key, &[piece]);
    }

    fn gates(&mut self) {
        let args = self.args;
        let gates = || {
            let expected = args.expect.iter().map(|gate| ("--expect ", gate));
            expected.chain(args.find_limit.iter().map(|gate| ("--find-limit ", gate)))
        };
        if gates().next().is_none() {
            return;
        }
        self.out.line("slo:");
        self.out.line("  - during: whole run");
        self.out.line("    expect:");
        for (option, gate) in gates() {
            self.typed("      -", option, gate);
        }
    }
}

/// A path and its query as parts of the URL.
pub(super) fn of_url<'t>(
    url: Argument,
    parts: &url::Parts,
    path: &'t str,
    query: &'t str,
) -> [Piece<'t>; 2] {
    let part = |text, range: &Range<usize>| Piece {
        text,
        from: Some((url, range.start)),
    };
    [part(path, &parts.path), part(query, &parts.query)]
}

/// A text as a scenario names things.
fn name(text: &str) -> String {
    let fits = |c: char| if "<>=".contains(c) { '-' } else { c };
    unresolved(text)
        .chars()
        .filter(|c| !c.is_control())
        .map(fits)
        .take(NAME_CHARACTERS_MAX)
        .collect()
}

/// A text in which nothing is taken from the environment.
pub(super) fn unresolved(text: &str) -> String {
    text.replace("${", "$${")
}

/// A text in which no dollar sign means anything.
pub(super) fn literal(text: &str) -> Cow<'_, str> {
    match text.contains('$') {
        true => Cow::Owned(text.replace('$', "$$")),
        false => Cow::Borrowed(text),
    }
}

/// The same, but `${NAME}` is taken from the environment.
fn with_environment(text: &str) -> String {
    literal(text).replace("$${", "${")
}
