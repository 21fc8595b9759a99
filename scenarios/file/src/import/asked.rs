//! The options of curl, and what they ask for.

use crate::form_part::FormPart;

/// Options that take no value and change nothing of what is sent.
const QUIET: &str = "sSvifnN#gZ0";
/// Long ones.
const QUIET_LONG: &[&str] = &[
    "silent",
    "show-error",
    "verbose",
    "include",
    "fail",
    "fail-with-body",
    "no-buffer",
    "globoff",
    "progress-bar",
    "no-progress-meter",
    "compressed",
    "styled-output",
    "path-as-is",
    "tcp-nodelay",
    "http1.1",
    "keepalive",
    "parallel",
    "location-trusted",
];
/// Options with a value that change nothing of what is sent.
const QUIET_WITH_VALUE: &[&str] = &[
    "output",
    "write-out",
    "trace",
    "trace-ascii",
    "stderr",
    "dump-header",
    "cookie-jar",
];
/// Other options with a value; squall has nothing like them.
const OTHER_WITH_VALUE: &[&str] = &[
    "proxy",
    "proxy-user",
    "noproxy",
    "interface",
    "resolve",
    "connect-to",
    "cacert",
    "cert",
    "key",
    "ciphers",
    "tls-max",
    "limit-rate",
    "retry",
    "retry-delay",
    "retry-max-time",
    "connect-timeout",
    "unix-socket",
    "range",
    "upload-file",
    "config",
    "dns-servers",
    "max-filesize",
    "netrc-file",
    "pinnedpubkey",
    "socks5",
    "socks5-hostname",
    "time-cond",
    "variable",
    "aws-sigv4",
    "cert-type",
    "key-type",
    "keepalive-time",
    "local-port",
    "rate",
    "proto",
    "url-query",
    "preproxy",
    "engine",
];

/// What the words of one command ask for.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) urls: Vec<String>,
    pub(super) method: Option<String>,
    pub(super) head: bool,
    pub(super) get: bool,
    pub(super) headers: Vec<(String, String)>,
    pub(super) data: Vec<Datum>,
    pub(super) json: bool,
    /// Names and what each is.
    pub(super) parts: Vec<(String, FormPart)>,
    pub(super) user: Option<String>,
    pub(super) bearer: Option<String>,
    pub(super) follow: bool,
    pub(super) redirects: Option<u64>,
    pub(super) timeout_s: Option<u64>,
    pub(super) insecure: bool,
    pub(super) left_out: Vec<String>,
}

/// A part of the body.
pub(super) enum Datum {
    Text(String),
    /// A field whose value is to be encoded.
    Field(String, String),
    File(String),
}

impl Asked {
    /// What the words behind `curl` ask for.
    pub(super) fn of(words: &[String]) -> Self {
        let mut asked = Self::default();
        let mut words = words.iter();
        let mut options = true;
        while let Some(word) = words.next() {
            if !options || !word.starts_with('-') || word == "-" {
                asked.urls.push(word.clone());
            } else if word == "--" {
                options = false;
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, given) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                asked.option(name, || given.or_else(|| words.next().cloned()));
            } else {
                asked.short(&word[1..], &mut words);
            }
        }
        asked
    }

    /// Short options in one word: `-sSXPOST`.
    fn short(&mut self, word: &str, words: &mut std::slice::Iter<'_, String>) {
        let mut rest = word;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            let long = match letter {
                'X' => "request",
                'H' => "header",
                'd' => "data",
                'F' => "form",
                'u' => "user",
                'b' => "cookie",
                'A' => "user-agent",
                'e' => "referer",
                'm' => "max-time",
                'o' => "output",
                'w' => "write-out",
                'c' => "cookie-jar",
                'D' => "dump-header",
                'x' => "proxy",
                'T' => "upload-file",
                'r' => "range",
                'E' => "cert",
                'K' => "config",
                'U' => "proxy-user",
                'Y' | 'y' | 'z' | 'C' | 't' | 'Q' | 'P' => {
                    let value = Some(rest.to_owned()).filter(|rest| !rest.is_empty());
                    let _ = value.or_else(|| words.next().cloned());
                    return self.unknown(&format!("-{letter}"));
                }
                'k' => "insecure",
                'L' => "location",
                'I' => "head",
                'G' => "get",
                'O' | 'J' | 'R' => continue,
                quiet if QUIET.contains(quiet) => continue,
                other => {
                    self.unknown(&format!("-{other}"));
                    continue;
                }
            };
            if ["insecure", "location", "head", "get"].contains(&long) {
                self.option(long, || None);
                continue;
            }
            let given = Some(rest.to_owned()).filter(|rest| !rest.is_empty());
            return self.option(long, || given.or_else(|| words.next().cloned()));
        }
    }

    fn unknown(&mut self, option: &str) {
        self.left_out.push(format!("the option `{option}` of curl"));
    }

    fn option(&mut self, name: &str, value: impl FnOnce() -> Option<String>) {
        let take = || value().unwrap_or_default();
        match name {
            "request" => self.method = Some(take().to_ascii_uppercase()),
            "url" => self.urls.push(take()),
            "header" => {
                let text = take();
                match text
                    .split_once(':')
                    .map(|(name, value)| (name.trim(), value.trim()))
                {
                    Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                        self.headers.push((name.to_owned(), value.to_owned()));
                    }
                    // Without a value curl leaves out a header of its own.
                    _ if text.starts_with('@') => self.unknown("-H @FILE"),
                    _ => {}
                }
            }
            "data" | "data-ascii" | "data-binary" => {
                let text = take();
                self.data.push(match text.strip_prefix('@') {
                    Some(path) => Datum::File(path.to_owned()),
                    None => Datum::Text(text),
                });
            }
            "data-raw" => self.data.push(Datum::Text(take())),
            "data-urlencode" => {
                let text = take();
                match text.split_once('=') {
                    Some((name, value)) => {
                        self.data
                            .push(Datum::Field(name.to_owned(), value.to_owned()));
                    }
                    None => self.unknown("--data-urlencode without `=`"),
                }
            }
            "json" => {
                self.json = true;
                let text = take();
                self.data.push(match text.strip_prefix('@') {
                    Some(path) => Datum::File(path.to_owned()),
                    None => Datum::Text(text),
                });
            }
            "form" | "form-string" => self.part(&take(), name == "form"),
            _ => self.other_option(name, take),
        }
    }

    /// Those that say neither what is sent nor where to.
    fn other_option(&mut self, name: &str, take: impl FnOnce() -> String) {
        match name {
            "user" => self.user = Some(take()),
            "oauth2-bearer" => self.bearer = Some(take()),
            "cookie" => {
                let text = take();
                match text.contains('=') {
                    true => self.headers.push(("cookie".to_owned(), text)),
                    false => self.unknown("-b FILE"),
                }
            }
            "user-agent" => self.headers.push(("user-agent".to_owned(), take())),
            "referer" => self.headers.push(("referer".to_owned(), take())),
            "max-time" => {
                let seconds = take()
                    .parse::<f64>()
                    .ok()
                    .filter(|s| (0.0..86_400.0).contains(s));
                self.timeout_s = seconds.map(|seconds| (seconds.ceil() as u64).max(1));
            }
            // Less than 0 is as many as there are.
            "max-redirs" => self.redirects = take().parse().ok().or(Some(u64::MAX)),
            "insecure" => self.insecure = true,
            "location" => self.follow = true,
            "head" => self.head = true,
            "get" => self.get = true,
            _ if QUIET_LONG.contains(&name) => {}
            _ if QUIET_WITH_VALUE.contains(&name) => drop(take()),
            _ => {
                if OTHER_WITH_VALUE.contains(&name) {
                    drop(take());
                }
                self.unknown(&format!("--{name}"));
            }
        }
    }

    fn part(&mut self, text: &str, words: bool) {
        let Some((name, content)) = text.split_once('=') else {
            return self.unknown("-F without `=`");
        };
        if words && content.starts_with('<') {
            return self.unknown("-F NAME=<FILE");
        }
        let part = match words {
            true => FormPart::of(content),
            false => FormPart {
                content: content.to_owned(),
                is_file: false,
                media: None,
                filename: None,
            },
        };
        self.parts.push((name.to_owned(), part));
    }
}
