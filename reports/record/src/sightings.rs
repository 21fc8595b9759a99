//! When failures were met: the first and the last of each kind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BadKind, DropCause};

/// The first and the last failure of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sighting {
    /// The kind; absent where the arrivals were never sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<BadKind>,
    /// Why they were never sent, where they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<DropCause>,
    /// When the first of them was scheduled, in microseconds since time zero.
    pub first_us: i64,
    /// When the last of them was scheduled.
    pub last_us: i64,
}

/// One [`Sighting`] for each kind of failure that occurred: at most as many as
/// there are kinds, however many failures there were.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Sightings(Vec<Sighting>);

impl Sightings {
    /// Notes a failure of an arrival that was scheduled at `at_us`: a kind, or why
    /// it was never sent.
    pub fn see(&mut self, kind: Option<BadKind>, dropped: Option<DropCause>, at_us: i64) {
        self.take(Sighting {
            kind,
            dropped,
            first_us: at_us,
            last_us: at_us,
        });
    }

    /// Adds those of `other`.
    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|sighting| self.take(*sighting));
    }

    /// The first and the last of a kind, in microseconds since time zero.
    #[must_use]
    pub fn of(&self, kind: Option<BadKind>, dropped: Option<DropCause>) -> Option<(i64, i64)> {
        let mut all = self.0.iter();
        let found = all.find(|known| (known.kind, known.dropped) == (kind, dropped));
        found.map(|found| (found.first_us, found.last_us))
    }

    /// Whether there was no failure, or the record is of a version that does not
    /// say when they were.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, other: Sighting) {
        let mut all = self.0.iter_mut();
        let known = all.find(|known| (known.kind, known.dropped) == (other.kind, other.dropped));
        match known {
            Some(known) => {
                known.first_us = known.first_us.min(other.first_us);
                known.last_us = known.last_us.max(other.last_us);
            }
            None => self.0.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ALL_DROP_CAUSES;

    proptest! {
        /// Whoever saw them, and in whatever order.
        #[test]
        fn first_and_last_are_those_of_all_together(
            seen in prop::collection::vec((0..3_usize, -5..5_i64, any::<bool>()), 0..40),
        ) {
            let (mut one, mut other) = (Sightings::default(), Sightings::default());
            for (cause, at_us, whose) in &seen {
                let into = if *whose { &mut one } else { &mut other };
                into.see(None, Some(ALL_DROP_CAUSES[*cause]), *at_us);
            }
            one.add(&other);
            for (nth, cause) in ALL_DROP_CAUSES.into_iter().enumerate() {
                let times = seen.iter().filter(|(it, ..)| *it == nth).map(|(_, at_us, _)| *at_us);
                let expected = times.clone().min().zip(times.max());
                prop_assert_eq!(one.of(None, Some(cause)), expected);
            }
            let text = serde_json::to_string(&one).unwrap();
            prop_assert_eq!(serde_json::from_str::<Sightings>(&text).unwrap(), one);
        }
    }
}
