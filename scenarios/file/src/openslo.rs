//! OpenSLO v1: objectives of another file as gates.
//!
//! What can be asked of a run becomes a gate; what cannot is an error or a
//! warning at its place. Nothing of an objective is left out without a word.

mod indicator;
mod keys;
mod objective;

use serde::Serialize;
use squall_scenario::{Gate, Located, Probe, nearest, quoted};

use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::read::{GateDraft, Reader};
use crate::source::Source;
use crate::yaml::{Node, NodeKind};

/// The version of the format that is read.
const VERSION: &str = "openslo/v1";

/// The objectives of an OpenSLO file, in the order of the text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenSlo {
    /// The objectives.
    pub objectives: Vec<OpenSloObjective>,
}

/// An objective and the gate that asks it of a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenSloObjective {
    /// Name of the SLO.
    pub slo: String,
    /// The gate, at the place of its target.
    pub gate: Located<Gate>,
    /// Duration of the SLO's `timeWindow` as it is written there. A gate asks
    /// the target of one window of a run instead.
    pub time_window: Option<String>,
    /// The probe that reads what the gate speaks of, if it needs one.
    pub probe: Option<Probe>,
}

/// Whether a text is an OpenSLO file, as against a scenario.
#[must_use]
pub fn is_openslo(source: &Source) -> bool {
    let mut lines = source.text.lines().map(|line| {
        let line = line.trim_start_matches('\u{feff}').trim_start();
        line.strip_prefix("- ").unwrap_or(line).trim_start()
    });
    lines.any(|line| line.starts_with("apiVersion:") && line.contains("openslo"))
}

/// An objective and where its parts stand.
#[derive(Debug, Clone)]
pub(crate) struct ObjectiveDraft {
    pub(crate) slo: String,
    pub(crate) time_window: Option<String>,
    pub(crate) gate: GateDraft,
    /// With the place of its address.
    pub(crate) probe: Option<(Probe, Place)>,
}

impl ObjectiveDraft {
    pub(crate) fn finish(self) -> OpenSloObjective {
        OpenSloObjective {
            slo: self.slo,
            gate: self.gate.gate,
            time_window: self.time_window,
            probe: self.probe.map(|(probe, _)| probe),
        }
    }
}

/// An object of the file that another one may refer to.
#[derive(Clone, Copy)]
struct Object<'n> {
    kind: &'static str,
    name: &'n str,
    name_place: Place,
    metadata: &'n Node,
    spec: &'n Node,
}

impl Reader {
    /// Reads the objectives of the SLOs of a file, or of the one that is named.
    pub(crate) fn openslo(
        &mut self,
        documents: &[Node],
        only: Option<(&str, Place)>,
    ) -> Vec<ObjectiveDraft> {
        let before = self.findings.len();
        let mut objects = Vec::new();
        for document in documents {
            let items = match &document.kind {
                NodeKind::List(items) => items.as_slice(),
                _ => std::slice::from_ref(document),
            };
            objects.extend(items.iter().filter_map(|item| self.object(item)));
        }
        let all: Vec<Object<'_>> = of_kind(&objects, "SLO").collect();
        if let (Some((name, place)), true) = (only, self.findings.len() == before)
            && !all.iter().any(|slo| slo.name == name)
        {
            self.report(unknown("SLO", name, place, &all));
        }
        if let (None, Some(first)) = (all.first(), documents.first())
            && self.findings.len() == before
        {
            self.report(
                Diagnostic::error(codes::NOTHING_IN_IT, "there is no SLO in this file")
                    .at(first.place, "nothing here has objectives")
                    .help("add an object of `kind: SLO`"),
            );
        }
        let asked = all
            .into_iter()
            .filter(|slo| only.is_none_or(|(name, _)| name == slo.name));
        let mut drafts = Vec::new();
        for slo in asked {
            drafts.extend(self.slo_object(slo, &objects));
        }
        drafts
    }

    fn object<'n>(&mut self, node: &'n Node) -> Option<Object<'n>> {
        let fields = self.fields(node, &keys::OBJECT)?;
        let version = fields.get("apiVersion")?;
        if version.scalar().is_none_or(|text| text.text != VERSION) {
            self.report(
                Diagnostic::error(codes::VERSION, format!("I can only read {VERSION}"))
                    .at(version.place, "another version")
                    .help(format!("write `apiVersion: {VERSION}`")),
            );
            return None;
        }
        let kind = self.word(fields.get("kind")?, keys::KINDS)?;
        let metadata = fields.get("metadata")?;
        let name = self.fields(metadata, &keys::METADATA)?.get("name")?;
        self.title(name)?;
        Some(Object {
            kind,
            name: name.scalar()?.text.trim(),
            name_place: name.place,
            metadata,
            spec: fields.get("spec")?,
        })
    }

    /// The object of a kind that a key refers to by name.
    fn referred<'n>(
        &mut self,
        node: &Node,
        kind: &str,
        objects: &[Object<'n>],
    ) -> Option<Object<'n>> {
        let name = self.text(node)?;
        let known: Vec<Object<'n>> = of_kind(objects, kind).collect();
        let found = known.iter().find(|object| object.name == name);
        if found.is_none() {
            self.report(unknown(kind, &name, node.place, &known));
        }
        found.copied()
    }
}

fn of_kind<'a, 'n>(
    objects: &'a [Object<'n>],
    kind: &'a str,
) -> impl Iterator<Item = Object<'n>> + use<'a, 'n> {
    objects.iter().copied().filter(move |o| o.kind == kind)
}

fn unknown(kind: &str, name: &str, place: Place, known: &[Object<'_>]) -> Diagnostic {
    let title = format!("there is no {kind} called {}", quoted(name));
    let diagnostic = Diagnostic::error(codes::UNKNOWN_REFERENCE, title).at(place, "not there");
    let near = nearest(name, known.iter().map(|object| object.name));
    let near = known.iter().find(|object| Some(object.name) == near);
    match near {
        Some(near) => diagnostic
            .also(near.name_place, "did you mean this one?")
            .help(format!("write `{}`", near.name)),
        None if known.is_empty() => {
            diagnostic.help(format!("add an object of `kind: {kind}` to the file"))
        }
        None => {
            let names: Vec<&str> = known.iter().map(|object| object.name).collect();
            diagnostic.help(format!("write one of: {}", names.join(", ")))
        }
    }
}
