//! Keeps a process that ends as soon as it is started from being started
//! without a pause.

use std::time::Duration;

/// Who ends sooner than this after a start has not served anybody.
const BRIEF: Duration = Duration::from_secs(1);
/// The pause after the second brief life in a row; it doubles from there.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause, where the restart policy asks for no longer one.
const LONGEST: Duration = Duration::from_secs(10);

/// Counts brief lives in a row.
#[derive(Debug, Default)]
pub(super) struct Brake {
    in_a_row: u32,
}

impl Brake {
    /// The pause before the next start, of a process that has lived for `lived`
    /// and whose policy asks for `asked`.
    pub(super) fn pause(&mut self, lived: Duration, asked: Duration) -> Duration {
        if lived >= BRIEF {
            self.in_a_row = 0;
            return asked;
        }
        let doubled = 1_u32.checked_shl(self.in_a_row.saturating_sub(1));
        let pause = match self.in_a_row {
            0 => Duration::ZERO,
            _ => doubled.map_or(LONGEST, |times| FIRST.saturating_mul(times).min(LONGEST)),
        };
        self.in_a_row = self.in_a_row.saturating_add(1);
        asked.max(pause)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_grow_while_lives_are_brief() {
        let mut brake = Brake::default();
        let pauses: Vec<u128> = (0..12)
            .map(|_| brake.pause(Duration::ZERO, Duration::ZERO).as_millis())
            .collect();
        assert_eq!(
            pauses,
            [
                0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000, 10_000
            ]
        );
        assert_eq!(brake.pause(BRIEF, Duration::ZERO), Duration::ZERO);
        assert_eq!(brake.pause(Duration::ZERO, Duration::ZERO), Duration::ZERO);
        assert_eq!(brake.pause(Duration::ZERO, Duration::ZERO), FIRST);
    }

    proptest! {
        /// The policy's own pause always passes, and a minute has a bounded
        /// number of starts whatever the process does.
        #[test]
        fn nobody_spins(asked_ms in 0_u64..20_000, lives_ms in proptest::collection::vec(0_u64..999, 1..200)) {
            let asked = Duration::from_millis(asked_ms);
            let mut brake = Brake::default();
            let mut passed = Duration::ZERO;
            let mut starts = 0;
            for life in lives_ms {
                let pause = brake.pause(Duration::from_millis(life), asked);
                prop_assert!(pause >= asked);
                passed += pause;
                starts += u32::from(passed < Duration::from_secs(60));
            }
            prop_assert!(starts <= 14, "{}", starts);
        }
    }
}
