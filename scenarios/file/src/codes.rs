//! The codes of all diagnostics, and what they mean.

use std::sync::LazyLock;

use serde::Serialize;
use squall_scenario::QuantityProblem;

macro_rules! codes {
    ($($name:ident = $code:literal),+ $(,)?) => {
        $(pub(crate) const $name: &str = $code;)+
        /// Every code.
        #[cfg(test)]
        pub(crate) const ALL: &[&str] = &[$($code),+];
    };
}

codes! {
    UNREADABLE = "S0001",
    EMPTY_FILE = "S0002",
    NOT_TEXT = "S0003",
    TOO_LARGE = "S0004",
    SYNTAX = "S0010",
    TAB = "S0011",
    DUPLICATE_KEY = "S0012",
    TOO_MANY_VALUES = "S0013",
    SECOND_DOCUMENT = "S0014",
    YAML_FEATURE = "S0015",
    UNKNOWN_KEY = "S0101",
    MISSING_KEY = "S0102",
    WRONG_SHAPE = "S0103",
    VERSION = "S0104",
    UNKNOWN_WORD = "S0105",
    NOTHING_IN_IT = "S0106",
    BAD_NAME = "S0107",
    OUT_OF_RANGE = "S0108",
    NOT_A_NUMBER = "S0109",
    BARE_NUMBER = "S0110",
    UNKNOWN_UNIT = "S0111",
    DUPLICATE_NAME = "S0112",
    KEYS_CONFLICT = "S0113",
    BAD_REQUEST_LINE = "S0114",
    BAD_ADDRESS = "S0115",
    BAD_PATTERN = "S0116",
    BAD_POINTER = "S0117",
    NOT_SENDABLE = "S0118",
    NUL_IN_TEXT = "S0119",
    UNKNOWN_REFERENCE = "S0120",
    UNKNOWN_VALUE = "S0121",
    UNKNOWN_SETTING = "S0122",
    NOT_TAKEN_YET = "S0123",
    NEVER_USED = "S0124",
    BAD_PROTO = "S0125",
    NO_SUCH_METHOD = "S0126",
    MESSAGE_MISFIT = "S0127",
    REPEAT_INCOMPLETE = "S0201",
    REPEAT_OVERLAPS = "S0202",
    BEFORE_TIME_ZERO = "S0203",
    OUTLIVES_LOAD = "S0204",
    JITTER_ABOVE_DELAY = "S0205",
    NO_BASELINE = "S0206",
    NOT_BEHIND_A_LINK = "S0207",
    NOT_A_PROCESS = "S0208",
    NEVER_RESTARTED = "S0209",
    FAULT_WITHOUT_END = "S0210",
    TOO_FEW_MEMBERS = "S0211",
    LOAD_TOO_LARGE = "S0213",
    RECOVERY_UNSEEN = "S0216",
    WITHIN_ABOVE_TIMEOUT = "S0217",
    NO_TARGET = "S0218",
    FAULT_NEVER_PAUSES = "S0219",
    TOO_FEW_CYCLES = "S0220",
    PAUSES_OVERLAP = "S0221",
    SHARE_OF_NO_CONNECTIONS = "S0222",
    NOT_HELD_DOWN = "S0224",
    NO_TLS_THERE = "S0225",
    NOBODY_IN_SCOPE = "S0228",
    NAME_AND_FAULT = "S0230",
    MONKEY_KILLS_NOBODY = "S0240",
    GATE_WITHOUT_UNIT = "S0301",
    PERCENTILE_SPELLING = "S0302",
    WHICH_LATENCY = "S0303",
    GATE_SYNTAX = "S0304",
    PASSES_WHEN_BAD = "S0305",
    VALUE_DOES_NOT_FIT = "S0306",
    GATE_OUT_OF_PLACE = "S0307",
    NO_QUANTILE = "S0308",
    ABORTS_EARLY = "S0309",
    TOO_FEW_SAMPLES = "S0310",
    EMPTY_WINDOW = "S0311",
    NO_BREAKER_SOURCE = "S0312",
    TWO_MEANINGS = "S0315",
    NO_FALLBACK_COUNTS = "S0316",
    RECOVERY_ONLY = "S0320",
    AFTER_INCOMPLETE = "S0321",
    UNKNOWN_WINDOW = "S0322",
    FAILS_NO_GATE = "S0324",
    FAILS_NO_USER_GATE = "S0325",
    NO_GATES = "S0326",
    NOT_MAPPED = "S0330",
    LEFT_OUT = "S0331",
    ENV_NOT_SET = "S0401",
    BAD_ENV = "S0402",
    QUOTED_ENV = "S0403",
    REMOTE_TARGET = "S0410",
    FOREIGN_PROCESS = "S0411",
}

/// The code of a quantity that is none.
pub(crate) const fn of_quantity(problem: QuantityProblem) -> &'static str {
    match problem {
        QuantityProblem::BareNumber => BARE_NUMBER,
        QuantityProblem::UnknownUnit => UNKNOWN_UNIT,
        QuantityProblem::OutOfRange => OUT_OF_RANGE,
    }
}

/// What a code means, at length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The code.
    pub code: &'static str,
    /// The rule in a few words.
    pub title: &'static str,
    /// Why the rule exists and what to do, as Markdown with an example.
    pub text: &'static str,
}

/// The prose stands in a file of its own, where it is pleasant to edit.
static EXPLANATIONS: LazyLock<Vec<Explanation>> =
    LazyLock::new(|| split(include_str!("../../diagnostics.md")));

/// What a code means, or `None` if there is no such code. Case does not
/// matter.
#[must_use]
pub fn explain(code: &str) -> Option<&'static Explanation> {
    EXPLANATIONS
        .iter()
        .find(|known| known.code.eq_ignore_ascii_case(code))
}

/// Every code with its meaning, in order.
#[must_use]
pub fn explanations() -> &'static [Explanation] {
    &EXPLANATIONS
}

/// Cuts the prose at its `## CODE title` headings.
fn split(markdown: &'static str) -> Vec<Explanation> {
    markdown
        .split("\n## ")
        .skip(1)
        .filter_map(|section| {
            let (heading, text) = section.split_once('\n')?;
            let (code, title) = heading.split_once(' ')?;
            Some(Explanation {
                code,
                title: title.trim(),
                text: text.trim(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_once_in_order_with_an_example() {
        let explained: Vec<&str> = explanations().iter().map(|e| e.code).collect();
        assert_eq!(explained, ALL);
        assert!(explained.is_sorted());
        for explanation in explanations() {
            assert!(explanation.text.len() > 80, "{}", explanation.code);
            assert!(explanation.text.contains("```"), "{}", explanation.code);
        }
    }

    #[test]
    fn codes_are_found_in_any_case() {
        assert_eq!(explain("s0110").unwrap().code, "S0110");
        assert!(explain("S9999").is_none());
    }
}
