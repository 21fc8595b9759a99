//! The text of a request with values in it, each written for the place where it
//! stands. Sending and `check` use the same functions, so what is found sound
//! can be sent, and what is sent is what was meant.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::base64::encode_tail;
use crate::http::header_misfit;
use crate::percent::{is_unreserved, percent_encode};
use crate::request::{Auth, Request};
use crate::template::{Template, UnknownVariable};

/// Where in a request a value stands, which decides how it is written.
///
/// What stands in the scenario itself is kept as it is written; only values
/// are encoded. So a value can never end the path, begin another parameter or
/// close a string: it arrives as it was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// In the path: one segment or a part of one. Everything is
    /// percent-encoded but letters, digits and `-._~!$&'()*+,=:@`.
    Path,
    /// After the `?`: everything is percent-encoded but letters, digits and
    /// `-._~`.
    Query,
    /// In a header's value: as it is; only visible ASCII can be sent.
    Header,
    /// Inside of a JSON string: quotes, backslashes and control characters
    /// are escaped.
    JsonString,
    /// In a JSON body outside of a string: as it is; it must be JSON itself.
    Json,
    /// In a form: as after the `?`.
    Form,
    /// The name of who asks: as it is, and without a colon, which ends it.
    User,
    /// In a body of another kind, or the whole body: as it is.
    Plain,
}

/// Why a text cannot be sent, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsendable(pub(crate) &'static str);

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unsendable {}

const COLON: Unsendable = Unsendable("a colon ends the name of who asks");
pub(crate) const NOT_JSON: Unsendable =
    Unsendable("outside of quotes only JSON can stand: a number, true, false, null");

impl Slot {
    /// Appends `value` as it has to be written here.
    ///
    /// # Errors
    /// No way of writing it would arrive as it was drawn.
    pub fn write(self, value: &str, into: &mut String) -> Result<(), Unsendable> {
        match self {
            Self::Path => percent_encode(value, is_segment, into),
            Self::Query | Self::Form => percent_encode(value, is_unreserved, into),
            Self::JsonString => escape_json(value, into),
            Self::Header => {
                if let Some(misfit) = header_misfit("", value) {
                    return Err(Unsendable(misfit.label));
                }
                into.push_str(value);
            }
            Self::Json => {
                if serde_json::from_str::<serde::de::IgnoredAny>(value).is_err() {
                    return Err(NOT_JSON);
                }
                into.push_str(value);
            }
            Self::User if value.contains(':') => return Err(COLON),
            Self::User | Self::Plain => into.push_str(value),
        }
        Ok(())
    }
}

/// `pchar` of RFC 3986 without `;`, which servers take for the end of a
/// segment's name.
fn is_segment(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,=:@".contains(&byte)
}

fn escape_json(value: &str, into: &mut String) {
    for character in value.chars() {
        match character {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            control if control.is_control() => {
                let _ = write!(into, "\\u{:04x}", u32::from(control));
            }
            other => into.push(other),
        }
    }
}

/// What a body is, which decides how values are written in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyKind {
    Json,
    Form,
    Plain,
}

impl BodyKind {
    /// By the `content-type`; without one a body that begins as a JSON object
    /// or list does is taken for JSON.
    fn of(body: &Template, content_type: Option<&str>) -> Self {
        let Some(content_type) = content_type else {
            let first = body.source().trim_start().chars().next();
            return match first {
                Some('{' | '[') => Self::Json,
                _ => Self::Plain,
            };
        };
        let media = content_type.split(';').next().unwrap_or_default();
        let media = media.trim().to_ascii_lowercase();
        if media.ends_with("/json") || media.ends_with("+json") {
            Self::Json
        } else if media == "application/x-www-form-urlencoded" {
            Self::Form
        } else {
            Self::Plain
        }
    }
}

/// A template of a request, with the place of every value in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestText {
    pieces: Vec<Piece>,
    /// The pieces from this one on are sent in base64, together.
    base64_from: usize,
}

/// A part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyPiece {
    /// Sent as it is.
    Bytes(Arc<[u8]>),
    /// A text with values in it.
    Text(RequestText),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value { name: String, slot: Slot },
}

/// Why a text could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenderError {
    /// A placeholder has no value.
    Unknown(UnknownVariable),
    /// A value cannot be sent where it stands.
    Unsendable {
        /// The placeholder's name.
        name: String,
        /// The value.
        value: String,
        /// Why.
        why: Unsendable,
    },
}

impl RequestText {
    /// The path and query of a request.
    #[must_use]
    pub fn target(template: &Template) -> Self {
        let mut query = false;
        Self::new(template, |literal| {
            query |= literal.contains('?');
            if query { Slot::Query } else { Slot::Path }
        })
    }

    /// The value of a header.
    #[must_use]
    pub fn header(template: &Template) -> Self {
        Self::new(template, |_| Slot::Header)
    }

    /// The body of a request whose `content-type` header is `content_type`.
    #[must_use]
    pub fn body(template: &Template, content_type: Option<&str>) -> Self {
        let kind = BodyKind::of(template, content_type);
        let mut string = JsonScan::default();
        let mut text = Self::new(template, |literal| match kind {
            BodyKind::Form => Slot::Form,
            BodyKind::Plain => Slot::Plain,
            BodyKind::Json => {
                string.read(literal);
                if string.inside {
                    Slot::JsonString
                } else {
                    Slot::Json
                }
            }
        });
        // A value that is the whole body says itself what it is.
        if let [Piece::Value { slot, .. }] = text.pieces.as_mut_slice() {
            *slot = Slot::Plain;
        }
        text
    }

    /// A text in which every value stands as it is.
    #[must_use]
    pub fn plain(template: &Template) -> Self {
        Self::new(template, |_| Slot::Plain)
    }

    /// The value of the header `authorization`.
    #[must_use]
    pub fn auth(auth: &Auth) -> Self {
        let (user, password) = match auth {
            Auth::Bearer(token) => {
                let mut text = Self::new(token, |_| Slot::Header);
                text.pieces.insert(0, Piece::Text("Bearer ".to_owned()));
                text.base64_from = text.pieces.len();
                return text;
            }
            Auth::Basic { user, password } => (user, password),
        };
        let mut pieces = vec![Piece::Text("Basic ".to_owned())];
        pieces.extend(Self::new(user, |_| Slot::User).pieces);
        pieces.push(Piece::Text(":".to_owned()));
        pieces.extend(Self::plain(password).pieces);
        Self {
            pieces,
            base64_from: 1,
        }
    }

    /// `slot_after` is told every text and says where a value behind it stands.
    fn new(template: &Template, mut slot_after: impl FnMut(&str) -> Slot) -> Self {
        let mut slot = slot_after("");
        let mut pieces = Vec::new();
        for part in template.pieces() {
            match part {
                Ok(literal) => {
                    slot = slot_after(literal);
                    pieces.push(Piece::Text(literal.to_owned()));
                }
                Err(name) => pieces.push(Piece::Value {
                    name: name.to_owned(),
                    slot,
                }),
            }
        }
        Self {
            base64_from: pieces.len(),
            pieces,
        }
    }

    /// Which of its [`pieces`](Self::pieces) is the first of those that are sent
    /// in base64, all to the end together; their number where none are.
    #[must_use]
    pub const fn base64_from(&self) -> usize {
        self.base64_from
    }

    /// Its pieces in order: `Ok` for text, `Err` for a placeholder and where it
    /// stands.
    pub fn pieces(&self) -> impl Iterator<Item = Result<&str, (&str, Slot)>> {
        self.pieces.iter().map(|piece| match piece {
            Piece::Text(literal) => Ok(literal.as_str()),
            Piece::Value { name, slot } => Err((name.as_str(), *slot)),
        })
    }

    /// Every placeholder and where it stands, in order of appearance.
    pub fn values(&self) -> impl Iterator<Item = (&str, Slot)> {
        self.pieces().filter_map(Result::err)
    }

    /// The text without its placeholders' values, piece by piece.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.pieces().filter_map(Result::ok)
    }

    /// The text with every placeholder replaced by `lookup(name)`, written for
    /// its place.
    ///
    /// # Errors
    /// The first placeholder that has no value, or one that cannot be sent.
    pub fn render<'v>(
        &self,
        mut lookup: impl FnMut(&str) -> Option<Cow<'v, str>>,
    ) -> Result<String, RenderError> {
        let length = self.literals().map(str::len).sum::<usize>();
        let mut text = String::with_capacity(length + 16);
        let mut plain_until = None;
        for (index, piece) in self.pieces.iter().enumerate() {
            if index == self.base64_from {
                plain_until = Some(text.len());
            }
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Value { name, slot } => {
                    let value = lookup(name).ok_or_else(|| {
                        RenderError::Unknown(UnknownVariable { name: name.clone() })
                    })?;
                    slot.write(&value, &mut text)
                        .map_err(|why| RenderError::Unsendable {
                            name: name.clone(),
                            value: value.into_owned(),
                            why,
                        })?;
                }
            }
        }
        if let Some(start) = plain_until {
            let mut bytes = text.into_bytes();
            encode_tail(&mut bytes, start);
            text = String::from_utf8_lossy(&bytes).into_owned();
        }
        Ok(text)
    }
}

/// Whether the end of what was read lies inside of a JSON string.
#[derive(Debug, Default)]
struct JsonScan {
    inside: bool,
    escaped: bool,
}

impl JsonScan {
    fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.escaped {
                self.escaped = false;
            } else if self.inside && byte == b'\\' {
                self.escaped = true;
            } else if byte == b'"' {
                self.inside = !self.inside;
            }
        }
    }
}

impl Request {
    /// The path and query, each value written for its place.
    #[must_use]
    pub fn target_text(&self) -> RequestText {
        RequestText::target(&self.path)
    }

    /// The body, where there is one, each value written for its place.
    #[must_use]
    pub fn body_text(&self) -> Option<RequestText> {
        let mut headers = self.headers.iter();
        let content_type = headers
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            .map(|(_, value)| value.source());
        let body = self.body.as_ref()?;
        // What is sent instead is made of this.
        let content_type = match &self.call {
            Some(_) => Some("application/json"),
            None => content_type,
        };
        Some(RequestText::body(body, content_type))
    }

    /// The value of `authorization`, where the request says who asks.
    #[must_use]
    pub fn auth_text(&self) -> Option<RequestText> {
        self.auth.as_ref().map(RequestText::auth)
    }

    /// What is said on its socket, each value written for its place: a message that
    /// begins as a JSON object or list does is taken for JSON.
    #[must_use]
    pub fn message_texts(&self) -> Vec<RequestText> {
        let messages = self.socket.iter().flat_map(|socket| &socket.messages);
        messages
            .map(|message| RequestText::body(message, None))
            .collect()
    }

    /// The body in pieces, whatever it is made of; none where there is no body.
    #[must_use]
    pub fn body_pieces(&self) -> Vec<BodyPiece> {
        match (self.body_text(), &self.body_file, &self.multipart) {
            (Some(text), ..) => vec![BodyPiece::Text(text)],
            (None, Some(file), _) => vec![BodyPiece::Bytes(Arc::clone(&file.content))],
            (None, None, Some(body)) => body.pieces(),
            (None, None, None) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::path_misfit;

    fn rendered(text: &RequestText, value: &str) -> String {
        text.render(|_| Some(value.into())).unwrap()
    }

    fn target(template: &str, value: &str) -> String {
        rendered(&RequestText::target(&Template::parse(template)), value)
    }

    fn body(template: &str, content_type: Option<&str>, value: &str) -> String {
        let template = Template::parse(template);
        rendered(&RequestText::body(&template, content_type), value)
    }

    #[test]
    fn a_value_cannot_become_another_path_or_parameter() {
        assert_eq!(target("/find?q=$v&lang=en", "c#"), "/find?q=c%23&lang=en");
        assert_eq!(
            target("/find?q=$v&lang=en", "a&b=c+d e"),
            "/find?q=a%26b%3Dc%2Bd%20e&lang=en"
        );
        assert_eq!(target("/play/$v?at=1", "AC/DC?"), "/play/AC%2FDC%3F?at=1");
        assert_eq!(target("/play/$v", "50% é;x"), "/play/50%25%20%C3%A9%3Bx");
        assert_eq!(target("/play/$v", "a:b@c,d+e"), "/play/a:b@c,d+e");
        // What the scenario says itself is kept.
        assert_eq!(target("/a%20b/c;d?e=f+g&h=$v", "1"), "/a%20b/c;d?e=f+g&h=1");
    }

    #[test]
    fn values_keep_to_their_place_in_a_body() {
        let json = Some("application/json; charset=utf-8");
        let said = "say \"hi\"\n\\";
        assert_eq!(
            body(r#"{"a\"":"$v","n":$v}"#, json, "7"),
            r#"{"a\"":"7","n":7}"#
        );
        let text = body(r#"{"text":"<$v>"}"#, json, said);
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed["text"], format!("<{said}>"));
        // Without a content-type what looks like JSON is JSON.
        assert_eq!(body(r#" {"a":"$v"}"#, None, "\""), r#" {"a":"\""}"#);
        assert_eq!(body("a=$v", None, "\"&"), "a=\"&");
        let form = Some("application/x-www-form-urlencoded");
        assert_eq!(body("a=$v&b=1", form, "x&y = z"), "a=x%26y%20%3D%20z&b=1");
        assert_eq!(body("$v", json, "{broken"), "{broken");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let mut text = String::new();
        for (slot, value, sent) in [
            (Slot::Header, "a\r\nx: b", false),
            (Slot::Header, "caf\u{e9}", false),
            (Slot::Header, "Bearer a\tb", true),
            (Slot::Json, "two words", false),
            (Slot::Json, "[1, null]", true),
            (Slot::Plain, "\0", true),
        ] {
            assert_eq!(slot.write(value, &mut text).is_ok(), sent, "{value:?}");
        }
    }

    fn decoded(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                let digits = std::str::from_utf8(&digits).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
            } else {
                bytes.push(byte);
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        /// Whatever is drawn, the server reads back exactly that.
        #[test]
        fn every_value_arrives_as_it_was_drawn(value in any::<String>()) {
            let sent = target("/p/$v/end?q=$v&z=1", &value);
            prop_assert_eq!(path_misfit(&sent), None);
            let (path, query) = sent.split_once('?').unwrap();
            let segments: Vec<_> = path.split('/').collect();
            prop_assert_eq!(segments.len(), 4);
            prop_assert_eq!(decoded(segments[2]), value.clone());
            let parameters: Vec<_> = query.split('&').collect();
            prop_assert_eq!(parameters.len(), 2);
            prop_assert_eq!(decoded(&parameters[0][2..]), value.clone());
            let json = body(r#"{"v":"$v"}"#, Some("application/json"), &value);
            let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(parsed["v"].as_str().unwrap(), value);
        }
    }
}
