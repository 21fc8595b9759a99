//! `GET /home/{profile}`: the homepage, step by step, each step with something to fall back on.
//!
//! 1. profile and country: cache, user service, what a session says, else a stranger who may see what anyone may see;
//! 2. personal rows: recommendations, else the rows of the last visit, else what is popular;
//! 3. metadata in one batch: catalog, else the cached copy of each title;
//! 4. only what the profile may see in its country; where that is nearly nothing, the page anyone
//!    anywhere may see; and never a page that is nearly empty.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::IntoResponse;
use http::HeaderMap;
use squall_resilience::Deadline;

use super::Gateway;
use super::default_page::popular_rows;
use super::page::{Page, TITLES_MIN};
use crate::dataset::model::{PopularTitle, Profile};
use crate::platform::remote::{Ask, RemoteError, Reply};
use crate::platform::reply::{CACHE, Degraded, Failure};
use crate::services::catalog::{IDS_MAX, Record, Titles, titles_path};
use crate::services::recommendations::{Row, RowsQuery, rows_path};
use crate::stores::wide_column::table::Table;

/// How long the rows of the last visit may stand in for new ones.
const LAST_VISIT: Duration = Duration::from_secs(3600);

/// The handler.
pub(super) async fn home(
    State(gateway): State<Arc<Gateway>>,
    Extension(deadline): Extension<Deadline>,
    Path(id): Path<u32>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Failure> {
    let mut degraded = Degraded::default();
    let profile = gateway
        .profile_or_anyone(id, &headers, deadline, &mut degraded)
        .await?;
    let personal = gateway
        .personal_page(&profile, deadline, &mut degraded)
        .await;
    let page = match personal {
        Ok(page) if page.len() >= TITLES_MIN => page,
        unusable => {
            let page = gateway.default_page(&profile, deadline).await;
            degraded.note("page=default");
            page.ok_or_else(|| reason(unusable))?
        }
    };
    let headers = degraded.headers();
    if !headers.is_empty() {
        gateway.host.metrics.count("degraded_pages");
    }
    Ok((headers, Json(page)))
}

/// Why there is no personal page, when there is no other either.
fn reason(unusable: Result<Page, Failure>) -> Failure {
    unusable.map_or_else(
        |failure| failure,
        |page| Failure::unavailable(format!("only {} titles to show", page.len())),
    )
}

impl Gateway {
    async fn personal_page(
        &self,
        profile: &Profile,
        deadline: Deadline,
        degraded: &mut Degraded,
    ) -> Result<Page, Failure> {
        let rows = self.rows(profile, deadline, degraded).await?;
        let records = self.records(&rows, deadline, degraded).await?;
        Ok(Page::compose(profile, &rows, records))
    }

    /// Asks recommendations on every visit: their own cache decides whether there is anything new
    /// to compute. What is kept here is only for the day they do not answer.
    async fn rows(
        &self,
        profile: &Profile,
        deadline: Deadline,
        degraded: &mut Degraded,
    ) -> Result<Vec<Row>, Failure> {
        let query = RowsQuery {
            country: profile.country.clone(),
            maturity_age_max: profile.maturity_age_max,
        };
        let ask = Ask::get(rows_path(profile.id, &query));
        let key = last_visit_key(profile);
        let read = |reply: Reply| {
            let is_new = reply.headers.get(CACHE).is_none_or(|value| value != "hit");
            Ok((
                reply.json::<Vec<Row>>()?,
                if is_new { Source::Fresh } else { Source::Known },
            ))
        };
        let fallback = |_: &_| self.rows_without_recommendations(profile, &key, deadline);
        let answer = self
            .recommendations
            .ask_or(&ask, deadline, read, fallback)
            .await;
        let (rows, source) = answer.map_err(|error| Failure::of("recommendations", &error))?;
        match source {
            Source::Fresh => self.data.cache.set_later(key, LAST_VISIT, &rows),
            Source::Known => {}
            Source::LastVisit => degraded.note("recommendations=cached"),
            Source::Popular => degraded.note("recommendations=popular"),
        }
        Ok(rows)
    }

    async fn rows_without_recommendations(
        &self,
        profile: &Profile,
        key: &String,
        deadline: Deadline,
    ) -> Result<(Vec<Row>, Source), RemoteError> {
        let lookup = self
            .data
            .cache
            .get(std::slice::from_ref(key), deadline)
            .await;
        if let Some(rows) = lookup.json(key) {
            return Ok((rows, Source::LastVisit));
        }
        let popular = self
            .data
            .rows::<PopularTitle>(Table::Popularity, &profile.country, deadline)
            .await
            .map_err(|_| RemoteError::NoFallback("the popular titles cannot be read"))?;
        Ok((popular_rows(profile, &popular), Source::Popular))
    }

    async fn records(
        &self,
        rows: &[Row],
        deadline: Deadline,
        degraded: &mut Degraded,
    ) -> Result<Vec<Record>, Failure> {
        let mut ids: Vec<u32> = rows
            .iter()
            .flat_map(|row| row.titles.iter().copied())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(IDS_MAX);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ask = Ask::get(titles_path(&ids));
        let read = |reply: Reply| Ok((reply.json::<Titles>()?.records, true));
        let fallback = |_: &_| async {
            let keys: Vec<String> = ids.iter().map(|id| Record::cache_key(*id)).collect();
            let lookup = self.data.cache.get(&keys, deadline).await;
            let cached: Vec<Record> = keys.iter().filter_map(|key| lookup.json(key)).collect();
            if cached.len() < TITLES_MIN {
                return Err(RemoteError::NoFallback("too few titles are cached"));
            }
            Ok((cached, false))
        };
        let answer = self.catalog.ask_or(&ask, deadline, read, fallback).await;
        let (records, from_catalog) = answer.map_err(|error| Failure::of("catalog", &error))?;
        if !from_catalog {
            degraded.note("catalog=cached");
        }
        Ok(records)
    }
}

/// Where the rows of a page came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Computed for this visit.
    Fresh,
    /// Computed for an earlier visit and still current.
    Known,
    /// Kept from an earlier visit in case of need.
    LastVisit,
    /// The same for everyone in the country.
    Popular,
}

fn last_visit_key(profile: &Profile) -> String {
    format!(
        "home:{}:{}:{}",
        profile.id, profile.country, profile.maturity_age_max
    )
}
