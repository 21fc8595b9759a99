//! `data` of a load: where the values of `$name` come from.

use std::sync::Arc;

use squall_scenario::{Column, DataSource, listed};

use super::{Fields, Reader};
use crate::diagnostic::{Diagnostic, Place};
use crate::shape::Kind;
use crate::table::Table;
use crate::yaml::{Entry, Node, NodeKind};
use crate::{codes, keys};

/// The data of a load and where its parts stand.
#[derive(Debug, Default)]
pub(super) struct DataDraft {
    pub(super) data: Vec<(String, DataSource)>,
    /// Every name that was written, whether its source could be read or not.
    pub(super) names: Vec<(String, Place)>,
    /// Where the values of each list stand; of a table, the one place of its file.
    pub(super) places: Vec<(String, Vec<Place>)>,
    /// Names of tables that could not be read.
    pub(super) unread: Vec<String>,
}

impl DataDraft {
    /// Whether there is data of this name, or may be.
    pub(super) fn may_have(&self, name: &str) -> bool {
        let in_table = |table: &String| is_column_of(name, table);
        self.names.iter().any(|(known, _)| known == name) || self.unread.iter().any(in_table)
    }
}

/// Whether a name is that of some column of a table.
pub(crate) fn is_column_of(name: &str, table: &str) -> bool {
    name.split_once('.')
        .is_some_and(|(first, _)| first == table)
}

/// What to write where a table is named without a column, or a column of what is no
/// table.
pub(crate) fn table_or_value(variable: &str, known: &[&str]) -> Option<String> {
    let columns: Vec<_> = known
        .iter()
        .filter(|name| is_column_of(name, variable))
        .map(|name| format!("`${name}`"))
        .collect();
    if !columns.is_empty() {
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        return Some(format!("write one of its columns: {}", listed(&columns)));
    }
    let (first, _) = variable.split_once('.')?;
    known
        .contains(&first)
        .then(|| format!("write `${first}`; only data from files has columns"))
}

impl Reader {
    pub(super) fn data(&mut self, fields: Fields<'_>) -> DataDraft {
        let mut draft = DataDraft::default();
        let Some(node) = fields.get("data") else {
            return draft;
        };
        for entry in self.names(node, "data") {
            draft.names.push((entry.key.clone(), entry.key_place));
            let good = self.name(&entry.key, entry.key_place, true);
            if entry.value.get("file").is_some() {
                // Alone it names nothing.
                draft.names.pop();
                if good && self.columns(entry, &mut draft).is_none() {
                    draft.unread.push(entry.key.clone());
                }
                continue;
            }
            if let Some(source) = self.data_source(&entry.value).filter(|_| good) {
                let values = entry.value.get("pick").map(|node| &node.kind);
                if let Some(NodeKind::List(values)) = values {
                    let places = values.iter().map(|value| value.place).collect();
                    draft.places.push((entry.key.clone(), places));
                }
                draft.data.push((entry.key.clone(), source));
            }
        }
        draft
    }

    /// The columns of a table, each data of its own.
    fn columns(&mut self, entry: &Entry, draft: &mut DataDraft) -> Option<()> {
        let (key, value) = self.one_of(&entry.value, "a source of data", keys::DATA)?;
        let (Kind::Object(shape), Some(value)) = (&key.kind, value) else {
            return None;
        };
        let fields = self.fields(value, shape)?;
        let node = fields.get("path")?;
        let path = self.text(node)?;
        let in_turn = match fields.get("order") {
            Some(node) => self.word(node, keys::ORDERS)? == "in turn",
            None => false,
        };
        // Its text was read before; what was wrong with it is told already.
        let table: Table = self
            .beside
            .tables
            .iter()
            .find(|table| table.path == path)
            .cloned()?;
        for (name, values) in table.columns {
            let name = format!("{}.{name}", entry.key);
            let column = Column {
                table: entry.key.clone(),
                path: path.clone(),
                sha256: table.sha256.clone(),
                rows: values.len() as u64,
                in_turn,
                values: Arc::from(values),
            };
            draft.names.push((name.clone(), entry.key_place));
            draft.places.push((name.clone(), vec![node.place]));
            draft.data.push((name, DataSource::Column(column)));
        }
        Some(())
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
            "uuid" => Some(DataSource::Uuid),
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
