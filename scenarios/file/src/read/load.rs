//! `load`: its shape, its requests and its data.

use std::time::Duration;

use squall_scenario::{Connecting, HttpVersion, Load, LoadBeside, nearest, quoted};

use super::connecting::per_request;
use super::data::{DataDraft, table_or_value};
use super::journey::JourneyPlaces;
use super::request::RequestPlaces;
use super::{Fields, Reader, missing_key};
use crate::diagnostic::{Diagnostic, Place};
use crate::yaml::Node;
use crate::{codes, keys};

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
    /// One for every request and step that was read, by the number of its route.
    pub(crate) requests: Vec<RequestPlaces>,
    /// One for every journey, whether it could be read or not.
    pub(crate) journeys: Vec<JourneyPlaces>,
    /// Every name that was written, whether its source could be read or not.
    pub(crate) data_names: Vec<(String, Place)>,
    /// Names of tables that could not be read: what columns they have is not known.
    pub(crate) unread: Vec<String>,
    /// Where the values of each list of data stand; of a table, its file.
    pub(crate) picks: Vec<(String, Vec<Place>)>,
    /// Where connections go instead of where the target's name leads.
    pub(crate) connect_to: Option<Place>,
    /// How TLS is spoken.
    pub(crate) tls: Option<Place>,
    /// Which HTTP is spoken, where that is said.
    pub(crate) http: Option<Place>,
    /// Names of requests that could not be read as a whole.
    pub(crate) requests_complete: bool,
    /// One for every load beside this one that was read.
    pub(crate) beside: Vec<BesidePlaces>,
}

/// Where the parts of a load beside the main one stand.
#[derive(Debug, Clone)]
pub(crate) struct BesidePlaces {
    pub(crate) name: Place,
    pub(crate) shape: Place,
    /// Length of the last stage.
    pub(crate) end: Place,
}

impl Reader {
    pub(crate) fn load(&mut self, node: &Node) -> Option<LoadDraft> {
        let fields = self.fields(node, &keys::LOAD)?;
        let (shape, shape_complete, end) = self.stages(fields);
        let data = self.data(fields);
        self.common(fields, &data.data);
        let (requests, mut places, requests_complete) = self.requests(fields);
        self.personas(fields);
        let mut journeys = self.journeys(fields);
        if ["requests", "journeys"]
            .iter()
            .all(|key| fields.get(key).is_none())
        {
            let requests = keys::LOAD.keys.iter().find(|key| key.name == "requests");
            self.findings
                .extend(requests.map(|key| missing_key(node, &keys::LOAD, key)));
        }
        let something = !requests.is_empty() || !journeys.journeys.is_empty();
        let requests_complete = requests_complete && journeys.complete && something;
        places.append(&mut journeys.requests);
        let users = self.users(fields, &data);
        let load = Load {
            users,
            shape,
            requests,
            journeys: journeys.journeys,
            data: data.data,
            connecting: self.connecting(fields),
            warm_up: self.duration_or(fields, "warm_up", WARM_UP),
            ..self.limits(fields, Load::TIMEOUT)
        };
        let mut draft = LoadDraft {
            load,
            shape_complete,
            shape: fields.place("shape"),
            end,
            connect_to: fields.get("connect_to").map(|node| node.place),
            tls: fields.get("tls").map(|_| fields.key_place("tls")),
            http: fields.get("http").map(|node| node.place),
            requests: places,
            journeys: journeys.places,
            data_names: data.names,
            picks: data.places,
            unread: data.unread,
            requests_complete,
            beside: Vec::new(),
        };
        self.loads_beside(fields, &mut draft);
        if draft.http.is_none() && draft.load.routes().any(|route| route.call.is_some()) {
            // Calls are of HTTP/2.
            let beside = draft.load.beside.iter_mut().map(|it| &mut it.load);
            beside.for_each(|load| load.connecting.http = HttpVersion::Two);
            draft.load.connecting.http = HttpVersion::Two;
        }
        Some(draft)
    }

    /// The loads beside the main one.
    fn loads_beside(&mut self, fields: Fields<'_>, draft: &mut LoadDraft) {
        let Some(node) = fields.get("loads") else {
            return;
        };
        for item in self.list(node, "loads") {
            let read = self.load_beside(item, draft);
            draft.requests_complete &= read.is_some();
            draft.shape_complete &= read.is_some();
            if let Some((beside, places)) = read {
                draft.load.beside.push(beside);
                draft.beside.push(places);
            }
        }
    }

    /// One of them; its requests are added to those of the draft.
    fn load_beside(
        &mut self,
        node: &Node,
        draft: &mut LoadDraft,
    ) -> Option<(LoadBeside, BesidePlaces)> {
        let fields = self.fields(node, &keys::BESIDE)?;
        let name = fields.get("name").and_then(|node| self.title(node));
        let (shape, shape_complete, end) = self.stages(fields);
        let (requests, places, requests_complete) = self.requests(fields);
        let limits = self.limits(fields, draft.load.timeout);
        let load = Load {
            shape,
            requests,
            data: draft.load.data.clone(),
            users: draft.load.users.clone(),
            connecting: Connecting {
                per_request: limits.connecting.per_request,
                ..draft.load.connecting.clone()
            },
            ..limits
        };
        let name = name?;
        draft.shape_complete &= shape_complete;
        draft.requests_complete &= requests_complete;
        draft.requests.extend(places);
        let places = BesidePlaces {
            name: fields.place("name"),
            shape: fields.place("shape"),
            end,
        };
        Some((LoadBeside { name, load }, places))
    }

    /// A load of which only the limits are read yet.
    fn limits(&mut self, fields: Fields<'_>, timeout: Duration) -> Load {
        Load {
            connections: self.connections(fields),
            connecting: Connecting {
                per_request: per_request(fields),
                ..Connecting::default()
            },
            in_flight_max: fields
                .get("in_flight_max")
                .and_then(|node| self.whole_u32(node, 1, 1_000_000))
                .unwrap_or(Load::IN_FLIGHT_MAX),
            workers: fields
                .get("workers")
                .and_then(|node| self.whole_u32(node, 1, 256)),
            timeout: fields
                .get("timeout")
                .and_then(|node| self.some_time(node, "no answer comes in no time"))
                .unwrap_or(timeout),
            ..Load::plain(Vec::new(), Vec::new())
        }
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

    /// The name of a data column.
    fn users(&mut self, fields: Fields<'_>, data: &DataDraft) -> Option<String> {
        let node = fields.get("users")?;
        let name = self.text(node)?;
        let written = name.strip_prefix('$').unwrap_or(&name);
        if data.may_have(&name) {
            return Some(name);
        }
        let names = data.names.iter().map(|(name, _)| name.as_str());
        let known: Vec<&str> = names.collect();
        let near = || nearest(written, known.iter().copied());
        let help = table_or_value(written, &known)
            .map(|help| help.replace('$', ""))
            .or_else(|| near().map(|near| format!("did you mean `users: {near}`?")))
            .unwrap_or_else(|| {
                "name one of the load's data, for instance `users: profile` with \
                 `data: { profile: { uniform: { from: 1, to: 10000 } } }`"
                    .to_owned()
            });
        let title = format!("the load has no data called {}", quoted(&name));
        let diagnostic = Diagnostic::error(codes::UNKNOWN_VALUE, title)
            .at(node.place, "which data says who asks?")
            .help(help);
        self.report(diagnostic);
        None
    }
}
