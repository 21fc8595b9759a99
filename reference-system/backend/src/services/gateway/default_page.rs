//! The page anyone anywhere may see: what is left when nothing personal can be made.
//!
//! It needs no recommendations, no catalog and no profile, only the cache or the store, and a
//! loop keeps it in the cache so that it is there on the day it is needed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_resilience::Deadline;

use super::Gateway;
use super::page::{Page, TITLES_MIN};
use crate::dataset::model::{PopularTitle, Profile};
use crate::platform::remote::{Ask, Reply};
use crate::services::catalog::{Record, Titles, titles_path};
use crate::services::recommendations::Row;
use crate::services::recommendations::scorer::ROW_TITLES;
use crate::stores::wide_column::table::Table;

/// Rows on a page.
const ROWS: usize = 4;
/// How often the page is put into the cache again, which costs next to nothing while it is there: a
/// cache that was restarted empty is without it for no longer.
const WARM_EVERY: Duration = Duration::from_secs(10);
/// How often it is tried until it has worked once.
const WARM_RETRY: Duration = Duration::from_secs(1);

impl Gateway {
    /// The default page, if it is cached or the store can be read.
    pub(super) async fn default_page(&self, profile: &Profile, deadline: Deadline) -> Option<Page> {
        let rows = self.default_rows(deadline).await?;
        let keys: Vec<String> = rows
            .iter()
            .flat_map(|row| &row.titles)
            .map(|id| Record::cache_key(*id))
            .collect();
        let lookup = self.data.cache.get(&keys, deadline).await;
        let records = keys.iter().filter_map(|key| lookup.json(key)).collect();
        let page = Page::compose(profile, &rows, records);
        (page.len() >= TITLES_MIN).then_some(page)
    }

    async fn default_rows(&self, deadline: Deadline) -> Option<Vec<Row>> {
        let popular: Vec<PopularTitle> = self
            .data
            .rows(Table::Popularity, Profile::ANYWHERE, deadline)
            .await
            .ok()?;
        Some(popular_rows(&Profile::anyone(0), &popular))
    }

    /// Puts everything the default page needs into the cache: both reads write back on a miss.
    async fn warm_default_page(&self) -> bool {
        let deadline = self.host.own_deadline(Instant::now());
        let Some(rows) = self.default_rows(deadline).await else {
            return false;
        };
        let ids: Vec<u32> = rows
            .iter()
            .flat_map(|row| row.titles.iter().copied())
            .collect();
        let ask = Ask::get(titles_path(&ids));
        let titles = self
            .catalog
            .ask(&ask, deadline, Reply::json::<Titles>)
            .await;
        titles.is_ok_and(|titles| titles.records.len() >= TITLES_MIN)
    }

    /// Keeps the default page in the cache until the instance stops.
    pub(super) async fn keep_default_page_warm(self: Arc<Self>) {
        let stop = self.host.stop.clone();
        let warming = async {
            loop {
                // Before anything is known about anyone there is nobody to ask.
                let warm = self.host.is_ready() && self.warm_default_page().await;
                tokio::time::sleep(if warm { WARM_EVERY } else { WARM_RETRY }).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = warming => {}
        }
    }
}

/// The popular titles that suit the profile's age, in rows.
pub(super) fn popular_rows(profile: &Profile, popular: &[PopularTitle]) -> Vec<Row> {
    let suitable: Vec<u32> = popular
        .iter()
        .filter(|title| title.maturity_age <= profile.maturity_age_max)
        .map(|title| title.id)
        .collect();
    let place = match profile.country.as_str() {
        Profile::ANYWHERE => "everywhere".to_owned(),
        country => format!("in {country}"),
    };
    suitable
        .chunks(ROW_TITLES)
        .take(ROWS)
        .enumerate()
        .map(|(n, titles)| Row {
            name: format!("Popular {place}, {}", n + 1),
            titles: titles.to_vec(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn popular_rows_respect_the_age_and_the_size_of_a_page() {
        let popular: Vec<PopularTitle> = (1..=100)
            .map(|id| PopularTitle {
                id,
                share: 0.1,
                genres: vec![0],
                maturity_age: if id % 2 == 0 { 18 } else { 0 },
            })
            .collect();
        let child = Profile::anyone(1);
        let rows = popular_rows(&child, &popular);
        assert_eq!(rows.len(), ROWS);
        assert!(
            rows.iter()
                .flat_map(|row| &row.titles)
                .all(|id| id % 2 == 1)
        );
        assert!(rows.iter().all(|row| row.titles.len() == ROW_TITLES));
    }
}
