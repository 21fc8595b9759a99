//! The published JSON Schemas (draft-07) of what a run leaves. They are made
//! from the types that read and write the files.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::Value;
use squall_judge::Verdict;
use squall_record::{Manifest, Sample, Stamped};

use crate::format::JsonDocument;

/// A file of a run directory, or a report, that has a published schema.
#[derive(Debug, Clone, Copy)]
pub struct PublishedSchema {
    /// The name by which `squall schema` and the committed file call it.
    pub name: &'static str,
    /// What it describes.
    pub about: &'static str,
    make: fn() -> Value,
}

impl PublishedSchema {
    /// The schema.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut schema = (self.make)();
        if let Value::Object(map) = &mut schema {
            map.insert("title".to_owned(), format!("squall {}", self.name).into());
            map.insert("description".to_owned(), self.about.into());
        }
        schema
    }
}

/// Every published schema.
pub const SCHEMAS: [PublishedSchema; 5] = [
    PublishedSchema {
        name: "record",
        about: "run.json: what was run, by what, where and when",
        make: of::<Manifest>,
    },
    PublishedSchema {
        name: "event",
        about: "a line of events.ndjson",
        make: of::<Stamped>,
    },
    PublishedSchema {
        name: "sample",
        about: "a line of samples.ndjson",
        make: of::<Sample>,
    },
    PublishedSchema {
        name: "verdict",
        about: "verdict.json: what the run means, with everything that stands behind it",
        make: of::<Verdict>,
    },
    PublishedSchema {
        name: "report",
        about: "report.json: everything a run left and what it means",
        make: of::<JsonDocument<'static>>,
    },
];

/// What is written may hold more than an older reader knows: versions only
/// ever add, so additional properties are allowed.
fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07()
        .for_serialize()
        .with_transform(Absent);
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// Requires nothing that a file of an earlier release lacks: what was added
/// since has a default.
#[derive(Debug, Clone)]
struct Absent;

impl Transform for Absent {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let added = |properties: &Value, name: &Value| {
            name.as_str()
                .and_then(|name| properties.get(name))
                .is_some_and(|property| property.get("default").is_some())
        };
        let Some(properties) = schema.get("properties").cloned() else {
            return;
        };
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            required.retain(|name| !added(&properties, name));
        }
    }
}
