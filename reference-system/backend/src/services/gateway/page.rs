//! The homepage as data, and the rules it keeps whatever had to be replaced to make it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::dataset::model::{GENRES, Profile};
use crate::services::catalog::Record;
use crate::services::recommendations::Row;

/// A page with fewer titles than this is not a page.
pub(super) const TITLES_MIN: usize = 20;

/// A homepage.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Page {
    /// Whose it is.
    pub(super) profile: u32,
    /// For which country it was made.
    pub(super) country: String,
    /// Its rows.
    pub(super) rows: Vec<Shelf>,
}

/// A row of a page with its titles looked up.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Shelf {
    /// What stands above it.
    pub(super) name: String,
    /// Its titles.
    pub(super) titles: Vec<Card>,
}

/// A title as a page shows it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Card {
    /// Its id.
    pub(super) id: u32,
    /// Its name.
    pub(super) name: String,
    /// Year of release.
    pub(super) year: u16,
    /// Its genres.
    pub(super) genres: Vec<String>,
    /// Age it is suitable from.
    pub(super) maturity_age: u8,
    /// How long it runs.
    pub(super) runtime_seconds: u32,
}

impl Page {
    /// The page of these rows, without titles that are unknown, not licensed in the country or not
    /// for the age, and without rows that have become empty.
    pub(super) fn compose(profile: &Profile, rows: &[Row], records: Vec<Record>) -> Self {
        let records: HashMap<u32, Record> = records
            .into_iter()
            .map(|record| (record.title.id, record))
            .collect();
        let shelves = rows.iter().map(|row| Shelf {
            name: row.name.clone(),
            titles: row
                .titles
                .iter()
                .filter_map(|id| records.get(id))
                .filter(|record| may_see(profile, record))
                .map(Card::of)
                .collect(),
        });
        Self {
            profile: profile.id,
            country: profile.country.clone(),
            rows: shelves.filter(|shelf| !shelf.titles.is_empty()).collect(),
        }
    }

    /// Titles on the page.
    pub(super) fn len(&self) -> usize {
        self.rows.iter().map(|shelf| shelf.titles.len()).sum()
    }
}

/// Whether the title is for the profile's age and licensed in its country.
pub(super) fn may_see(profile: &Profile, record: &Record) -> bool {
    record.title.maturity_age <= profile.maturity_age_max
        && record.is_available_in(&profile.country)
}

impl Card {
    /// The card of a title.
    pub(super) fn of(record: &Record) -> Self {
        let title = &record.title;
        let genre = |place: &u8| {
            GENRES
                .get(usize::from(*place))
                .map(|name| (*name).to_owned())
        };
        Self {
            id: title.id,
            name: title.name.clone(),
            year: title.year,
            genres: title.genres.iter().filter_map(genre).collect(),
            maturity_age: title.maturity_age,
            runtime_seconds: title.runtime_seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::country::{CountrySet, country_index};
    use crate::dataset::model::Title;

    fn record(id: u32, maturity_age: u8, country: &str) -> Record {
        let mut countries = CountrySet::default();
        countries.insert(country_index(country).unwrap());
        let title = Title {
            id,
            name: String::new(),
            genres: vec![0, 200],
            year: 2000,
            maturity_age,
            runtime_seconds: 60,
        };
        Record { title, countries }
    }

    #[test]
    fn a_page_shows_only_what_the_profile_may_see() {
        let profile = Profile {
            id: 1,
            country: "JP".to_owned(),
            maturity_age_max: 7,
        };
        let rows = [
            Row {
                name: "a".to_owned(),
                titles: vec![1, 2, 3, 4],
            },
            Row {
                name: "b".to_owned(),
                titles: vec![2],
            },
        ];
        let records = vec![record(1, 0, "JP"), record(2, 18, "JP"), record(3, 0, "US")];
        let page = Page::compose(&profile, &rows, records);
        assert_eq!(page.len(), 1);
        assert_eq!(page.rows.len(), 1, "an empty row is left out");
        assert_eq!(
            (
                page.rows[0].titles[0].id,
                page.rows[0].titles[0].genres.len()
            ),
            (1, 1)
        );
    }
}
