//! OpenAPI 3 descriptions: every operation is a request.

use squall_scenario::{FRAMING_HEADERS, header_misfit, is_header_name};

use super::NotImported;
use super::draft::{
    Draft, DraftAuth, DraftBody, DraftPart, DraftRequest, environment_name, literal, title,
};
use super::json::Json;
use super::parameter::{fields, query_text};
use super::path::{Piece, Url, written};
use super::schema::Document;

/// Operations that a request can be, in the order in which they are written.
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];
/// Most operations that are read.
const OPERATIONS_MAX: usize = 500;
/// How many times as often something is read as it is written, unless somebody
/// knows better.
const READS: u32 = 10;
/// Header parameters that mean nothing, by OpenAPI: the body, the answers and
/// `security` say what stands there.
const IGNORED_HEADERS: [&str; 3] = ["accept", "content-type", "authorization"];
/// Where nothing says where the service is.
const NOWHERE: &str = "http://127.0.0.1:8080";

/// The draft of a description.
pub(super) fn draft(json: &Json) -> Result<Draft, NotImported> {
    let version = json.text_of("openapi");
    if !version.starts_with("3.") {
        return Err(NotImported(format!(
            "this is OpenAPI {version:?}, and squall reads 3.0 and 3.1"
        )));
    }
    let document = Document(json);
    let mut draft = Draft::default();
    let base = server(json, &mut draft);
    let empty = Vec::new();
    let paths = json.get("paths").map_or(empty.as_slice(), Json::entries);
    let mut operations = 0;
    for (path, item) in paths {
        let Some(item) = document.resolved(item) else {
            draft
                .left_out
                .push(format!("{path}, which is described elsewhere"));
            continue;
        };
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            operations += 1;
            if operations > OPERATIONS_MAX {
                continue;
            }
            let place = Operation {
                document,
                item,
                operation,
                method,
                path,
            };
            place.add_to(&mut draft, &base);
        }
        if item.get("trace").is_some() {
            draft.left_out.push(format!("TRACE {path}"));
        }
    }
    if operations > OPERATIONS_MAX {
        let more = operations - OPERATIONS_MAX;
        draft.left_out.push(format!(
            "{more} operations behind the first {OPERATIONS_MAX}"
        ));
    }
    if draft.requests.is_empty() {
        return Err(NotImported(
            "this description has no operation that could be sent".to_owned(),
        ));
    }
    let name = json.get("info").map_or("", |info| info.text_of("title"));
    draft.name = title(if name.is_empty() { "an API" } else { name });
    draft.about = vec![
        String::new(),
        format!(
            "What is read comes {READS} times as often as what is written: set each `weight` as your users do."
        ),
        "Values were made up by the schemas: set `data` to what is there.".to_owned(),
    ];
    draft.name_requests();
    Ok(draft)
}

/// Sets the target; the path that is before all others.
fn server(json: &Json, draft: &mut Draft) -> String {
    let servers = json.get("servers").map(Json::items).unwrap_or_default();
    let first = servers.first();
    let mut url = first.map_or("", |server| server.text_of("url")).to_owned();
    let variables = first.and_then(|server| server.get("variables"));
    for (name, variable) in variables.map(Json::entries).unwrap_or_default() {
        // Where it has no usual value, no value is as good as none.
        if let Some(value) = variable.get("default").and_then(Json::text) {
            url = url.replace(&format!("{{{name}}}"), value);
        }
    }
    if servers.len() > 1 {
        let more = servers.len() - 1;
        draft
            .left_out
            .push(format!("{more} more servers: the first is the target"));
    }
    let known = Some(&url)
        .filter(|url| url.contains("://"))
        .and_then(|url| Url::read(url));
    let Some(known) = known else {
        draft.target = NOWHERE.to_owned();
        draft.left_out.push(format!(
            "where the service is: the description does not say, so `target` is {NOWHERE}"
        ));
        // `https://{tenant}.example.com/api` says the path all the same.
        let path = match url.split_once("//") {
            Some((scheme, rest)) if scheme.is_empty() || scheme.ends_with(':') => {
                rest.find('/').map_or("", |at| &rest[at..])
            }
            _ => &url,
        };
        return path.trim_end_matches('/').to_owned();
    };
    if known.asks.is_some() {
        let who = "who asks, in the URL of the server; write `auth` of the load for it";
        draft.note(who.to_owned());
    }
    draft.target = known.origin;
    known.path.trim_end_matches('/').to_owned()
}

/// An operation and where it stands.
struct Operation<'d> {
    document: Document<'d>,
    item: &'d Json,
    operation: &'d Json,
    method: &'static str,
    path: &'d str,
}

impl<'d> Operation<'d> {
    fn add_to(&self, draft: &mut Draft, base: &str) {
        let method = self.method.to_ascii_uppercase();
        if self.operation.is_true("deprecated") {
            return draft
                .left_out
                .push(format!("{method} {}, which is deprecated", self.path));
        }
        let id = self.operation.text_of("operationId");
        let reads = ["get", "head", "options"].contains(&self.method);
        let mut request = DraftRequest {
            name: match id {
                "" => format!("{method} {}", self.path),
                id => id.to_owned(),
            },
            method,
            weight: if reads { READS } else { 1 },
            ..DraftRequest::default()
        };
        let summary = self.operation.text_of("summary").trim();
        if !summary.is_empty() {
            request.comments.push(summary.chars().take(100).collect());
        }
        let mut pieces = vec![Piece::Text(base.to_owned())];
        self.path_pieces(&mut pieces, draft);
        self.parameters(&mut request, &mut pieces, draft);
        self.security(&mut request, &mut pieces, draft);
        request.path = written(&pieces);
        if !request.path.starts_with('/') {
            request.path.insert(0, '/');
        }
        if !self.body(&mut request, draft) {
            return;
        }
        self.statuses(&mut request);
        draft.requests.push(request);
    }

    /// Those of the path and of the operation, which replace those of the path.
    fn all_parameters(&self) -> Vec<&'d Json> {
        let mut all: Vec<&Json> = Vec::new();
        let key = |json: &Json| {
            (
                json.text_of("in").to_owned(),
                json.text_of("name").to_owned(),
            )
        };
        for of in [self.item, self.operation] {
            let listed = of.get("parameters").map(Json::items).unwrap_or_default();
            for parameter in listed.iter().filter_map(|one| self.document.resolved(one)) {
                all.retain(|known| key(known) != key(parameter));
                all.push(parameter);
            }
        }
        all
    }

    fn path_pieces(&self, pieces: &mut Vec<Piece>, draft: &mut Draft) {
        let parameters = self.all_parameters();
        let mut rest = self.path;
        while let Some((before, behind)) = rest.split_once('{') {
            pieces.push(Piece::Text(before.to_owned()));
            let Some((name, behind)) = behind.split_once('}') else {
                break;
            };
            let mut of_path = parameters.iter().filter(|one| one.text_of("in") == "path");
            let parameter = of_path.find(|one| one.text_of("name") == name);
            pieces.push(self.document.piece(parameter.copied(), name, draft));
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
    }

    fn parameters(&self, request: &mut DraftRequest, pieces: &mut Vec<Piece>, draft: &mut Draft) {
        let mut optional = Vec::new();
        let mut mark = "?";
        for parameter in self.all_parameters() {
            let name = parameter.text_of("name");
            let place = parameter.text_of("in");
            let lower = name.to_ascii_lowercase();
            let ignored = place == "header" && IGNORED_HEADERS.contains(&lower.as_str());
            if place == "path" || name.is_empty() || ignored {
                continue;
            }
            if !parameter.is_true("required") {
                optional.push(name.to_owned());
                continue;
            }
            match place {
                "query" => {
                    pieces.push(Piece::Text(format!("{mark}{}=", query_text(name))));
                    pieces.push(self.document.piece(Some(parameter), name, draft));
                    mark = "&";
                }
                "header" => {
                    let text = match self.document.piece(Some(parameter), name, draft) {
                        Piece::Text(text) => literal(&super::path::decoded(&text)),
                        Piece::Value(name) => format!("${name}"),
                        Piece::Hidden(name) => name,
                    };
                    self.header(request, (name, text), draft);
                }
                _ => draft.left_out.push(format!(
                    "the {place} parameter `{name}` of {}",
                    request.name
                )),
            }
        }
        if !optional.is_empty() {
            request
                .comments
                .push(format!("may have: {}", optional.join(", ")));
        }
    }

    /// What says who asks, of the first way that is enough.
    fn security(&self, request: &mut DraftRequest, pieces: &mut Vec<Piece>, draft: &mut Draft) {
        let root = self.document.0;
        let needed = self
            .operation
            .get("security")
            .or_else(|| root.get("security"));
        let ways = needed.map(Json::items).unwrap_or_default();
        // An empty one says that nobody has to be known.
        if ways.iter().any(|way| way.entries().is_empty()) {
            return;
        }
        let Some(way) = ways.first() else { return };
        let schemes = root
            .get("components")
            .and_then(|parts| parts.get("securitySchemes"));
        let resolved = |name: &str| self.document.resolved(schemes?.get(name)?);
        for (name, _) in way.entries() {
            let Some(scheme) = resolved(name) else {
                continue;
            };
            match (scheme.text_of("type"), scheme.text_of("scheme")) {
                ("http", basic) if basic.eq_ignore_ascii_case("basic") => {
                    request.auth = Some(DraftAuth::Basic {
                        user: secret(draft, "USERNAME", "the name of who asks"),
                        password: secret(draft, "PASSWORD", "the password of who asks"),
                    });
                }
                ("http" | "oauth2" | "openIdConnect", _) => {
                    let token = secret(draft, "TOKEN", "a bearer token");
                    request.auth = Some(DraftAuth::Bearer(token));
                }
                ("apiKey", _) => {
                    let all = schemes.map(Json::entries).unwrap_or_default();
                    let keys = all
                        .iter()
                        .filter(|(_, one)| one.text_of("type") == "apiKey");
                    let one_of_many = keys.count() > 1;
                    let environment = match one_of_many {
                        true => environment_name(name),
                        false => "API_KEY".to_owned(),
                    };
                    let what = format!("the key `{}`", scheme.text_of("name"));
                    let key = secret(draft, &environment, &what);
                    self.api_key(scheme, key, request, pieces, draft);
                }
                _ => draft.note(format!("the way `{name}` to say who asks")),
            }
        }
        // `auth` is this header.
        if request.auth.is_some() {
            request.headers.retain(|(name, _)| name != "authorization");
        }
    }

    fn api_key(
        &self,
        scheme: &Json,
        key: String,
        request: &mut DraftRequest,
        pieces: &mut Vec<Piece>,
        draft: &mut Draft,
    ) {
        let name = scheme.text_of("name");
        match scheme.text_of("in") {
            "header" => self.header(request, (name, key), draft),
            "cookie" => {
                let mut cookie = format!("{}={key}", literal(name));
                let mut known = request.headers.iter();
                if let Some((_, before)) = known.find(|(name, _)| name == "cookie") {
                    cookie = format!("{before}; {cookie}");
                }
                self.header(request, ("cookie", cookie), draft);
            }
            _ => {
                let mut pieces_before = pieces.iter();
                let has_query = pieces_before
                    .any(|piece| matches!(piece, Piece::Text(text) if text.contains('?')));
                let mark = if has_query { "&" } else { "?" };
                pieces.push(Piece::Text(format!("{mark}{}=", query_text(name))));
                pieces.push(Piece::Hidden(key));
            }
        }
    }

    /// Sets a header, if it is one that can be sent.
    fn header(&self, request: &mut DraftRequest, (name, value): (&str, String), draft: &mut Draft) {
        let lower = name.to_ascii_lowercase();
        if FRAMING_HEADERS.contains(&lower.as_str()) {
            return;
        }
        if is_header_name(&lower) && header_misfit(&lower, &value).is_none() {
            return request.set_header(&lower, value);
        }
        draft.note(format!("the header {name:?}, which cannot be sent"));
    }

    /// Adds the body; whether the request can be sent.
    fn body(&self, request: &mut DraftRequest, draft: &mut Draft) -> bool {
        let body = self.operation.get("requestBody");
        let Some(body) = body.and_then(|body| self.document.resolved(body)) else {
            return true;
        };
        let kinds = body.get("content").map_or(&[][..], Json::entries);
        let of_kind = |wanted: fn(&str) -> bool| {
            let kind = |media: &str| {
                let kind = media.split(';').next().unwrap_or_default();
                kind.trim().to_ascii_lowercase()
            };
            kinds.iter().find(|(media, _)| wanted(&kind(media)))
        };
        let json = of_kind(|kind| kind.ends_with("/json") || kind.ends_with("+json"));
        let form = of_kind(|kind| kind == "application/x-www-form-urlencoded");
        let parts = of_kind(|kind| kind == "multipart/form-data");
        match (json, form, parts, kinds.first()) {
            (Some((media, of)), ..) => {
                if media != "application/json" {
                    request.set_header("content-type", literal(media));
                }
                request.body = DraftBody::Json(self.content(of, &request.name, draft));
            }
            (None, Some((_, of)), ..) => {
                let fields = self.fields(of, &request.name, draft);
                if !fields.is_empty() {
                    request.body = DraftBody::Form(fields);
                }
            }
            (None, None, Some((_, of)), _) => {
                let parts: Vec<DraftPart> = self
                    .fields(of, &request.name, draft)
                    .into_iter()
                    .map(|(name, content)| DraftPart {
                        name,
                        content,
                        is_file: false,
                        media: None,
                        filename: None,
                    })
                    .collect();
                if !parts.is_empty() {
                    let remark = "files are sent as texts: write `{ file: PATH }` for one";
                    request.comments.push(remark.to_owned());
                    request.body = DraftBody::Parts(parts);
                }
            }
            (None, None, None, Some((media, of))) => match self.document.example(of) {
                Some(Json::Text(text)) => {
                    request.set_header("content-type", literal(media));
                    request.body = DraftBody::Text(literal(text));
                }
                _ if body.is_true("required") => {
                    let name = &request.name;
                    let why = format!("{name}: a body of {media:?} without an example");
                    draft.left_out.push(why);
                    return false;
                }
                _ => {}
            },
            (None, None, None, None) => {}
        }
        true
    }

    /// The fields of a form, of which those that are none are told.
    fn fields(&self, of: &'d Json, request: &str, draft: &mut Draft) -> Vec<(String, String)> {
        let content = self.content(of, request, draft);
        let (fields, others) = fields(&content);
        for name in others {
            draft.note(format!(
                "the field `{name}` of `{request}`, which is no text"
            ));
        }
        fields
    }

    /// What a media type holds: its example, else what its schema allows.
    fn content(&self, of: &'d Json, request: &str, draft: &mut Draft) -> Json {
        let (value, cut) = match (self.document.example(of), of.get("schema")) {
            (Some(example), _) => self.document.given(example, draft),
            (None, Some(schema)) => self.document.value(schema, "value", draft),
            (None, None) => return Json::Null,
        };
        if cut {
            draft.note(format!(
                "all or most of the body of `{request}`, which has too many values"
            ));
        }
        value
    }

    /// The good statuses, where the description names them one by one.
    fn statuses(&self, request: &mut DraftRequest) {
        let answers = self
            .operation
            .get("responses")
            .map(Json::entries)
            .unwrap_or_default();
        let good = answers
            .iter()
            .filter_map(|(status, _)| status.parse::<u16>().ok());
        let good: Vec<u16> = good.filter(|status| (200..400).contains(status)).collect();
        let others = answers
            .iter()
            .any(|(status, _)| status.to_ascii_uppercase().ends_with("XX"));
        if !others {
            request.status = good;
        }
    }
}

/// What stands for a secret of the environment, which is asked for once.
fn secret(draft: &mut Draft, name: &str, what: &str) -> String {
    if !draft.secrets.iter().any(|(known, _)| known == name) {
        draft.secrets.push((name.to_owned(), what.to_owned()));
    }
    format!("${{{name}}}")
}
