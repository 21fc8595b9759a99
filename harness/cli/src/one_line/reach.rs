//! How the target is reached, as the text of a scenario.

use super::arguments::Mistake;
use super::compose::{Line, unresolved};
use super::url;
use super::writer::Piece;
use crate::args::{LoadArgs, ReachArgs};

/// Codes of the same mistakes in a file.
const BAD_ADDRESS: &str = "S0115";
const KEYS_CONFLICT: &str = "S0113";

impl Line<'_> {
    /// Keys of the load that say how its target is reached.
    pub(super) fn reach(&mut self, args: &LoadArgs) {
        let (reach, url) = (&args.reach, &args.url);
        self.connections(args);
        if let Some(path) = &reach.unix_socket {
            let argument = self.arguments.add("--unix-socket ", path);
            let path = unresolved(path);
            let place = [Piece::own("unix:"), Piece::of(argument, &path)];
            self.out.value("  connect_to:", &place);
        }
        if !reach.connect_to.is_empty() {
            self.out.line("  connect_to:");
        }
        for given in &reach.connect_to {
            self.connect_to(given, url);
        }
        if reach.http2 {
            let argument = self.arguments.add("", "--http2");
            self.out.value("  http:", &[Piece::of(argument, "2")]);
        }
        self.tls(reach);
    }

    /// How many there are. Of a closed loop `-c` are the users, of whom each has one at
    /// a time.
    fn connections(&mut self, args: &LoadArgs) {
        if !args.reach.disable_keepalive {
            return self.optional(
                "  connections:",
                "--connections ",
                args.connections.as_ref(),
            );
        }
        let argument = self.arguments.add("", "--disable-keepalive");
        self.out
            .value("  connections:", &[Piece::of(argument, "per request")]);
        if let Some(most) = args.connections.as_ref().filter(|_| !args.closed) {
            let mistake = Mistake {
                code: KEYS_CONFLICT,
                title: "where each request has a connection, none are shared".to_owned(),
                remark: "so this says nothing",
                help: "leave out one of the two; with `--closed` this is how many users there are"
                    .to_owned(),
            };
            let argument = self.arguments.add("--connections ", most);
            let finding = self.arguments.refuse_all(argument, mistake);
            self.findings.push(finding);
        }
    }

    /// What is wrong with TLS altogether is said of the first option that asks for it.
    fn tls(&mut self, reach: &ReachArgs) {
        let files = [
            ("    ca:", "--cacert ", &reach.cacert),
            ("    certificate:", "--cert ", &reach.cert),
            ("    key:", "--key ", &reach.key),
        ];
        let files = files
            .into_iter()
            .filter_map(|(key, option, file)| Some((key, option, file.as_ref()?)));
        let files: Vec<_> = files
            .map(|(key, option, file)| (key, self.arguments.add(option, file), file))
            .collect();
        let insecure = reach.insecure.then(|| self.arguments.add("", "--insecure"));
        let first = files.first().map(|(_, argument, _)| *argument);
        let Some(first) = first.or(insecure) else {
            return;
        };
        self.out.key("  ", Piece::of(first, "tls"));
        self.out.line("");
        for (key, argument, file) in files {
            let file = unresolved(file);
            self.out.value(key, &[Piece::of(argument, &file)]);
        }
        if let Some(argument) = insecure {
            self.out
                .value("    insecure:", &[Piece::of(argument, "true")]);
        }
    }

    /// A place to connect to; where the words of curl name whose place it is, that
    /// has to be the URL's.
    fn connect_to(&mut self, given: &str, url: &str) {
        let argument = self.arguments.add("--connect-to ", given);
        let (named, place) = split(given);
        if named.is_some_and(|named| !is_of(named, url)) {
            let mistake = Mistake {
                code: BAD_ADDRESS,
                title: "nothing is sent to this name".to_owned(),
                remark: "not the host and port of the URL",
                help: format!("write `--connect-to {place}`: all connections go there"),
            };
            let length = named.map_or(0, str::len);
            let finding = self.arguments.refuse(argument, 0..length, mistake);
            self.findings.push(finding);
        }
        let at = given.len() - place.len();
        let place = unresolved(place);
        let from = Some((argument, at));
        self.out.value("    -", &[Piece { text: &place, from }]);
    }
}

/// `NAME:PORT` of `NAME:PORT:HOST:PORT`, where it is that, and the place behind it.
fn split(given: &str) -> (Option<&str>, &str) {
    let mut inside = false;
    let colons = given.char_indices().filter(|(_, character)| {
        match character {
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        *character == ':' && !inside
    });
    let colons: Vec<usize> = colons.map(|(at, _)| at).collect();
    match colons.as_slice() {
        [_, second, _] => (Some(&given[..*second]), &given[second + 1..]),
        _ => (None, given),
    }
}

/// Whether `NAME:PORT` is where a URL leads; what is left out is anything.
fn is_of(named: &str, url: &str) -> bool {
    let (name, port) = named.rsplit_once(':').unwrap_or((named, ""));
    let (scheme, authority) = url.split_once("://").unwrap_or(("", url));
    let usual = match url::is_secure(scheme) {
        true => "443",
        false => "80",
    };
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, of_url) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, usual),
    };
    (name.is_empty() || name.eq_ignore_ascii_case(host)) && (port.is_empty() || port == of_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_as_curl_writes_them_and_short() {
        assert_eq!(split("127.0.0.1:80"), (None, "127.0.0.1:80"));
        assert_eq!(split("[::1]:80"), (None, "[::1]:80"));
        assert_eq!(split("a:80:b:81"), (Some("a:80"), "b:81"));
        assert_eq!(split("::b:81"), (Some(":"), "b:81"));
        assert_eq!(split("a:80:[::1]:81"), (Some("a:80"), "[::1]:81"));
        for (named, url, is) in [
            ("a:80", "http://a/x", true),
            ("A:443", "https://a", true),
            (":", "http://a:8080/", true),
            ("a:", "http://a:8080", true),
            ("b:80", "http://a/", false),
            ("a:80", "http://a:8080/", false),
            ("[::1]:80", "http://[::1]/", true),
            ("a:443", "wss://a/x", true),
            ("a:443", "grpcs://a", true),
            ("a:443", "grpc://a", false),
        ] {
            assert_eq!(is_of(named, url), is, "{named} {url}");
        }
    }
}
