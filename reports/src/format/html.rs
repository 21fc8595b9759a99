//! `html`: one page for people, without network. A small script zooms the
//! timeline; without it nothing is missing.

mod axis;
mod page;
mod percentiles;
mod timeline;
mod words;
mod zoom;

use minijinja::{AutoEscape, Environment};
use squall_judge::Verdict;
use squall_record::Record;

pub(crate) use zoom::policy;

use super::html_text;
use super::rendering::{Format, RunFiles};

/// One self-contained page: verdict, evidence, charts, record.
#[derive(Debug)]
pub(super) struct Html;

const TEMPLATE: &str = include_str!("../../templates/report.html");

impl Format for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn file_name(&self) -> &'static str {
        "report.html"
    }

    fn about(&self) -> &'static str {
        "one page for people: verdict, evidence, charts; no network, and nothing is lost without scripts"
    }

    fn render(&self, record: &Record, verdict: &Verdict) -> Vec<u8> {
        self.render_apart(record, verdict, &RunFiles::Beside)
    }

    fn render_apart(&self, record: &Record, verdict: &Verdict, files: &RunFiles) -> Vec<u8> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        let page = page::Page::of(record, verdict, files);
        let rendered = environment
            .template_from_str(TEMPLATE)
            .and_then(|template| template.render(minijinja::value::Serde(&page)));
        match rendered {
            Ok(text) => inert(&text).into_bytes(),
            // The template is part of the program and tested; should it fail
            // all the same, the page says so instead of being empty.
            Err(error) => inert(&format!(
                "<!doctype html><title>squall</title><p>{}: the report could not be rendered: {}",
                html_text(&verdict.sentence),
                html_text(&error.to_string())
            ))
            .into_bytes(),
        }
    }
}

/// Text of the system under test may hold control characters and ones that
/// reorder what follows; a page needs none of them but line breaks.
pub(crate) fn inert(page: &str) -> String {
    page.chars()
        .map(|character| match character {
            '\n' | '\t' => character,
            acting if squall_scenario::acts(acting) => char::REPLACEMENT_CHARACTER,
            other => other,
        })
        .collect()
}
