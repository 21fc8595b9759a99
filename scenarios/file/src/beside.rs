//! What a scenario takes from files that stand beside it: read once, before its own
//! parts are.

use squall_scenario::BodyFile;

use crate::arrivals::{ArrivalFile, read_arrivals};
use crate::body_file::{named_bodies, read_body};
use crate::diagnostic::Diagnostic;
use crate::proto_file::{ProtoFile, read_proto};
use crate::table::{Table, read_table};
use crate::yaml::{Node, NodeKind};

/// The files that were read, each once; what is wrong with the others is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside {
    /// Bodies of requests.
    pub(crate) bodies: Vec<BodyFile>,
    /// Certificates and keys.
    pub(crate) pems: Vec<BodyFile>,
    /// Tables of data.
    pub(crate) tables: Vec<Table>,
    /// Arrivals that are replayed.
    pub(crate) arrivals: Vec<ArrivalFile>,
    /// What describes the methods of gRPC.
    pub(crate) protos: Vec<ProtoFile>,
}

impl Beside {
    /// Reads what the scenario called `scenario` names.
    pub(crate) fn read(root: &Node, scenario: &str, findings: &mut Vec<Diagnostic>) -> Self {
        let mut beside = Self::default();
        let Some(load) = root.get("load") else {
            return beside;
        };
        beside.read_tables(load, scenario, findings);
        beside.read_bodies(load, scenario, findings);
        beside.read_arrivals(load, scenario, findings);
        beside.read_pems(load, scenario, findings);
        beside.read_protos(load, scenario, findings);
        beside
    }

    fn read_bodies(&mut self, load: &Node, scenario: &str, findings: &mut Vec<Diagnostic>) {
        for (node, path) in named_bodies(load).into_iter().filter_map(named) {
            if self.bodies.iter().any(|known| known.path == path) {
                continue;
            }
            match read_body(path, scenario) {
                Ok(body) => self.bodies.push(body),
                Err(problem) => findings.push(problem.at(node.place, "the body stands there")),
            }
        }
    }

    fn read_pems(&mut self, load: &Node, scenario: &str, findings: &mut Vec<Diagnostic>) {
        let tls = load.get("tls");
        let files = ["ca", "certificate", "key"];
        let files = files.into_iter().filter_map(|key| tls?.get(key));
        for (node, path) in files.filter_map(named) {
            if self.pems.iter().any(|known| known.path == path) {
                continue;
            }
            match read_body(path, scenario) {
                Ok(file) => self.pems.push(file),
                Err(problem) => findings.push(problem.at(node.place, "it stands there")),
            }
        }
    }

    fn read_tables(&mut self, load: &Node, scenario: &str, findings: &mut Vec<Diagnostic>) {
        let entries = match load.get("data").map(|node| &node.kind) {
            Some(NodeKind::Map(entries)) => entries.as_slice(),
            _ => &[],
        };
        let files = entries.iter();
        let files = files.filter_map(|entry| entry.value.get("file")?.get("path"));
        for (node, path) in files.filter_map(named) {
            if self.tables.iter().any(|known| known.path == path) {
                continue;
            }
            match read_table(path, scenario) {
                Ok(table) => self.tables.push(table),
                Err(problem) => findings.push(problem.at(node.place, "the data stands there")),
            }
        }
    }

    fn read_arrivals(&mut self, load: &Node, scenario: &str, findings: &mut Vec<Diagnostic>) {
        let stages = loads(load).flat_map(|load| items(load.get("shape")));
        for replay in stages.filter_map(|stage| stage.get("replay")) {
            let Some((node, path)) = replay.get("file").and_then(named) else {
                continue;
            };
            let column = replay.get("column").and_then(named).map(|(_, name)| name);
            if self.arrivals_of(path, column).is_some() {
                continue;
            }
            match read_arrivals(path, column, scenario) {
                Ok(file) => self.arrivals.push(file),
                Err(problem) => findings.push(problem.at(node.place, "the arrivals stand there")),
            }
        }
    }

    fn read_protos(&mut self, load: &Node, scenario: &str, findings: &mut Vec<Diagnostic>) {
        let requests = loads(load).flat_map(|load| items(load.get("requests")));
        let journeys = items(load.get("journeys")).iter();
        let steps = journeys.flat_map(|journey| items(journey.get("steps")));
        let all = std::iter::once(load).chain(requests).chain(steps);
        for (node, path) in all.filter_map(|node| named(node.get("proto")?)) {
            if self
                .protos
                .iter()
                .any(|known| known.described.path() == path)
            {
                continue;
            }
            match read_proto(path, scenario) {
                Ok(file) => self.protos.push(file),
                Err(problem) => findings.push(problem.at(node.place, "the methods stand there")),
            }
        }
    }

    /// The arrivals of a file, or of one of its columns.
    pub(crate) fn arrivals_of(&self, path: &str, column: Option<&str>) -> Option<&ArrivalFile> {
        let mut files = self.arrivals.iter();
        files.find(|file| file.path == path && file.column.as_deref() == column)
    }
}

/// The main load and those beside it.
fn loads(load: &Node) -> impl Iterator<Item = &Node> {
    std::iter::once(load).chain(items(load.get("loads")))
}

/// The items of a list, where there is one.
fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.kind) {
        Some(NodeKind::List(items)) => items,
        _ => &[],
    }
}

/// A node that names something, with the name.
fn named(node: &Node) -> Option<(&Node, &str)> {
    let scalar = node.scalar().filter(|name| !name.is_nothing())?;
    Some((node, &scalar.text))
}
