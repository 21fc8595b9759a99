//! Proxies as they are asked for.

use super::entry::Entry;
use super::error::ApiError;
use super::json::{Mismatch, Place, Raw, first_value};

/// The type that `/populate` reads, in Go's words.
const LIST: &str = r#"[]struct { toxiproxy.Proxy; Enabled *bool "json:\"enabled\"" }"#;
/// An element of it.
const ELEMENT: &str = r#"struct { toxiproxy.Proxy; Enabled *bool "json:\"enabled\"" }"#;

const FIELDS: [&str; 5] = ["name", "listen", "upstream", "enabled", "toxics"];

/// A proxy that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) listen: String,
    pub(super) upstream: String,
    pub(super) enabled: bool,
    /// Its toxics; only where it is created by `/populate` or a file.
    pub(super) toxics: Vec<Entry>,
}

impl Wanted {
    /// Reads what `POST /proxies` asks for.
    pub(super) fn created(body: &[u8]) -> Result<Self, ApiError> {
        let mut wanted = Self {
            name: String::new(),
            listen: String::new(),
            upstream: String::new(),
            enabled: true,
            toxics: Vec::new(),
        };
        wanted.read(body)?;
        if wanted.name.is_empty() {
            return Err(ApiError::missing("name"));
        }
        if wanted.upstream.is_empty() {
            return Err(ApiError::missing("upstream"));
        }
        Ok(wanted)
    }

    /// Takes over what a body changes; the name stays.
    pub(super) fn changed(mut self, body: &[u8]) -> Result<Self, ApiError> {
        let name = self.name.clone();
        self.read(body)?;
        Ok(Self { name, ..self })
    }

    fn read(&mut self, body: &[u8]) -> Result<(), ApiError> {
        let given = first_value(body).map_err(ApiError::bad_body)?;
        let fields = &FIELDS[..4];
        let read = given.each_field(Place::Whole, "toxiproxy.Proxy", fields, |path, value| {
            let of = "Proxy";
            self.take(path, value, Place::Field { of, path })
        });
        read.map_err(ApiError::bad_body)
    }

    fn take(&mut self, name: &str, value: Raw<'_>, place: Place) -> Result<(), Mismatch> {
        match name {
            "name" => value.text_into(&mut self.name, place),
            "listen" => value.text_into(&mut self.listen, place),
            "upstream" => value.text_into(&mut self.upstream, place),
            _ => value.bool_into(&mut self.enabled, place),
        }
    }

    /// Reads a list of proxies. All are looked at before one is created.
    pub(super) fn list(body: &[u8]) -> Result<Vec<Self>, ApiError> {
        let given = first_value(body).map_err(ApiError::bad_body)?;
        let elements = given.array(Place::Whole, LIST);
        let elements = elements.map_err(ApiError::bad_body)?;
        let read = elements.into_iter().map(Listed::read);
        let read: Result<Vec<_>, _> = read.collect();
        let listed = read.map_err(ApiError::bad_body)?;
        for (nth, listed) in listed.iter().enumerate() {
            let missing = |field| ApiError::missing(field).at(format_args!("proxy {}", nth + 1));
            if listed.wanted.name.is_empty() {
                return Err(missing("name"));
            }
            if listed.wanted.upstream.is_empty() {
                return Err(missing("upstream"));
            }
        }
        let listed = listed.into_iter().enumerate();
        listed
            .map(|(nth, listed)| listed.with_toxics(nth))
            .collect()
    }
}

/// A proxy of a list, whose toxics have not been looked at.
struct Listed<'a> {
    wanted: Wanted,
    toxics: Vec<Raw<'a>>,
}

impl<'a> Listed<'a> {
    fn read(given: Raw<'a>) -> Result<Self, Mismatch> {
        let mut listed = Self {
            wanted: Wanted {
                name: String::new(),
                listen: String::new(),
                upstream: String::new(),
                enabled: true,
                toxics: Vec::new(),
            },
            toxics: Vec::new(),
        };
        given.each_field(Place::Whole, ELEMENT, &FIELDS, |name, value| {
            let (of, path) = match name {
                "enabled" => ("", "enabled"),
                "name" => ("", "Proxy.name"),
                "listen" => ("", "Proxy.listen"),
                "upstream" => ("", "Proxy.upstream"),
                _ => {
                    let path = "toxics";
                    let place = Place::Field { of: "", path };
                    listed.toxics = value.array(place, "[]toxics.ToxicWrapper")?;
                    return Ok(());
                }
            };
            listed.wanted.take(name, value, Place::Field { of, path })
        })?;
        Ok(listed)
    }

    fn with_toxics(self, nth: usize) -> Result<Wanted, ApiError> {
        let mut wanted = self.wanted;
        for (toxic, given) in self.toxics.into_iter().enumerate() {
            let taken = |name: &str| wanted.toxics.iter().any(|entry| entry.name == name);
            let entry = Entry::read(given, taken);
            let place = |error: ApiError| {
                error.at(format_args!("toxic {} of proxy {}", toxic + 1, nth + 1))
            };
            let entry = entry.map_err(place)?;
            wanted.toxics.push(entry);
        }
        Ok(wanted)
    }
}
