//! `load`: its shape, its requests and its data.

use std::time::Duration;

use squall_scenario::{DataSource, Load, nearest, quoted};

use super::request::RequestPlaces;
use super::{Fields, Reader};
use crate::diagnostic::{Diagnostic, Place};
use crate::shape::Kind;
use crate::yaml::{Node, NodeKind};
use crate::{codes, keys};

const IN_FLIGHT_MAX: u32 = 10_000;
const TIMEOUT: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(2);

/// The load and where its parts stand.
#[derive(Debug, Clone)]
pub(crate) struct LoadDraft {
    pub(crate) load: Load,
    /// Whether every stage could be read: times can be checked against it.
    pub(crate) shape_complete: bool,
    pub(crate) shape: Place,
    /// Length of the last stage.
    pub(crate) end: Place,
    /// One for every request that was read.
    pub(crate) requests: Vec<RequestPlaces>,
    /// Every name that was written, whether its source could be read or not.
    pub(crate) data_names: Vec<(String, Place)>,
    /// Where the values of each list of data stand.
    pub(crate) picks: Vec<(String, Vec<Place>)>,
    /// Names of requests that could not be read as a whole.
    pub(crate) requests_complete: bool,
}

impl Reader {
    pub(crate) fn load(&mut self, node: &Node) -> Option<LoadDraft> {
        let fields = self.fields(node, &keys::LOAD)?;
        let (shape, shape_complete, end) = self.stages(fields);
        let (requests, places, requests_complete) = self.requests(fields);
        let mut picks = Vec::new();
        let (data, data_names) = self.data(fields, &mut picks);
        let users = self.users(fields, &data_names);
        let load = Load {
            users,
            shape,
            requests,
            data,
            connections: fields
                .get("connections")
                .and_then(|node| self.whole_u32(node, 1, 100_000)),
            in_flight_max: fields
                .get("in_flight_max")
                .and_then(|node| self.whole_u32(node, 1, 1_000_000))
                .unwrap_or(IN_FLIGHT_MAX),
            timeout: fields
                .get("timeout")
                .and_then(|node| self.some_time(node, "no answer comes in no time"))
                .unwrap_or(TIMEOUT),
            warm_up: self.duration_or(fields, "warm_up", WARM_UP),
        };
        Some(LoadDraft {
            load,
            shape_complete,
            shape: fields.place("shape"),
            end,
            requests: places,
            data_names,
            picks,
            requests_complete,
        })
    }

    /// The duration behind a key, or its default.
    pub(crate) fn duration_or(
        &mut self,
        fields: Fields<'_>,
        key: &str,
        default: Duration,
    ) -> Duration {
        fields
            .get(key)
            .and_then(|node| self.duration(node))
            .unwrap_or(default)
    }

    pub(super) fn report_empty(&mut self, node: &Node, title: &str, example: &str) {
        self.report(
            Diagnostic::error(codes::NOTHING_IN_IT, title)
                .at(node.place, "nothing in it")
                .help(format!("add for instance `- {example}`")),
        );
    }

    #[expect(
        clippy::type_complexity,
        reason = "two lists that are taken apart at once"
    )]
    fn data(
        &mut self,
        fields: Fields<'_>,
        picks: &mut Vec<(String, Vec<Place>)>,
    ) -> (Vec<(String, DataSource)>, Vec<(String, Place)>) {
        let Some(node) = fields.get("data") else {
            return (Vec::new(), Vec::new());
        };
        let mut data = Vec::new();
        let mut names = Vec::new();
        for entry in self.names(node, "data") {
            names.push((entry.key.clone(), entry.key_place));
            let good = self.name(&entry.key, entry.key_place, true);
            if let Some(source) = self.data_source(&entry.value).filter(|_| good) {
                let values = entry.value.get("pick").map(|node| &node.kind);
                if let Some(NodeKind::List(values)) = values {
                    let places = values.iter().map(|value| value.place).collect();
                    picks.push((entry.key.clone(), places));
                }
                data.push((entry.key.clone(), source));
            }
        }
        (data, names)
    }

    /// The name of a data column.
    fn users(&mut self, fields: Fields<'_>, known: &[(String, Place)]) -> Option<String> {
        let node = fields.get("users")?;
        let name = self.text(node)?;
        let written = name.strip_prefix('$').unwrap_or(&name);
        let mut names = known.iter().map(|(name, _)| name.as_str());
        if names.clone().any(|known| known == name) {
            return Some(name);
        }
        let help = match nearest(written, names.by_ref()) {
            Some(near) => format!("did you mean `users: {near}`?"),
            None => "name one of the load's data, for instance `users: profile` with \
                     `data: { profile: { uniform: { from: 1, to: 10000 } } }`"
                .to_owned(),
        };
        let title = format!("the load has no data called {}", quoted(&name));
        let diagnostic = Diagnostic::error(codes::UNKNOWN_VALUE, title)
            .at(node.place, "which data says who asks?")
            .help(help);
        self.report(diagnostic);
        None
    }

    fn data_source(&mut self, node: &Node) -> Option<DataSource> {
        let (key, value) = self.one_of(node, "a source of data", keys::DATA)?;
        let fields = match (&key.kind, value) {
            (Kind::Object(shape), Some(value)) => Some(self.fields(value, shape)?),
            _ => None,
        };
        match key.name {
            "uniform" => self.uniform(fields?),
            "zipf" => {
                let fields = fields?;
                let over = fields
                    .get("over")
                    .and_then(|node| self.whole(node, 1, 1_000_000_000));
                let skew = fields.get("skew").and_then(|node| self.positive(node));
                Some(DataSource::Zipf {
                    over: over?,
                    skew: skew?,
                })
            }
            "pick" => {
                let node = value?;
                let items = self.list(node, "values");
                if items.is_empty() {
                    self.report_empty(node, "there is nothing to pick from", "one");
                    return None;
                }
                let texts: Vec<_> = items.iter().map(|item| self.secret_text(item)).collect();
                Some(DataSource::Pick(texts.into_iter().collect::<Option<_>>()?))
            }
            _ => {
                let from = match fields.and_then(|fields| fields.get("from")) {
                    Some(node) => self.whole(node, 0, u64::MAX)?,
                    None => 1,
                };
                Some(DataSource::Count { from })
            }
        }
    }

    fn uniform(&mut self, fields: Fields<'_>) -> Option<DataSource> {
        let bound = |reader: &mut Self, key| {
            fields
                .get(key)
                .and_then(|node| reader.whole(node, 0, u64::MAX))
        };
        let from = bound(self, "from");
        let to = bound(self, "to");
        let (from, to) = (from?, to?);
        if from > to {
            self.report(
                Diagnostic::error(
                    codes::OUT_OF_RANGE,
                    format!("there is no number from {from} to {to}"),
                )
                .at(fields.place("to"), format!("less than {from}"))
                .help("write the lower number first"),
            );
            return None;
        }
        Some(DataSource::Uniform { from, to })
    }
}
