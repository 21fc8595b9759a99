//! The options of curl, and what they ask for.

use std::iter::Peekable;
use std::slice::Iter;

use super::options::{self, Follows, QUIET, QUIET_LONG, QUIET_WITH_VALUE};
use crate::form_part::FormPart;

/// The words that are left of a command.
type Words<'w> = Peekable<Iter<'w, String>>;

/// The next word. Where nobody knows whether the option has a value, it is one unless
/// it is clearly something else: taken for a URL, a password would be told.
fn next(words: &mut Words<'_>, has_value: bool) -> Option<String> {
    let is_value = |word: &&String| !word.starts_with('-') && !word.contains("://");
    words.next_if(|word| has_value || is_value(word)).cloned()
}

/// What the words of one command ask for, or those up to `--next`.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) urls: Vec<String>,
    /// Each stands directly behind an option that nobody knows, and may be its value.
    pub(super) doubtful: Vec<String>,
    /// The last word was such an option, and took no value.
    in_doubt: bool,
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
    /// Braces and brackets of a URL mean nothing.
    pub(super) globs_off: bool,
    pub(super) compressed: bool,
    pub(super) left_out: Vec<String>,
}

/// A part of the body.
pub(super) enum Datum {
    Text(String),
    /// A field whose value is to be encoded.
    Field(String, String),
    File(String),
}

impl Datum {
    pub(super) const fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl Asked {
    /// What the words behind `curl` ask for, one by one.
    pub(super) fn all(words: &[String]) -> Vec<Self> {
        let mut all = Vec::new();
        let mut asked = Self::default();
        let mut words = words.iter().peekable();
        let mut options = true;
        while let Some(word) = words.next() {
            let in_doubt = std::mem::take(&mut asked.in_doubt);
            if !options || !word.starts_with('-') || word == "-" {
                let urls = match in_doubt {
                    true => &mut asked.doubtful,
                    false => &mut asked.urls,
                };
                urls.push(word.clone());
            } else if word == "--" {
                options = false;
            } else if word == "--next" || word == "-:" {
                all.push(std::mem::take(&mut asked));
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, given) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                asked.option(name, |sure| given.or_else(|| next(&mut words, sure)));
            } else {
                asked.short(&word[1..], &mut words);
            }
        }
        all.push(asked);
        all
    }

    /// Short options in one word: `-sSXPOST`.
    fn short(&mut self, word: &str, words: &mut Words<'_>) {
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
                    if rest.is_empty() {
                        let _ = next(words, true);
                    }
                    return self.unknown(&format!("-{letter}"));
                }
                'k' => "insecure",
                'L' => "location",
                'I' => "head",
                'G' => "get",
                'g' => "globoff",
                quiet if QUIET.contains(quiet) => continue,
                other if options::OTHER.contains(other) => {
                    self.unknown(&format!("-{other}"));
                    continue;
                }
                other => {
                    if rest.is_empty() {
                        self.in_doubt = next(words, false).is_none();
                    }
                    return self.unknown(&format!("-{other}"));
                }
            };
            if ["insecure", "location", "head", "get", "globoff"].contains(&long) {
                self.option(long, |_| None);
                continue;
            }
            let given = Some(rest.to_owned()).filter(|rest| !rest.is_empty());
            return self.option(long, |sure| given.or_else(|| next(words, sure)));
        }
    }

    fn unknown(&mut self, option: &str) {
        self.left_out.push(format!("the option `{option}` of curl"));
    }

    /// One option. `value` takes what it is given, and is told whether it has a value.
    fn option(&mut self, name: &str, value: impl FnOnce(bool) -> Option<String>) {
        let value = |sure| value(sure).unwrap_or_default();
        match name {
            "request" => self.method = Some(value(true).to_ascii_uppercase()),
            "url" => self.urls.push(value(true)),
            "header" => {
                let text = value(true);
                match text
                    .split_once(':')
                    .map(|(name, value)| (name.trim(), value.trim()))
                {
                    Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                        self.headers.push((name.to_owned(), value.to_owned()));
                    }
                    // Without a value curl leaves out a header of its own.
                    _ if text.starts_with('@') => self.unknown("-H @FILE"),
                    None if text.ends_with(';') => self.unknown("-H NAME;"),
                    _ => {}
                }
            }
            "data" | "data-ascii" | "data-binary" => {
                let text = value(true);
                self.data.push(match text.strip_prefix('@') {
                    Some(path) => Datum::File(path.to_owned()),
                    None => Datum::Text(text),
                });
            }
            "data-raw" => self.data.push(Datum::Text(value(true))),
            "data-urlencode" => {
                let text = value(true);
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
                let text = value(true);
                self.data.push(match text.strip_prefix('@') {
                    Some(path) => Datum::File(path.to_owned()),
                    None => Datum::Text(text),
                });
            }
            "form" | "form-string" => self.part(&value(true), name == "form"),
            _ => self.other_option(name, value),
        }
    }

    /// Those that say neither what is sent nor where to.
    fn other_option(&mut self, name: &str, value: impl FnOnce(bool) -> String) {
        match name {
            "user" => self.user = Some(value(true)),
            "oauth2-bearer" => self.bearer = Some(value(true)),
            "cookie" => {
                let text = value(true);
                match text.contains('=') {
                    true => self.headers.push(("cookie".to_owned(), text)),
                    false => self.unknown("-b FILE"),
                }
            }
            "user-agent" => self.headers.push(("user-agent".to_owned(), value(true))),
            "referer" => self.headers.push(("referer".to_owned(), value(true))),
            "max-time" => {
                let seconds = value(true)
                    .parse::<f64>()
                    .ok()
                    .filter(|s| (0.0..86_400.0).contains(s));
                self.timeout_s = seconds.map(|seconds| (seconds.ceil() as u64).max(1));
            }
            // Less than 0 is as many as there are.
            "max-redirs" => self.redirects = value(true).parse().ok().or(Some(u64::MAX)),
            "insecure" => self.insecure = true,
            // There is one target: nobody else could be told who asks.
            "location" | "location-trusted" => self.follow = true,
            "globoff" => self.globs_off = true,
            "compressed" => self.compressed = true,
            "head" => self.head = true,
            "get" => self.get = true,
            _ if QUIET_LONG.contains(&name) => {}
            _ if QUIET_WITH_VALUE.contains(&name) => drop(value(true)),
            _ => {
                match options::follows(name) {
                    Follows::Value => drop(value(true)),
                    Follows::Unknown => self.in_doubt = value(false).is_empty(),
                    Follows::Nothing => {}
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
