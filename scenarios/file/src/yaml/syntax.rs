//! What the YAML parser complains about, in words for people.

use granit_parser::{ErrorKind, ScanError};

use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::source::Source;

/// Deepest nesting of lists and maps.
pub(super) const DEPTH_MAX: usize = 64;

/// The finding for an error of the YAML parser.
pub(super) fn finding(source: &Source, number: usize, error: &ScanError) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or_default();
    if let Some(tab) = tab_before(source, at, error.kind()) {
        let place = Place {
            source: number,
            span: source.span(tab, tab + 1),
        };
        return Diagnostic::error(codes::TAB, "there is a tab in the indentation")
            .at(place, "a tab")
            .help("indent with spaces; most editors have a setting for it");
    }
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        let title = format!("this file is nested more than {DEPTH_MAX} levels deep");
        return Diagnostic::error(codes::TOO_MANY_VALUES, title)
            .at(point(source, number, at), "I stopped reading here");
    }
    let title = format!("this is not YAML: {}", error.kind());
    Diagnostic::error(codes::SYNTAX, title)
        .at(point(source, number, at), "I could not go on here")
        .help("look at the indentation, the colons and the quotes just before this place")
}

fn point(source: &Source, number: usize, at: usize) -> Place {
    // A place at the very end of a file is shown on its last line.
    let text = &source.text;
    let at = at.min(text.trim_end().len());
    Place {
        source: number,
        span: source.span(at, (at + 1).min(text.len())),
    }
}

/// The offset of the tab that an error is about. The scanner often
/// stumbles only after it, so indentation up to there is looked at.
fn tab_before(source: &Source, at: usize, kind: &ErrorKind) -> Option<usize> {
    let text = &source.text;
    let at = source.span(at, at).start;
    let line_start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let previous_start = text[..line_start.saturating_sub(1)]
        .rfind('\n')
        .map_or(0, |n| n + 1);
    let about_tabs = matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
    );
    let tab_of_line = |start: usize| {
        let indentation = text[start..]
            .bytes()
            .take_while(|byte| matches!(byte, b' ' | b'\t'));
        let column = indentation.clone().position(|byte| byte == b'\t');
        column.map(|column| start + column)
    };
    let near = tab_of_line(line_start).or_else(|| tab_of_line(previous_start));
    near.or_else(|| {
        let tab = text[line_start..].find('\t').filter(|_| about_tabs)?;
        Some(line_start + tab)
    })
}
