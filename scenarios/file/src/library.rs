//! The scenarios and systems that come with the binary.

use squall_scenario::nearest;

/// Start of the name of a source from the library.
pub const PREFIX: &str = "library:";

const SCENARIOS: &[(&str, &str)] = &[
    (
        "broken-answers",
        include_str!("../../library/broken-answers.yaml"),
    ),
    (
        "cache-outage",
        include_str!("../../library/cache-outage.yaml"),
    ),
    (
        "chaos-gorilla",
        include_str!("../../library/chaos-gorilla.yaml"),
    ),
    (
        "chaos-monkey",
        include_str!("../../library/chaos-monkey.yaml"),
    ),
    (
        "expired-cache-certificate",
        include_str!("../../library/expired-cache-certificate.yaml"),
    ),
    (
        "hung-handshakes",
        include_str!("../../library/hung-handshakes.yaml"),
    ),
    (
        "hung-licences",
        include_str!("../../library/hung-licences.yaml"),
    ),
    ("hung-rows", include_str!("../../library/hung-rows.yaml")),
    (
        "late-answers",
        include_str!("../../library/late-answers.yaml"),
    ),
    ("slow-links", include_str!("../../library/slow-links.yaml")),
    (
        "latency-monkey",
        include_str!("../../library/latency-monkey.yaml"),
    ),
    (
        "nameless-discovery",
        include_str!("../../library/nameless-discovery.yaml"),
    ),
    (
        "one-way-partition",
        include_str!("../../library/one-way-partition.yaml"),
    ),
    (
        "out-of-descriptors",
        include_str!("../../library/out-of-descriptors.yaml"),
    ),
    (
        "slow-recommendations",
        include_str!("../../library/slow-recommendations.yaml"),
    ),
    (
        "starved-cache",
        include_str!("../../library/starved-cache.yaml"),
    ),
    (
        "starved-recommendations",
        include_str!("../../library/starved-recommendations.yaml"),
    ),
    (
        "unavailable-answers",
        include_str!("../../library/unavailable-answers.yaml"),
    ),
];

const SYSTEMS: &[(&str, &str)] = &[
    ("reference", include_str!("../../systems/reference.yaml")),
    (
        "reference-names",
        include_str!("../../systems/reference-names.yaml"),
    ),
    (
        "reference-tls",
        include_str!("../../systems/reference-tls.yaml"),
    ),
];

/// Names and texts of all scenarios, by name.
#[must_use]
pub const fn scenarios() -> &'static [(&'static str, &'static str)] {
    SCENARIOS
}

/// Names and texts of all systems, by name.
#[must_use]
pub const fn systems() -> &'static [(&'static str, &'static str)] {
    SYSTEMS
}

/// The text of a scenario.
#[must_use]
pub fn scenario(name: &str) -> Option<&'static str> {
    find(SCENARIOS, name)
}

/// The text of a system.
#[must_use]
pub fn system(name: &str) -> Option<&'static str> {
    find(SYSTEMS, name)
}

/// A scenario of the library as a source; its system comes from the library
/// as well.
#[must_use]
pub fn source(name: &str) -> Option<crate::source::Source> {
    scenario(name).map(|text| crate::source::Source::new(format!("{PREFIX}{name}"), text))
}

/// The scenario of the library that a name is most likely a slip of.
#[must_use]
pub fn meant(name: &str) -> Option<&'static str> {
    nearest(name, SCENARIOS.iter().map(|(known, _)| *known))
}

fn find(list: &'static [(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    list.iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_in_names_are_recognised() {
        for slip in [
            "slow-recomendations",
            "slow_recommendations",
            "Slow-Recommendation",
        ] {
            assert_eq!(meant(slip), Some("slow-recommendations"));
        }
        assert_eq!(meant("checkout"), None);
    }
}
