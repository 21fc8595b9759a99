//! The parameters of a fault, as its kind declares them.

use squall_scenario::inject::{Absent, Given, Group, Parameter, ParameterKind, Value};
use squall_scenario::{FRAMING_HEADERS, header_misfit, is_header_name, quoted};

use super::{Fields, Reader};
use crate::diagnostic::{Diagnostic, Place};
use crate::yaml::{Node, NodeKind};
use crate::{codes, keys};

impl Reader {
    /// Reads what is given and takes what is absent for what it means. `None`
    /// where it is not said which of several parameters is meant.
    pub(super) fn given(
        &mut self,
        node: &Node,
        fields: Option<Fields<'_>>,
        parameters: &'static [Parameter],
    ) -> Option<Given> {
        let mut given = Given::default();
        let mut broken = false;
        for parameter in parameters {
            let value = match fields.and_then(|fields| fields.get(parameter.name)) {
                Some(node) => {
                    let value = self.parameter(node, parameter.kind);
                    broken |= value.is_none();
                    value
                }
                None => match &parameter.absent {
                    Absent::Means(value) => Some(value.clone()),
                    Absent::Mistake | Absent::Another | Absent::Nothing => None,
                },
            };
            if let Some(value) = value {
                given.set(parameter.name, value);
            }
        }
        // What is wrong has been said; the rest may look wrong without it.
        (self.is_one_of(node, fields, parameters) && !broken).then_some(given)
    }

    /// Reads one value that stands for a whole map: that of one parameter.
    pub(super) fn given_short(
        &mut self,
        node: &Node,
        short: &Parameter,
        parameters: &'static [Parameter],
    ) -> Option<Given> {
        let mut given = Given::default();
        given.set(short.name, self.parameter(node, short.kind)?);
        for parameter in parameters.iter().filter(|one| one.name != short.name) {
            if let Absent::Means(value) = &parameter.absent {
                given.set(parameter.name, value.clone());
            }
        }
        Some(given)
    }

    /// Whether exactly one is there of those that say so.
    fn is_one_of(
        &mut self,
        node: &Node,
        fields: Option<Fields<'_>>,
        parameters: &[Parameter],
    ) -> bool {
        let another = |parameter: &&Parameter| matches!(parameter.absent, Absent::Another);
        let names: Vec<&str> = parameters
            .iter()
            .filter(another)
            .map(|parameter| parameter.name)
            .collect();
        let is_there = |name: &&str| fields.is_some_and(|fields| fields.get(name).is_some());
        let mut there = names.iter().copied().filter(is_there);
        let (first, second) = (there.next(), there.next());
        let diagnostic = match (fields, first, second) {
            _ if names.is_empty() => return true,
            (Some(fields), Some(first), Some(second)) => {
                Diagnostic::error(codes::KEYS_CONFLICT, "a fault does one thing at a time")
                    .at(fields.key_place(second), "a second one")
                    .also(fields.key_place(first), "the first one")
                    .help("write a fault for each; they may be at the same time")
            }
            (_, Some(_), None) => return true,
            // A key that is not known may be the one that is meant.
            (Some(fields), None, _) if fields.has_unknown_keys() => return false,
            (_, _, _) => Diagnostic::error(codes::MISSING_KEY, "it is not said what is done")
                .at(node.place, "nothing is done")
                .help(format!("add one of: {}", names.join(", "))),
        };
        self.report(diagnostic);
        false
    }

    fn parameter(&mut self, node: &Node, kind: ParameterKind) -> Option<Value> {
        match kind {
            ParameterKind::Duration => self.duration(node).map(Value::Duration),
            ParameterKind::BytesPerSecond => self.bytes_per_second(node).map(Value::Bytes),
            ParameterKind::Size => self.size(node).map(Value::Bytes),
            ParameterKind::Share => self.share(node).map(Value::Share),
            ParameterKind::Count(low, high) => self.whole_u32(node, low, high).map(Value::Count),
            ParameterKind::Words(words) => self.word(node, words).map(Value::Word),
            ParameterKind::Text => self.text(node).map(Value::Text),
            ParameterKind::Content => self.secret_text(node).map(Value::Text),
            ParameterKind::Part => {
                let text = node.scalar().map_or("", |scalar| scalar.text.trim());
                match text.ends_with('%') {
                    true => self.share(node).map(Value::Share),
                    false => self.size(node).map(Value::Bytes),
                }
            }
            ParameterKind::Texts => {
                let before = self.findings.len();
                let texts = self.header_texts(node);
                (self.findings.len() == before).then_some(Value::Texts(texts))
            }
            ParameterKind::Names => {
                let before = self.findings.len();
                let names = self.header_names(node);
                (self.findings.len() == before).then_some(Value::Names(names))
            }
            ParameterKind::Group(group) => self.parameter_group(node, group).map(Value::Group),
        }
    }

    /// A group, or the value that stands for its most important parameter.
    fn parameter_group(&mut self, node: &Node, group: &'static Group) -> Option<Given> {
        let short = keys::short_of(group);
        if let (Some(short), Some(scalar)) = (short, node.scalar())
            && !scalar.is_nothing()
        {
            return self.given_short(node, short, group.parameters);
        }
        let fields = self.fields(node, keys::shape_of(group)?)?;
        self.given(node, Some(fields), group.parameters)
    }

    fn header_texts(&mut self, node: &Node) -> Vec<(String, String)> {
        let mut headers: Vec<(String, String)> = Vec::new();
        for entry in self.names(node, "headers") {
            if !self.is_header(&entry.key, entry.key_place) {
                continue;
            }
            let Some(value) = self.secret_text(&entry.value) else {
                continue;
            };
            if let Some(misfit) = header_misfit(&entry.key, &value) {
                let title = format!("the header {} cannot have this value", quoted(&entry.key));
                let diagnostic = Diagnostic::error(codes::NOT_SENDABLE, title)
                    .at(entry.value.part(misfit.range), misfit.label)
                    .help(misfit.help);
                self.report_value(&entry.value, diagnostic);
                continue;
            }
            headers.push((entry.key.to_ascii_lowercase(), value));
        }
        headers
    }

    fn header_names(&mut self, node: &Node) -> Vec<String> {
        let mut names = Vec::new();
        if !matches!(node.kind, NodeKind::List(_)) && node.scalar().is_some() {
            let name = self.text(node);
            return name
                .filter(|name| self.is_header(name, node.place))
                .into_iter()
                .collect();
        }
        for item in self.list(node, "headers") {
            if let Some(name) = self.text(item)
                && self.is_header(&name, item.place)
            {
                names.push(name.to_ascii_lowercase());
            }
        }
        names
    }

    /// Whether a text names a header that a fault may be about.
    fn is_header(&mut self, name: &str, place: Place) -> bool {
        let shown = quoted(name);
        let framing = FRAMING_HEADERS
            .iter()
            .any(|framing| framing.eq_ignore_ascii_case(name));
        let diagnostic = if !is_header_name(name) {
            Diagnostic::error(codes::BAD_NAME, format!("{shown} cannot be a header"))
                .at(place, "here")
                .help("header names have letters, digits and dashes: `content-type`")
        } else if framing {
            let title = format!("{shown} says where a message ends");
            Diagnostic::error(codes::NOT_SENDABLE, title)
                .at(place, "not for a fault to say")
                .help("leave it out; to end bodies early write `truncate: 50%`")
        } else {
            return true;
        };
        self.report(diagnostic);
        false
    }
}
