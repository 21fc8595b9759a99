//! Bodies and queries of requests that were seen, field by field where that can be.

use super::draft::{Draft, DraftBody, DraftRequest, literal};
use super::json::Json;
use super::path::{Piece, decoded, form_fields};
use super::secrets::{Hidden, is_secret, names_secret, note_path, note_secret, text_of};

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
    let says_json = kind.is_some_and(|kind| kind.ends_with("/json") || kind.ends_with("+json"));
    let json = Json::exact(text).filter(|json| matches!(json, Json::List(_) | Json::Map(_)));
    if let Some(json) = json.filter(|json| says_json || names_secret(json)) {
        if !says_json {
            // Only as JSON can a part of it be taken out of sight.
            let what = format!(
                "the body of {} holds a secret, so it is sent as JSON and says so",
                request.name_or_method()
            );
            draft.note(what);
        }
        if !says_json || kind == Some("application/json") {
            request.headers.retain(|(name, _)| name != "content-type");
        }
        request.body = DraftBody::Json(hidden.json(draft, "", json));
        return;
    }
    let form = kind.is_none_or(|kind| kind == "application/x-www-form-urlencoded");
    let fields = form_fields(text);
    let looks = text.contains('=') && !text.contains(['{', '\n']);
    let holds = |(name, value): &(String, String)| {
        is_field_name(name) && is_secret(name) && !value.is_empty()
    };
    if form && (looks && !fields.is_empty() || fields.iter().any(holds)) {
        request.headers.retain(|(name, _)| name != "content-type");
        let fields = fields.into_iter().map(|(name, value)| {
            let value = text_of(&name, &value, "the field", draft, hidden);
            (name, value)
        });
        request.body = DraftBody::Form(fields.collect());
        return;
    }
    if form && kind.is_none() {
        add_media(request, "application/x-www-form-urlencoded");
    }
    let of = format!("the body of {}", request.name_or_method());
    note_secret(text, &of, draft);
    request.body = DraftBody::Text(literal(text));
}

/// Whether a name is one that people give to a field.
fn is_field_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "_-.[]".contains(c);
    name.chars().all(fits) && name.chars().count() <= 60
}

/// A path and query, with secrets of the query taken out of sight.
pub(super) fn pieces(
    path: &str,
    query: Option<&str>,
    draft: &mut Draft,
    hidden: &mut Hidden,
) -> Vec<Piece> {
    note_path(path, draft);
    let mut pieces = vec![Piece::Text(path.to_owned())];
    let Some(query) = query else {
        return pieces;
    };
    let mut mark = "?";
    for field in query.split('&') {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let plain = decoded(name);
        let what = format!("the parameter `{plain}`");
        if is_secret(&plain) && !value.is_empty() {
            pieces.push(Piece::Text(format!("{mark}{name}=")));
            pieces.push(Piece::Hidden(hidden.hide(draft, &plain, value, &what)));
        } else {
            note_secret(&decoded(value), &what, draft);
            pieces.push(Piece::Text(format!("{mark}{field}")));
        }
        mark = "&";
    }
    pieces
}
