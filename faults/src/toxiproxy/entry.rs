//! A toxic as the API knows it.

use squall_scenario::inject::Direction;
use squall_scenario::{OnBytes, Share};

use super::error::ApiError;
use super::json::{Mismatch, Place, Raw, first_value, push_f32, push_text};
use super::kind::Attributes;

/// What Go calls the place of a field of a new toxic.
const fn field(path: &'static str) -> Place {
    let of = "ToxicWrapper";
    Place::Field { of, path }
}

/// The same where a toxic is changed: the type has no name.
const fn change(path: &'static str) -> Place {
    Place::Field { of: "", path }
}

const CHANGE: &str = r#"struct { Attributes interface {} "json:\"attributes\""; Toxicity float32 "json:\"toxicity\"" }"#;

/// A toxic.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) attributes: Attributes,
    /// As it was spelled.
    stream: String,
    direction: Direction,
    toxicity: f32,
    /// How long it stays, in milliseconds; for ever when absent.
    pub(super) ttl_ms: Option<u64>,
}

/// A toxic as it was asked for, before it is looked at.
#[derive(Debug)]
struct Asked<'a> {
    name: String,
    kind: String,
    stream: String,
    toxicity: f32,
    ttl_ms: i64,
    attributes: Vec<Raw<'a>>,
}

impl<'a> Asked<'a> {
    fn read(given: Raw<'a>) -> Result<Self, Mismatch> {
        let mut asked = Self {
            name: String::new(),
            kind: String::new(),
            stream: "downstream".to_owned(),
            toxicity: 1.0,
            ttl_ms: 0,
            attributes: Vec::new(),
        };
        const FIELDS: &[&str] = &["attributes", "name", "type", "stream", "toxicity", "ttl"];
        given.each_field(
            Place::Whole,
            "toxics.ToxicWrapper",
            FIELDS,
            |name, value| {
                match name {
                    "name" => value.text_into(&mut asked.name, field(name)),
                    "type" => value.text_into(&mut asked.kind, field(name)),
                    "stream" => value.text_into(&mut asked.stream, field(name)),
                    "toxicity" => value.f32_into(&mut asked.toxicity, field(name)),
                    "ttl" => value.integer_into(&mut asked.ttl_ms, field(name), "int64"),
                    _ => {
                        // Read when the type is known; the shape is looked at now.
                        value.each_field(field(name), "toxics.NoopToxic", &[], |_, _| Ok(()))?;
                        asked.attributes.push(value);
                        Ok(())
                    }
                }
            },
        )?;
        Ok(asked)
    }
}

impl Entry {
    /// Reads a new toxic from a body. `taken` says whether a name is taken.
    ///
    /// # Errors
    /// In the order in which Toxiproxy looks for them.
    pub(super) fn from_body(body: &[u8], taken: impl Fn(&str) -> bool) -> Result<Self, ApiError> {
        let given = first_value(body).map_err(ApiError::bad_body)?;
        Self::read(given, taken)
    }

    /// The same for a value that was read already.
    pub(super) fn read(given: Raw<'_>, taken: impl Fn(&str) -> bool) -> Result<Self, ApiError> {
        let asked = Asked::read(given).map_err(ApiError::bad_body)?;
        let direction = match asked.stream.to_lowercase().as_str() {
            "upstream" => Direction::To,
            "downstream" => Direction::From,
            _ => return Err(ApiError::invalid_stream()),
        };
        let name = match asked.name.is_empty() {
            true => format!("{}_{}", asked.kind, asked.stream),
            false => asked.name,
        };
        let mut attributes =
            Attributes::of(&asked.kind).ok_or_else(ApiError::invalid_toxic_type)?;
        if taken(&name) {
            return Err(ApiError::toxic_exists());
        }
        for given in asked.attributes {
            let merged = attributes.merge(given, field("attributes"));
            merged.map_err(ApiError::bad_body)?;
        }
        attributes.check()?;
        Ok(Self {
            name,
            attributes,
            stream: asked.stream,
            direction,
            toxicity: asked.toxicity,
            ttl_ms: lasting(asked.ttl_ms)?,
        })
    }

    /// The same toxic, changed by a body, and whether it was given other time;
    /// whatever is not mentioned stays.
    ///
    /// # Errors
    /// The body is none, or nothing can be done with it.
    pub(super) fn changed(&self, body: &[u8]) -> Result<(Self, bool), ApiError> {
        let given = first_value(body).map_err(ApiError::bad_body)?;
        let mut entry = self.clone();
        let mut ttl_ms = None;
        let fields = &["attributes", "toxicity", "ttl"];
        let read = given.each_field(Place::Whole, CHANGE, fields, |name, value| match name {
            "toxicity" => value.f32_into(&mut entry.toxicity, change(name)),
            "ttl" => value.integer_into(ttl_ms.insert(0), change(name), "int64"),
            _ => entry.attributes.merge(value, change(name)),
        });
        read.map_err(ApiError::bad_body)?;
        entry.attributes.check()?;
        if let Some(ttl_ms) = ttl_ms {
            entry.ttl_ms = lasting(ttl_ms)?;
        }
        Ok((entry, ttl_ms.is_some()))
    }

    pub(super) const fn direction(&self) -> Direction {
        self.direction
    }

    /// What is injected into the bytes; `None` where nothing is.
    pub(super) fn inject(&self) -> Option<OnBytes> {
        self.attributes.inject(self.direction)
    }

    /// The share of connections that it is injected into. A toxic acts on one
    /// direction, so that is the share of links as well.
    pub(super) fn share(&self) -> Share {
        Share::new(f64::from(self.toxicity).clamp(0.0, 1.0)).unwrap_or(Share::WHOLE)
    }

    /// It as JSON.
    pub(super) fn json(&self) -> String {
        let mut out = "{\"attributes\":".to_owned();
        self.attributes.push(&mut out);
        out += ",\"name\":";
        push_text(&mut out, &self.name);
        out += ",\"type\":";
        push_text(&mut out, self.attributes.kind.word);
        out += ",\"stream\":";
        push_text(&mut out, &self.stream);
        out += ",\"toxicity\":";
        push_f32(&mut out, self.toxicity);
        if let Some(ttl_ms) = self.ttl_ms {
            out += &format!(",\"ttl\":{ttl_ms}");
        }
        out.push('}');
        out
    }
}

/// A time limit as given; 0 is none.
fn lasting(ttl_ms: i64) -> Result<Option<u64>, ApiError> {
    match u64::try_from(ttl_ms) {
        Ok(0) => Ok(None),
        Ok(ttl_ms) => Ok(Some(ttl_ms)),
        Err(_) => Err(ApiError::bad_body("ttl cannot be negative")),
    }
}
