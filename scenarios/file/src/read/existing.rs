//! Processes that squall did not start, and how they are found.

use regex_lite::Regex;
use squall_scenario::{Find, quoted};

use super::Reader;
use crate::diagnostic::Diagnostic;
use crate::yaml::Node;
use crate::{codes, keys};

impl Reader {
    /// `port: 5432`, or another of the words for it.
    pub(super) fn find(&mut self, node: &Node) -> Option<Find> {
        let (key, value) = self.one_of(node, "a way to find it", keys::FIND)?;
        let value = value?;
        if key.name == "port" {
            let port = self.whole(value, 1, u16::MAX.into())?;
            return u16::try_from(port).ok().map(Find::Port);
        }
        let text = self.text(value)?;
        if text.trim().is_empty() {
            self.report(
                Diagnostic::error(codes::NOTHING_IN_IT, "nothing is found by that")
                    .at(value.place, "nothing in it")
                    .help("write for instance `port: 5432` or `unit: nginx.service`"),
            );
            return None;
        }
        match key.name {
            "pid_file" => Some(Find::PidFile(text)),
            "instance" => Some(Find::Instance(text)),
            "unit" => self.unit(value, text),
            _ => self.command_pattern(value, text),
        }
    }

    fn unit(&mut self, node: &Node, text: String) -> Option<Find> {
        let kinds = [".service", ".scope", ".slice"];
        if kinds.iter().any(|kind| text.ends_with(kind)) && !text.contains('/') {
            return Some(Find::Unit(text));
        }
        let title = format!("{} is not the name of a unit with processes", quoted(&text));
        let diagnostic = Diagnostic::error(codes::OUT_OF_RANGE, title)
            .at(node.place, "a service, a scope or a slice")
            .help(format!("write `unit: {text}.service`"));
        self.report_value(node, diagnostic);
        None
    }

    fn command_pattern(&mut self, node: &Node, text: String) -> Option<Find> {
        let Err(error) = Regex::new(&text) else {
            return Some(Find::Command(text));
        };
        let title = format!("{} is not a regular expression", quoted(&text));
        let diagnostic = Diagnostic::error(codes::BAD_PATTERN, title)
            .at(node.place, error.to_string())
            .help("write for instance `command: \"^/usr/sbin/nginx\"`");
        self.report_value(node, diagnostic);
        None
    }
}
