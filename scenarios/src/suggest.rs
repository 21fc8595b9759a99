//! "Did you mean …?": the known word nearest to an unknown one.

use strsim::osa_distance;

/// Comparing is quadratic, and nobody misspells a word of that length.
const CHARACTERS_MAX: usize = 64;

/// The candidate that `word` is most likely a slip of, if any is near enough:
/// at most one edit for every three characters, swaps counting as one.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    if !(1..=CHARACTERS_MAX).contains(&length) {
        return None;
    }
    let allowed = (length / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| {
            let letters = candidate
                .to_lowercase()
                .chars()
                .take(CHARACTERS_MAX)
                .collect::<String>();
            (osa_distance(&word, &letters), candidate)
        })
        .filter(|(distance, candidate)| {
            *distance <= allowed && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        let words = ["requests", "shape", "connections"];
        assert_eq!(nearest("reqeusts", words), Some("requests"));
        assert_eq!(nearest("Shape", words), Some("shape"));
        assert_eq!(nearest("conections", words), Some("connections"));
    }

    #[test]
    fn other_words_are_not() {
        assert_eq!(nearest("colour", ["requests", "shape"]), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("", ["y"]), None);
    }
}
