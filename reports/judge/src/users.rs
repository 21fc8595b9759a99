//! Distinct users of a window: who asked and who was hurt, exactly.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_record::IntervalUsers;

use crate::quantity::grouped;

/// Distinct users of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserImpact {
    /// Users with at least one settled arrival.
    pub seen: u64,
    /// Users with at least one that failed or was dropped.
    pub hurt: u64,
    /// Whether some second had more users than are told apart, so that there
    /// are more than these.
    pub at_least: bool,
}

impl std::fmt::Display for UserImpact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let least = if self.at_least { "at least " } else { "" };
        write!(
            f,
            "{least}{} of {} users had at least one failed request",
            grouped(self.hurt),
            grouped(self.seen)
        )
    }
}

/// Counts the distinct users of a window.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserTally {
    seen: HashSet<u64>,
    hurt: HashSet<u64>,
    at_least: bool,
}

impl UserTally {
    /// Counts the users of one interval.
    pub(crate) fn add(&mut self, users: &IntervalUsers) {
        self.seen.extend(users.seen.iter());
        self.hurt.extend(users.hurt.iter());
        self.at_least |= users.overflowed;
    }

    /// `None` when no user was seen at all.
    pub(crate) fn impact(&self) -> Option<UserImpact> {
        (!self.seen.is_empty()).then_some(UserImpact {
            seen: self.seen.len() as u64,
            hurt: self.hurt.len() as u64,
            at_least: self.at_least,
        })
    }
}

#[cfg(test)]
mod tests {
    use squall_record::USERS_MAX;

    use super::*;

    #[test]
    fn a_user_counts_once_in_a_window() {
        let mut tally = UserTally::default();
        tally.add(&IntervalUsers::new(vec![1, 2, 3, 2], vec![2]));
        tally.add(&IntervalUsers::new(vec![3, 4], vec![3]));
        let impact = tally.impact().unwrap();
        assert_eq!((impact.seen, impact.hurt), (4, 2));
        assert_eq!(
            impact.to_string(),
            "2 of 4 users had at least one failed request"
        );
        assert!(UserTally::default().impact().is_none());
    }

    #[test]
    fn too_many_users_are_told() {
        let many: Vec<u64> = (0..=USERS_MAX as u64).collect();
        let users = IntervalUsers::new(many.clone(), many);
        let mut tally = UserTally::default();
        tally.add(&users);
        let impact = tally.impact().unwrap();
        assert!(impact.at_least && impact.seen == USERS_MAX as u64 && impact.hurt <= impact.seen);
    }
}
