//! `POST /find`: titles by words or by genre that a viewer may see, out of the index.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Record;
use super::filling::Filling;
use super::words::words;
use crate::platform::reply::Failure;

/// Titles on a page of results.
pub(crate) const PAGE_TITLES: usize = 20;
/// The last page that is shown; nobody turns that many.
pub(crate) const PAGE_MAX: usize = 49;
/// Longest text looked for, in bytes.
const TEXT_BYTES_MAX: usize = 128;

/// What to find, and for whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Find {
    /// By what.
    pub(crate) wanted: Wanted,
    /// Which page of the titles found, from 0 to [`PAGE_MAX`].
    pub(crate) page: usize,
    /// Where they must be licensed.
    pub(crate) country: String,
    /// The oldest age rating allowed.
    pub(crate) maturity_age_max: u8,
}

/// By what titles are found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wanted {
    /// Words of name, genres and year; of the last, its beginning is enough.
    Text(String),
    /// A place in the list of genres.
    Genre(u8),
}

/// The answer to a [`Find`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Whether there is an index to look into; while there is none, nothing is found.
    pub(crate) filled: bool,
    /// The titles of the page.
    pub(crate) records: Vec<Record>,
    /// Whether there is a page behind this one.
    pub(crate) more: bool,
}

impl Wanted {
    /// The words of a search.
    ///
    /// # Errors
    /// 400: there is none, or the text is too long.
    pub(crate) fn words(text: &str) -> Result<Vec<String>, Failure> {
        let words = words(text);
        if words.is_empty() || text.len() > TEXT_BYTES_MAX {
            return Err(Failure::new(
                StatusCode::BAD_REQUEST,
                "look for 1 to 8 words, together at most 128 bytes",
            ));
        }
        Ok(words)
    }
}

/// The route.
pub(super) fn routes(index: Arc<Filling>) -> Router {
    Router::new().route("/find", post(find)).with_state(index)
}

async fn find(
    State(filling): State<Arc<Filling>>,
    Json(find): Json<Find>,
) -> Result<Json<Found>, Failure> {
    if find.page > PAGE_MAX {
        return Err(Failure::new(StatusCode::BAD_REQUEST, "pages: 0 to 49"));
    }
    let Some(index) = filling.index() else {
        return Ok(Json(Found::default()));
    };
    Ok(Json(match &find.wanted {
        Wanted::Text(text) => page(&find, index.with_words(&Wanted::words(text)?)),
        Wanted::Genre(genre) => page(&find, index.of_genre(*genre)),
    }))
}

/// The page of what may be seen.
fn page<'a>(find: &Find, records: impl Iterator<Item = &'a Record>) -> Found {
    let mut shown = records
        .filter(|record| {
            record.title.maturity_age <= find.maturity_age_max
                && record.is_available_in(&find.country)
        })
        .skip(find.page * PAGE_TITLES);
    let records: Vec<Record> = shown.by_ref().take(PAGE_TITLES).cloned().collect();
    let more = find.page < PAGE_MAX && shown.next().is_some();
    Found {
        filled: true,
        records,
        more,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::generate::titles;

    #[test]
    fn pages_follow_each_other_and_show_only_what_may_be_seen() {
        let record = |(title, countries)| Record { title, countries };
        let records: Vec<Record> = titles(1).into_iter().take(2_000).map(record).collect();
        let mut seen = Vec::new();
        for number in 0.. {
            let find = Find {
                wanted: Wanted::Genre(0),
                page: number,
                country: "JP".to_owned(),
                maturity_age_max: 7,
            };
            let found = page(&find, records.iter());
            assert!(found.filled);
            seen.extend(found.records.iter().map(|record| record.title.id));
            if !found.more {
                break;
            }
            assert_eq!(found.records.len(), PAGE_TITLES);
        }
        let may_see =
            |record: &&Record| record.title.maturity_age <= 7 && record.is_available_in("JP");
        let all = records.iter().filter(may_see);
        let all: Vec<u32> = all.map(|record| record.title.id).collect();
        assert!(all.len() > PAGE_TITLES);
        assert_eq!(seen, all);
    }

    #[test]
    fn what_is_no_word_or_too_much_is_refused() {
        assert_eq!(Wanted::words("Paper 12").unwrap(), ["paper", "12"]);
        for bad in ["", "?!", &"x".repeat(TEXT_BYTES_MAX + 1)] {
            assert!(Wanted::words(bad).is_err(), "{bad:?}");
        }
    }
}
