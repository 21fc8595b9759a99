//! `breakers`: where the state of each circuit breaker is read.

use squall_scenario::{BreakerSource, quoted};

use super::{Fields, Reader, SystemDraft};
use crate::diagnostic::Diagnostic;
use crate::shape::Kind;
use crate::yaml::Node;
use crate::{codes, keys};

const HYSTRIX_PATH: &str = "/hystrix.stream";
const METRICS_PATH: &str = "/metrics";

impl Reader {
    pub(super) fn breakers(&mut self, node: &Node, draft: &mut SystemDraft) {
        for entry in self.names(node, "breakers") {
            draft.breakers.push((entry.key.clone(), entry.key_place));
            if entry.key.is_empty() || entry.key.contains(char::is_whitespace) {
                let title = format!("{} cannot be the name of a breaker", quoted(&entry.key));
                self.report(
                    Diagnostic::error(codes::BAD_NAME, title)
                        .at(entry.key_place, "here")
                        .help("gates name it in one word: `breaker recommendations opens`"),
                );
                continue;
            }
            if let Some(source) = self.breaker_source(&entry.value, draft) {
                draft.system.breakers.push((entry.key.clone(), source));
            }
        }
    }

    fn breaker_source(&mut self, node: &Node, draft: &mut SystemDraft) -> Option<BreakerSource> {
        let (key, value) = self.one_of(node, "a source", keys::BREAKER_SOURCES)?;
        let Kind::Object(shape) = key.kind else {
            return None;
        };
        let fields = self.fields(value?, shape)?;
        let of = fields.get("of").and_then(|node| self.text(node));
        let source = match key.name {
            "metrics" => self.metrics_source(fields, of.clone()),
            "log" => self.log_source(fields, of.clone()),
            _ => {
                let command = fields.get("command").and_then(|node| self.text(node));
                let path = self.path_or(fields, HYSTRIX_PATH);
                Some(BreakerSource::HystrixStream {
                    of: of.clone()?,
                    path: path?,
                    command: command?,
                })
            }
        };
        draft.process_uses.push((of?, fields.place("of")));
        source
    }

    fn metrics_source(&mut self, fields: Fields<'_>, of: Option<String>) -> Option<BreakerSource> {
        let name = fields.get("name").and_then(|node| self.metric_name(node));
        let path = self.path_or(fields, METRICS_PATH);
        let labels = self.labels(fields);
        Some(BreakerSource::Metrics {
            of: of?,
            path: path?,
            name: name?,
            labels,
        })
    }

    fn log_source(&mut self, fields: Fields<'_>, of: Option<String>) -> Option<BreakerSource> {
        let open = fields.get("open").and_then(|node| self.pattern(node));
        let closed = fields.get("closed").and_then(|node| self.pattern(node));
        let half_open = fields.get("half_open").map(|node| self.pattern(node));
        let starts = fields
            .get("starts")
            .map(|node| self.word(node, keys::BREAKER_STARTS));
        Some(BreakerSource::Log {
            of: of?,
            open: open?,
            closed: closed?,
            half_open: match half_open {
                Some(pattern) => Some(pattern?),
                None => None,
            },
            starts_closed: match starts {
                Some(word) => word.is_some_and(|word| word == "closed"),
                None => false,
            },
        })
    }

    /// The value of `path`, or what it is when absent.
    pub(super) fn path_or(&mut self, fields: Fields<'_>, otherwise: &str) -> Option<String> {
        match fields.get("path") {
            Some(node) => self.path(node),
            None => Some(otherwise.to_owned()),
        }
    }

    /// The labels that a series of an exposition must have.
    pub(super) fn labels(&mut self, fields: Fields<'_>) -> Vec<(String, String)> {
        let entries = fields.get("labels").map_or(&[][..], Node::entries);
        entries
            .iter()
            .filter_map(|entry| Some((entry.key.clone(), self.text(&entry.value)?)))
            .collect()
    }

    /// The name of a metric as an exposition writes it, without labels.
    pub(super) fn metric_name(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
        if !text.is_empty() && text.chars().all(fits) {
            return Some(text);
        }
        let title = format!("{} is not the name of a metric", quoted(&text));
        let help = match text.split_once('{') {
            Some((name, _)) => format!(
                "write `name: {name}`, and the labels beside it: `labels: {{ queue: mail }}`"
            ),
            None => "names have letters, digits and underscores: `jobs_waiting`".to_owned(),
        };
        self.report_value(
            node,
            Diagnostic::error(codes::BAD_NAME, title)
                .at(node.place, "nothing is exposed under it")
                .help(help),
        );
        None
    }

    /// A regular expression that can be compiled.
    pub(super) fn pattern(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        let Err(error) = regex_lite::Regex::new(&text) else {
            return Some(text);
        };
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim();
        self.report_value(
            node,
            Diagnostic::error(
                codes::BAD_PATTERN,
                format!("{} is not a regular expression", quoted(&text)),
            )
            .at(node.place, why)
            .help("write for instance `\"circuit .* opened\"`; a backslash needs single quotes"),
        );
        None
    }
}
