//! An inverted index of all titles: from words to titles, and from genres to titles, the most
//! watched first.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::Record;
use super::words::words_of;
use crate::dataset::model::GENRES;

/// Places in the list of records, ascending, which is the order of popularity.
type Places = Vec<u32>;

/// The index. It does not change: titles do not, here.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By id, which is by popularity.
    records: Vec<Record>,
    words: BTreeMap<String, Places>,
    genres: Vec<Places>,
}

impl Index {
    /// The index of these titles.
    pub(super) fn of(mut records: Vec<Record>) -> Self {
        records.sort_unstable_by_key(|record| record.title.id);
        let mut words: BTreeMap<String, Places> = BTreeMap::new();
        let mut genres = vec![Places::new(); GENRES.len()];
        for (place, record) in (0_u32..).zip(&records) {
            for word in words_of(record).into_iter().collect::<BTreeSet<_>>() {
                words.entry(word).or_default().push(place);
            }
            for genre in &record.title.genres {
                if let Some(places) = genres.get_mut(usize::from(*genre)) {
                    places.push(place);
                }
            }
        }
        Self {
            records,
            words,
            genres,
        }
    }

    /// How many titles it has.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The titles with all of these words, of which the last may be the beginning of one: first
    /// those that have it whole, then the others, each by popularity.
    pub(super) fn with_words<'a>(
        &'a self,
        wanted: &'a [String],
    ) -> impl Iterator<Item = &'a Record> {
        let (whole, last) = match wanted.split_last() {
            Some((last, whole)) => (whole, last.as_str()),
            None => (wanted, ""),
        };
        // A word that no title has leaves no title.
        let known: Option<Vec<&Places>> = whole.iter().map(|word| self.words.get(word)).collect();
        let exact = self.words.get(last);
        let has_last_whole = |place: &u32| exact.is_some_and(|list| has(list, *place));
        let mut places: Vec<u32> = match known {
            Some(lists) if !last.is_empty() => self
                .beginning_with(last)
                .filter(|place| lists.iter().all(|list| has(list, *place)))
                .collect(),
            _ => Vec::new(),
        };
        places.sort_unstable_by_key(|place| (!has_last_whole(place), *place));
        places.dedup();
        places.into_iter().filter_map(|place| self.record(place))
    }

    /// The titles of a genre, by popularity; of a genre that is none, none.
    pub(super) fn of_genre(&self, genre: u8) -> impl Iterator<Item = &Record> {
        let places = self.genres.get(usize::from(genre)).into_iter().flatten();
        places.filter_map(|place| self.record(*place))
    }

    fn beginning_with<'a>(&'a self, start: &'a str) -> impl Iterator<Item = u32> + 'a {
        self.words
            .range::<str, _>((Bound::Included(start), Bound::Unbounded))
            .take_while(move |(word, _)| word.starts_with(start))
            .flat_map(|(_, places)| places.iter().copied())
    }

    fn record(&self, place: u32) -> Option<&Record> {
        self.records.get(usize::try_from(place).ok()?)
    }
}

fn has(list: &Places, place: u32) -> bool {
    list.binary_search(&place).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::generate::titles;
    use crate::services::catalog::words::{has_words, words};
    use proptest::prelude::*;

    fn index() -> &'static Index {
        static INDEX: std::sync::OnceLock<Index> = std::sync::OnceLock::new();
        INDEX.get_or_init(|| {
            let record = |(title, countries)| Record { title, countries };
            // In no order: the index brings its own.
            let mut records: Vec<Record> = titles(42).into_iter().take(3_000).map(record).collect();
            records.reverse();
            Index::of(records)
        })
    }

    fn ids<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<u32> {
        records.map(|record| record.title.id).collect()
    }

    #[test]
    fn a_title_is_found_by_its_whole_name() {
        for record in index().records.iter().take(50) {
            let wanted = words(&record.title.name);
            let found = index().with_words(&wanted);
            assert!(ids(found).contains(&record.title.id), "{record:?}");
        }
    }

    #[test]
    fn whole_words_come_before_beginnings_of_words() {
        // Names end in numbers from 2 to 99, and years begin with them.
        let wanted = words("silent 19");
        let found: Vec<bool> = index()
            .with_words(&wanted)
            .map(|record| words_of(record).contains(&"19".to_owned()))
            .collect();
        let turn = found.iter().position(|is_whole| !is_whole).unwrap();
        assert!(turn > 0 && found[turn..].iter().all(|is_whole| !is_whole));
    }

    #[test]
    fn genres_hold_their_titles_by_popularity() {
        let comedy = GENRES.iter().position(|name| *name == "comedy").unwrap() as u8;
        let found = ids(index().of_genre(comedy));
        assert!(found.len() > 100 && found.is_sorted());
        let has_it = |record: &&Record| record.title.genres.contains(&comedy);
        assert_eq!(found, ids(index().records.iter().filter(has_it)));
        assert_eq!(index().of_genre(99).count(), 0);
    }

    proptest! {
        /// The index finds what looking at every title would.
        #[test]
        fn it_finds_what_looking_through_everything_finds(
            text in "(silent|golden|paper|river|comedy|drama|[a-z]{1,3}|[0-9]{1,4})( (silent|winter|[a-z0-9]{1,2}))?",
        ) {
            let wanted = words(&text);
            let mut found = ids(index().with_words(&wanted));
            found.sort_unstable();
            let fits = |record: &&Record| has_words(record, &wanted);
            prop_assert_eq!(found, ids(index().records.iter().filter(fits)));
        }
    }
}
