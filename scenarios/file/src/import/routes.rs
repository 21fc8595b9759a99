//! Requests that are alike, as one route with data in place of what differs.

use std::collections::{HashMap, HashSet};

use super::draft::{Draft, DraftData, DraftRequest, data_name};
use super::path::{Piece, decoded, written};
use super::secrets::{Hidden, is_secret, note_secret};

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
    seen: Vec<Seen>,
}

/// Adds what was seen to the draft, one request for each route.
pub(super) fn add(seen: Vec<Seen>, draft: &mut Draft, hidden: &mut Hidden) {
    let mut routes: Vec<Route> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for one in seen {
        let place = *places.entry(key(&one)).or_insert(routes.len());
        match routes.get_mut(place) {
            Some(route) => route.seen.push(one),
            None => routes.push(Route { seen: vec![one] }),
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
    let fields = fields(one.query.as_deref());
    let mut names: Vec<String> = fields
        .map(|(name, value)| format!("{name}{}", if value.is_some() { "=" } else { "" }))
        .collect();
    names.sort_unstable();
    let segments: Vec<&str> = segments.collect();
    format!(
        "{} {}?{}",
        one.request.method,
        segments.join("/"),
        names.join("&")
    )
}

/// The fields of a query; a name may stand there alone.
fn fields(query: Option<&str>) -> impl Iterator<Item = (&str, Option<&str>)> {
    let fields = query.unwrap_or_default().split('&');
    fields
        .filter(|field| !field.is_empty())
        .map(|field| match field.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (field, None),
        })
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
        self.query_pieces(&mut pieces, draft, hidden);
        let mut comments = Vec::new();
        let status = self.good_statuses(&mut comments);
        let bodies = self.bodies();
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
            status,
            comments,
            ..first.request.clone()
        }
    }

    fn query_pieces(&self, pieces: &mut Vec<Piece>, draft: &mut Draft, hidden: &mut Hidden) {
        let mut mark = "?";
        let first = self.seen[0].query.as_deref();
        for (at, (name, value)) in fields(first).enumerate() {
            pieces.push(Piece::Text(format!("{mark}{name}")));
            mark = "&";
            // A name may come several times: the second of one is that of the others.
            let before = fields(first).take(at).filter(|(known, _)| *known == name);
            let before = before.count();
            let of_name = |seen: &'_ Seen| {
                let mut same = fields(seen.query.as_deref()).filter(|(known, _)| *known == name);
                let (_, value) = same.nth(before)?;
                value.map(str::to_owned)
            };
            let values = self.distinct_owned(of_name);
            let value = value.unwrap_or_default();
            if !values.is_empty() {
                pieces.push(Piece::Text("=".to_owned()));
            }
            let plain = decoded(name);
            let what = format!("the parameter `{plain}`");
            if is_secret(&plain) && !value.is_empty() {
                pieces.push(Piece::Hidden(hidden.hide(draft, &plain, value, &what)));
            } else if values.len() > 1 {
                // In a query, a plus sign is a space.
                let values = values.iter().map(|value| value.replace('+', "%20"));
                let name = self.data(&data_name(name), values.collect(), draft);
                pieces.push(Piece::Value(name));
            } else {
                note_secret(&decoded(value), &what, draft);
                pieces.push(Piece::Text(value.to_owned()));
            }
        }
    }

    /// The good statuses, where they are not those that are good anyway. A failure
    /// that was seen is none of them, and a refusal only where nothing else came.
    fn good_statuses(&self, comments: &mut Vec<String>) -> Vec<u16> {
        let mut status: Vec<u16> = self.seen.iter().map(|seen| seen.status).collect();
        status.sort_unstable();
        status.dedup();
        let (usual, others): (Vec<u16>, Vec<u16>) = status
            .into_iter()
            .partition(|status| (200..400).contains(status));
        let refusals = others.iter().filter(|status| (400..500).contains(*status));
        let good: Vec<u16> = match usual.is_empty() {
            true => refusals.copied().collect(),
            false => Vec::new(),
        };
        let mut say = |status: &[u16], what: &str| {
            let status: Vec<String> = status.iter().map(u16::to_string).collect();
            if !status.is_empty() {
                comments.push(format!("{} {what}", status.join(", ")));
            }
        };
        let not_good: Vec<u16> = others
            .iter()
            .copied()
            .filter(|one| !good.contains(one))
            .collect();
        say(&good, "was all that was seen, so it is good here; is it?");
        say(&not_good, "was seen too, and is not good here.");
        good
    }

    fn bodies(&self) -> usize {
        let bodies = self.seen.iter().map(|seen| &seen.request.body);
        let bodies: HashSet<String> = bodies.map(|body| format!("{body:?}")).collect();
        bodies.len()
    }

    fn distinct<'s>(&'s self, of: impl Fn(&'s Seen) -> Option<&'s str>) -> Vec<String> {
        self.distinct_owned(|seen| of(seen).map(str::to_owned))
    }

    fn distinct_owned<'s>(&'s self, of: impl Fn(&'s Seen) -> Option<String>) -> Vec<String> {
        let mut known = HashSet::new();
        let values = self.seen.iter().filter_map(of);
        values.filter(|value| known.insert(value.clone())).collect()
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
