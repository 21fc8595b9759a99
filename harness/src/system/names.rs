//! What the system calls things, where a scenario calls them otherwise.

use std::collections::BTreeSet;

use squall_scenario::nearest;

use super::log_lines::quotable;

/// Names that are listed before the rest is counted.
const LISTED: usize = 8;

/// What there is instead of `wanted`, and what was probably meant:
/// "it has catalog, evcache: did you mean `evcache`?". The names are the
/// system's words: they are cut and stand in one line.
pub(super) fn there_is(wanted: &str, names: &BTreeSet<&str>) -> String {
    if names.is_empty() {
        return "it has nothing".to_owned();
    }
    let meant = meant(wanted, names);
    // What was meant is not hidden among the rest.
    let mut listed: Vec<String> = meant.into_iter().map(quotable).collect();
    let others = names.iter().filter(|name| Some(**name) != meant);
    listed.extend(
        others
            .take(LISTED - listed.len())
            .map(|name| quotable(name)),
    );
    if names.len() <= LISTED {
        listed.sort_unstable();
    }
    let more = match names.len() - listed.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let meant = meant.map_or_else(String::new, |name| {
        format!(": did you mean `{}`?", quotable(name))
    });
    format!("it has {}{more}{meant}", listed.join(", "))
}

/// The name that is nearest, or the shortest that holds the one that was
/// wanted, or is held by it.
fn meant<'n>(wanted: &str, names: &BTreeSet<&'n str>) -> Option<&'n str> {
    const PART_MIN: usize = 3;
    let wanted_small = wanted.to_lowercase();
    let is_part = |name: &&&str| {
        let name = name.to_lowercase();
        let shorter = name.len().min(wanted_small.len());
        shorter >= PART_MIN && (name.contains(&wanted_small) || wanted_small.contains(&name))
    };
    nearest(wanted, names.iter().copied()).or_else(|| {
        let parts = names.iter().filter(is_part);
        parts.min_by_key(|name| name.len()).copied()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_listed_with_what_was_meant() {
        let names = BTreeSet::from(["recommendations", "catalog", "evcache"]);
        assert_eq!(
            there_is("cache", &names),
            "it has catalog, evcache, recommendations: did you mean `evcache`?"
        );
        assert_eq!(
            there_is("catalgo", &names),
            "it has catalog, evcache, recommendations: did you mean `catalog`?"
        );
        assert_eq!(
            there_is("billing", &names),
            "it has catalog, evcache, recommendations"
        );
        assert_eq!(there_is("x", &BTreeSet::new()), "it has nothing");
    }

    #[test]
    fn lists_are_short_and_hold_what_was_meant() {
        let many: Vec<String> = (0..100).map(|n| format!("metric_{n:03}")).collect();
        let mut names: BTreeSet<&str> = many.iter().map(String::as_str).collect();
        names.insert("breaker_state\u{1b}[31m");
        names.insert("zeta_total");
        let text = there_is("zeta_totl", &names);
        assert!(
            text.starts_with("it has zeta_total, breaker_state[31m, metric_000,"),
            "{text}"
        );
        assert!(
            text.ends_with(" and 94 more: did you mean `zeta_total`?"),
            "{text}"
        );
    }
}
