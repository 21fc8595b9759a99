//! Makes the rows of the dataset from a seed.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Zipf};
use serde::Serialize;

use super::country::{COUNTRIES, CountrySet, country_index};
use super::model::{
    Availability, Features, GENRES, MATURITY_AGES, MATURITY_KIDS, PROFILES, PopularTitle, Profile,
    TITLES, Title,
};
use super::seed::{mix, sub_rng, sub_seed};
use crate::stores::wide_column::table::Table;

/// Entries of a popularity list.
pub(crate) const POPULAR: usize = 160;
/// Entries of a popularity list that every profile may see.
pub(crate) const POPULAR_KIDS: usize = 48;
/// Only this many titles, the most watched, compete for the popularity lists.
const CONTENDERS: usize = 3_000;
/// How fast viewing falls with rank.
const POPULARITY_SKEW: f64 = 1.1;
/// Share of titles licensed in every country.
const EVERYWHERE: f64 = 0.2;

/// A row of the dataset, ready for the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The table it belongs to.
    pub(crate) table: Table,
    /// Its partition.
    pub(crate) partition: String,
    /// Its place in the partition.
    pub(crate) clustering: String,
    /// Its value as JSON.
    pub(crate) value: Vec<u8>,
}

/// All rows of the dataset of this seed, by table and, within a table, in the store's key order.
pub(crate) fn rows(seed: u64) -> Vec<Row> {
    let titles = titles(seed);
    let mut rows = Vec::with_capacity(100_000);
    for (title, _) in &titles {
        rows.push(row(Table::Titles, title.id, "", title));
    }
    for (title, countries) in &titles {
        let countries = *countries;
        rows.push(row(
            Table::Availability,
            title.id,
            "",
            &Availability { countries },
        ));
    }
    for place in COUNTRIES.iter().copied().chain([Profile::ANYWHERE]) {
        for (rank, entry) in popular(seed, place, &titles).iter().enumerate() {
            rows.push(row(Table::Popularity, place, &format!("{rank:03}"), entry));
        }
    }
    let mut rng = sub_rng(seed, "features");
    for id in 1..=PROFILES {
        rows.push(row(Table::Features, id, "", &features(&mut rng)));
    }
    rows
}

/// The profiles of this seed, by id. They are no rows: the user service has them.
pub(crate) fn profiles(seed: u64) -> impl Iterator<Item = Profile> {
    let mut rng = sub_rng(seed, "profiles");
    let markets = Markets::new(seed);
    (1..=PROFILES).map(move |id| markets.profile(id, &mut rng))
}

fn row(table: Table, partition: impl ToString, clustering: &str, value: &impl Serialize) -> Row {
    Row {
        table,
        partition: partition.to_string(),
        clustering: clustering.to_owned(),
        value: serde_json::to_vec(value).unwrap_or_default(),
    }
}

/// The catalogue with the countries of each title, by id.
pub(crate) fn titles(seed: u64) -> Vec<(Title, CountrySet)> {
    let mut rng = sub_rng(seed, "titles");
    (1..=TITLES).map(|id| title(id, &mut rng)).collect()
}

fn title(id: u32, rng: &mut ChaCha8Rng) -> (Title, CountrySet) {
    let mut genres: Vec<u8> = (0..rng.random_range(1..=3))
        .map(|_| rng.random_range(0..GENRES.len() as u8))
        .collect();
    genres.sort_unstable();
    genres.dedup();
    let title = Title {
        id,
        name: title_name(rng),
        genres,
        year: rng.random_range(1950..=2026),
        maturity_age: MATURITY_AGES[rng.random_range(0..MATURITY_AGES.len())],
        runtime_seconds: rng.random_range(20..=180) * 60,
    };
    (title, licence_countries(rng))
}

fn title_name(rng: &mut ChaCha8Rng) -> String {
    const FIRST: [&str; 12] = [
        "Silent", "Golden", "Last", "Hidden", "Broken", "Northern", "Electric", "Paper", "Second",
        "Burning", "Distant", "Quiet",
    ];
    const SECOND: [&str; 12] = [
        "Harbour", "Witness", "Garden", "Signal", "Empire", "Winter", "Promise", "Letters",
        "Horizon", "Kitchen", "River", "Orchard",
    ];
    format!(
        "{} {} {}",
        FIRST[rng.random_range(0..FIRST.len())],
        SECOND[rng.random_range(0..SECOND.len())],
        rng.random_range(2..=99)
    )
}

fn licence_countries(rng: &mut ChaCha8Rng) -> CountrySet {
    if rng.random_bool(EVERYWHERE) {
        return CountrySet::all();
    }
    let reach = rng.random_range(0.3..0.95);
    let mut set = CountrySet::default();
    for index in 0..COUNTRIES.len() {
        if rng.random_bool(reach) {
            set.insert(index);
        }
    }
    // A title sold nowhere could never be played.
    set.insert(rng.random_range(0..COUNTRIES.len()));
    set
}

/// The popularity list of a country, or of [`Profile::ANYWHERE`], most watched first.
fn popular(seed: u64, place: &str, titles: &[(Title, CountrySet)]) -> Vec<PopularTitle> {
    let country = country_index(place);
    let taste = sub_seed(seed, place);
    let mut contenders: Vec<PopularTitle> = titles
        .iter()
        .take(CONTENDERS)
        .filter(|(title, countries)| match country {
            Some(index) => countries.has(index),
            None => *countries == CountrySet::all() && title.maturity_age <= MATURITY_KIDS,
        })
        .map(|(title, _)| PopularTitle {
            id: title.id,
            share: share(title.id, taste),
            genres: title.genres.clone(),
            maturity_age: title.maturity_age,
        })
        .collect();
    contenders.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.id.cmp(&b.id)));
    shortlist(contenders)
}

/// The best of everything, with room kept for what a child may see.
fn shortlist(contenders: Vec<PopularTitle>) -> Vec<PopularTitle> {
    let mut adult_room = POPULAR - POPULAR_KIDS;
    let mut chosen: Vec<PopularTitle> = contenders
        .into_iter()
        .filter(|entry| {
            let kept = entry.maturity_age <= MATURITY_KIDS || adult_room > 0;
            adult_room -= usize::from(entry.maturity_age > MATURITY_KIDS && adult_room > 0);
            kept
        })
        .collect();
    chosen.truncate(POPULAR.max(last_needed(&chosen)));
    chosen
}

/// How many leading entries it takes to hold [`POPULAR_KIDS`] that a child may see.
fn last_needed(chosen: &[PopularTitle]) -> usize {
    chosen
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.maturity_age <= MATURITY_KIDS)
        .nth(POPULAR_KIDS - 1)
        .map_or(chosen.len(), |(index, _)| index + 1)
}

/// Zipf by id, with each country's taste moving a title between half and twice its share.
fn share(id: u32, taste: u64) -> f32 {
    // Sum of 1/k^1.1 for k = 1..=15000.
    const TOTAL: f64 = 6.76;
    let unit = (mix(taste ^ u64::from(id)) >> 11) as f64 / (1_u64 << 53) as f64;
    let local = 4_f64.powf(unit) / 2.0;
    (f64::from(id).powf(-POPULARITY_SKEW) * local / TOTAL) as f32
}

/// Countries by size of audience: the United States first, the rest in an order of the seed.
struct Markets {
    order: Vec<&'static str>,
}

impl Markets {
    fn new(seed: u64) -> Self {
        let mut order = COUNTRIES.to_vec();
        order.sort_by_key(|code| (*code != "US", sub_seed(seed, code)));
        Self { order }
    }

    fn profile(&self, id: u32, rng: &mut ChaCha8Rng) -> Profile {
        let rank = Zipf::new(self.order.len() as f64, 1.0)
            .map_or(1, |zipf| zipf.sample(rng) as usize)
            .clamp(1, self.order.len());
        let limits = [18, 18, 18, 16, 13, MATURITY_KIDS];
        Profile {
            id,
            country: self.order[rank - 1].to_owned(),
            maturity_age_max: limits[rng.random_range(0..limits.len())],
        }
    }
}

/// A profile likes a few genres much and the rest a little.
fn features(rng: &mut ChaCha8Rng) -> Features {
    let mut weights: Vec<f32> = (0..GENRES.len())
        .map(|_| rng.random_range(0..=20) as f32 / 100.0)
        .collect();
    for _ in 0..3 {
        let liked = rng.random_range(0..GENRES.len());
        weights[liked] = rng.random_range(60..=100) as f32 / 100.0;
    }
    Features { weights }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_same_seed_makes_the_same_rows_and_another_does_not() {
        let first = rows(7);
        assert_eq!(first, rows(7));
        assert_ne!(first, rows(8));
    }

    #[test]
    fn rows_come_in_the_key_order_of_the_store() {
        let rows = rows(1);
        let keys: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    row.table,
                    crate::stores::wide_column::table::key(&row.partition, &row.clustering),
                )
            })
            .collect();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn every_list_can_fill_a_page_for_a_child() {
        let mut suitable: BTreeMap<String, usize> = BTreeMap::new();
        for row in rows(42) {
            if row.table == Table::Popularity {
                let entry: PopularTitle = serde_json::from_slice(&row.value).unwrap();
                *suitable.entry(row.partition).or_default() +=
                    usize::from(entry.maturity_age <= MATURITY_KIDS);
            }
        }
        assert_eq!(suitable.len(), COUNTRIES.len() + 1);
        assert!(suitable.values().all(|count| *count >= POPULAR_KIDS));
    }

    #[test]
    fn popularity_lists_name_only_titles_sold_in_the_country() {
        let titles = titles(3);
        let list = popular(3, "JP", &titles);
        assert!(!list.is_empty());
        for entry in list {
            assert!(titles[entry.id as usize - 1].1.contains("JP"));
        }
    }

    #[test]
    fn the_shares_of_one_place_add_up_to_about_the_whole() {
        let sum: f64 = (1..=TITLES).map(|id| f64::from(share(id, 5))).sum();
        assert!((0.5..2.0).contains(&sum), "{sum}");
    }
}
