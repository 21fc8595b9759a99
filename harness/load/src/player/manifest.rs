//! What a player learns about a title before it plays: JSON in the form of the
//! reference backend.
//!
//! ```json
//! { "segment_seconds": 4, "segment_count": 900,
//!   "ladder_kbps": [235, 750, 1750, 3000, 5800],
//!   "watch_path": "/watch/1/{n}?kbps={kbps}&profile=6",
//!   "licence": "eyJ…" }
//! ```
//!
//! `{n}` is replaced by the number of a segment, from 0, and `{kbps}` by its
//! bit rate. `licence` may be missing; it is shown with every segment as
//! `Authorization: Bearer`. Other members are not looked at.

use std::time::Duration;

use serde::Deserialize;

use super::ladder::Ladder;

/// Longest path of a segment, in bytes.
const PATH_BYTES_MAX: usize = 2_048;
/// Longest licence, in bytes.
const LICENCE_BYTES_MAX: usize = 4_096;
/// Most rungs of a ladder.
const RUNGS_MAX: usize = 32;
/// Shortest segment, in seconds.
const SEGMENT_SECONDS_MIN: f64 = 0.1;
/// Longest segment, in seconds.
const SEGMENT_SECONDS_MAX: f64 = 60.0;

/// Why there is nothing to play.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is not JSON, or a member is missing or of another type.
    #[error("no manifest: {0}")]
    Unreadable(String),
    /// A member has no meaning.
    #[error("a manifest whose `{member}` is {what}")]
    Absurd {
        /// Its name.
        member: &'static str,
        /// What it is.
        what: &'static str,
    },
}

/// A title as a player sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Playing time of a segment; more than nothing.
    pub(super) segment: Duration,
    /// How many there are; at least one.
    pub(super) segments: u32,
    /// In which bit rates.
    pub(super) ladder: Ladder,
    path: String,
    licence: Option<String>,
}

#[derive(Deserialize)]
struct Text {
    segment_seconds: f64,
    segment_count: u32,
    ladder_kbps: Vec<u32>,
    watch_path: String,
    #[serde(default)]
    licence: Option<String>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// It is not one, or says what cannot be.
    pub fn read(body: &[u8]) -> Result<Self, ManifestError> {
        let text: Text = serde_json::from_slice(body)
            .map_err(|error| ManifestError::Unreadable(error.to_string()))?;
        let absurd = |member, what| ManifestError::Absurd { member, what };
        let seconds = text.segment_seconds;
        if !(SEGMENT_SECONDS_MIN..=SEGMENT_SECONDS_MAX).contains(&seconds) {
            return Err(absurd("segment_seconds", "not between 0.1 and 60"));
        }
        if text.segment_count == 0 {
            return Err(absurd("segment_count", "0"));
        }
        if text.ladder_kbps.len() > RUNGS_MAX {
            return Err(absurd("ladder_kbps", "longer than 32 rungs"));
        }
        let ladder = Ladder::new(text.ladder_kbps)
            .ok_or_else(|| absurd("ladder_kbps", "empty, or has a rate of 0"))?;
        let path = text.watch_path;
        if !path.starts_with('/')
            || !is_visible(&path)
            || path.contains('#')
            || path.len() > PATH_BYTES_MAX
        {
            return Err(absurd("watch_path", "no path that can be asked for"));
        }
        if !path.contains("{n}") {
            return Err(absurd("watch_path", "without `{n}`"));
        }
        let licence = text.licence.filter(|licence| !licence.is_empty());
        let showable = |licence: &String| is_visible(licence) && licence.len() <= LICENCE_BYTES_MAX;
        if !licence.as_ref().is_none_or(showable) {
            return Err(absurd("licence", "nothing that fits into a header"));
        }
        Ok(Self {
            segment: Duration::from_secs_f64(seconds),
            segments: text.segment_count,
            ladder,
            path,
            licence,
        })
    }

    /// The path of segment `number` at `kbps`.
    #[must_use]
    pub fn path_of(&self, number: u32, kbps: u32) -> String {
        self.path
            .replace("{n}", &number.to_string())
            .replace("{kbps}", &kbps.to_string())
    }

    /// What is shown with every segment, if anything.
    #[must_use]
    pub fn licence(&self) -> Option<&str> {
        self.licence.as_deref()
    }
}

/// Whether a text can stand in the first line of a request and in a header as it
/// is.
fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn good() -> Value {
        json!({ "title": 1, "segment_seconds": 4, "segment_count": 900,
                "ladder_kbps": [750, 235], "watch_path": "/watch/1/{n}?kbps={kbps}",
                "licence": "eyJ" })
    }

    fn read(value: &Value) -> Result<Manifest, ManifestError> {
        Manifest::read(value.to_string().as_bytes())
    }

    #[test]
    fn a_manifest_says_what_to_ask_for() {
        let manifest = read(&good()).unwrap();
        assert_eq!(manifest.segment, Duration::from_secs(4));
        assert_eq!(manifest.path_of(7, 235), "/watch/1/7?kbps=235");
        assert_eq!(manifest.licence(), Some("eyJ"));
        let mut free = good();
        free["licence"] = json!(null);
        assert_eq!(read(&free).unwrap().licence(), None);
    }

    #[test]
    fn what_cannot_be_is_refused_and_named() {
        for (member, value) in [
            ("segment_seconds", json!(0)),
            ("segment_seconds", json!(1e300)),
            ("segment_count", json!(0)),
            ("ladder_kbps", json!([])),
            ("ladder_kbps", json!([0])),
            ("ladder_kbps", json!(vec![1; 33])),
            ("watch_path", json!("watch/{n}")),
            ("watch_path", json!("/watch")),
            ("watch_path", json!("/watch/{n}#top")),
            ("watch_path", json!("/watch/{n} HTTP/1.1\r\n")),
            ("watch_path", json!("/{n}".repeat(1_000))),
            ("licence", json!("a\r\nb")),
            ("licence", json!("x".repeat(5_000))),
        ] {
            let mut bad = good();
            bad[member] = value.clone();
            let error = read(&bad).unwrap_err();
            assert!(error.to_string().contains(member), "{value}: {error}");
        }
        for text in ["", "[]", "{}", "{\"segment_seconds\": \"4\"}"] {
            let error = Manifest::read(text.as_bytes()).unwrap_err();
            assert!(matches!(error, ManifestError::Unreadable(_)), "{text}");
        }
    }
}
