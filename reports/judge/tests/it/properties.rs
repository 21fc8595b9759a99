//! Laws of the judge.

use proptest::prelude::*;
use squall_judge::*;

use crate::synthetic::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Losing or inventing one arrival anywhere is always noticed.
    #[test]
    fn conservation_is_enforced(at in any::<prop::sample::Index>(), field in 0..4_usize, more in any::<bool>()) {
        let mut record = passing();
        let at = at.index(record.intervals.len());
        // The stretch between two fault edges is too short for the rare route.
        let counts = &mut record.intervals[at].routes[0].counts;
        let field = match field {
            0 => &mut counts.scheduled,
            1 => &mut counts.good,
            2 => &mut counts.dropped,
            _ => &mut counts.unfinished,
        };
        *field = if more || *field == 0 { *field + 1 } else { *field - 1 };
        prop_assert_eq!(judge(&record).outcome, RunOutcome::Internal);
    }
}
