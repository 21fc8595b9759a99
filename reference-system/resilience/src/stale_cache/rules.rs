//! How long an answer is kept, and how many.

use std::time::Duration;

use crate::PropertiesError;
use crate::properties::{DAY_MS, within};
use crate::single_flight::FlightRules;

/// What bounds a [`StaleCache`](super::StaleCache), in time and number. The names are those of RFC
/// 5861.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaleCacheRules {
    /// How long an answer is fresh, in milliseconds from when it arrived. Default 1000.
    pub fresh_ms: u64,
    /// For how long after that a stale answer is given at once while it is asked for anew in the
    /// background, in milliseconds. Default 0: it is not.
    pub stale_while_revalidate_ms: u64,
    /// For how long after it was fresh an answer stands in for a call that fails, in milliseconds.
    /// Default 60 000.
    pub stale_if_error_ms: u64,
    /// How many answers are kept; those that were used longest ago go. Default 1000.
    pub max_entries: usize,
    /// What all of them may weigh together. Default without bound.
    pub max_weight: u64,
    /// What bounds the executions that calls share.
    pub flights: FlightRules,
}

impl Default for StaleCacheRules {
    fn default() -> Self {
        Self {
            fresh_ms: 1000,
            stale_while_revalidate_ms: 0,
            stale_if_error_ms: 60_000,
            max_entries: 1000,
            max_weight: u64::MAX,
            flights: FlightRules::default(),
        }
    }
}

impl StaleCacheRules {
    /// Checks every rule.
    ///
    /// # Errors
    /// The first found wrong, and what it must be.
    pub fn validate(&self) -> Result<(), PropertiesError> {
        within("fresh_ms", self.fresh_ms, 1, DAY_MS)?;
        let (while_ms, if_ms) = (self.stale_while_revalidate_ms, self.stale_if_error_ms);
        within("stale_while_revalidate_ms", while_ms, 0, DAY_MS)?;
        within("stale_if_error_ms", if_ms, 0, DAY_MS)?;
        within("max_entries", self.max_entries as u64, 1, u64::MAX)?;
        within("max_weight", self.max_weight, 1, u64::MAX)?;
        self.flights.validate()
    }

    /// What an answer of this age is good for.
    pub(super) fn use_of(&self, age: Duration) -> Use {
        let fresh = Duration::from_millis(self.fresh_ms);
        let until = |stale_ms| age < fresh + Duration::from_millis(stale_ms);
        if age < fresh {
            Use::Fresh
        } else if until(self.stale_while_revalidate_ms) {
            Use::WhileRevalidating
        } else if until(self.stale_if_error_ms) {
            Use::IfError
        } else {
            Use::Nothing
        }
    }

    /// Whether one of this age may stand in for a call that failed.
    pub(super) fn stands_in(&self, age: Duration) -> bool {
        age < Duration::from_millis(self.fresh_ms + self.stale_if_error_ms)
    }
}

/// What an answer is good for by its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Fresh,
    WhileRevalidating,
    IfError,
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_the_first_instant_beyond() {
        let rules = StaleCacheRules {
            fresh_ms: 10,
            stale_while_revalidate_ms: 5,
            stale_if_error_ms: 20,
            ..StaleCacheRules::default()
        };
        let at = |ms| rules.use_of(Duration::from_millis(ms));
        assert_eq!((at(0), at(9)), (Use::Fresh, Use::Fresh));
        assert_eq!(
            (at(10), at(14)),
            (Use::WhileRevalidating, Use::WhileRevalidating)
        );
        assert_eq!((at(15), at(29)), (Use::IfError, Use::IfError));
        assert_eq!(at(30), Use::Nothing);
    }

    #[test]
    fn rules_that_cannot_be_are_named() {
        let defaults = StaleCacheRules::default;
        assert_eq!(defaults().validate(), Ok(()));
        let (no_flights, mut no_waiters) = (FlightRules::default(), defaults());
        no_waiters.flights = FlightRules {
            max_waiters: 0,
            ..no_flights
        };
        #[rustfmt::skip]
        let wrong = [
            (StaleCacheRules { fresh_ms: 0, ..defaults() }, "fresh_ms"),
            (StaleCacheRules { stale_if_error_ms: DAY_MS + 1, ..defaults() }, "stale_if_error_ms"),
            (StaleCacheRules { stale_while_revalidate_ms: DAY_MS + 1, ..defaults() }, "stale_while_"),
            (StaleCacheRules { max_entries: 0, ..defaults() }, "max_entries"),
            (StaleCacheRules { max_weight: 0, ..defaults() }, "max_weight"),
            (no_waiters, "max_waiters"),
        ];
        for (rules, name) in wrong {
            let error = rules.validate().unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }
}
