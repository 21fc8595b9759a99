//! `json`: everything, for programs.

use schemars::JsonSchema;
use serde::Serialize;
use squall_judge::Verdict;
use squall_record::{Interval, Manifest, Record, Sample, Stamped, json_document};

use super::rendering::Format;

/// Everything a run left and what it means, in one document.
#[derive(Debug)]
pub(super) struct Json;

/// The document.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Document<'a> {
    /// Name of the published schema: `squall schema report` prints it.
    schema: &'static str,
    schema_version: u32,
    manifest: &'a Manifest,
    complete: bool,
    damage: &'a [String],
    verdict: &'a Verdict,
    events: &'a [Stamped],
    intervals: &'a [Interval],
    samples: &'a [Sample],
}

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn file_name(&self) -> &'static str {
        "report.json"
    }

    fn about(&self) -> &'static str {
        "everything, for programs; `schema_version` says which shape"
    }

    fn repeats_intervals(&self) -> bool {
        true
    }

    fn render(&self, record: &Record, verdict: &Verdict) -> Vec<u8> {
        let document = Document {
            schema: "squall/report.v1.json",
            schema_version: verdict.schema_version,
            manifest: &record.manifest,
            complete: record.complete,
            damage: &record.damage,
            verdict,
            events: &record.events,
            intervals: &record.intervals,
            samples: &record.samples,
        };
        // Plain structs with string keys always serialise; an empty document
        // is what a reader would notice at once.
        let mut text = json_document(&document).unwrap_or_default();
        text.push('\n');
        text.into_bytes()
    }
}
