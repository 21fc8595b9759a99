//! JSON values into fields, with the complaints of Go's decoder.

use std::fmt;

use thiserror::Error;

use super::raw::{Kind, Raw};

/// A value that does not fit its field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("json: cannot unmarshal {value} into Go {place} of type {wanted}")]
pub(in super::super) struct Mismatch {
    value: String,
    place: Place,
    wanted: &'static str,
}

/// Where a value was to go, in Go's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Place {
    /// The whole body, or an element of it.
    Whole,
    /// A field of a type, by its path.
    Field {
        /// The type.
        of: &'static str,
        /// The path.
        path: &'static str,
    },
    /// A field of the attributes of a toxic.
    Attribute {
        /// The type of the toxic.
        of: &'static str,
        /// The attribute.
        name: &'static str,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("value"),
            Self::Field { of, path } => write!(f, "struct field {of}.{path}"),
            Self::Attribute { of, name } => write!(f, "struct field {of}.attributes.{name}"),
        }
    }
}

/// Whether a key names a field; its case does not matter.
fn names(key: &str, field: &str) -> bool {
    let folded = key.chars().map(|character| match character {
        // The two letters beyond ASCII that fold into it.
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(field.chars().map(|c| c.to_ascii_lowercase()))
}

impl<'a> Raw<'a> {
    fn mismatch(self, place: Place, wanted: &'static str) -> Mismatch {
        let value = match self.kind() {
            Kind::Null => "null",
            Kind::Bool(_) => "bool",
            Kind::Number => "number",
            Kind::Text => "string",
            Kind::Array => "array",
            Kind::Object => "object",
        };
        let value = value.to_owned();
        Mismatch {
            value,
            place,
            wanted,
        }
    }

    fn bad_number(self, place: Place, wanted: &'static str) -> Mismatch {
        let value = format!("number {}", self.number());
        Mismatch {
            value,
            place,
            wanted,
        }
    }

    /// Hands every member whose key names one of `fields` to `take`, in order,
    /// with that field.
    pub(in super::super) fn each_field(
        self,
        place: Place,
        wanted: &'static str,
        fields: &[&'static str],
        mut take: impl FnMut(&'static str, Raw<'a>) -> Result<(), Mismatch>,
    ) -> Result<(), Mismatch> {
        match self.kind() {
            Kind::Null => return Ok(()),
            Kind::Object => {}
            _ => return Err(self.mismatch(place, wanted)),
        }
        for (key, value) in self.members() {
            if let Some(field) = fields.iter().find(|field| names(&key, field)) {
                take(field, value)?;
            }
        }
        Ok(())
    }

    /// The elements of an array; none of `null`.
    pub(in super::super) fn array(
        self,
        place: Place,
        wanted: &'static str,
    ) -> Result<Vec<Raw<'a>>, Mismatch> {
        match self.kind() {
            Kind::Null | Kind::Array => Ok(self.elements().collect()),
            _ => Err(self.mismatch(place, wanted)),
        }
    }

    /// Puts a string into its field.
    pub(in super::super) fn text_into(
        self,
        into: &mut String,
        place: Place,
    ) -> Result<(), Mismatch> {
        match self.kind() {
            Kind::Null => {}
            Kind::Text => *into = self.text(),
            _ => return Err(self.mismatch(place, "string")),
        }
        Ok(())
    }

    /// Puts a bool into its field.
    pub(in super::super) fn bool_into(self, into: &mut bool, place: Place) -> Result<(), Mismatch> {
        match self.kind() {
            Kind::Null => {}
            Kind::Bool(value) => *into = value,
            _ => return Err(self.mismatch(place, "bool")),
        }
        Ok(())
    }

    /// Puts a whole number into its field; `wanted` is what Go calls its type.
    pub(in super::super) fn integer_into(
        self,
        into: &mut i64,
        place: Place,
        wanted: &'static str,
    ) -> Result<(), Mismatch> {
        match self.kind() {
            Kind::Null => {}
            Kind::Number => match self.number().parse() {
                Ok(value) => *into = value,
                Err(_) => return Err(self.bad_number(place, wanted)),
            },
            _ => return Err(self.mismatch(place, wanted)),
        }
        Ok(())
    }

    /// Puts a number into a field of single precision.
    pub(in super::super) fn f32_into(self, into: &mut f32, place: Place) -> Result<(), Mismatch> {
        match self.kind() {
            Kind::Null => {}
            Kind::Number => match self.number().parse::<f32>() {
                Ok(value) if value.is_finite() => *into = value,
                _ => return Err(self.bad_number(place, "float32")),
            },
            _ => return Err(self.mismatch(place, "float32")),
        }
        Ok(())
    }
}
