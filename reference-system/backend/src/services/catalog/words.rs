//! What counts as a word, of a title and of somebody who looks for one.

use crate::dataset::model::GENRES;
use crate::services::catalog::Record;

/// Words of a search; what is behind them is left out.
const WORDS_MAX: usize = 8;

/// The words of a text, small, in their order.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .map(str::to_lowercase)
        .collect()
}

/// The words a title is found by: those of its name, its genres and its year.
pub(crate) fn words_of(record: &Record) -> Vec<String> {
    let title = &record.title;
    let mut all = words(&title.name);
    let genres = title.genres.iter();
    let names = genres.filter_map(|place| GENRES.get(usize::from(*place)));
    all.extend(names.flat_map(|name| words(name)));
    all.push(title.year.to_string());
    all
}

/// Whether a title has all of these words. The last may be the beginning of one: whoever looks
/// for it is still typing.
pub(crate) fn has_words(record: &Record, wanted: &[String]) -> bool {
    let own = words_of(record);
    match wanted.split_last() {
        Some((last, whole)) => {
            whole.iter().all(|word| own.contains(word))
                && own.iter().any(|word| word.starts_with(last.as_str()))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_small_few_and_without_what_is_between_them() {
        assert_eq!(words("Silent  Harbour, 42!"), ["silent", "harbour", "42"]);
        assert_eq!(words("Ärger im Garten"), ["ärger", "im", "garten"]);
        assert!(words(" -- ").is_empty());
        assert_eq!(words(&"a ".repeat(100)).len(), WORDS_MAX);
    }
}
