//! The catalog: title metadata in batches, with where each title may be shown, and titles found by
//! words and by genre.

mod filling;
mod find;
mod index;
pub(crate) mod words;

use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use squall_resilience::Deadline;

use self::filling::Filling;
pub(crate) use self::find::{Find, Found, PAGE_MAX, PAGE_TITLES, Wanted};
use crate::dataset::country::CountrySet;
use crate::dataset::model::{Availability, Profile, Title};
use crate::platform::evcache::client::entry;
use crate::platform::host::Host;
use crate::platform::read_through::{ROWS_TTL, ReadThrough};
use crate::platform::reply::{Degraded, Failure};
use crate::service::ServeError;
use crate::stores::wide_column::client::Rows;
use crate::stores::wide_column::table::Table;

/// Titles one request may ask for.
pub(crate) const IDS_MAX: usize = 100;

/// A title with its countries, as cached and as answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The metadata.
    pub(crate) title: Title,
    /// Where it may be shown.
    pub(crate) countries: CountrySet,
}

impl Record {
    /// Where the record of a title is cached. The gateway reads it there when the catalog is gone.
    pub(crate) fn cache_key(id: u32) -> String {
        format!("title:{id}")
    }

    /// Whether the title may be shown there; for [`Profile::ANYWHERE`], whether everywhere.
    pub(crate) fn is_available_in(&self, country: &str) -> bool {
        if country == Profile::ANYWHERE {
            return self.countries == CountrySet::all();
        }
        self.countries.contains(country)
    }
}

/// The query of `GET /titles`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TitlesQuery {
    /// Ids with commas between them, at most [`IDS_MAX`].
    pub(crate) ids: String,
}

/// The answer to `GET /titles`: the records found, in the order asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Titles {
    /// The records.
    pub(crate) records: Vec<Record>,
}

/// The path and query that ask for these titles.
pub(crate) fn titles_path(ids: &[u32]) -> String {
    let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
    format!("/titles?ids={}", ids.join(","))
}

/// The routes of the catalog.
///
/// # Errors
/// A client cannot be set up.
pub(crate) fn routes(host: &Arc<Host>) -> Result<Router, ServeError> {
    let data = Arc::new(ReadThrough::new(host)?);
    let index = Arc::new(Filling::new(host, &data));
    Ok(Router::new()
        .route("/titles", get(titles))
        .with_state(data)
        .merge(find::routes(index)))
}

async fn titles(
    State(data): State<Arc<ReadThrough>>,
    Extension(deadline): Extension<Deadline>,
    Query(query): Query<TitlesQuery>,
) -> Result<impl IntoResponse, Failure> {
    let ids = parse_ids(&query.ids)?;
    let mut degraded = Degraded::default();
    let records = records(&data, &ids, deadline, &mut degraded).await?;
    Ok((degraded.headers(), Json(Titles { records })))
}

fn parse_ids(text: &str) -> Result<Vec<u32>, Failure> {
    let bad = || {
        Failure::new(
            StatusCode::BAD_REQUEST,
            "ids: 1 to 100 numbers with commas between",
        )
    };
    let ids: Vec<u32> = text
        .split(',')
        .take(IDS_MAX + 1)
        .map(|id| id.parse().map_err(|_| bad()))
        .collect::<Result<_, _>>()?;
    if ids.len() > IDS_MAX {
        Err(bad())
    } else {
        Ok(ids)
    }
}

/// Cache first, the store for the rest, and back into the cache. When the store fails, what was
/// cached is the answer, unless that is nothing.
async fn records(
    data: &ReadThrough,
    ids: &[u32],
    deadline: Deadline,
    degraded: &mut Degraded,
) -> Result<Vec<Record>, Failure> {
    let keys: Vec<String> = ids.iter().map(|id| Record::cache_key(*id)).collect();
    let lookup = data.cache.get(&keys, deadline).await;
    let mut found: Vec<Record> = keys.iter().filter_map(|key| lookup.json(key)).collect();
    let missing: Vec<String> = ids
        .iter()
        .filter(|id| !found.iter().any(|record| record.title.id == **id))
        .map(u32::to_string)
        .collect();
    if !missing.is_empty() {
        data.may_read_store(lookup.outage)?;
        match from_store(data, &missing, deadline).await {
            Some(fresh) => {
                write_back(data, &fresh);
                found.extend(fresh);
            }
            None if found.is_empty() => {
                return Err(Failure::unavailable("neither cache nor store answers"));
            }
            None => degraded.note("store=cached"),
        }
    }
    let place = |record: &Record| ids.iter().position(|id| *id == record.title.id);
    found.sort_by_key(place);
    Ok(found)
}

async fn from_store(data: &ReadThrough, ids: &[String], deadline: Deadline) -> Option<Vec<Record>> {
    let (titles, availability): (Option<Rows<Title>>, Option<Rows<Availability>>) = tokio::join!(
        data.store.read_or_none(Table::Titles, ids, 1, deadline),
        data.store
            .read_or_none(Table::Availability, ids, 1, deadline),
    );
    let mut availability = availability?;
    let records = titles?
        .into_iter()
        .filter_map(|(id, titles)| {
            let countries = availability.remove(&id)?.first()?.countries;
            Some(Record {
                title: titles.into_iter().next()?,
                countries,
            })
        })
        .collect();
    Some(records)
}

fn write_back(data: &ReadThrough, records: &[Record]) {
    let entries = records
        .iter()
        .map(|record| entry(Record::cache_key(record.title.id), ROWS_TTL, record))
        .collect();
    data.cache.set_all_later(entries);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_bounded() {
        assert_eq!(parse_ids("3,1,2").unwrap(), [3, 1, 2]);
        for bad in ["", "1,", "x", "-1", &"1,".repeat(101)] {
            assert!(parse_ids(bad).is_err(), "{bad:?}");
        }
        assert_eq!(titles_path(&[1, 22]), "/titles?ids=1,22");
    }

    #[test]
    fn anywhere_means_everywhere() {
        let titles = crate::dataset::generate::titles(1);
        let record = |everywhere: bool| {
            let (title, countries) = titles
                .iter()
                .find(|(_, countries)| (*countries == CountrySet::all()) == everywhere)
                .cloned()
                .unwrap();
            Record { title, countries }
        };
        assert!(record(true).is_available_in(Profile::ANYWHERE));
        assert!(record(true).is_available_in("US"));
        assert!(!record(false).is_available_in(Profile::ANYWHERE));
        assert!(!record(true).is_available_in("XX"));
    }
}
