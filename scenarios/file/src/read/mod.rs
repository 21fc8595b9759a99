//! From the tree of a file to the typed model, collecting every mistake.
//!
//! A reader goes through the tree once. What cannot be read is reported and
//! left out; reading goes on, so that all mistakes of a file are shown at
//! once. Rules that need more than one place are in `check`.

mod auth;
mod body;
mod breaker;
mod call;
mod connecting;
mod data;
mod existing;
mod expect;
mod fault;
mod host;
mod journey;
mod load;
mod monkey;
mod monkey_members;
mod parameter;
mod persona;
mod probe;
mod process;
mod request;
mod scenario;
mod slo;
mod socket;
mod stage;
mod stay;
mod system;
mod value;

pub(crate) use data::{is_column_of, table_or_value};
pub(crate) use fault::FaultDraft;
pub(crate) use journey::{JourneyPlaces, TakenPlace};
pub(crate) use load::LoadDraft;
pub(crate) use probe::probe_url_misfit;
pub(crate) use process::INSTANCES_MAX;
pub(crate) use request::{Common, RequestPlaces};
pub(crate) use scenario::{ScenarioDraft, VariantDraft, system_path};
pub(crate) use slo::{GateDraft, SloDraft, gate_text, openslo_path};
pub(crate) use system::{Declared, NameKind, Names, SystemDraft, target_misfit};

use squall_scenario::{Persona, nearest, quoted};

use crate::beside::Beside;
use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::shape::{Key, Shape};
use crate::yaml::{Entry, Node, NodeKind, Scalar};

/// Goes through a tree and collects what it finds.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) findings: Vec<Diagnostic>,
    /// Every `$name` that was read, to be checked when all names are known.
    pub(crate) uses: Vec<Use>,
    /// OpenSLO files by their path as the scenario writes it.
    pub(crate) openslo_files: Vec<(String, Vec<Node>)>,
    /// What stands in other files, read before.
    pub(crate) beside: Beside,
    /// What the requests of the load that is read have in common.
    pub(crate) common: Common,
    /// Whether environment values are replaced by their names in text.
    pub(crate) redact: bool,
    /// Clients that the load defines; `None` for one that could not be read.
    pub(crate) personas: Vec<(String, Option<Persona>)>,
}

/// A `$name` in a text.
#[derive(Debug, Clone)]
pub(crate) struct Use {
    pub(crate) variable: String,
    pub(crate) place: Place,
    pub(crate) context: Context,
}

/// Where a `$name` stands, which decides what it may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    /// In a request: test data.
    Request,
    /// In a step of a journey, both by their number: test data, and what was taken
    /// before.
    Step { journey: usize, step: usize },
    /// In a process's command or environment.
    Process,
    /// In an address.
    Address,
}

/// A map whose keys were checked against its shape.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'n> {
    pub(crate) node: &'n Node,
    shape: &'static Shape,
}

impl<'n> Fields<'n> {
    /// The value of a key of the shape.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        debug_assert!(
            self.shape.keys.iter().any(|known| known.name == key),
            "{key} is not in the shape of {}",
            self.shape.noun
        );
        self.node.get(key)
    }

    /// Where the value of a key stands; the whole map when it is absent.
    pub(crate) fn place(&self, key: &str) -> Place {
        self.get(key).map_or(self.node.place, |node| node.place)
    }

    /// Whether the map has keys that its shape does not know.
    pub(crate) fn has_unknown_keys(&self) -> bool {
        let known = |name: &str| self.shape.keys.iter().any(|key| key.name == name);
        self.node.entries().iter().any(|entry| !known(&entry.key))
    }

    pub(crate) fn key_place(&self, key: &str) -> Place {
        let entry = self.node.entries().iter().find(|entry| entry.key == key);
        entry.map_or(self.node.place, |entry| entry.key_place)
    }
}

impl Reader {
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.findings.push(diagnostic);
    }

    /// Reports a mistake in the value of one node. Where the value came from
    /// the environment, nothing of it is said.
    pub(crate) fn report_value(&mut self, node: &Node, mut diagnostic: Diagnostic) {
        let hidden = |scalar: &&Scalar| scalar.shown() != scalar.text;
        if let Some(scalar) = node.scalar().filter(hidden) {
            diagnostic.title = format!("the value of {} does not fit here", quoted(scalar.shown()));
            diagnostic.help = vec!["look at the environment variable's value".to_owned()];
            diagnostic.notes.clear();
            for label in &mut diagnostic.labels {
                label.text = "from the environment".to_owned();
            }
        }
        self.findings.push(diagnostic);
    }

    /// Checks that a node is a map of the given shape: unknown and missing
    /// keys are reported, the known ones can be read.
    pub(crate) fn fields<'n>(
        &mut self,
        node: &'n Node,
        shape: &'static Shape,
    ) -> Option<Fields<'n>> {
        let nothing = node.scalar().is_some_and(|scalar| scalar.is_nothing());
        if !nothing && !matches!(node.kind, NodeKind::Map(_)) {
            self.report(wrong_shape(node, shape));
            return None;
        }
        for entry in node.entries() {
            if !shape.keys.iter().any(|key| key.name == entry.key) {
                self.report(unknown_key(entry, shape));
            }
        }
        for key in shape.keys.iter().filter(|key| key.required) {
            if node.get(key.name).is_none() {
                self.report(missing_key(node, shape, key));
            }
        }
        Some(Fields { node, shape })
    }

    /// Reads a map with exactly one of the keys; a key that needs no value may
    /// stand alone as a word. Gives the key and its value.
    pub(crate) fn one_of<'n>(
        &mut self,
        node: &'n Node,
        noun: &str,
        keys: &'static [Key],
    ) -> Option<(&'static Key, Option<&'n Node>)> {
        let (word, place, value) = match &node.kind {
            NodeKind::Scalar(scalar) if !scalar.is_nothing() => {
                (scalar.text.as_str(), node.place, None)
            }
            NodeKind::Map(entries) if entries.len() == 1 => {
                let entry = &entries[0];
                let nothing = entry.value.scalar().is_some_and(|s| s.is_nothing());
                let value = (!nothing).then_some(&entry.value);
                (entry.key.as_str(), entry.key_place, value)
            }
            NodeKind::Map(entries) if entries.len() > 1 => {
                let title = format!("{noun} is one thing at a time");
                self.report(
                    Diagnostic::error(codes::WRONG_SHAPE, title)
                        .at(entries[1].key_place, "a second one")
                        .also(entries[0].key_place, "the first one")
                        .help(format!("write {}", alternatives(keys))),
                );
                return None;
            }
            _ => {
                let title = format!("{noun} is missing");
                self.report(
                    Diagnostic::error(codes::NOTHING_IN_IT, title)
                        .at(node.place, format!("{} here", node.what()))
                        .help(format!("write {}", alternatives(keys))),
                );
                return None;
            }
        };
        let Some(key) = keys.iter().find(|key| key.name == word) else {
            let title = format!("I do not know {noun} called {}", quoted(word));
            let diagnostic = Diagnostic::error(codes::UNKNOWN_WORD, title)
                .at(place, "not known")
                .help(meant(word, keys).map_or_else(
                    || format!("write {}", alternatives(keys)),
                    |name| format!("did you mean `{name}`?"),
                ))
                .note(format!("known: {}", names(keys)));
            self.report_value(node, diagnostic);
            return None;
        };
        if value.is_none() && key.required {
            let title = format!("`{}` needs its values", key.name);
            self.report(
                Diagnostic::error(codes::MISSING_KEY, title)
                    .at(place, "stands alone")
                    .help(format!("write {}", key.kind.example(key.name))),
            );
            return None;
        }
        Some((key, value))
    }
}

fn wrong_shape(node: &Node, shape: &Shape) -> Diagnostic {
    let names = names(shape.keys);
    let help = if shape.reads.is_empty() {
        format!("write some of its keys: {names}")
    } else {
        format!("it reads: {}", shape.reads)
    };
    Diagnostic::error(
        codes::WRONG_SHAPE,
        format!("{} is a map of keys", shape.noun),
    )
    .at(node.place, format!("{} here", node.what()))
    .help(help)
}

fn unknown_key(entry: &Entry, shape: &Shape) -> Diagnostic {
    let title = format!("I do not know the key {}", quoted(&entry.key));
    let meant = meant(&entry.key, shape.keys).map(|name| format!("did you mean `{name}`?"));
    let reads = (!shape.reads.is_empty()).then(|| format!("{} reads: {}", shape.noun, shape.reads));
    let help: Vec<String> = meant.into_iter().chain(reads).collect();
    let mut diagnostic = Diagnostic::error(codes::UNKNOWN_KEY, title)
        .at(entry.key_place, format!("not a key of {}", shape.noun));
    if !help.is_empty() {
        diagnostic = diagnostic.help(help.join(" "));
    }
    if shape.keys.is_empty() {
        return diagnostic.note(format!("{} has no keys", shape.noun));
    }
    diagnostic.note(format!("keys here: {}", names(shape.keys)))
}

pub(crate) fn missing_key(node: &Node, shape: &Shape, key: &Key) -> Diagnostic {
    let title = format!("{} needs `{}`", shape.noun, key.name);
    let place = node.entries().first().map_or(node.place, |e| e.key_place);
    Diagnostic::error(codes::MISSING_KEY, title)
        .at(place, format!("has no `{}`", key.name))
        .help(format!("add {}: {}", key.kind.example(key.name), key.about))
}

/// The key that a word probably stands for.
fn meant(word: &str, keys: &'static [Key]) -> Option<&'static str> {
    let word = word.to_lowercase();
    let spellings = || {
        keys.iter().flat_map(|key| {
            std::iter::once(key.name)
                .chain(key.otherwise.iter().copied())
                .map(move |spelling| (spelling, key.name))
        })
    };
    let near = nearest(&word, spellings().map(|(spelling, _)| spelling))?;
    spellings()
        .find(|(spelling, _)| *spelling == near)
        .map(|(_, name)| name)
}

fn names(keys: &[Key]) -> String {
    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
    names.join(", ")
}

fn alternatives(keys: &[Key]) -> String {
    let examples: Vec<String> = keys.iter().map(|k| k.kind.example(k.name)).collect();
    match examples.as_slice() {
        [start @ .., last] if !start.is_empty() => format!("{} or {last}", start.join(", ")),
        _ => examples.concat(),
    }
}
