//! Output formats: each renders a record and its verdict to bytes.

mod by_hand;
mod course;
mod csv;
mod distribution;
mod effects;
mod escape;
mod github;
mod hgrm;
mod hlog;
mod html;
mod json;
mod junit;
mod margin;
mod markdown;
mod ndjson;
mod rendering;
mod strip;
mod summary;
mod svg;
mod text;
mod told;

pub use escape::html_text;
pub(crate) use escape::{markdown_text, url_path};
pub(crate) use html::{inert, policy};
pub(crate) use json::Document as JsonDocument;
pub use rendering::{Format, RunFiles};
pub use summary::load_summary;
pub use text::{Style, verdict_block};

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
    let mut text =
        String::from("| format | file | written | what it is for |\n|---|---|---|---|\n");
    for format in FORMATS {
        let written = match format.repeats_intervals() {
            true => "when asked for",
            false => "after every run",
        };
        text.push_str(&format!(
            "| `{}` | `{}` | {written} | {} |\n",
            format.name(),
            format.file_name(),
            format.about()
        ));
    }
    text
}
