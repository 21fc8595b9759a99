//! "Did you mean …?": the known word nearest to an unknown one.

/// The candidate that `word` is most likely a slip of, if any is near enough:
/// at most one edit for every three characters, swaps counting as one.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Comparing is quadratic, and nobody misspells a word of that length.
    const CHARACTERS_MAX: usize = 64;
    let word: Vec<char> = word.to_lowercase().chars().collect();
    if word.is_empty() || word.len() > CHARACTERS_MAX {
        return None;
    }
    let allowed = (word.len() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| {
            let letters: Vec<char> = candidate
                .to_lowercase()
                .chars()
                .take(CHARACTERS_MAX)
                .collect();
            (edits(&word, &letters), candidate)
        })
        .filter(|(distance, candidate)| {
            *distance <= allowed && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one
/// word into the other (optimal string alignment).
fn edits(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let replace = last[j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[to.len()]
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
