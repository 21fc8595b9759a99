//! Bodies and queries of requests that were seen, field by field where that can be.

use super::draft::{Draft, DraftBody, DraftRequest, literal};
use super::json::Json;
use super::path::{Piece, form_fields};
use super::secrets::{Hidden, is_secret};

/// Says what the body is, where nothing does.
pub(super) fn add_media(request: &mut DraftRequest, media: &str) {
    let known = request
        .headers
        .iter()
        .any(|(name, _)| name == "content-type");
    if !known {
        request
            .headers
            .push(("content-type".to_owned(), media.to_owned()));
    }
}

/// The body that a text is, by its content-type: what can be written field by field
/// is.
pub(super) fn body_of(
    text: &str,
    request: &mut DraftRequest,
    draft: &mut Draft,
    hidden: &mut Hidden,
) {
    let mut headers = request.headers.iter();
    let media = headers.find(|(name, _)| name == "content-type");
    let media = media.map(|(_, value)| value.to_ascii_lowercase());
    let kind = media
        .as_deref()
        .map(|media| media.split(';').next().unwrap_or_default().trim());
    let json = kind.is_some_and(|kind| kind.ends_with("/json") || kind.ends_with("+json"));
    if json && let Some(json) = Json::is_exact(text) {
        if kind == Some("application/json") {
            request.headers.retain(|(name, _)| name != "content-type");
        }
        request.body = DraftBody::Json(hidden.json(draft, "", json));
        return;
    }
    let form = kind.is_none_or(|kind| kind == "application/x-www-form-urlencoded");
    let fields = form_fields(text);
    let looks = text.contains('=') && !text.contains(['{', '\n']);
    if form && looks && !fields.is_empty() {
        request.headers.retain(|(name, _)| name != "content-type");
        let fields = fields.into_iter().map(|(name, value)| {
            let value = hidden.value(draft, &name, &value, "the field");
            (name, value)
        });
        request.body = DraftBody::Form(fields.collect());
        return;
    }
    if form && kind.is_none() {
        add_media(request, "application/x-www-form-urlencoded");
    }
    request.body = DraftBody::Text(literal(text));
}

/// A path and query, with secrets of the query taken out of sight.
pub(super) fn pieces(
    path: &str,
    query: Option<&str>,
    draft: &mut Draft,
    hidden: &mut Hidden,
) -> Vec<Piece> {
    let mut pieces = vec![Piece::Text(path.to_owned())];
    let Some(query) = query else {
        return pieces;
    };
    let mut mark = "?";
    for field in query.split('&') {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        if is_secret(name) && !value.is_empty() {
            pieces.push(Piece::Text(format!("{mark}{name}=")));
            let what = format!("the parameter `{name}`");
            pieces.push(Piece::Hidden(hidden.hide(draft, name, value, &what)));
        } else {
            pieces.push(Piece::Text(format!("{mark}{field}")));
        }
        mark = "&";
    }
    pieces
}
