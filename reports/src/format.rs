//! Output formats: each renders a record and its verdict to bytes.

mod by_hand;
mod course;
mod csv;
mod effects;
mod escape;
mod github;
mod hgrm;
mod hlog;
mod html;
mod json;
mod junit;
mod markdown;
mod ndjson;
mod strip;
mod svg;
mod text;
mod told;

use std::path::PathBuf;

use squall_judge::Verdict;
use squall_record::Record;

pub use escape::html_text;
pub(crate) use escape::{markdown_text, url_path};
pub(crate) use html::{inert, policy};
pub(crate) use json::Document as JsonDocument;
pub use text::{Style, verdict_block};

/// Where the files of a run are, from where a report of it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunFiles {
    /// In the folder of the report.
    Beside,
    /// In this folder: absolute, or relative to the report's.
    In(PathBuf),
    /// Nobody knows: what is printed may be read anywhere.
    Unknown,
}

/// A way to write a run down. Renderers open no files and print nothing.
pub trait Format: Sync {
    /// The name by which `--report` asks for it.
    fn name(&self) -> &'static str;
    /// Name of the file in the run directory.
    fn file_name(&self) -> &'static str;
    /// What it is for, in one line.
    fn about(&self) -> &'static str;
    /// The report, to stand in the run directory.
    fn render(&self, record: &Record, verdict: &Verdict) -> Vec<u8>;
    /// The report, to stand elsewhere. Only formats that link to the files of
    /// the run have something to change.
    fn render_apart(&self, record: &Record, verdict: &Verdict, _files: &RunFiles) -> Vec<u8> {
        self.render(record, verdict)
    }
}

/// Every format, in the order they are listed.
pub const FORMATS: [&dyn Format; 10] = [
    &html::Html,
    &markdown::Markdown,
    &text::Text,
    &json::Json,
    &junit::Junit,
    &github::Github,
    &csv::Csv,
    &hgrm::Hgrm,
    &hlog::Hlog,
    &ndjson::Ndjson,
];

/// The format of that name.
#[must_use]
pub fn format(name: &str) -> Option<&'static dyn Format> {
    FORMATS.into_iter().find(|format| format.name() == name)
}

/// The table of formats as Markdown; documentation is generated from it.
#[must_use]
pub fn format_table() -> String {
    let mut text = String::from("| format | file | what it is for |\n|---|---|---|\n");
    for format in FORMATS {
        text.push_str(&format!(
            "| `{}` | `{}` | {} |\n",
            format.name(),
            format.file_name(),
            format.about()
        ));
    }
    text
}
