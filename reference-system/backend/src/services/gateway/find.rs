//! `/search/{profile}` and `/browse/{profile}/{genre}`: pages of titles, out of the catalog's
//! index, and while that is not to be had, out of what is popular in the country.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, Query, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use squall_resilience::Deadline;

use super::Gateway;
use super::page::{Card, may_see};
use crate::dataset::model::{GENRES, PopularTitle, Profile};
use crate::platform::remote::{Ask, RemoteError, Reply};
use crate::platform::reply::{Degraded, Failure};
use crate::services::catalog::words::has_words;
use crate::services::catalog::{Find, Found, IDS_MAX, PAGE_MAX, PAGE_TITLES, Record, Wanted};
use crate::stores::wide_column::table::Table;

/// The query of `/search/{profile}`.
#[derive(Debug, Deserialize)]
pub(super) struct SearchQuery {
    q: String,
}

/// The query of `/browse/{profile}/{genre}`.
#[derive(Debug, Deserialize)]
pub(super) struct BrowseQuery {
    #[serde(default)]
    page: usize,
}

/// A page of titles.
#[derive(Debug, Serialize)]
struct Results {
    profile: u32,
    country: String,
    titles: Vec<Card>,
    /// Whether there is a page behind this one.
    more: bool,
}

/// Titles by words of their names, genres and years.
pub(super) async fn search(
    State(gateway): State<Arc<Gateway>>,
    Extension(deadline): Extension<Deadline>,
    Path(profile): Path<u32>,
    Query(query): Query<SearchQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failure> {
    Wanted::words(&query.q)?;
    gateway
        .results((profile, &headers), Wanted::Text(query.q), 0, deadline)
        .await
}

/// A page of the titles of a genre, the most watched first.
pub(super) async fn browse(
    State(gateway): State<Arc<Gateway>>,
    Extension(deadline): Extension<Deadline>,
    Path((profile, genre)): Path<(u32, String)>,
    Query(query): Query<BrowseQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failure> {
    let place = GENRES.iter().position(|name| *name == genre);
    let Some(genre) = place.and_then(|place| u8::try_from(place).ok()) else {
        let reason = format!("no such genre; there are {}", GENRES.join(", "));
        return Err(Failure::new(StatusCode::NOT_FOUND, reason));
    };
    if query.page > PAGE_MAX {
        return Err(Failure::new(StatusCode::NOT_FOUND, "pages: 0 to 49"));
    }
    gateway
        .results(
            (profile, &headers),
            Wanted::Genre(genre),
            query.page,
            deadline,
        )
        .await
}

impl Gateway {
    async fn results(
        &self,
        (profile, headers): (u32, &HeaderMap),
        wanted: Wanted,
        page: usize,
        deadline: Deadline,
    ) -> Result<impl IntoResponse + use<>, Failure> {
        let mut degraded = Degraded::default();
        let profile = self
            .profile_or_anyone(profile, headers, deadline, &mut degraded)
            .await?;
        let find = Find {
            wanted,
            page,
            country: profile.country.clone(),
            maturity_age_max: profile.maturity_age_max,
        };
        let ask = Ask::post("/find", &find).repeatable();
        let read = |reply: Reply| Ok((reply.json::<Found>()?, true));
        let fallback = |_: &_| async {
            let nothing = RemoteError::NoFallback("the popular titles cannot be read");
            let popular = self.popular(&profile, &find, deadline).await;
            Ok((popular.ok_or(nothing)?, false))
        };
        let answer = self.search.ask_or(&ask, deadline, read, fallback).await;
        let (mut found, mut indexed) = answer.map_err(|error| Failure::of("search", &error))?;
        if !found.filled {
            // It is being filled, which is no failure of the catalog's and no news to its breaker.
            let popular = self.popular(&profile, &find, deadline).await;
            found = popular.ok_or_else(|| Failure::unavailable("the index is not filled yet"))?;
            indexed = false;
        }
        if !indexed {
            degraded.note("search=popular");
        }
        let shown = found.records.iter();
        let results = Results {
            profile: profile.id,
            titles: shown
                .filter(|record| may_see(&profile, record))
                .map(Card::of)
                .collect(),
            country: profile.country,
            more: found.more,
        };
        Ok((degraded.headers(), Json(results)))
    }

    /// What fits among the titles that are popular in the country, as far as they are cached.
    async fn popular(&self, profile: &Profile, find: &Find, deadline: Deadline) -> Option<Found> {
        let popular = self
            .data
            .rows::<PopularTitle>(Table::Popularity, &profile.country, deadline)
            .await
            .ok()?;
        let keys: Vec<String> = popular
            .iter()
            .filter(|title| title.maturity_age <= profile.maturity_age_max)
            .take(IDS_MAX)
            .map(|title| Record::cache_key(title.id))
            .collect();
        let lookup = self.data.cache.get(&keys, deadline).await;
        let words = match &find.wanted {
            Wanted::Text(text) => Wanted::words(text).ok()?,
            Wanted::Genre(_) => Vec::new(),
        };
        let fits = |record: &Record| match &find.wanted {
            Wanted::Text(_) => has_words(record, &words),
            Wanted::Genre(genre) => record.title.genres.contains(genre),
        };
        let mut fitting = keys
            .iter()
            .filter_map(|key| lookup.json::<Record>(key))
            .filter(fits)
            .skip(find.page * PAGE_TITLES);
        let records = fitting.by_ref().take(PAGE_TITLES).collect();
        Some(Found {
            filled: true,
            records,
            more: fitting.next().is_some(),
        })
    }
}
