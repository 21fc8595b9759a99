//! Texts and paths in which something stands for anything.

/// Whether a text fits a pattern in which `*` stands for anything.
pub(crate) fn text_fits(pattern: &[u8], text: &[u8]) -> bool {
    wildcard(pattern, text, |one| *one == b'*', |wanted, is| wanted == is)
}

/// Whether `items` fit a `pattern` of which some items stand for any number of
/// items. Takes at most the product of both lengths: only the last such item is
/// ever tried again.
pub(crate) fn wildcard<P, T>(
    pattern: &[P],
    items: &[T],
    is_any: impl Fn(&P) -> bool,
    fits: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut at, mut of) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while at < items.len() {
        match pattern.get(of) {
            Some(one) if is_any(one) => {
                again = Some((of, at));
                of += 1;
            }
            Some(one) if fits(one, &items[at]) => {
                of += 1;
                at += 1;
            }
            Some(_) | None => match again {
                Some((any, from)) => {
                    again = Some((any, from + 1));
                    of = any + 1;
                    at = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[of..].iter().all(is_any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("*b*", "abc", true),
            ("a", "ab", false),
        ] {
            let is = text_fits(pattern.as_bytes(), text.as_bytes());
            assert_eq!(is, fits, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn a_long_pattern_does_not_take_for_ever() {
        let pattern = "a*".repeat(100);
        assert!(text_fits(pattern.as_bytes(), &[b'a'; 10_000]));
        assert!(!text_fits((pattern + "b").as_bytes(), &[b'a'; 10_000]));
    }
}
