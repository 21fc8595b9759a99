//! HAR files, as browsers and proxies save what they sent (HTTP Archive 1.2).

use super::NotImported;
use super::content::body_of;
use super::draft::{Draft, DraftBody, DraftPart, DraftRequest, METHODS, literal, title};
use super::json::Json;
use super::path::Url;
use super::routes::{self, Seen};
use super::secrets::{Hidden, note_path, text_of, with_one_cookie};

/// Headers that follow from the connection, or that squall writes.
const OWN: [&str; 9] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "upgrade",
    "keep-alive",
    "proxy-connection",
    "expect",
];
/// Headers by which a browser tells of itself or of its cache; a page answers
/// without them.
const OF_BROWSER: [&str; 12] = [
    "upgrade-insecure-requests",
    "if-none-match",
    "if-modified-since",
    "cache-control",
    "pragma",
    "dnt",
    "priority",
    "purpose",
    "origin",
    "referer",
    "alt-used",
    "x-client-data",
];
/// Most requests that are read.
const ENTRIES_MAX: usize = 20_000;

/// Entries that are left out, by why.
#[derive(Default)]
struct Left(Vec<(String, usize)>);

impl Left {
    fn one(&mut self, why: &str) {
        match self.0.iter_mut().find(|(known, _)| known == why) {
            Some((_, count)) => *count += 1,
            None => self.0.push((why.to_owned(), 1)),
        }
    }
}

/// The draft of a HAR file.
pub(super) fn draft(har: &Json) -> Result<Draft, NotImported> {
    let log = har.get("log").unwrap_or(har);
    let all = log.get("entries").map(Json::items).unwrap_or_default();
    let entries = &all[..all.len().min(ENTRIES_MAX)];
    let mut draft = Draft::default();
    let mut hidden = Hidden::default();
    let mut left = Left::default();
    if all.len() > entries.len() {
        left.one("more than 20000 are not read");
    }
    let urls: Vec<Option<Url>> = entries
        .iter()
        .map(|entry| Url::read(entry.get("request")?.get("url")?.text()?))
        .collect();
    draft.target = most_frequent(urls.iter().flatten().map(|url| url.origin.as_str()))
        .ok_or_else(|| NotImported("this HAR file has no request over http".to_owned()))?
        .to_owned();
    let mut seen = Vec::new();
    for (entry, url) in entries.iter().zip(&urls) {
        match read_entry(entry, url.as_ref(), &mut draft, &mut hidden) {
            Ok(one) => seen.push(one),
            Err(why) => left.one(&why),
        }
    }
    if seen.is_empty() {
        return Err(NotImported(
            "this HAR file has no request that could be sent".to_owned(),
        ));
    }
    let count = seen.len();
    routes::add(seen, &mut draft, &mut hidden);
    share_headers(&mut draft);
    let place = draft
        .target
        .split("://")
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    draft.name = title(&format!("traffic of {place}"));
    if draft.requests.len() < count {
        draft.about = vec![
            String::new(),
            format!(
                "{count} requests were seen: they stand here in {} kinds, with their weights. Each value",
                draft.requests.len()
            ),
            "of `data` is drawn by itself; what came in one order comes in any.".to_owned(),
        ];
    }
    draft.name_requests();
    for (why, count) in left.0 {
        let noun = if count == 1 { "request" } else { "requests" };
        draft.left_out.push(format!("{count} {noun}: {why}"));
    }
    Ok(draft)
}

fn most_frequent<'t>(all: impl Iterator<Item = &'t str>) -> Option<&'t str> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for one in all {
        match counts.iter_mut().find(|(known, _)| *known == one) {
            Some((_, count)) => *count += 1,
            None => counts.push((one, 1)),
        }
    }
    // The first of those that are as frequent.
    let most = counts.iter().map(|(_, count)| *count).max()?;
    let (one, _) = counts.iter().find(|(_, count)| *count == most)?;
    Some(one)
}

/// A request that can be sent again, or why there is none.
fn read_entry(
    entry: &Json,
    url: Option<&Url>,
    draft: &mut Draft,
    hidden: &mut Hidden,
) -> Result<Seen, String> {
    let (Some(request), Some(url)) = (entry.get("request"), url) else {
        return Err("not over http".to_owned());
    };
    if url.origin != draft.target {
        return Err(format!("to {}, and a load has one target", url.origin));
    }
    let status = entry
        .get("response")
        .and_then(|answer| answer.get("status"));
    let status = status.and_then(Json::whole).unwrap_or(0);
    let method = request.text_of("method").to_ascii_uppercase();
    if !METHODS.contains(&method.as_str()) {
        return Err(format!("the method {method:?}"));
    }
    let status = match u16::try_from(status).unwrap_or(0) {
        101 => return Err("a WebSocket".to_owned()),
        // An answer from the browser's cache is one of the server's all the same.
        304 => 200,
        status @ 100..600 => status,
        _ => return Err("never answered".to_owned()),
    };
    note_path(&url.path, draft);
    Ok(Seen {
        path: url.path.clone(),
        query: url.query.clone(),
        request: read_request(request, url, method, draft, hidden),
        status,
    })
}

fn read_request(
    json: &Json,
    url: &Url,
    method: String,
    draft: &mut Draft,
    hidden: &mut Hidden,
) -> DraftRequest {
    let mut request = DraftRequest {
        method,
        weight: 1,
        ..DraftRequest::default()
    };
    let headers = json.get("headers").map(Json::items).unwrap_or_default();
    let headers = headers
        .iter()
        .map(|header| (header.text_of("name"), header.text_of("value")));
    for (name, value) in with_one_cookie(headers) {
        let lower = name.to_ascii_lowercase();
        let of_browser = OF_BROWSER.contains(&lower.as_str())
            || lower.starts_with("sec-")
            || lower.starts_with(':');
        if OWN.contains(&lower.as_str()) || of_browser || value.is_empty() {
            continue;
        }
        hidden.header(draft, &mut request, (&lower, &value));
    }
    let says = |(name, _): &(String, String)| name == "authorization";
    if let Some((user, password)) = &url.asks
        && request.auth.is_none()
        && !request.headers.iter().any(says)
    {
        request.auth = Some(hidden.basic(draft, user, password));
    }
    if let Some(data) = json.get("postData") {
        post_data(data, &mut request, draft, hidden);
    }
    request
}

fn post_data(data: &Json, request: &mut DraftRequest, draft: &mut Draft, hidden: &mut Hidden) {
    let media = data.text_of("mimeType");
    let params = data.get("params").map(Json::items).unwrap_or_default();
    if media.starts_with("multipart/form-data") {
        request.headers.retain(|(name, _)| name != "content-type");
        let parts = params.iter().map(|param| {
            let filename = Some(param.text_of("fileName")).filter(|name| !name.is_empty());
            let media = Some(param.text_of("contentType")).filter(|media| !media.is_empty());
            let name = param.text_of("name");
            DraftPart {
                name: name.to_owned(),
                content: text_of(name, param.text_of("value"), "the field", draft, hidden),
                is_file: false,
                media: media.map(str::to_owned),
                filename: filename.map(str::to_owned),
            }
        });
        let parts: Vec<DraftPart> = parts.collect();
        if parts.is_empty() {
            draft
                .left_out
                .push("the parts of a multipart body, which the file does not hold".to_owned());
            return;
        }
        request.body = DraftBody::Parts(parts);
        return;
    }
    let known = request
        .headers
        .iter()
        .any(|(name, _)| name == "content-type");
    if !known && !media.is_empty() {
        request
            .headers
            .push(("content-type".to_owned(), literal(media)));
    }
    let text = data.text_of("text");
    if text.is_empty() && !params.is_empty() {
        let fields = params.iter().map(|param| {
            let name = param.text_of("name");
            let value = text_of(name, param.text_of("value"), "the field", draft, hidden);
            (name.to_owned(), value)
        });
        request.body = DraftBody::Form(fields.collect());
        request.headers.retain(|(name, _)| name != "content-type");
        return;
    }
    if !text.is_empty() {
        body_of(text, request, draft, hidden);
    }
}

/// Moves the headers that all requests have to the load.
fn share_headers(draft: &mut Draft) {
    let Some((first, rest)) = draft.requests.split_first() else {
        return;
    };
    if rest.is_empty() {
        return;
    }
    let everywhere = |header: &&(String, String)| {
        header.0 != "content-type" && rest.iter().all(|request| request.headers.contains(header))
    };
    let shared: Vec<_> = first.headers.iter().filter(everywhere).cloned().collect();
    for request in &mut draft.requests {
        request.headers.retain(|header| !shared.contains(header));
    }
    draft.headers = shared;
}
