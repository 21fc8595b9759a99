//! Which requests a fault is about.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::http::path_misfit;
use crate::inject::{Given, Mistake};
use crate::pattern::{text_fits, wildcard};

/// Methods a fault may ask for.
pub(super) const METHODS: &[(&str, &str)] = &[
    ("GET", ""),
    ("HEAD", ""),
    ("POST", ""),
    ("PUT", ""),
    ("PATCH", ""),
    ("DELETE", ""),
    ("OPTIONS", ""),
];

/// What a request has to be like; whatever is not said fits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Matching {
    /// The path without the query. `*` stands for any part of one step, `**`
    /// for any number of steps, none included.
    pub path: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// Headers, each of which has to be there with a value like this; `*` stands
    /// for anything. Names in any case.
    pub headers: Vec<(String, String)>,
}

impl Matching {
    pub(super) fn of(given: &Given) -> Self {
        Self {
            path: given.text("path").map(str::to_owned),
            method: given.word("method").map(str::to_owned),
            headers: given.texts("header").unwrap_or_default().to_vec(),
        }
    }

    /// Whether a request fits: its method, its target as it stands in its first
    /// line, and its headers by name.
    pub fn fits<'h>(
        &self,
        method: &str,
        target: &str,
        headers: impl Iterator<Item = (&'h str, &'h [u8])> + Clone,
    ) -> bool {
        let method_fits = self.method.as_deref().is_none_or(|wanted| wanted == method);
        let path_fits = |wanted: &str| steps_fit(wanted, path_of(target));
        let header_fits = |(name, value): &(String, String)| {
            headers.clone().any(|(there, is)| {
                there.eq_ignore_ascii_case(name) && text_fits(value.as_bytes(), is)
            })
        };
        method_fits
            && self.path.as_deref().is_none_or(path_fits)
            && self.headers.iter().all(header_fits)
    }

    pub(super) fn mistake(&self) -> Option<Mistake> {
        let path = self.path.as_deref()?;
        let at =
            |title, label: &str, help| Some(Mistake::out_of_range("when.path", title, label, help));
        if path.contains('?') {
            return at(
                "the query is not a part of the path",
                "with a `?`",
                "leave out everything from the `?` on: requests are told apart by their path",
            );
        }
        let odd = |step: &str| step.contains("**") && step != "**";
        if path.split('/').any(odd) {
            return at(
                "`**` stands for whole steps",
                "beside something else",
                "write `/titles/**`, or `/titles-*` for a part of one step",
            );
        }
        let misfit = path_misfit(path)?;
        at(
            "no request has such a path",
            misfit.label,
            "write for instance `/titles/**`",
        )
    }
}

impl fmt::Display for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (&self.method, &self.path) {
            (None, None) => "all requests".to_owned(),
            (Some(method), None) => format!("{method} requests"),
            (None, Some(path)) => path.clone(),
            (Some(method), Some(path)) => format!("{method} {path}"),
        };
        f.write_str(&what)?;
        for (at, (name, value)) in self.headers.iter().enumerate() {
            let between = if at == 0 { "with" } else { "and" };
            write!(f, " {between} {name}: {value}")?;
        }
        Ok(())
    }
}

/// The path of a request's target: without the query, and without the server
/// that stands before it when a proxy is asked.
fn path_of(target: &str) -> &str {
    let whole = target.split(['?', '#']).next().unwrap_or(target);
    match whole.split_once("://") {
        Some((_, rest)) if !whole.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => whole,
    }
}

/// Whether a path fits a pattern, step by step.
fn steps_fit(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.trim_start_matches('/').split('/').collect();
    let path: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let is_any = |step: &&str| *step == "**";
    let fits = |wanted: &&str, is: &&str| text_fits(wanted.as_bytes(), is.as_bytes());
    wildcard(&pattern, &path, is_any, fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_path(path: &str) -> Matching {
        Matching {
            path: Some(path.to_owned()),
            ..Matching::default()
        }
    }

    fn get(matching: &Matching, target: &str) -> bool {
        matching.fits("GET", target, std::iter::empty())
    }

    #[test]
    fn stars_stand_for_parts_of_a_step_and_two_for_steps() {
        for (pattern, fitting, others) in [
            (
                "/",
                &["/", "/?a", "http://h", "http://h:1/?x=/y"][..],
                &["/a", "*"][..],
            ),
            (
                "/titles/**",
                &["/titles", "/titles/", "/titles/1/x?y=1"],
                &["/titlesx", "/a/titles/1"],
            ),
            (
                "/titles/*",
                &["/titles/1", "/titles/"],
                &["/titles", "/titles/1/x"],
            ),
            (
                "/*/play",
                &["/1/play", "http://h/2/play"],
                &["/play", "/1/2/play"],
            ),
            ("/**/play", &["/play", "/1/2/play"], &["/1/play/x"]),
            ("/a*c/d", &["/abbc/d", "/ac/d"], &["/abb/d", "/a/c/d"]),
            ("/**/a/**/b", &["/a/b", "/x/a/y/a/z/b"], &["/b/a"]),
        ] {
            for target in fitting {
                assert!(get(&on_path(pattern), target), "{pattern} {target}");
            }
            for target in others {
                assert!(!get(&on_path(pattern), target), "{pattern} {target}");
            }
        }
    }

    #[test]
    fn everything_that_is_said_has_to_fit() {
        let matching = Matching {
            path: None,
            method: Some("GET".to_owned()),
            headers: vec![("X-Tier".to_owned(), "g*d".to_owned())],
        };
        let with = |method, name: &'static str, value: &'static [u8]| {
            matching.fits(
                method,
                "/",
                [("host", &b"h"[..]), (name, value)].into_iter(),
            )
        };
        assert!(with("GET", "x-tier", b"gold"));
        assert!(!with("POST", "x-tier", b"gold"));
        assert!(!with("GET", "x-tier", b"silver"));
        assert!(!with("GET", "x-other", b"gold"));
    }

    #[test]
    fn paths_that_nobody_can_mean_are_mistakes() {
        for (path, label) in [
            ("/a?b=1", "with a `?`"),
            ("/a**", "beside something else"),
            ("titles", "a path starts with a slash"),
            ("/a b", "a path has no spaces"),
        ] {
            assert_eq!(on_path(path).mistake().unwrap().label, label);
        }
        assert_eq!(on_path("/a/*/b/**").mistake(), None);
    }
}
