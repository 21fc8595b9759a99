//! Messages of calls, with what is drawn for them: what one of the values cannot say is
//! found before some arrival meets it.

use std::borrow::Cow;

use serde_json::Value;
use squall_scenario::{BodyPiece, DataSource, HttpVersion, Request, quoted, visible};

use crate::codes;
use crate::diagnostic::{Diagnostic, Place};
use crate::read::{LoadDraft, RequestPlaces};

/// Stands for what a step takes from an answer: as a number or in a text.
const TAKEN: &str = "73021850649137562";

pub(super) fn check(draft: &LoadDraft, findings: &mut Vec<Diagnostic>) {
    let routes = draft.load.routes().zip(&draft.requests);
    let mut calls = routes
        .filter(|(request, _)| request.call.is_some())
        .peekable();
    if let Some((request, places)) = calls.peek()
        && draft.load.connecting.http == HttpVersion::One
    {
        findings.push(
            Diagnostic::error(codes::KEYS_CONFLICT, "calls of gRPC go over HTTP/2")
                .at(draft.http.unwrap_or(places.name), "another version")
                .also(places.name, format!("{} is called", quoted(&request.name)))
                .help("write `http: 2`, or leave it out"),
        );
    }
    for (request, places) in calls {
        findings.extend(message(draft, request, places));
    }
}

/// What of a call's message is none of its type, whatever is drawn.
fn message(draft: &LoadDraft, request: &Request, places: &RequestPlaces) -> Option<Diagnostic> {
    let messages = request.call.as_ref()?.messages().ok()?;
    let mut pieces = request.body_pieces().into_iter();
    let text = pieces.find_map(|piece| match piece {
        BodyPiece::Text(text) => Some(text),
        BodyPiece::Bytes(_) => None,
    })?;
    let source = |name: &str| draft.load.data.iter().find(|(known, _)| known == name);
    let drawn: Vec<_> = text.values().filter_map(|(name, _)| source(name)).collect();
    let takes = text.values().any(|(name, _)| source(name).is_none());
    // With this value, and of all else that is drawn the first one.
    let refused = |this: Option<(&str, &str)>| {
        let json = text.render(|name| match this {
            Some((known, value)) if known == name => Some(Cow::Owned(value.to_owned())),
            Some(_) | None => {
                let drawn = source(name).map(|(_, source)| first(source));
                Some(drawn.unwrap_or(Cow::Borrowed(TAKEN)))
            }
        });
        // What cannot stand in JSON is told of all bodies.
        let json = match takes {
            true => without_taken(&json.ok()?)?,
            false => json.ok()?,
        };
        messages.write(&json, &mut Vec::new()).err()
    };
    let title = format!("the message of {} cannot be made", quoted(&request.name));
    let misfit = |why: &str, place: Place, label: &str| {
        Diagnostic::error(codes::MESSAGE_MISFIT, &title)
            .at(place, label)
            .help(
                "write what the file describes: numbers without quotes, texts of digits in \
                 quotes, drawn ones too: `\"$name\"`",
            )
            .note(visible(why, &[]))
    };
    if let Some(why) = refused(None) {
        return Some(misfit(&why, places.message, "it does not fit its type"));
    }
    drawn.into_iter().find_map(|(name, source)| {
        let picked = draft.picks.iter().find(|(known, _)| known == name);
        let picked = picked.map_or(&[][..], |(_, places)| places);
        others(source).find_map(|(index, value)| {
            let why = refused(Some((name, &value)))?;
            let place = picked.get(index).or(picked.first());
            let place = *place.unwrap_or(&places.message);
            let finding = misfit(&why, place, "this value does not fit its type");
            Some(finding.also(places.message, format!("drawn here as `${name}`")))
        })
    })
}

/// A message without the parts into which a taken value goes: it is not known, nor
/// whether it will do. `None` where nothing can be told of the rest.
fn without_taken(json: &str) -> Option<String> {
    let mut message: Value = serde_json::from_str(json).ok()?;
    match strip(&mut message) {
        true => Some(message.to_string()),
        false => None,
    }
}

/// Leaves out of a value what is taken; whether something is left.
fn strip(value: &mut Value) -> bool {
    match value {
        Value::Object(fields) => fields.retain(|key, value| !key.contains(TAKEN) && strip(value)),
        Value::Array(items) => items.retain_mut(strip),
        Value::String(text) => return !text.contains(TAKEN),
        Value::Number(number) => return !number.to_string().contains(TAKEN),
        Value::Null | Value::Bool(_) => {}
    }
    true
}

/// The first value of data, or one that stands for all.
fn first(source: &DataSource) -> Cow<'_, str> {
    if let Some(choices) = source.choices() {
        return Cow::Borrowed(choices.first().map_or("", String::as_str));
    }
    match source {
        DataSource::Uniform { from, .. } | DataSource::Count { from } => from.to_string().into(),
        DataSource::Zipf { .. } => "1".into(),
        DataSource::Uuid => "00000000-0000-4000-8000-000000000000".into(),
        DataSource::Pick(_) | DataSource::Column(_) => "".into(),
    }
}

/// All others, each with its place in the list; of numbers the greatest.
fn others(source: &DataSource) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
    let greatest = match source {
        DataSource::Uniform { to, .. } => Some(*to),
        DataSource::Zipf { over, .. } => Some(*over),
        DataSource::Count { .. }
        | DataSource::Uuid
        | DataSource::Pick(_)
        | DataSource::Column(_) => None,
    };
    let choices = source.choices().unwrap_or_default().iter();
    let choices = choices.map(|value| Cow::Borrowed(value.as_str()));
    let greatest = greatest.map(|value| Cow::Owned(value.to_string()));
    choices
        .enumerate()
        .skip(1)
        .chain(greatest.map(|it| (1, it)))
}
