//! What a link of squall went without: its callers suffered from that, and its target
//! had no part in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::DropCause;

/// A link went without something that is squall's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkShort {
    /// Name of the link, or of the instance it fronts.
    pub link: String,
    /// What there was none of: a descriptor, a port or memory.
    pub cause: DropCause,
    /// How often that was, all since `over_us` before this was told. Each time a caller
    /// was reset, refused or had to wait.
    pub times: u64,
    /// In how many microseconds.
    pub over_us: u64,
}

impl LinkShort {
    /// In words, as all screens and reports say it.
    #[must_use]
    pub fn words(&self) -> String {
        let times = match self.times {
            1 => "once".to_owned(),
            many => format!("{many} times"),
        };
        format!(
            "link {} failed its callers {times}, whatever its target did: {}",
            self.link, self.cause
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_link_lacked_is_said_to_be_none_of_its_targets_doing() {
        let mut short = LinkShort {
            link: "api-0".to_owned(),
            cause: DropCause::Ports,
            times: 246,
            over_us: 1_000_000,
        };
        let said = "link api-0 failed its callers 246 times, whatever its target did: \
                    no local port was left";
        assert_eq!(short.words(), said);
        short.times = 1;
        assert!(short.words().contains(" once, "));
    }
}
