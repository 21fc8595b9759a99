//! A small linear scorer: what a profile likes times what a title is, plus how popular it is.

use std::cmp::Ordering;

use super::{Row, RowsQuery};
use crate::dataset::model::{Features, GENRES, PopularTitle};

/// Titles in a row.
pub(crate) const ROW_TITLES: usize = 10;
/// Weight of popularity beside taste. At 0.05 a title must be some twenty times as popular to make
/// up for a genre the profile likes little better.
const POPULARITY_WEIGHT: f32 = 0.05;

/// The score of a title for a profile: the mean weight of its genres plus the logarithm of its
/// share of viewing.
pub(crate) fn score(features: &Features, title: &PopularTitle) -> f32 {
    let weights = title
        .genres
        .iter()
        .filter_map(|genre| features.weights.get(usize::from(*genre)));
    let taste: f32 = weights.sum::<f32>() / title.genres.len().max(1) as f32;
    taste + POPULARITY_WEIGHT * title.share.max(f32::MIN_POSITIVE).ln()
}

/// Four rows of ten different titles, as far as there are enough: the best for the profile, the
/// best of its two favourite genres, and what is popular.
pub(crate) fn rows(features: &Features, popular: &[PopularTitle], query: &RowsQuery) -> Vec<Row> {
    let suitable: Vec<&PopularTitle> = popular
        .iter()
        .filter(|title| title.maturity_age <= query.maturity_age_max)
        .collect();
    let mut ranked: Vec<(f32, &PopularTitle)> = suitable
        .iter()
        .map(|title| (score(features, title), *title))
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.id.cmp(&b.1.id)));
    let ranked: Vec<&PopularTitle> = ranked.into_iter().map(|(_, title)| title).collect();

    let mut used = Vec::new();
    let mut rows = vec![take(
        "Top picks for you".to_owned(),
        &ranked,
        |_| true,
        &mut used,
    )];
    for genre in favourites(features) {
        let name = format!("More {}", GENRES[genre]);
        let is_of = |title: &PopularTitle| title.genres.contains(&(genre as u8));
        rows.push(take(name, &ranked, is_of, &mut used));
    }
    let name = format!("Popular in {}", query.country);
    rows.push(take(name, &suitable, |_| true, &mut used));
    rows.retain(|row| !row.titles.is_empty());
    rows
}

/// The two genres with the largest weights.
fn favourites(features: &Features) -> Vec<usize> {
    let mut genres: Vec<usize> = (0..GENRES.len().min(features.weights.len())).collect();
    let by_weight = |a: &usize, b: &usize| -> Ordering {
        features.weights[*b]
            .total_cmp(&features.weights[*a])
            .then(a.cmp(b))
    };
    genres.sort_by(by_weight);
    genres.truncate(2);
    genres
}

/// The first titles that belong and are not used yet, filled up with the best of the rest so that
/// a rare genre does not leave a gap.
fn take(
    name: String,
    from: &[&PopularTitle],
    belongs: impl Fn(&PopularTitle) -> bool,
    used: &mut Vec<u32>,
) -> Row {
    let mut titles: Vec<u32> = Vec::new();
    for wanted in [true, false] {
        for title in from {
            if titles.len() < ROW_TITLES && belongs(title) == wanted && !used.contains(&title.id) {
                titles.push(title.id);
                used.push(title.id);
            }
        }
    }
    Row { name, titles }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn title(id: u32, genre: u8, share: f32, maturity_age: u8) -> PopularTitle {
        PopularTitle {
            id,
            share,
            genres: vec![genre],
            maturity_age,
        }
    }

    fn likes(genre: usize) -> Features {
        let mut weights = vec![0.1; GENRES.len()];
        weights[genre] = 0.9;
        Features { weights }
    }

    fn query(maturity_age_max: u8) -> RowsQuery {
        RowsQuery {
            country: "JP".to_owned(),
            maturity_age_max,
        }
    }

    fn sixty() -> Vec<PopularTitle> {
        (1..=60)
            .map(|id| title(id, (id % 16) as u8, 1.0 / id as f32, (id % 19) as u8))
            .collect()
    }

    #[test]
    fn taste_comes_first_and_popularity_decides_between_equals() {
        let comedy = likes(3);
        assert!(score(&comedy, &title(1, 3, 0.001, 0)) > score(&comedy, &title(2, 4, 0.01, 0)));
        assert!(score(&comedy, &title(1, 3, 0.01, 0)) > score(&comedy, &title(2, 3, 0.001, 0)));
        assert!(score(&comedy, &title(1, 99, 0.0, 0)).is_finite());
    }

    #[test]
    fn the_same_profile_gets_the_same_four_full_rows_without_repetition() {
        let made = rows(&likes(3), &sixty(), &query(18));
        assert_eq!(made, rows(&likes(3), &sixty(), &query(18)));
        assert_eq!(made.len(), 4);
        let ids: BTreeSet<u32> = made.iter().flat_map(|row| row.titles.clone()).collect();
        assert_eq!(ids.len(), 4 * ROW_TITLES);
        assert_eq!(made[1].name, "More comedy");
        assert_ne!(made, rows(&likes(5), &sixty(), &query(18)));
    }

    #[test]
    fn no_row_has_a_title_above_the_age_limit() {
        let list = sixty();
        for row in rows(&likes(3), &list, &query(7)) {
            for id in row.titles {
                assert!(
                    list.iter()
                        .any(|title| title.id == id && title.maturity_age <= 7)
                );
            }
        }
    }

    #[test]
    fn nothing_to_choose_from_makes_no_rows() {
        assert!(rows(&likes(3), &[], &query(18)).is_empty());
    }
}
