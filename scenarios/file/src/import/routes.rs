//! Requests that are alike, as one route with data in place of what differs.

use super::draft::{Draft, DraftData, DraftRequest, data_name};
use super::path::{Piece, decoded, written};
use super::secrets::{Hidden, is_secret};

/// Most values of one place that are kept.
const VALUES_MAX: usize = 200;

/// A request as it was seen.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) query: Option<String>,
    /// All that is sent besides path and query.
    pub(super) request: DraftRequest,
    /// How it was answered; 0 where it was not.
    pub(super) status: u16,
}

/// Requests with the same method, and the same path and parameters but for what
/// looks like the name of one thing among many.
#[derive(Debug)]
struct Route {
    key: String,
    seen: Vec<Seen>,
}

/// Adds what was seen to the draft, one request for each route.
pub(super) fn add(seen: Vec<Seen>, draft: &mut Draft, hidden: &mut Hidden) {
    let mut routes: Vec<Route> = Vec::new();
    for one in seen {
        let key = key(&one);
        match routes.iter_mut().find(|route| route.key == key) {
            Some(route) => route.seen.push(one),
            None => routes.push(Route {
                key,
                seen: vec![one],
            }),
        }
    }
    for route in routes {
        let request = route.request(draft, hidden);
        draft.requests.push(request);
    }
}

fn key(one: &Seen) -> String {
    let segments = one
        .path
        .split('/')
        .map(|segment| match is_one_of_many(segment) {
            true => "*",
            false => segment,
        });
    let mut names: Vec<&str> = fields(one.query.as_deref()).map(|(name, _)| name).collect();
    names.sort_unstable();
    let segments: Vec<&str> = segments.collect();
    format!(
        "{} {}?{}",
        one.request.method,
        segments.join("/"),
        names.join("&")
    )
}

fn fields(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let fields = query.unwrap_or_default().split('&');
    fields
        .filter(|field| !field.is_empty())
        .map(|field| field.split_once('=').unwrap_or((field, "")))
}

/// Whether a segment of a path looks like the name of one thing among many: a
/// number, a UUID, a digest.
fn is_one_of_many(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let hex = segment
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    !segment.is_empty() && (digits == segment.len() || hex && segment.len() >= 12 && digits >= 2)
}

impl Route {
    fn request(&self, draft: &mut Draft, hidden: &mut Hidden) -> DraftRequest {
        let first = &self.seen[0];
        let mut pieces = Vec::new();
        let mut name_pieces = Vec::new();
        let mut before = "";
        for (at, segment) in first.path.split('/').enumerate() {
            if at > 0 {
                pieces.push(Piece::Text("/".to_owned()));
                name_pieces.push("/".to_owned());
            }
            let values = self.distinct(|seen| seen.path.split('/').nth(at));
            match values.as_slice() {
                [_] => {
                    pieces.push(Piece::Text(segment.to_owned()));
                    name_pieces.push(segment.to_owned());
                }
                _ => {
                    let name = self.data(&thing(before), values, draft);
                    name_pieces.push(format!("{{{name}}}"));
                    pieces.push(Piece::Value(name));
                }
            }
            before = segment;
        }
        let mut mark = "?";
        for (name, value) in fields(first.query.as_deref()) {
            pieces.push(Piece::Text(format!("{mark}{name}=")));
            mark = "&";
            let of_name = |seen: &'_ Seen| {
                let query = seen.query.as_deref();
                fields(query)
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| value.to_owned())
            };
            let values = self.distinct_owned(of_name);
            if is_secret(name) && !value.is_empty() {
                let what = format!("the parameter `{name}`");
                pieces.push(Piece::Hidden(hidden.hide(draft, name, value, &what)));
            } else if values.len() > 1 {
                let name = self.data(&data_name(name), values, draft);
                pieces.push(Piece::Value(name));
            } else {
                pieces.push(Piece::Text(value.to_owned()));
            }
        }
        let mut status: Vec<u16> = self.seen.iter().map(|seen| seen.status).collect();
        status.sort_unstable();
        status.dedup();
        let as_usual = status.iter().all(|status| (200..400).contains(status));
        let bodies = self.bodies();
        let mut comments = Vec::new();
        if bodies > 1 {
            comments.push(format!(
                "{bodies} bodies were seen; the first stands here. Data for `$name` makes them differ."
            ));
        }
        DraftRequest {
            name: format!("{} {}", first.request.method, name_pieces.concat()),
            path: written(&pieces),
            weight: u32::try_from(self.seen.len())
                .unwrap_or(u32::MAX)
                .min(1_000_000),
            status: if as_usual { Vec::new() } else { status },
            comments,
            ..first.request.clone()
        }
    }

    fn bodies(&self) -> usize {
        let mut bodies = Vec::new();
        for seen in &self.seen {
            if !bodies.contains(&&seen.request.body) {
                bodies.push(&seen.request.body);
            }
        }
        bodies.len()
    }

    fn distinct<'s>(&'s self, of: impl Fn(&'s Seen) -> Option<&'s str>) -> Vec<String> {
        self.distinct_owned(|seen| of(seen).map(str::to_owned))
    }

    fn distinct_owned<'s>(&'s self, of: impl Fn(&'s Seen) -> Option<String>) -> Vec<String> {
        let mut values: Vec<String> = Vec::new();
        for value in self.seen.iter().filter_map(of) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }

    /// Data that draws one of the values, which stand in a URL.
    fn data(&self, name: &str, mut values: Vec<String>, draft: &mut Draft) -> String {
        if values.len() > VALUES_MAX {
            let more = values.len() - VALUES_MAX;
            values.truncate(VALUES_MAX);
            draft
                .left_out
                .push(format!("{more} more values of `${name}`"));
        }
        let values = values.iter().map(|value| decoded(value)).collect();
        draft.data(name, DraftData::Pick(values))
    }
}

/// What one of the things in a path is called: `users` holds a `user`.
fn thing(collection: &str) -> String {
    let name = data_name(collection);
    match name.strip_suffix('s') {
        Some(one) if one.len() > 2 && !one.ends_with('s') => one.to_owned(),
        _ if name == "value" => "id".to_owned(),
        _ => name,
    }
}
