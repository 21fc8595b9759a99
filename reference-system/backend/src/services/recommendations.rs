//! Recommendations: personal rows for a profile, computed from its features and cached.

mod popular;
pub(crate) mod scorer;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Path, Query, State};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use squall_fault_layer::{Faults, fault_point};
use squall_resilience::Deadline;

use self::popular::PopularLists;
use crate::dataset::model::Features;
use crate::platform::host::Host;
use crate::platform::read_through::ReadThrough;
use crate::platform::reply::{CACHE, Failure};
use crate::service::ServeError;
use crate::stores::wide_column::table::Table;

/// How long computed rows count as fresh.
const FRESH: Duration = Duration::from_secs(300);

/// A row of a page before its titles are looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What stands above it.
    pub(crate) name: String,
    /// The titles in it.
    pub(crate) titles: Vec<u32>,
}

/// The query of `GET /recommendations/{profile}`: what the caller knows about the profile.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RowsQuery {
    /// The country whose titles compete.
    pub(crate) country: String,
    /// The oldest age rating allowed.
    pub(crate) maturity_age_max: u8,
}

/// The path and query that ask for rows.
pub(crate) fn rows_path(profile: u32, query: &RowsQuery) -> String {
    let RowsQuery {
        country,
        maturity_age_max,
    } = query;
    format!("/recommendations/{profile}?country={country}&maturity_age_max={maturity_age_max}")
}

struct Recommendations {
    data: ReadThrough,
    popular: PopularLists,
    faults: Faults,
}

/// The routes of the service.
///
/// # Errors
/// A client cannot be set up.
pub(crate) fn routes(host: &Arc<Host>) -> Result<Router, ServeError> {
    let service = Arc::new(Recommendations {
        data: ReadThrough::new(host)?,
        popular: PopularLists::default(),
        faults: host.faults.clone(),
    });
    Ok(Router::new()
        .route("/recommendations/{profile}", get(rows))
        .with_state(service))
}

async fn rows(
    State(service): State<Arc<Recommendations>>,
    Extension(deadline): Extension<Deadline>,
    Path(profile): Path<u32>,
    Query(query): Query<RowsQuery>,
) -> Result<impl IntoResponse, Failure> {
    let Recommendations {
        data,
        popular,
        faults,
    } = &*service;
    fault_point!(faults, "recommendations.rows")
        .map_err(|fault| Failure::unavailable(fault.to_string()))?;
    let key = format!(
        "rows:{profile}:{}:{}",
        query.country, query.maturity_age_max
    );
    let lookup = data.cache.get(std::slice::from_ref(&key), deadline).await;
    if let Some(rows) = lookup.json::<Vec<Row>>(&key) {
        return Ok(([(CACHE, "hit")], Json(rows)));
    }
    data.may_read_store(lookup.outage)?;
    let id = profile.to_string();
    let (features, popular) = tokio::join!(
        data.rows::<Features>(Table::Features, &id, deadline),
        popular.of(&query.country, data, deadline),
    );
    // Of somebody new nothing is known, and what is popular decides.
    let features = features?.into_iter().next();
    let features = features.unwrap_or_else(Features::unknown);
    let rows = scorer::rows(&features, &popular?, &query);
    data.cache.set_later(key, FRESH, &rows);
    Ok(([(CACHE, "miss")], Json(rows)))
}
